"""Losses are visible in the delivered messages and status events."""

from __future__ import annotations

from pathlib import Path

from rxfeed import Credentials, Feed, Match, Replay, order_book, price_crossing, record, window_volume
from rxfeed.feed import Gap, Repaired
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.scenes import fast_feed, of, scenes, sending, tick, trade, wait_until
from tests.support.wire import WireServer, close_frame, frame

# ---- losses


def test_gaps_duplicates_and_epochs_are_delivered() -> None:
    pieces = (trade(1, 10), trade(2, 20), trade(2, 20), trade(5, 30), trade(4, 25), trade(6, 40))
    with WireServer(sending(*pieces)) as server:
        feed = fast_feed(server.url, "matches")
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(4)
            wait_until(lambda: feed.stats.duplicates == 2)
    assert [(m.trade_id, m.epoch) for m in got.items if isinstance(m, Match)] == [(1, 0), (2, 0), (5, 1), (6, 1)]
    (gap,) = of(status, Gap)
    assert (gap.product_id, gap.channel, gap.first, gap.last) == ("A-B", "matches", 3, 4)
    assert (feed.stats.gaps, feed.stats.gapped, feed.stats.duplicates) == (1, 2, 2)


def test_gap_precedes_the_message_that_reveals_it() -> None:
    order: list[str] = []
    with WireServer(sending(trade(1, 10), trade(3, 30))) as server:
        feed = fast_feed(server.url, "matches")
        feed.status.subscribe(lambda s: order.append("gap") if isinstance(s, Gap) else None)
        got = Collected(feed)
        feed.subscribe(lambda m: order.append(str(getattr(m, "trade_id", 0))))
        with feed:
            got.wait_for(2)
    assert order == ["1", "gap", "3"]


def test_duplicates_may_be_kept() -> None:
    with WireServer(sending(trade(1, 10), trade(1, 10), trade(2, 11))) as server:
        feed = fast_feed(server.url, "matches", drop_duplicates=False)
        got = Collected(feed)
        with feed:
            got.wait_for(3)
    assert feed.stats.duplicates == 1


def test_windows_and_crossings_reflect_a_reconnect() -> None:
    first = (trade(1, 10, "9"), trade(2, 70, "9"), trade(3, 130, "9"), close_frame(1001))
    second = (trade(6, 150, "11", "last_match"), trade(7, 160, "11"), trade(8, 200, "9"), trade(9, 260, "9"))
    with WireServer(scenes(sending(*first), sending(*second))) as server:
        feed = fast_feed(server.url, "matches")
        windows, crosses = Collected(feed.pipe(window_volume(60))), Collected(feed.pipe(price_crossing("A-B", 10)))
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(7)
        windows.wait_for_end()
    assert [(w.count, w.complete) for w in windows.items] == [
        (1, False),
        (1, True),
        (2, False),  # the reconnect lies in it
        (1, True),
        (1, False),
    ]
    assert [(c.direction, c.spans_gap) for c in crosses.items] == [("up", True), ("down", False)]
    assert [(g.channel, g.first, g.last) for g in of(status, Gap)] == [("matches", 4, 6)]


NEXT = (
    (trade(1, 10), trade(2, 70), trade(3, 130), close_frame(1001)),
    (trade(4, 150, "11", "last_match"), trade(5, 160, "11"), trade(6, 200), trade(7, 260)),
)


def test_last_match_with_the_next_id_leaves_windows_complete(tmp_path: Path) -> None:
    """The reconnect missed one trade, which the `last_match` brings: nothing is missing, live and in a replay."""
    with WireServer(scenes(*(sending(*each) for each in NEXT))) as server:
        feed = fast_feed(server.url, "matches")
        windows, got, status = Collected(feed.pipe(window_volume(60))), Collected(feed), Collected(feed.status)
        feed.pipe(record(tmp_path)).subscribe()
        with feed:
            got.wait_for(7)
        windows.wait_for_end()
    trades = [each for each in got.items if isinstance(each, Match)]
    assert [(each.trade_id, each.repaired) for each in trades] == [(n, n == 4) for n in range(1, 8)]
    assert [(w.count, w.repaired, w.complete) for w in windows.items] == [
        (1, 0, False),
        (1, 0, True),
        (3, 1, True),
        (1, 0, True),
        (1, 0, False),
    ]
    assert (of(status, Gap), feed.stats.gaps, feed.stats.duplicates, feed.stats.repaired) == ([], 0, 0, 1)
    assert [(each.channel, each.first, each.last) for each in of(status, Repaired)] == [("matches", 4, 4)]
    replay = Replay(tmp_path)
    again, results = Collected(replay), Collected(replay.pipe(window_volume(60)))
    replay.run()
    assert [(each, each.epoch, each.repaired) for each in again.items] == [
        (each, each.epoch, each.repaired) for each in got.items
    ]
    assert results.items == windows.items


def test_last_match_with_the_next_id_is_kept_with_the_duplicates() -> None:
    with WireServer(scenes(*(sending(*each) for each in NEXT))) as server:
        feed = fast_feed(server.url, "matches", drop_duplicates=False)
        got = Collected(feed)
        with feed:
            got.wait_for(7)
    assert [each.type for each in got.items] == ["match"] * 3 + ["last_match"] + ["match"] * 3
    assert (feed.stats.duplicates, feed.stats.gaps) == (0, 0)


def test_unreadable_frame_raises_the_epoch() -> None:
    with WireServer(sending(tick(1), frame("nonsense"), tick(2))) as server:
        feed = fast_feed(server.url)
        got = Collected(feed)
        with feed:
            got.wait_for(2)
    assert [m.epoch for m in got.items] == [0, 1]


# ---- books, which have no sequence numbers


def test_book_restarts_after_a_break_on_a_live_connection() -> None:
    """An unreadable frame may belong to the book: the book is subscribed to again, and is correct afterwards."""
    credentials = Credentials("k", "c2VjcmV0", "p")
    with Exchange(["BTC-USD"], seed=2, auto=False, credentials=credentials) as exchange:
        feed = Feed("BTC-USD", ["level2", "heartbeat"], url=exchange.url, credentials=credentials)
        books = Collected(feed.pipe(order_book("BTC-USD")))
        with feed:
            exchange.wait_for_clients()
            books.wait_for(lambda items: items and items[-1].ready)
            exchange.inject(faults.MalformedFrame())
            exchange.step(20)
            books.wait_for(lambda items: any(not view.ready for view in items[1:]))
            books.wait_for(lambda items: items[-1].ready)
            exchange.step(50)
            expected = exchange.book("BTC-USD")
            books.wait_for(lambda items: list(items[-1].bids) == expected["bids"])
            assert list(books.items[-1].asks) == expected["asks"]
    assert feed.stats.connections == 1
    assert [r["type"] for r in exchange.requests] == ["subscribe", "unsubscribe", "subscribe"]
