"""A tape emits what the feed and its recording emit."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from reactivex import operators as ops

from rxfeed import ConfigError, Feed, Match, Message, Reconnect, Replay, candles, matches, order_book, record
from rxfeed.feed import Ended, FeedStatus, Idle, MessageSource
from rxfeed.sim import Exchange, faults
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, to_nats
from rxfeed.testing import trade
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.tape.tapes import frames_of, played, publish, with_client

CHANNELS = {
    "coinbase_exchange": ["matches", "level2_batch", "ticker", "heartbeat"],
    "coinbase_advanced": ["trades", "book", "ticker", "heartbeat"],
}
PRODUCTS = ["BTC-USD", "ETH-USD"]


def all_of(source: MessageSource) -> list[Any]:
    """What it emits on all its streams, in order, and the outputs of operators."""
    got: list[Any] = []
    source.subscribe(got.append)
    source.status.subscribe(got.append)
    source.malformed.subscribe(got.append)
    source.pipe(candles(1)).subscribe(got.append)
    source.pipe(order_book("BTC-USD", depth=3)).subscribe(lambda book: got.append((book.bids, book.asks)))
    return got


class SummerTime(tzinfo):
    """A zone of one change, *at* which its clock goes forward by an hour; before, it has UTC."""

    def __init__(self, at: datetime) -> None:
        self._first = at.replace(tzinfo=None) + timedelta(hours=1)

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=dt is not None and dt.replace(tzinfo=None) >= self._first)


def without_ends(items: list[Any]) -> list[Any]:
    """*items* without the statuses of the beginning and the end, which each source has of its own."""
    events = [(at, item) for at, item in enumerate(items) if isinstance(item, FeedStatus)]
    shown = {at: str(item) for at, item in events}  # errors are not compared by their values
    left_out = {at for at, item in events if isinstance(item, Idle | Ended)}
    return [shown.get(at, item) for at, item in enumerate(items) if at not in left_out]


@pytest.mark.parametrize("venue", CHANNELS)
def test_feed_recording_and_tape_have_equal_outputs(
    venue: str, server: NatsServer, stream: str, tmp_path: Path
) -> None:
    """With a lost connection, a dropped frame and a malformed one; an early and a late consumer of the tape."""
    script = [faults.Drop(after=150), faults.MalformedFrame(after=250), faults.Reset(after=400)]
    early = NatsFeed(server.url, stream=stream, venue=venue, since="all")
    live = all_of(early)
    with Exchange(PRODUCTS, seed=3, auto=False, venue=venue, faults=script) as exchange:
        feed = Feed(PRODUCTS, CHANNELS[venue], venue=venue, url=exchange.url, reconnect=Reconnect(initial=0))
        fed = all_of(feed)
        sink = to_nats(server.url, stream=stream)
        feed.pipe(sink).subscribe()
        feed.pipe(record(tmp_path)).subscribe()
        with early, feed:
            exchange.wait_for_clients()
            until(lambda: exchange.step(20) or feed.stats.connections == 2)
            exchange.wait_for_clients()
            until(lambda: exchange.step(20) or feed.stats.messages > 700)
            feed.close()
            until(lambda: early.sequence >= sink.stats.published)
        assert not feed.unwritten
    replay, late = Replay(tmp_path), NatsFeed(server.url, stream=stream, venue=venue, since="all", until="now")
    replayed, told = all_of(replay), all_of(late)
    replay.run()
    late.run()
    assert len(told) > 600
    assert without_ends(told) == without_ends(replayed) == without_ends(live) == without_ends(fed)
    assert feed.stats.gaps == late.stats.gaps


def test_tape_has_each_frame_as_received_once(server: NatsServer, stream: str) -> None:
    source = [trade(trade_id=number, price=number + 1) for number in range(50)]
    publish(Replay(source), server.url, stream)
    publish(Replay(source), server.url, stream)  # a second time, as another publisher
    assert frames_of(server.url, stream) == [each.raw for each in source]
    assert [each.price for each in played(server.url, stream).items if isinstance(each, Match)] == list(range(1, 51))


def test_products_and_channels_select_a_part(server: NatsServer, stream: str) -> None:
    trades = [
        trade(product_id=product, trade_id=number) for number in range(5) for product in ("BTC-USD", "a.b *", "ETH-USD")
    ]
    publish(Replay(trades), server.url, stream)
    got = played(server.url, stream, products=["a.b *"]).items
    assert [(each.product_id, each.trade_id) for each in got if isinstance(each, Match)] == [
        ("a.b *", number) for number in range(5)
    ]
    assert len(played(server.url, stream, channels="trades").items) == 15
    assert played(server.url, stream, channels="ticker").items == []
    assert len(played(server.url, stream, products=["BTC-USD"], channels=["full"]).items) == 5


def test_since_and_until_select_by_receipt(server: NatsServer, stream: str) -> None:
    publish(Replay([trade(trade_id=number) for number in range(5)]), server.url, stream)
    first = played(server.url, stream).items
    at = first[2].received
    feed = NatsFeed(server.url, stream=stream, since=at, until="now")
    got = Collected(feed)
    feed.serve()
    assert got.items == [each for each in first if each.received >= at]


def test_since_in_a_zone_whose_clock_goes_forward_then(server: NatsServer, stream: str) -> None:
    """Some seconds before *since*, the clock of that zone showed an hour less."""
    publish(Replay([trade(trade_id=number) for number in range(5)]), server.url, stream)
    first = played(server.url, stream).items
    since = (first[2].received + timedelta(hours=1)).replace(tzinfo=SummerTime(first[2].received))
    feed = NatsFeed(server.url, stream=stream, since=since, until="now")
    got = Collected(feed)
    feed.serve()
    assert [*got.items] == first[2:]


def test_feed_from_now_on_has_no_earlier_message(server: NatsServer, stream: str) -> None:
    publish(Replay([trade(trade_id=1)]), server.url, stream)
    feed = NatsFeed(server.url, stream=stream)
    got = Collected(feed.pipe(matches()))
    with feed:
        until(lambda: feed._reader.place.last is not None and feed.problem is None)  # pyright: ignore
        publish(Replay([trade(trade_id=2), trade(trade_id=3)]), server.url, stream)
        got.wait_for(2)
    assert [each.trade_id for each in got.items] == [2, 3]


def test_frame_larger_than_the_server_takes_is_published_in_parts(server: NatsServer, stream: str) -> None:
    levels = ",".join(f'["{price}.00","1.00000000"]' for price in range(1, 150_000))
    big = b'{"type":"snapshot","product_id":"BTC-USD","bids":[%b],"asks":[]}' % levels.encode()
    assert len(big) > 3_000_000
    source = [trade(trade_id=1), _decoded(big), trade(trade_id=2)]
    publish(Replay(source), server.url, stream)
    got = played(server.url, stream).items
    assert [each.raw for each in got] == [each.raw for each in source]
    assert max(map(len, frames_of(server.url, stream))) < 1 << 20


def _decoded(raw: bytes) -> Message:
    from rxfeed.market import Origin, stamp
    from rxfeed.venues import VENUES

    message: Any = VENUES["coinbase_exchange"].decoder(stored=True).decode(raw)
    return stamp(message, Origin(raw, 1_790_000_000_000_000_000, 0))


def test_operators_with_time_use_the_time_of_the_tape(server: NatsServer, stream: str) -> None:
    trades = [trade(trade_id=number) for number in range(4)]
    stamped = [_received(each, seconds) for each, seconds in zip(trades, (0, 1, 61, 62), strict=True)]
    publish(Replay(stamped), server.url, stream)
    feed = NatsFeed(server.url, stream=stream, since="all", until="now")
    got = Collected(feed.pipe(matches(), ops.buffer_with_time(60), ops.map(len)))
    feed.serve()
    assert got.items[:2] == [2, 2]


def _received(message: Message, seconds: float) -> Message:
    from rxfeed.market import Origin, stamp

    return stamp(replace(message), Origin(message.raw, 1_790_000_000_000_000_000 + round(seconds * 1e9), 0))


def test_foreign_message_on_the_tape_is_skipped_and_logged(
    server: NatsServer, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(Replay([trade(trade_id=1)]), server.url, stream)

    async def put(client: Any, js: Any) -> None:
        await js.publish(f"{stream}.coinbase_exchange.matches.BTC-USD", b"{}")
        await js.publish(f"{stream}.coinbase_exchange.matches.BTC-USD", b"{}", headers={"Rxfeed-From": "x"})

    with_client(server.url, put)
    publish(Replay([trade(trade_id=2)]), server.url, stream)
    with caplog.at_level(logging.WARNING, "rxfeed.tape"):
        got = played(server.url, stream).items
    assert [each.trade_id for each in got if isinstance(each, Match)] == [1, 2]
    assert caplog.text.count("is skipped: no message of rxfeed") == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"url": "http://localhost"}, "url: http://localhost is not a NATS URL"),
        ({"url": "nats://me:hidden@x,mongodb://u:hidden@y"}, "url: mongodb://y is not a NATS URL"),
        ({"stream": "a.b"}, "stream: 'a.b' is not a name"),
        ({"since": "yesterday"}, "since: 'yesterday' is neither 'all' nor a datetime"),
        ({"until": "then"}, "until: 'then' is neither 'now' nor a datetime"),
        ({"channels": ["nothing"]}, "channels: 'nothing' is no channel of coinbase_exchange"),
        ({"channels": []}, "channels: it is empty"),
        ({"speed": 0}, "speed: 0"),
        ({"credentials": "/nowhere/x.creds"}, "credentials: there is no file"),
    ],
)
def test_invalid_arguments_are_named(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NatsFeed(**{"url": "nats://localhost", **arguments})
    assert text in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_close_ends_a_feed_that_waits_for_its_server() -> None:
    feed = NatsFeed("nats://127.0.0.1:1")
    got = Collected(feed)
    with feed:
        until(lambda: feed.problem)
    assert got.completed
    assert not [each for each in threading.enumerate() if each.name.startswith("rxfeed-nats")]
