"""Advanced Trade in a feed: names, hosts, limits, recordings, merged recordings, MongoDB, paper orders."""

from __future__ import annotations

import json
import time
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Replay, level2, order_book, record, tickers, to_mongo, trades, window_volume
from rxfeed.backtest import PaperFill, PaperMarket
from rxfeed.errors import ConfigError
from rxfeed.feed import Gap, Subscribed
from rxfeed.market import Message
from rxfeed.recording import catalogue
from rxfeed.sinks import from_mongo, message_id
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE
from rxfeed.venues.coinbase_advanced import (
    DEFAULT_URL,
    USER_URL,
    AdvancedCredentials,
    AdvancedL2Snapshot,
    AdvancedSubscription,
    AdvancedTicker,
    MarketTrade,
    PriorMarketTrade,
)
from tests.support.collect import Collected
from tests.venues.coinbase_advanced.wire import (
    BTC,
    ETH,
    REAL,
    Client,
    Venue,
    ack,
    after,
    book,
    frame,
    heartbeat,
    trade,
)
from tests.venues.coinbase_advanced.wire import (
    trades as trades_frame,
)

ADVANCED = "coinbase_advanced"
KEY = AdvancedCredentials("a-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")


def run(feed: Feed) -> None:
    with pytest.raises(Exception, match="1000"):  # the server closed
        feed.run()


# ---- names, hosts, limits


@pytest.mark.parametrize(
    ("common", "own"),
    [
        ("trades", "market_trades"),
        ("book", "level2"),
        ("ticker", "ticker"),
        ("heartbeat", "heartbeats"),
        ("user", "user"),
        ("status", "status"),
    ],
)
def test_common_channel_is_named_as_the_venue_does(common: str, own: str) -> None:
    assert AdvancedSubscription.of(BTC, common).channels == (own,)
    assert COINBASE_ADVANCED.named(common) == own


@pytest.mark.parametrize("wrong", ["matches", "l2_data", "full"])
def test_unknown_channel_is_rejected_before_connecting(wrong: str) -> None:
    with pytest.raises(
        ConfigError, match=f"'{wrong}' is not a channel of Advanced Trade.*level2, market_trades.*trades"
    ):
        Feed(BTC, wrong, venue=ADVANCED)


@pytest.mark.parametrize("venue", ["coinbase_exchange", ADVANCED])
def test_unknown_channel_error_lists_the_common_names_too(venue: str) -> None:
    listed = "and as on every venue book, heartbeat, status, ticker, trades, user; did you mean 'trades'"
    with pytest.raises(ConfigError, match=listed):
        Feed(BTC, "tradez", venue=venue)


@pytest.mark.parametrize(
    ("channels", "url"),
    [
        (["user"], USER_URL),
        (["user", "futures_balance_summary", "heartbeats"], USER_URL),
        (["heartbeats"], DEFAULT_URL),
        (["user", "ticker"], DEFAULT_URL),
        (["market_trades"], DEFAULT_URL),
    ],
)
def test_default_url_follows_from_the_channels(channels: list[str], url: str) -> None:
    assert Feed(BTC, channels, venue=ADVANCED, credentials=KEY).url == url


def test_known_host_chooses_the_venue() -> None:
    for url in (DEFAULT_URL, USER_URL):
        assert Feed(BTC, "book", url=url).venue is COINBASE_ADVANCED
    assert Feed(BTC, "book", url="wss://ws-direct.exchange.coinbase.com").venue is COINBASE_EXCHANGE
    assert Feed(BTC, "book", url="ws://127.0.0.1:1").venue is COINBASE_EXCHANGE
    assert Feed(BTC, "level2_batch", url=DEFAULT_URL, venue="coinbase_exchange").venue is COINBASE_EXCHANGE
    with pytest.raises(ConfigError, match="WebSocket"):
        Feed(BTC, "book", url="https://advanced-trade-ws.coinbase.com")


def test_more_books_than_a_connection_takes_are_listed() -> None:
    """A feed distributes them over several connections, so it does not warn; a client with one connection does."""
    many = [f"A{number}-USD" for number in range(31)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Feed(many, ["book", "trades"], venue=ADVANCED)
    assert "31 of level2, of which the venue takes 30 a connection" in next(
        AdvancedSubscription.of(many, "book").invalid_products()
    )


def test_requests_are_sent_one_a_channel_within_the_limit() -> None:
    times: list[float] = []

    def play(client: Client, number: int) -> None:
        for _ in range(4):
            client.receive(1)
            times.append(time.monotonic())

    with Venue(play) as venue:
        run(Feed(BTC, ["trades", "book", "ticker", "heartbeat"], venue=ADVANCED, url=venue.url, reconnect=False))
    assert [each["channel"] for each in venue.requests] == ["market_trades", "level2", "ticker", "heartbeats"]
    assert times[-1] - times[0] > 3 / 8 - 0.05


def test_channels_are_added_and_removed_one_a_request() -> None:
    def play(client: Client, number: int) -> None:
        client.receive(1)
        client.send(ack(0, market_trades=[BTC]))
        client.receive(3)
        client.send(ack(1, level2=[ETH]))

    with Venue(play) as venue:
        feed = Feed(BTC, "trades", venue=ADVANCED, url=venue.url, reconnect=False)
        status = Collected(feed.status)
        feed.connect()
        status.wait_for(lambda items: any(type(each).__name__ == "Subscribed" for each in items))
        feed.add(ETH, ["book", "ticker"])
        feed.remove(BTC, "trades")
        feed.wait(10)
    assert sorted((each["type"], each["channel"], *each["product_ids"]) for each in venue.requests[1:]) == [
        ("subscribe", "level2", ETH),
        ("subscribe", "ticker", ETH),
        ("unsubscribe", "market_trades", BTC),
    ]


# ---- recordings


def ticker(number: int, price: str, product: str = BTC) -> str:
    one = {"type": "ticker", "product_id": product, "price": price, "best_bid": "1", "best_ask": "2"}
    return frame(number, "ticker", {"type": "update", "tickers": [one]}, second=number)


def one(trade_id: int) -> dict[str, Any]:
    return trade(trade_id, trade_id)


FRAMES = [
    trades_frame(0, one(1), one(2), kind="snapshot"),
    book(1, ("bid", "10", "1"), ("offer", "11", "2"), kind="snapshot"),
    ack(2, market_trades=[BTC], level2=[BTC]),
    trades_frame(3, one(3), one(4), one(5)),
    ticker(4, "10.5"),
    book(5, ("bid", "10", "0.5"), second=5),
    heartbeat(6),
    trades_frame(8, one(7)),  # after a gap
    '{"channel":"market_trades","sequence_num":9,"events":[{"type":"update","trades":[{}]}]}',
    ticker(10, "11"),
]


def recorded(folder: Path, frames: list[str] = FRAMES) -> tuple[list[Any], list[Any], Feed]:
    """What a feed emitted while it was recorded, and its gaps."""
    with Venue(after(1, frames)) as venue:
        feed = Feed([BTC, ETH], ["trades"], venue=ADVANCED, url=venue.url, reconnect=False)
        live, gaps, recorder = Collected(feed), Collected(feed.status), record(folder)
        feed.pipe(recorder).subscribe(on_error=lambda error: None)
        run(feed)
        assert (recorder.close(), feed.unwritten) == (0, ())
        assert recorder.stats.frames == len(frames)
    return live.items, [each for each in gaps.items if isinstance(each, Gap)], feed


def test_recording_replays_equal_by_the_venue_in_its_header(tmp_path: Path) -> None:
    live, gaps, feed = recorded(tmp_path)
    assert [(gap.product_id, gap.first, gap.last) for gap in gaps] == [(None, 7, 7), (BTC, 6, 6)]
    for _ in range(2):
        replay = Replay(tmp_path)
        again, gaps_again = Collected(replay), Collected(replay.status)
        replay.run()
        assert [(each, each.raw, each.received_ns, each.epoch) for each in again.items] == [
            (each, each.raw, each.received_ns, each.epoch) for each in live
        ]
        assert [each for each in gaps_again.items if isinstance(each, Gap)] == gaps
        assert (replay.stats.messages, replay.stats.malformed) == (feed.stats.messages, 1)
    held = catalogue(tmp_path).total
    assert held.by_type == {
        "prior_trade": 2,
        "l2_snapshot": 1,
        "subscriptions": 1,
        "market_trade": 4,
        "ticker": 2,
        "l2_update": 1,
        "heartbeat": 1,
    }


def test_real_recording_replays_as_it_is() -> None:
    if not REAL.exists():
        pytest.skip(f"the real recording is not beside the project: {REAL}")
    replay = Replay(REAL, venue=ADVANCED)
    found, gaps = Collected(replay.pipe(trades())), Collected(replay.status)
    books = Collected(replay.pipe(order_book(BTC)))
    replay.run()
    assert len(found.items) == 58 or len(found.items) > 50
    assert all(each.ready for each in books.items)
    assert not [each for each in gaps.items if isinstance(each, Gap)]
    held = catalogue(REAL, venue=ADVANCED).total
    assert held.by_type["market_trade"] == len(found.items)
    assert held.gaps == 0


def test_merged_recordings_have_each_trade_once(tmp_path: Path) -> None:
    """Two connections number their frames differently, and each misses something."""
    first = [
        book(0, ("bid", "10", "1"), ("offer", "11", "2"), kind="snapshot"),
        trades_frame(1, one(1), one(2), kind="snapshot"),
        ack(2, market_trades=[BTC], level2=[BTC], ticker=[BTC]),
        trades_frame(3, one(3), one(4)),
        ticker(4, "10.5"),
        book(5, ("bid", "10", "0.5"), second=5),
        trades_frame(6, one(5), one(8)),
    ]
    second = [
        trades_frame(0, one(1), one(2), kind="snapshot"),
        book(1, ("bid", "10", "1"), ("offer", "11", "2"), kind="snapshot"),
        ack(2, market_trades=[BTC], level2=[BTC], ticker=[BTC]),
        trades_frame(9, one(4), one(5), one(6)),
        ticker(11, "10.5"),
        book(12, ("bid", "10", "0.5"), second=5),
        trades_frame(13, one(7), one(8), one(9)),
    ]
    files = [written(tmp_path / "a.jsonl", first, 0.0), written(tmp_path / "b.jsonl", second, 0.1)]
    replay = Replay(files, merge=True, venue=ADVANCED)
    everything, status = Collected(replay), Collected(replay.status)
    windows, views = Collected(replay.pipe(window_volume(100))), Collected(replay.pipe(order_book(BTC)))
    again = record(tmp_path / "merged")
    replay.pipe(again).subscribe(on_error=print)
    replay.run()
    again.close()
    ids = [each.trade_id for each in everything.items if isinstance(each, MarketTrade)]
    assert ids == [3, 4, 5, 6, 7, 8, 9]
    assert [each.trade_id for each in everything.items if isinstance(each, PriorMarketTrade)] == [1, 2]
    assert [type(each).__name__ for each in everything.items].count("AdvancedTicker") == 1
    assert [each.count for each in windows.items] == [7]
    assert not [each for each in status.items if isinstance(each, Gap)]
    assert [(each.ready, each.best_bid[1]) for each in views.items if each.best_bid] == [
        (True, Decimal(1)),
        (True, Decimal("0.5")),
    ]
    merged = Replay(tmp_path / "merged")
    same = Collected(merged)
    merged.run()
    assert [(each, each.epoch) for each in same.items] == [(each, each.epoch) for each in everything.items]


def written(path: Path, frames: list[str], offset: float) -> Path:
    """A recording of one connection with a frame a second, *offset* seconds after each full one."""
    lines = [{"t": 1_786_309_500 + number + offset, "dir": "recv", "data": each} for number, each in enumerate(frames)]
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return path


# ---- MongoDB


@pytest.mark.parametrize("documents", ["typed", "raw"])
def test_messages_are_stored_and_read_back(collection: Any, documents: Any) -> None:
    def play(client: Client, number: int) -> None:
        client.receive(1)
        again = trades_frame(0, one(7), one(8), kind="snapshot").replace("T21:05:30", "T21:05:31")
        client.send(*(FRAMES if number == 0 else [again]))
        if number:
            client.wait_for_end()

    with Venue(play) as venue:
        feed = Feed([BTC, ETH], "trades", venue=ADVANCED, url=venue.url)
        live = Collected(feed)
        feed.pipe(to_mongo(collection, documents=documents)).subscribe(on_error=lambda error: None)
        feed.connect()
        live.wait_for(lambda items: any(getattr(each, "trade_id", 0) == 8 for each in items))
        feed.close()
    read = Collected(from_mongo(collection, venue=ADVANCED))
    read.wait_for_end()
    assert read.completed, read.error

    def plain(messages: list[Message]) -> list[Any]:
        return sorted(
            (message_id(each).rpartition("/")[0] if each.time is None else message_id(each), repr(each))
            for each in messages
        )

    assert plain(read.items) == plain(live.items)
    assert [each.trade_id for each in read.items if isinstance(each, MarketTrade)] == [3, 4, 5, 7, 8]
    of_one = Collected(from_mongo(collection, BTC, venue=ADVANCED))
    of_one.wait_for_end()
    assert of_one.items == [each for each in read.items if each.product_id == BTC]
    assert of_one.items


# ---- paper orders


def test_paper_market_fills_from_books_and_trades() -> None:
    sold = [trade(4, 6, size="0.9", side="BUY"), trade(5, 7, size="0.3", side="BUY")]
    texts = [
        book(0, ("bid", "10.5", "1"), ("offer", "11", "2"), kind="snapshot", second=1),
        book(1, ("bid", "9", "1"), second=3),
        trades_frame(2, sold[0]),
        trades_frame(3, sold[1]),
        book(4, ("bid", "9", "2"), second=9),
    ]
    market, events, sent = PaperMarket(BTC, latency=0.05), [], False
    for text in texts:
        found: Any = COINBASE_ADVANCED.decoder().decode(text.encode())
        for message in found if isinstance(found, tuple) else (found,):
            events += market.step(message)
        if not sent:
            market.limit("buy", "10.5", "0.5")
            sent = True
    fills = [each for each in (*events, *market.finish()) if isinstance(each, PaperFill)]
    assert [(each.size, each.maker) for each in fills] == [(Decimal("0.2"), True)]


def test_selecting_operators_take_the_venues_messages() -> None:
    with Venue(after(1, FRAMES)) as venue:
        feed = Feed([BTC, ETH], "trades", venue=ADVANCED, url=venue.url, reconnect=False)
        chosen = [Collected(feed.pipe(each)) for each in (trades(BTC), tickers(), level2(), trades(ETH))]
        run(feed)
    assert [len(each.items) for each in chosen] == [4, 2, 2, 0]
    assert isinstance(chosen[1].items[0], AdvancedTicker)
    assert isinstance(chosen[2].items[0], AdvancedL2Snapshot)
    assert json.loads(chosen[0].items[0].raw)["channel"] == "market_trades"


# ---- products that are delivered under another id

USDC = "BTC-USDC"


def test_product_is_delivered_by_the_id_subscribed_to(tmp_path: Path) -> None:
    """The venue acknowledges and delivers `-USDC` products by the alias that its list of products names."""
    frames = [
        trades_frame(0, one(1), kind="snapshot"),
        ack(1, market_trades=[BTC, ETH]),
        trades_frame(2, one(2), trade(9, 9, product=ETH)),
    ]
    with Venue(after(1, frames)) as venue:
        feed = Feed(
            [USDC, ETH],
            "trades",
            venue=ADVANCED,
            url=venue.url,
            aliases={USDC: BTC, "X-USDC": "X-USD"},
            reconnect=False,
        )
        live, status = Collected(feed), Collected(feed.status)
        feed.pipe(record(tmp_path)).subscribe(on_error=lambda error: None)
        run(feed)
    assert venue.requests[0]["product_ids"] == [USDC, ETH]
    assert [(each.product_id, each.trade_id) for each in live.items if isinstance(each, MarketTrade)] == [
        (USDC, 2),
        (ETH, 9),
    ]
    assert [each.missing for each in status.items if isinstance(each, Subscribed)] == [()]
    assert feed.stats.unsubscribed == 0
    replay = Replay(tmp_path)
    again = Collected(replay)
    replay.run()
    assert again.items == live.items
    assert set(catalogue(tmp_path).total.products) == {USDC, ETH}


def test_alias_that_is_subscribed_to_keeps_its_id() -> None:
    with pytest.warns(UserWarning, match="BTC-USDC is delivered as BTC-USD, which is subscribed to"):
        feed = Feed([USDC, BTC], "trades", venue=ADVANCED, aliases={USDC: BTC})
    assert "renamed" not in feed.about


# ---- messages without an observer


@pytest.mark.parametrize("kind", ["AdvancedL2Update", "AdvancedTicker"])
def test_message_without_an_observer_is_counted_and_its_gaps_are_found(kind: str) -> None:
    """It is not decoded, but its frames and their numbers count."""

    def one_of(number: int) -> str:
        return book(number, ("bid", "10", "1")) if kind == "AdvancedL2Update" else ticker(number, "10")

    frames = [*map(one_of, (0, 1, 4, 4)), ack(5)]
    with Venue(after(1, frames)) as venue:
        feed = Feed(BTC, "book", venue=ADVANCED, url=venue.url, reconnect=False)
        status, none = Collected(feed.status), Collected(feed.pipe(trades()))
        run(feed)
    assert (feed.stats.by_type, feed.stats.duplicates) == ({kind: 3, "AdvancedSubscriptions": 1}, 1)
    assert [(each.first, each.last) for each in status.items if isinstance(each, Gap)] == [(2, 3)]
    assert none.items == []


def test_book_is_decoded_from_its_first_observer_on() -> None:
    seen: list[Any] = []

    def play(client: Client, number: int) -> None:
        client.receive(1)
        client.send(book(0, ("bid", "10", "1"), kind="snapshot"), ack(1, level2=[BTC]))
        client.receive(1)  # the second channel, which is added when there is an observer
        client.send(book(2, ("bid", "9", "1")), book(3, ("bid", "8", "1"), product=ETH))

    with Venue(play) as venue:
        feed = Feed(BTC, "book", venue=ADVANCED, url=venue.url, reconnect=False)
        status = Collected(feed.status)
        feed.connect()
        status.wait_for(lambda items: any(isinstance(each, Subscribed) for each in items))
        feed.pipe(level2(BTC)).subscribe(seen.append, on_error=lambda error: None)
        feed.add(ETH, "ticker")
        feed.wait(10)
    (update,) = seen
    assert update.changes == (("buy", Decimal(9), Decimal(1)),)
    assert feed.stats.by_type["AdvancedL2Update"] == 2


def test_frame_is_delivered_whole_if_the_feed_is_closed_within_it(tmp_path: Path) -> None:
    """A recording has whole frames, so the rest of one must not be missing live."""
    frames = [
        trades_frame(0, one(1), kind="snapshot"),
        trades_frame(1, one(2), one(3), one(4)),
        trades_frame(2, one(5)),
    ]
    with Venue(after(1, frames)) as venue:
        feed = Feed([BTC, ETH], "trades", venue=ADVANCED, url=venue.url)
        live = Collected(feed)
        feed.pipe(record(tmp_path)).subscribe()
        feed.pipe(trades()).subscribe(lambda trade: feed.close())
        feed.run()
    replay = Replay(tmp_path)
    again = Collected(replay)
    replay.run()
    assert [each.trade_id for each in live.items if isinstance(each, MarketTrade)] == [2, 3, 4]
    assert again.items == live.items
