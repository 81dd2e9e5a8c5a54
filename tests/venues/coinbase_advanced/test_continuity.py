"""Gaps of a connection and of trades, over real sockets: what is missing, what comes again, what stays complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Reconnect, Replay, order_book, record, window_volume
from rxfeed.feed import Gap, Rejected, Repaired, Subscribed
from rxfeed.market import Message, PriorTrade, Trade
from rxfeed.recording import catalogue
from tests.support.collect import Collected
from tests.support.scenes import wait_until
from tests.venues.coinbase_advanced.numbered import one, snapshot
from tests.venues.coinbase_advanced.wire import (
    BTC,
    ETH,
    Client,
    Play,
    Venue,
    ack,
    after,
    book,
    frame,
    heartbeat,
    trade,
    trades,
)

FAST = Reconnect(initial=0.01, maximum=0.05)


def feed_of(venue: Venue, channels: Any = "market_trades", **options: Any) -> Feed:
    return Feed([BTC, ETH], channels, venue="coinbase_advanced", url=venue.url, **options)


def run(feed: Feed) -> None:
    with pytest.raises(Exception, match="1000"):  # the server closed
        feed.run()


def reconnecting(first: list[str], second: list[str]) -> Play:
    def play(client: Client, number: int) -> None:
        client.receive(1)
        if number < 2:
            client.send(*(first, second)[number])
        if number >= 1:
            client.wait_for_end()

    return play


def kinds(messages: list[Message]) -> list[tuple[str, int, int]]:
    """Types, ids and epochs of the trades."""
    return [
        ("trade" if isinstance(each, Trade) else "prior", each.trade_id, each.epoch)
        for each in messages
        if isinstance(each, Trade | PriorTrade)
    ]


def numbers(events: list[Any]) -> list[tuple[str, str | None, int, int]]:
    return [
        (type(each).__name__, each.product_id, each.first, each.last)
        for each in events
        if isinstance(each, Gap | Repaired)
    ]


def test_snapshot_after_a_reconnect_brings_the_missed_trades_in_order(tmp_path: Path) -> None:
    first = [snapshot(0, 1, 2, 3), trades(1, one(4)), trades(2, one(5))]
    second = [snapshot(0, 4, 5, 6, 7), trades(1, one(8), one(9)), ack(2, market_trades=[BTC, ETH])]
    with Venue(reconnecting(first, second)) as venue:
        feed = feed_of(venue, reconnect=FAST)
        everything, status, windows = Collected(feed), Collected(feed.status), Collected(feed.pipe(window_volume(2)))
        recorder = record(tmp_path)
        feed.pipe(recorder).subscribe(on_error=print)
        feed.connect()
        everything.wait_for(lambda items: any(getattr(each, "channels", None) for each in items))
        feed.close()
    assert kinds(everything.items) == [
        *(("prior", each, 0) for each in (1, 2, 3)),
        *(("trade", each, 0) for each in (4, 5)),
        *(("trade", each, 1) for each in (6, 7, 8, 9)),
    ]
    assert numbers(status.items) == [("Repaired", BTC, 6, 7)]
    assert feed.stats.duplicates == 2
    # [2, 4) began before the subscription; the stream ends in [8, 10).
    assert [(each.start.second, each.count, each.complete) for each in windows.items] == [
        (4, 2, True),
        (6, 2, True),
        (8, 2, False),
    ]
    replay = Replay(tmp_path)
    again, events, same = Collected(replay), Collected(replay.status), Collected(replay.pipe(window_volume(2)))
    replay.run()
    assert [(each, each.epoch, each.raw) for each in again.items] == [
        (each, each.epoch, each.raw) for each in everything.items
    ]
    assert numbers(events.items) == numbers(status.items)
    assert same.items == windows.items
    counted = catalogue(tmp_path).total.by_type
    assert (counted["market_trade"], counted["prior_trade"]) == (6, 3)


def test_gap_names_the_trades_that_the_snapshot_does_not_reach() -> None:
    first = [snapshot(0, 1), trades(1, one(2))]
    second = [snapshot(0, 10, 11), trades(1, one(12))]
    with Venue(reconnecting(first, second)) as venue:
        feed = feed_of(venue, reconnect=FAST)
        everything, status, windows = Collected(feed), Collected(feed.status), Collected(feed.pipe(window_volume(10)))
        feed.connect()
        everything.wait_for(lambda items: kinds(items)[-1:] and kinds(items)[-1][1] == 12)
        feed.close()
    assert kinds(everything.items) == [("prior", 1, 0), ("trade", 2, 0), *(("trade", each, 2) for each in (10, 11, 12))]
    assert numbers(status.items) == [("Gap", BTC, 3, 9), ("Repaired", BTC, 10, 11)]
    assert [each.complete for each in windows.items] == [False, False]


def test_product_without_earlier_trades_has_prior_trades_after_a_reconnect() -> None:
    first, second = [snapshot(0, 1)], [snapshot(0, 1), snapshot(1, 5, 6, product=ETH), trades(2, one(7, ETH))]
    with Venue(reconnecting(first, second)) as venue:
        feed = feed_of(venue, reconnect=FAST)
        everything, status = Collected(feed), Collected(feed.status)
        feed.connect()
        everything.wait_for(lambda items: kinds(items)[-1:] and kinds(items)[-1][1] == 7)
        feed.close()
    assert kinds(everything.items) == [("prior", 1, 0), ("prior", 5, 1), ("prior", 6, 1), ("trade", 7, 1)]
    assert numbers(status.items) == []


def test_books_are_renewed_by_unsubscribing_first() -> None:
    views: list[Any] = []

    def play(client: Client, number: int) -> None:
        client.receive(1)
        client.send(book(0, ("bid", "10", "1"), ("offer", "11", "1"), kind="snapshot"))
        client.send(ack(1, level2=[BTC, ETH]))
        client.send(book(3, ("bid", "9", "1")))
        client.receive(2)
        client.send(book(4, ("bid", "8", "0")))  # of the old subscription
        client.send(ack(5))
        client.send(book(6, ("bid", "7", "2"), ("offer", "12", "1"), kind="snapshot"), ack(7, level2=[BTC]))
        client.wait_for_end()

    with Venue(play) as venue:
        feed = feed_of(venue, "book")
        status = Collected(feed.status)
        seen = Collected(feed.pipe(order_book(BTC)))
        feed.connect()
        seen.wait_for(3)
        feed.close()
        views = seen.items
    assert [(each.ready, each.best_bid and each.best_bid[0]) for each in views] == [
        (True, 10),
        (False, None),
        (True, 7),
    ]
    assert numbers(status.items) == [("Gap", None, 2, 2)]
    kinds_of = [(each["type"], each["channel"], each["product_ids"]) for each in venue.requests]
    assert kinds_of == [(kind, "level2", [BTC, ETH]) for kind in ("subscribe", "unsubscribe", "subscribe")]


def test_first_frame_of_a_connection_has_number_zero() -> None:
    with Venue(after(1, [book(1, ("bid", "10", "1")), heartbeat(2)])) as venue:
        feed = feed_of(venue, "book", reconnect=False)
        status = Collected(feed.status)
        run(feed)
    assert numbers(status.items) == [("Gap", None, 0, 0)]


def test_every_frame_counts_also_a_malformed_or_unknown_one() -> None:
    frames = [
        frame(0, "market_trades", {"type": "update", "trades": []}),
        frame(1, "market_trades", {"type": "update", "trades": [{"product_id": BTC, "trade_id": "x"}]}),
        frame(2, "news", {"anything": 1}),
        heartbeat(3),
        ack(4, market_trades=[BTC]),
        frame(5, "status", {"type": "snapshot", "products": None}),
        trades(6, one(1)),
    ]
    with Venue(after(1, frames)) as venue:
        feed = feed_of(venue, reconnect=False)
        everything, status = Collected(feed), Collected(feed.status)
        run(feed)
    assert numbers(status.items) == []
    assert [each.type for each in everything.items] == [
        "empty_frame",
        "news",
        "heartbeat",
        "subscriptions",
        "status",
        "market_trade",
    ]
    assert (feed.stats.malformed, feed.stats.frames) == (1, 7)


@pytest.mark.parametrize(
    ("channel", "complete", "renewed"),
    [("market_trades", False, False), ("l2_data", True, True), ("ticker", True, False), ("candles", True, False)],
)
@pytest.mark.parametrize("products", [(BTC,), (BTC, ETH)])
def test_malformed_frame_affects_its_kind_alone(
    channel: str, complete: bool, renewed: bool, products: tuple[str, ...]
) -> None:
    odd = frame(2, channel, {"type": "update", "trades": [], **odd_event(channel, products)})

    def play(client: Client, number: int) -> None:
        client.receive(1)
        levels = ("bid", "10", "1"), ("offer", "11", "1")
        client.send(book(0, *levels, kind="snapshot"), snapshot(1, 1, 2))
        client.send(odd, book(3, ("bid", "9", "1")), trades(4, trade(4 - complete, 14), trade(5 - complete, 21)))
        client.wait_for_end()

    with Venue(play) as venue:
        feed = Feed([BTC, ETH], ["book", "trades"], venue="coinbase_advanced", url=venue.url)
        seen, status = Collected(feed.pipe(order_book(BTC))), Collected(feed.status)
        windows, everything = Collected(feed.pipe(window_volume(10))), Collected(feed)
        with feed:
            everything.wait_for(6)
            feed.send("{}")
            wait_until(lambda: {} in venue.requests)
    assert numbers(status.items) == []
    assert [each.ready for each in seen.items] == [True, not renewed]
    assert any(each.get("type") == "unsubscribe" for each in venue.requests) is renewed
    assert [each.complete for each in windows.items[:1]] == [complete]


def odd_event(channel: str, products: tuple[str, ...]) -> dict[str, Any]:
    """An event that cannot be decoded; one of trades has the trade 3."""
    lists = {"market_trades": "trades", "l2_data": "updates", "ticker": "tickers", "candles": "candles"}
    items: list[dict[str, Any]] = [{"product_id": each, "trade_id": "3", "price": []} for each in products]
    return {lists[channel]: items}


def test_malformed_frame_has_the_product_that_was_subscribed_to() -> None:
    """The venue delivers some products under the id of another one."""
    odd = frame(1, "market_trades", {"type": "update", "trades": [{"product_id": BTC, "price": []}]})
    with Venue(after(1, [snapshot(0, 1), odd, trades(2, one(2))])) as venue:
        aliases = {"BTC-USDC": BTC}
        feed = Feed("BTC-USDC", "trades", venue="coinbase_advanced", url=venue.url, reconnect=False, aliases=aliases)
        malformed, seen = Collected(feed.malformed), Collected(feed)
        run(feed)
    assert [each.product_id for each in malformed.items] == ["BTC-USDC"]
    assert [(each.product_id, each.epoch) for each in seen.items] == [("BTC-USDC", 0), ("BTC-USDC", 1)]


def test_duplicate_frame_is_dropped() -> None:
    twice = trades(1, one(2), one(3))
    with Venue(after(1, [trades(0, one(1)), twice, twice, heartbeat(1), heartbeat(2)])) as venue:
        feed = feed_of(venue, reconnect=False)
        everything, status = Collected(feed), Collected(feed.status)
        run(feed)
    assert [each.type for each in everything.items] == [*["market_trade"] * 3, "heartbeat"]
    assert (feed.stats.duplicates, numbers(status.items)) == (3, [])


def test_data_may_come_before_the_acknowledgements_which_add_up() -> None:
    frames = [
        snapshot(0, 1),
        trades(1, one(2)),
        ack(2, market_trades=[ETH, BTC]),
        heartbeat(3),
        ack(4, market_trades=[BTC, ETH], heartbeats=["heartbeats"]),
    ]
    with Venue(after(2, frames)) as venue:
        feed = feed_of(venue, ["trades", "heartbeat"], reconnect=False)
        status = Collected(feed.status)
        run(feed)
    missing = [each.missing for each in status.items if isinstance(each, Subscribed)]
    assert missing == [(("heartbeats", None),), ()]
    assert not [each for each in status.items if isinstance(each, Rejected)]
    assert feed.stats.unsubscribed == 0
    assert venue.requests == [
        {"type": "subscribe", "channel": "market_trades", "product_ids": [BTC, ETH]},
        {"type": "subscribe", "channel": "heartbeats"},
    ]


def test_renewed_book_is_ready_in_a_merged_replay(tmp_path: Path) -> None:
    """The snapshot of a renewed book comes before the acknowledgement, which must not interrupt it again."""
    levels = ("bid", "10", "1"), ("offer", "11", "1")

    def play(client: Client, number: int) -> None:
        client.receive(1)
        client.send(book(0, *levels, kind="snapshot"), ack(1, level2=[BTC]), book(3, ("bid", "9", "1")))
        client.receive(2)
        client.send(ack(4), book(5, *levels, kind="snapshot"), ack(6, level2=[BTC]), book(7, ("bid", "8", "1")))
        client.wait_for_end()

    with Venue(play) as venue:
        feed = Feed(BTC, "book", venue="coinbase_advanced", url=venue.url)
        feed.pipe(record(tmp_path)).subscribe()
        views = Collected(feed.pipe(order_book(BTC)))
        with feed:
            views.wait_for(4)
    for merge in (False, True):
        replay = Replay(tmp_path, merge=merge)
        replayed = Collected(replay.pipe(order_book(BTC)))
        replay.run()
        assert [view.ready for view in replayed.items] == [True, False, True, True], f"merge={merge}"


def test_late_frame_renews_each_book_once() -> None:
    def play(client: Client, number: int) -> None:
        client.receive(1)
        levels = ("bid", "10", "1"), ("offer", "11", "1")
        client.send(*(book(n, *levels, kind="snapshot", product=each) for n, each in enumerate((BTC, ETH))))
        client.send(book(3, ("bid", "9", "1"), product=ETH), book(2, ("bid", "9", "1")), book(4, ("bid", "8", "1")))
        client.receive(2)
        client.send(*(book(n, *levels, kind="snapshot", product=each) for n, each in enumerate((BTC, ETH), 5)))
        client.wait_for_end()

    with Venue(play) as venue:
        feed = feed_of(venue, "book")
        status = Collected(feed.status)
        books = [Collected(feed.pipe(order_book(each))) for each in (BTC, ETH)]
        with feed:
            for each in books:
                each.wait_for(3)
            feed.send("{}")
            wait_until(lambda: {} in venue.requests)
    assert [[view.ready for view in each.items] for each in books] == [[True, False, True]] * 2
    assert numbers(status.items) == [("Gap", None, 2, 2)]
    assert [each.get("type") for each in venue.requests] == ["subscribe", "unsubscribe", "subscribe", None]
