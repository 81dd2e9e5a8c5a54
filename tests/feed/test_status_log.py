"""The log of a feed: each problem once, at WARNING, in one line, with the remedy."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from rxfeed import AuthenticationFailed, ConfigError, Credentials, Feed, Reconnect
from rxfeed.cli import main
from rxfeed.errors import HandshakeRejected
from rxfeed.feed import Connecting, Disconnected, StatusLog
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.scenes import answering, fast_feed, of, scenes, sending, tick, wait_until
from tests.support.wire import WireServer, close_frame, frame

REJECTED = frame('{"type":"error","message":"Failed to subscribe","reason":"BTC-XXX is not a valid product"}')
SCRIPT = """
import sys
from rxfeed import Feed
feed = Feed(sys.argv[2], sys.argv[3], url=sys.argv[1])
feed.subscribe(print)
feed.run(seconds=float(sys.argv[4]))
"""


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=30)


def test_unreachable_server_prints_one_line_in_a_plain_program() -> None:
    """Without any configuration of logging; several attempts fail."""
    done = script("ws://127.0.0.1:9", "A-B", "ticker", "3")
    (line,) = done.stderr.splitlines()
    began = "no connection: ws://127.0.0.1:9: connecting to 127.0.0.1: [Errno 111] Connection refused"
    assert line.startswith(f"{began}: check the URL and")
    assert "the next attempt begins" in line
    assert done.stdout == ""


def test_rejected_product_prints_one_line_in_a_plain_program() -> None:
    with Exchange(auto=False) as exchange:
        done = script(exchange.url, "FOO-BAR", "ticker", "1")
    assert done.stderr == (
        "rejected: Failed to subscribe: FOO-BAR is not a valid product: "
        "check the products of the feed: they are named as in BTC-USD\n"
    )


def test_rejection_is_logged_once_and_not_after_each_reconnect(caplog: pytest.LogCaptureFixture) -> None:
    with WireServer(scenes(sending(REJECTED + tick(1) + close_frame(1001)), sending(REJECTED + tick(2)))) as server:
        feed = fast_feed(server.url)
        got = Collected(feed)
        with caplog.at_level(logging.INFO), feed:
            got.wait_for(4)
    assert [text.partition(":")[0] for text in warned(caplog)] == ["rejected", "disconnected"]
    assert sum("Rejected" in each.getMessage() for each in caplog.records) == 1  # the repetition is there, at INFO


def test_each_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    refuse = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n")
    cut = sending(tick(1) + close_frame(1001, "restart"))
    with WireServer(scenes(refuse, refuse, refuse, cut, refuse, refuse, sending(tick(2)))) as server:
        feed = fast_feed(server.url)
        got, status = Collected(feed), Collected(feed.status)
        with caplog.at_level(logging.WARNING), feed:
            got.wait_for(2)
    assert len(of(status, Disconnected)) == 6
    first, second = warned(caplog)
    assert "503 Service Unavailable: check the URL and the headers; the next attempt begins at once" in first
    assert second.startswith(
        "disconnected: the server closed the connection: 1001 restart; the next attempt begins at once"
    )


def test_rejected_credentials_print_one_line(caplog: pytest.LogCaptureFixture) -> None:
    refusal = '{"type":"error","message":"Authentication Failed","reason":"{\\"message\\":\\"Invalid API Key\\"}"}'
    with WireServer(sending(frame(refusal))) as server:
        feed = fast_feed(server.url, "user", credentials=Credentials("my-key", "c2VjcmV0", "my-phrase"))
        with caplog.at_level(logging.WARNING), pytest.raises(AuthenticationFailed):
            feed.run()
    (line,) = warned(caplog)
    assert line == (
        'disconnected: Authentication Failed: {"message":"Invalid API Key"}: check key, secret and passphrase; '
        "the feed ends"
    )


def test_one_letter_passphrase_leaves_the_reason_and_its_remedy(caplog: pytest.LogCaptureFixture) -> None:
    with WireServer(sending(REJECTED)) as server:
        feed = fast_feed(server.url, credentials=Credentials("my-key", "c2VjcmV0", "a"))
        with caplog.at_level(logging.WARNING), feed:
            wait_until(lambda: bool(warned(caplog)))
    (line,) = warned(caplog)
    assert line.startswith("rejected: Failed to subscribe: BTC-XXX is not a valid product: check the products of the")


def test_text_of_the_exchange_is_printed_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    lines = frame('{"type":"error","message":"Failed\\nto subscribe","reason":"two\\r\\nlines"}')
    with WireServer(sending(lines)) as server:
        feed = fast_feed(server.url)
        with caplog.at_level(logging.WARNING), feed:
            wait_until(lambda: bool(warned(caplog)))
    assert warned(caplog) == ["rejected: Failed to subscribe: two lines"]


def test_status_of_a_recording_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """`Replay` emits the same status items."""
    with caplog.at_level(logging.INFO):
        FeedStreams(1.0).report(Disconnected(cause=ConnectionError("then")))
    assert [each.levelno for each in caplog.records] == [logging.INFO]


def test_quiet_types_are_no_warnings(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        StatusLog(quiet=[Disconnected]).write(Disconnected(cause=AuthenticationFailed("no")))
        StatusLog().write(Connecting(url="ws://x"))
    assert [each.levelno for each in caplog.records] == [logging.INFO, logging.INFO]


def test_command_shows_a_problem_once() -> None:
    command = [sys.executable, "-m", "rxfeed.cli", "watch", "FOO-BAR", "BTC-USD", "--seconds", "1"]
    with Exchange(auto=False) as exchange:
        done = subprocess.run([*command, "--url", exchange.url], capture_output=True, text=True, timeout=30)
    assert sum("FOO-BAR is not a valid product" in line for line in done.stderr.splitlines()) == 1


# ---- names that cannot be right


@pytest.mark.parametrize(
    ("status", "headers", "remedy"),
    [
        (404, {}, "answered: check the URL and the headers"),
        (429, {}, "answered: the server limits connections: open fewer of them"),
        (301, {"location": "ws://x"}, "answered"),
    ],
)
def test_remedy_fits_the_answer_to_the_handshake(
    status: int, headers: dict[str, str], remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    cause = HandshakeRejected("answered", status, headers)
    StatusLog().write(Disconnected(cause=cause, at=datetime.now(UTC)), "the next attempt begins soon")
    assert caplog.messages == [f"no connection: {remedy}; the next attempt begins soon"]


@pytest.mark.parametrize(("wrong", "likely"), [("trade", "matches"), ("heartbeats", "heartbeat"), ("Ticker", "ticker")])
def test_unknown_channel_is_rejected_before_connecting(wrong: str, likely: str) -> None:
    for channel in (wrong, {"name": wrong}):
        with pytest.raises(ConfigError, match=f"'{wrong}' is not a channel.*level2_batch.*did you mean '{likely}'"):
            Feed("BTC-USD", [channel], url="ws://127.0.0.1:9")
    feed = Feed("BTC-USD", "ticker", url="ws://127.0.0.1:9")
    with pytest.raises(ConfigError, match=f"'{wrong}' is not a channel"):
        feed.add("BTC-USD", wrong)


def test_every_channel_of_the_local_exchange_is_known() -> None:
    from rxfeed.sim.coinbase_exchange.subscriptions import CHANNELS

    Feed("BTC-USD", list(CHANNELS))


@pytest.mark.parametrize("wrong", ["btc-usd", "BTC/USD", "BTC_USD", "BTCUSD", " BTC-USD"])
def test_impossible_product_warns_with_a_suggestion(wrong: str) -> None:
    channels: list[Any] = ["ticker", {"name": "ticker", "product_ids": [wrong]}]
    for products, channel in ((wrong, channels[0]), ([], channels[1])):
        with pytest.warns(UserWarning, match="cannot be a product: did you mean 'BTC-USD'") as caught:
            Feed(products, channel)
        assert caught[0].filename == __file__
    feed = Feed("ETH-USD", "ticker")
    with pytest.warns(UserWarning, match="'BTC-USD'"):
        feed.add(wrong, "ticker")


def test_usual_products_are_no_warning() -> None:
    Feed(["BTC-USD", "1INCH-USD", "00-USD", "A-B", "BTC-PERP-INTX", "ALL"], "ticker", reconnect=Reconnect())


def test_command_rejects_an_unknown_channel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTC-USD", "--channel", "trade"]) == 2
    assert "did you mean 'matches'" in capsys.readouterr().err
