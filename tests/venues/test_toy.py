"""A venue of its own streams, records, replays, is stored, and has its gaps found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from rxfeed import Feed, Replay, level2, matches, record, tickers, to_mongo, trades, window_volume
from rxfeed.errors import ConfigError
from rxfeed.feed import Gap
from rxfeed.recording import catalogue
from rxfeed.sinks import from_mongo, message_id
from tests.support.collect import Collected
from tests.venues.toy import TOY, Joined, Print, Quote

BTC, ETH = "BTC-USD", "ETH-USD"


def frame(seq: int, *events: dict[str, Any]) -> str:
    return json.dumps({"seq": seq, "events": events})


def print_(trade_id: int, product: str = BTC) -> dict[str, Any]:
    at = f"2026-01-02T12:00:{trade_id:02}Z"
    one = {"product_id": product, "trade_id": trade_id, "px": "10", "size": "2", "taker_side": "buy", "time": at}
    return {"kind": "print", **one}


def quote(second: int, product: str = ETH) -> dict[str, Any]:
    at = f"2026-01-02T12:00:{second:02}Z"
    return {"kind": "quote", "product_id": product, "px": "10", "best_bid": "9", "best_ask": "11", "time": at}


JOINED = {"kind": "joined", "channels": [{"name": "prints", "product_ids": [BTC]}, {"name": "best_quotes"}]}
FRAMES = [
    frame(0, JOINED),
    frame(1, print_(1), quote(1)),
    frame(1, print_(1), quote(1)),  # a duplicate
    frame(2, print_(2), quote(2)),
    frame(5, print_(3), quote(3)),  # after a gap of two
    '{"seq":6}',
]


class Exchange:
    """Answers each subscription with *frames*, and then closes."""

    def __init__(self, frames: list[str] = FRAMES) -> None:
        self._frames = frames
        self.requests: list[Any] = []
        self._server: Server = serve(self._serve, "127.0.0.1", 0)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def _serve(self, client: ServerConnection) -> None:
        self.requests.append(json.loads(client.recv()))
        for each in self._frames:
            client.send(each)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def toy() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.close()


def feed_of(toy: Exchange) -> Feed:
    return Feed([BTC, ETH], ["prints", "quotes"], venue=TOY, url=toy.url, reconnect=False)


def run(feed: Feed) -> None:
    with pytest.raises(Exception, match="1000"):  # the server closed
        feed.run()


def test_venue_streams_each_message_once(toy: Exchange) -> None:
    feed = feed_of(toy)
    everything, gaps = Collected(feed), Collected(feed.status)
    chosen = [Collected(feed.pipe(each)) for each in (trades(), tickers(), trades(ETH), matches(), level2())]
    windows = Collected(feed.pipe(window_volume(2)))
    run(feed)
    assert toy.requests == [{"op": "subscribe", "topics": ["prints", "quotes"], "instruments": [BTC, ETH]}]
    assert [type(each) for each in everything.items] == [Joined, *[Print, Quote] * 3]
    assert [len(each.items) for each in chosen] == [3, 3, 0, 0, 0]
    assert everything.items[1].raw is everything.items[2].raw
    assert [(each.start.second, each.volume) for each in windows.items] == [(0, Decimal(2)), (2, Decimal(4))]
    assert [(gap.product_id, gap.first, gap.last) for gap in gaps.items if isinstance(gap, Gap)] == [(None, 3, 4)]
    assert [each.epoch for each in everything.items] == [0, 0, 0, 0, 0, 1, 1]
    stats = feed.stats
    assert (stats.frames, stats.messages, stats.duplicates, stats.malformed) == (6, 7, 2, 1)


def test_recording_of_the_venue_replays_equal(toy: Exchange, tmp_path: Path) -> None:
    feed = feed_of(toy)
    live, recorder = Collected(feed), record(tmp_path)
    gaps = Collected(feed.status)
    feed.pipe(recorder).subscribe(on_error=lambda error: None)
    run(feed)
    assert recorder.close() == 0
    assert feed.unwritten == ()
    assert recorder.stats.frames == 5  # without the duplicate, each once; one of them is malformed
    replay = Replay(tmp_path, venue=TOY)
    again, gaps_again = Collected(replay), Collected(replay.status)
    replay.run()
    told = [(each, each.raw, each.received_ns, each.epoch) for each in live.items]
    assert [(each, each.raw, each.received_ns, each.epoch) for each in again.items] == told
    assert [each for each in gaps_again.items if isinstance(each, Gap)] == [
        each for each in gaps.items if isinstance(each, Gap)
    ]
    assert (replay.stats.frames, replay.stats.messages) == (4, 7)
    one = Replay(tmp_path, venue=TOY, products=ETH)
    of_one = Collected(one)
    one.run()
    assert [type(each) for each in of_one.items] == [Joined, *[Quote] * 3]
    held = catalogue(tmp_path, venue=TOY).total
    assert held.by_type == {"joined": 1, "print": 3, "quote": 3}
    with pytest.raises(ConfigError, match="toy"):
        Replay(tmp_path)


def test_frames_with_several_messages_begin_anew(tmp_path: Path) -> None:
    """The first two frames of the lower run are held, and recorded when the third one shows what they are."""
    numbers = range(1, 6)
    frames = [frame(900, JOINED), *(frame(500 + number, print_(number), quote(number)) for number in numbers)]
    exchange = Exchange(frames)
    feed = feed_of(exchange)
    live, recorder = Collected(feed), record(tmp_path)
    feed.pipe(recorder).subscribe(on_error=lambda error: None)
    run(feed)
    exchange.close()
    assert [getattr(each, "trade_id", None) for each in live.items[1::2]] == [1, 2, 3, 4, 5]
    assert [type(each) for each in live.items] == [Joined, *[Print, Quote] * 5]
    assert [each.epoch for each in live.items] == [0] + [1] * 10
    assert (recorder.stats.frames, feed.stats.duplicates) == (6, 0)
    replay = Replay(tmp_path, venue=TOY)
    again = Collected(replay)
    replay.run()
    told = [(each, each.raw, each.received_ns, each.epoch) for each in live.items]
    assert [(each, each.raw, each.received_ns, each.epoch) for each in again.items] == told


def test_number_of_a_frame_that_cannot_be_decoded_is_not_missing() -> None:
    number = {**quote(2), "px": "NaN"}
    exchange = Exchange([frame(0, JOINED), frame(1, print_(1)), frame(2, number), frame(3, print_(2))])
    feed = feed_of(exchange)
    live, gaps = Collected(feed.pipe(trades())), Collected(feed.status)
    run(feed)
    exchange.close()
    assert [each.trade_id for each in live.items] == [1, 2]
    assert [each for each in gaps.items if isinstance(each, Gap)] == []
    assert feed.stats.malformed == 1


def test_common_names_of_channels_are_the_venue_channels(toy: Exchange) -> None:
    feed = Feed([BTC], ["trades", "ticker"], venue=TOY, url=toy.url, reconnect=False)
    run(feed)
    assert toy.requests == [{"op": "subscribe", "topics": ["prints", "quotes"], "instruments": [BTC]}]
    with pytest.raises(ConfigError, match="'book' is not a channel of toy: it has prints, quotes"):
        Feed([BTC], ["book"], venue=TOY)


@pytest.mark.parametrize("documents", ["typed", "raw"])
def test_messages_of_the_venue_are_stored_and_read_back(toy: Exchange, collection: Any, documents: Any) -> None:
    feed = feed_of(toy)
    live = Collected(feed.pipe(trades()))
    feed.pipe(to_mongo(collection, documents=documents)).subscribe(on_error=lambda error: None)
    run(feed)
    ids = [each["_id"] for each in collection.find()]
    assert len(ids) == 7
    assert [message_id(each) for each in live.items] == [f"{BTC}/print/{number}" for number in (1, 2, 3)]
    assert set(ids) > {f"{BTC}/print/{number}" for number in (1, 2, 3)}
    read = Collected(from_mongo(collection, venue=TOY).pipe(trades()))
    read.wait_for_end()
    assert read.completed, read.error
    assert sorted(each.trade_id for each in read.items) == [1, 2, 3]


def test_venue_by_an_unknown_name_is_rejected() -> None:
    with pytest.raises(ConfigError, match="'toys' is not known: there is coinbase_exchange"):
        Feed(BTC, "prints", venue="toys")
