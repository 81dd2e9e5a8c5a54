"""The level 3 book: what messages and snapshots make of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rxfeed import ConfigError, Message
from rxfeed.core.book_snapshot import Level3Snapshot, NeedSnapshot, SnapshotFailed
from rxfeed.core.book_view import FullBookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.errors import FrameMalformed
from rxfeed.venues.coinbase_exchange import (
    ExchangeAuction,
    Level3Change,
    Level3Done,
    Level3Match,
    Level3Open,
)
from tests.core.level3_steps import (
    ASKS,
    BIDS,
    BTC,
    NAMES,
    done,
    matched,
    modified,
    names,
    noop,
    opened,
    prevented,
    ready,
    received,
    taken,
)
from tests.support.make import at, heartbeat


def test_first_message_requests_a_snapshot_and_applies_updates() -> None:
    book = Level3Book(BTC)
    assert book.step(opened("z", 1, 1, 7)) == (NeedSnapshot(BTC, 1, 0),)
    assert book.step(opened("e", 10, 4, 8)) == ()
    assert book.step(done("b", 9)) == ()
    assert book.waiting == 3
    (view,) = book.step(taken(1, 7, BIDS, ASKS))
    assert isinstance(view, FullBookView)
    assert (view.ready, view.sequence, view.time) == (True, 9, at(1))
    assert names(view) == "aecd"
    assert names(view, "sell") == "xy"
    assert view.bids == ((10, 5), (9, 3))
    assert (view.best_bid, view.best_ask) == ((10, 5), (11, 1))
    assert (view.mid, view.spread, view.imbalance(2)) == (Decimal("10.5"), 1, Decimal(6) / 10)
    assert book.waiting == 0
    (after,) = book.step(matched("a", 10, 1, 10))
    assert names(after) == "ecd"
    assert names(view) == "aecd"
    assert book.stats.snapshots == 1


def test_heartbeat_requests_a_snapshot_too() -> None:
    """A snapshot that was not requested is ignored."""
    book = Level3Book(BTC)
    assert book.step(taken(0, 7, BIDS)) == ()
    assert book.step(heartbeat(1)) == (NeedSnapshot(BTC, 1, 0),)
    assert book.step(taken(2, 7, BIDS)) == ()
    (view,) = book.step(taken(1, 7, BIDS))
    assert isinstance(view, FullBookView)
    assert view.sequence == 7
    assert book.step(taken(1, 8, BIDS)) == ()
    assert book.step(SnapshotFailed(1)) == ()


def test_order_messages_change_the_book() -> None:
    book, view = ready()
    steps: list[tuple[Message, str, Any]] = [
        (opened("e", "9.0", 1, 11), "abcde", ((10, 1), (9, 9))),
        (matched("a", 10, "0.25", 12), "abcde", ((10, Decimal("0.75")), (9, 9))),
        (matched("a", 10, "0.75", 13), "bcde", ((9, 9),)),
        (prevented("b", 3, 15), "bcde", ((9, 7),)),
        (modified("b", 9, 1, 16), "bcde", ((9, 5),)),  # smaller: it keeps its place
        (modified("b", 9, 2, 17), "cdeb", ((9, 6),)),  # larger: it loses it
        (modified("c", 10, 2, 18), "cdeb", ((10, 2), (9, 4))),
        (modified("c", 9, 1, 19), "debc", ((9, 5),)),  # another price: it loses it, though smaller
        (done("e", 20), "dbc", ((9, 4),)),
    ]
    for message, order, bids in steps:
        if message.sequence == 15:  # type: ignore[attr-defined]
            assert book.step(done("a", 14)) == ()  # filled: it was gone already
        (view,) = book.step(message)
        assert isinstance(view, FullBookView)
        assert (names(view), view.bids) == (order, bids)
        assert view.sequence == message.sequence  # type: ignore[attr-defined]
        assert view.aggregated().bids == bids
    quiet: list[Message] = [received(21), noop(22), done("nobody", 23), modified("nobody", 1, 1, 24)]
    quiet += [prevented("b", None, 25), modified("d", 9, 1, 26), heartbeat(3)]
    assert [book.step(message) for message in quiet] == [()] * len(quiet)
    (last,) = book.step(modified("b", 9, 0, 27))
    assert names(last) == "dc"


def test_level3_arrays_change_the_book() -> None:
    book, view = ready()
    nine, one = Decimal(9), Decimal(1)
    steps: list[tuple[Message, str]] = [
        (Level3Open(**NAMES, sequence=11, order_id="e", side="sell", price=Decimal(11), size=one), "abcd"),
        (Level3Match(**NAMES, sequence=12, maker_order_id="a", taker_order_id="t", price=Decimal(10), size=one), "bcd"),
        (Level3Change(**NAMES, sequence=13, order_id="b", price=nine, size=one), "bcd"),
        (Level3Change(**NAMES, sequence=14, order_id="b", price=nine, size=nine), "cdb"),
        (Level3Done(**NAMES, sequence=15, order_id="c"), "db"),
    ]
    for message, order in steps:
        (last,) = book.step(message)
        assert isinstance(last, FullBookView)
        assert names(last) == order
        view = last
    assert names(view, "sell") == "xey"


def test_queue_position_of_an_order() -> None:
    book, view = ready()
    position = view.queue_position("d")
    assert position is not None
    assert (position.orders, position.size, position.order.side, position.order.price) == (2, 7, "buy", 9)
    assert view.queue_position("nobody") is None
    (after,) = book.step(matched("b", 9, 4, 11))
    assert isinstance(after, FullBookView)
    assert [after.queue_position(name).size for name in "bcd"] == [0, 1, 3]  # type: ignore[union-attr]
    assert position == view.queue_position("d")
    assert view.order("b") is not None
    assert view.order("b").size == 5  # type: ignore[union-attr]
    assert names(view) == "abcd"
    assert [order.order_id for order in view.orders("buy", 2)] == ["a", "b"]
    assert (view.size_at("buy", Decimal(9)), view.size_at("buy", Decimal(1))) == (8, 0)


def test_depth_limits_the_view() -> None:
    book = Level3Book(BTC, 1)
    book.step(received(1))
    (view,) = book.step(taken(1, 1, BIDS, ASKS))
    assert isinstance(view, FullBookView)
    assert view.bids == view.aggregated().bids == ((10, 1),)
    assert len(view.top(2)[0]) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: opened("n", "NaN", 1, 11),
        lambda: opened("n", 9, "1e200", 11),
        lambda: modified("b", 9, -1, 11),
        lambda: modified("b", "Infinity", 1, 11),
        lambda: modified("b", 9, "NaN", 11),
    ],
)
def test_impossible_order_is_malformed(make: Any) -> None:
    with pytest.raises(ValueError, match=r"a number|a size"):
        make()


@pytest.mark.parametrize(
    "message",
    [
        opened("b", 9, 1, 11),
        opened("n", 9, 0, 11),
        matched("nobody", 9, 1, 11),
        matched("b", 9, 6, 11),
        matched("b", 8, 1, 11),
    ],
)
def test_inconsistent_message_starts_a_new_book(message: Message) -> None:
    book, _ = ready()
    lost, need = book.step(message)
    assert not lost.ready  # type: ignore[union-attr]
    assert need == NeedSnapshot(BTC, 2, 1)
    assert book.stats.contradictions == 1
    book = Level3Book(BTC)
    book.step(message)
    assert book.step(taken(1, 10, BIDS)) == (NeedSnapshot(BTC, 2, 1),)
    (view,) = book.step(taken(2, 11, BIDS))
    assert names(view) == "abcd"


@pytest.mark.parametrize(
    "bids",
    [
        [(9, 1, "a"), (8, 1, "a")],
        [(9, 0, "a")],
    ],
)
def test_snapshot_that_is_no_book_is_rejected(bids: Any) -> None:
    book = Level3Book(BTC)
    book.step(received(1))
    assert book.step(taken(1, 1, bids)) == (NeedSnapshot(BTC, 2, 1),)
    (view,) = book.step(taken(2, 1, BIDS))
    assert names(view) == "abcd"


def test_failures_are_counted_until_the_book_is_stable() -> None:
    book = Level3Book(BTC)
    book.step(received(1))
    for failures in range(1, 4):
        assert book.step(SnapshotFailed(failures, "503")) == (NeedSnapshot(BTC, failures + 1, failures),)
    book.step(taken(4, 1, BIDS))
    assert book.step(received(3))[1] == NeedSnapshot(BTC, 5, 4)
    book.step(taken(5, 3, BIDS))
    for sequence in range(4, 104):
        book.step(received(sequence))
    assert book.step(received(105))[1] == NeedSnapshot(BTC, 6, 0)
    assert book.stats.failures == 3


def test_buffer_is_bounded() -> None:
    book = Level3Book(BTC, buffer=3)
    for sequence in range(1, 8):
        book.step(opened(str(sequence), 9, 1, sequence))
    assert (book.waiting, book.stats.overflowed) == (3, 4)
    assert book.step(taken(1, 3)) == (NeedSnapshot(BTC, 2, 1),)
    (view,) = book.step(taken(2, 4))
    assert names(view) == "567"


def test_crossed_book_is_reported_outside_an_auction() -> None:
    crossing = [(12, 1, "a")], [(11, 1, "x")]
    book = Level3Book(BTC)
    book.step(received(1))
    (view,) = book.step(taken(1, 1, *crossing))
    assert view.crossed  # type: ignore[union-attr]
    book = Level3Book(BTC)
    book.step(received(1))
    (view,) = book.step(taken(1, 1, *crossing, auction_mode=True))
    assert not view.crossed  # type: ignore[union-attr]
    book.step(ExchangeAuction(product_id=BTC, sequence=1, auction_state="complete", time=at(1)))
    (view,) = book.step(opened("e", 1, 1, 2))
    assert view.crossed  # type: ignore[union-attr]


def test_bad_arguments_are_named() -> None:
    for arguments, named in (((3,), "product_id"), ((BTC, 0), "depth")):
        with pytest.raises(ConfigError, match=named):
            Level3Book(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="buffer"):
        Level3Book(BTC, buffer=0)
    with pytest.raises(FrameMalformed):
        Level3Snapshot.of(b'{"bids":[]')
    with pytest.raises(FrameMalformed):
        Level3Snapshot.of({"bids": [], "asks": []})
    for order in (["NaN", "1", "a"], ["9", "Infinity", "a"], ["9", "1e200", "a"], ["9", "-1", "a"], ["sNaN", "1", "a"]):
        with pytest.raises(FrameMalformed, match=r"a number|a size"):
            Level3Snapshot.of({"sequence": 1, "bids": [], "asks": [order]})
    given = {"sequence": 1, "bids": [["1", "2", "a"]], "asks": []}
    assert Level3Snapshot.of(given).bids == ((1, 2, "a"),)
