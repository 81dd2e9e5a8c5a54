"""The REST API of a feed: its URL, and the snapshots that `full_book` requests from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, Credentials, Feed, Message, Reconnect, Replay, Secret, full_book
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.make import match
from tests.support.wire import Wire, WireServer
from tests.venues.toy import TOY

BTC = "BTC-USD"
KEY = Credentials("key", "c2VjcmV0", "passphrase")


@pytest.mark.parametrize(
    ("url", "rest_url"),
    [
        (None, "https://api.exchange.coinbase.com"),
        ("wss://feed.example.org", "https://api.exchange.coinbase.com"),
        ("wss://ws-feed-public.sandbox.exchange.coinbase.com", "https://api-public.sandbox.exchange.coinbase.com"),
        ("ws://127.0.0.1:8765/feed", "http://127.0.0.1:8765"),
        ("wss://me:hidden@localhost:8765", "https://localhost:8765"),
        ("ws://[::1]:1", "http://[::1]:1"),
    ],
)
def test_rest_url_belongs_to_the_feed_url(url: str | None, rest_url: str) -> None:
    assert Feed(BTC, "ticker", url=url).rest_url == rest_url


def test_given_rest_url_is_used_and_its_secrets_are_hidden() -> None:
    feed = Feed(BTC, "ticker", rest_url=Secret("https://me:hidden@example.org/api?token=hidden"))
    assert feed.rest_url == "https://example.org/api"
    assert "hidden" not in repr(vars(feed))


@pytest.mark.parametrize("rest_url", ["ws://example.org", "nothing", "http://", 7, "http://me:hidden@x:port"])
def test_invalid_rest_url_is_rejected(rest_url: Any) -> None:
    with pytest.raises(ConfigError, match="rest_url: ") as caught:
        Feed(BTC, "ticker", rest_url=rest_url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("before", [[], [ops.filter(lambda message: True)]])
def test_full_book_requests_snapshots_from_the_feed_rest_url(before: list[Any]) -> None:
    """Also behind an operator of reactivex in the same `pipe`."""
    with Exchange([BTC], seed=2, rate=500, credentials=KEY) as exchange:
        feed = Feed(BTC, "full", url=exchange.url, rest_url=exchange.rest_url, credentials=KEY)
        views = Collected(cast(Any, feed).pipe(*before, full_book(BTC)))
        feed.connect()
        views.wait_for(lambda items: any(view.ready for view in items))
        feed.close()
        assert exchange.rest_requests >= 1


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (lambda: Replay([match(time=0)]), "Replay"),
        (lambda: Subject[Message](), "Subject"),
        (lambda: Feed("A-B", "prints", venue=TOY, url="ws://127.0.0.1:1"), "Feed"),
    ],
)
def test_source_without_rest_needs_a_snapshot_function(source: Callable[[], Any], named: str) -> None:
    with pytest.raises(ConfigError, match=rf"full_book: .*{named}.* has no REST API .* give snapshot"):
        source().pipe(full_book(BTC))


def test_retry_after_of_a_snapshot_request_is_honoured() -> None:
    times: list[float] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        times.append(time.monotonic())
        wire.send("HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")

    with Exchange([BTC], seed=2, rate=500, credentials=KEY) as exchange, WireServer(play) as rest:
        url = rest.url.replace("ws:", "http:")
        feed = Feed(BTC, "full", url=exchange.url, rest_url=url, credentials=KEY)
        views = Collected(feed.pipe(full_book(BTC, retry=Reconnect(initial=0, maximum=0, retries=1))))
        feed.connect()
        views.wait_for_end()
        feed.close()
    assert len(times) == 2
    assert times[1] - times[0] >= 0.95
