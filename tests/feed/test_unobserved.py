"""What a user sees of a feed that fails or has no subscriber: each once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rxfeed import AuthenticationFailed, ConfigError, Credentials, Feed, Replay, tickers
from rxfeed.secrets import Secret
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.make import ticker
from tests.support.scenes import fast_feed, sending, tick, wait_until
from tests.support.wire import WireServer, close_frame


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("stream", [None, "messages", "status", "keepalive", "malformed", "pipeline"])
def test_feed_without_a_subscriber_is_logged_once(stream: str | None, caplog: pytest.LogCaptureFixture) -> None:
    with Exchange(["BTC-USD"], auto=False) as exchange:
        feed = Feed("BTC-USD", ["ticker"], url=exchange.url)
        got: Any = {
            "messages": lambda: Collected(feed),
            "status": lambda: Collected(feed.status),
            "keepalive": lambda: Collected(feed.keepalive),
            "malformed": lambda: Collected(feed.malformed),
            "pipeline": lambda: Collected(feed.pipe(tickers())),
            None: lambda: None,
        }[stream]()
        with feed:
            exchange.wait_for_clients()
            wait_until(lambda: feed.stats.messages > 0)
            feed.add("BTC-USD", "heartbeat")
            wait_until(lambda: feed.stats.messages > 1)
    lines = warned(caplog)
    assert len(lines) == (stream is None)
    assert all("subscribe()" in line and "no subscriber" in line for line in lines)
    del got


def test_replay_without_a_subscriber_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay([ticker(1)])
    replay.run()
    assert replay.stats.messages == 1
    assert warned(caplog) == []


def test_refused_credentials_are_logged_once_and_raised(caplog: pytest.LogCaptureFixture) -> None:
    with Exchange(["BTC-USD"], auto=False, credentials=Credentials("key", "c2VjcmV0", "phrase")) as exchange:
        feed = Feed("BTC-USD", "full", url=exchange.url, credentials=Credentials("key", "b3RoZXI=", "phrase"))
        feed.subscribe(print)
        with pytest.raises(AuthenticationFailed):
            feed.run()
    (line,) = warned(caplog)
    assert "check key, secret and passphrase; the feed ends" in line


def test_failure_of_a_connected_feed_is_logged_without_run(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing raises it then."""
    with WireServer(sending(tick(1), close_frame(1000))) as server:
        feed = fast_feed(server.url, reconnect=False)
        feed.subscribe(lambda message: None)
        feed.connect()
        assert feed.wait(5)
    assert sum("give subscribe() an on_error" in line for line in warned(caplog)) == 1


@pytest.mark.parametrize("text", ["\ud800", Secret("secret \ud800"), b"text", 5, None])
def test_send_rejects_what_is_no_text(text: Any) -> None:
    feed = Feed("BTC-USD", "ticker", url="ws://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"^send: ") as raised:
        feed.send(text)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize("payload", [b"x" * 126, "text"])
def test_ping_rejects_what_no_frame_holds(payload: Any) -> None:
    feed = Feed("BTC-USD", "ticker", url="ws://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"^ping: "):
        feed.ping(payload)
