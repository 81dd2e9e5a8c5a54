"""The level 3 book: with fixed examples, and compared with the local exchange's matching engine under faults."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import (
    Auction,
    Change,
    ConfigError,
    Done,
    FrameMalformed,
    Level3Change,
    Level3Done,
    Level3Match,
    Level3Noop,
    Level3Open,
    Match,
    Message,
    Open,
    Received,
    Unknown,
)
from rxfeed.core.book_snapshot import BookSnapshot, NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import FullBookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.core.matching import SIDES, MatchingEngine
from rxfeed.messages import Heartbeat, Side
from rxfeed.protocol import Decoder
from rxfeed.sim.coinbase_exchange.channels import Channels
from rxfeed.sim.frames import Frame, payload_of
from rxfeed.sim.market import Market
from rxfeed.sim.rest import Rest
from tests.support.make import at, heartbeat, in_epoch

BTC = "BTC-USD"
NAMES: dict[str, Any] = {"product_id": BTC, "time": at(1)}


def opened(order_id: str, price: Any, size: Any, sequence: int, side: Side = "buy") -> Open:
    price, size = Decimal(price), Decimal(size)
    return Open(**NAMES, order_id=order_id, side=side, price=price, remaining_size=size, sequence=sequence)


def matched(maker: str, price: Any, size: Any, sequence: int, side: Side = "buy") -> Match:
    price, size = Decimal(price), Decimal(size)
    ids = {"trade_id": sequence, "maker_order_id": maker, "taker_order_id": "t"}
    return Match(**NAMES, **ids, side=side, price=price, size=size, sequence=sequence)


def done(order_id: str, sequence: int, side: Side = "buy") -> Done:
    return Done(**NAMES, order_id=order_id, side=side, reason="canceled", sequence=sequence)


def modified(order_id: str, price: Any, size: Any, sequence: int) -> Change:
    new: dict[str, Any] = {"reason": "modify_order", "new_price": Decimal(price), "new_size": Decimal(size)}
    return Change(**NAMES, **new, order_id=order_id, side="buy", sequence=sequence)


def prevented(order_id: str, size: Any, sequence: int) -> Change:
    return Change(
        **NAMES,
        order_id=order_id,
        side="buy",
        reason="STP",
        price=Decimal(9),
        old_size=Decimal(5),
        new_size=None if size is None else Decimal(size),
        sequence=sequence,
    )


def received(sequence: int | None) -> Received:
    return Received(**NAMES, order_id="r", side="buy", sequence=sequence)


def noop(sequence: int) -> Level3Noop:
    return Level3Noop(**NAMES, sequence=sequence)


def taken(request: int, sequence: int, bids: Any = (), asks: Any = (), **more: Any) -> SnapshotTaken:
    entries = [tuple((Decimal(price), Decimal(size), name) for price, size, name in side) for side in (bids, asks)]
    return SnapshotTaken(request, BookSnapshot(sequence=sequence, bids=entries[0], asks=entries[1], **more))


BIDS = [(10, 1, "a"), (9, 5, "b"), (9, 2, "c"), ("9.00", 1, "d")]
ASKS = [(11, 1, "x"), (12, 1, "y")]


def ready(sequence: int = 10) -> tuple[Level3Book, FullBookView]:
    book = Level3Book(BTC)
    book.step(received(sequence))
    (view,) = book.step(taken(1, sequence, BIDS, ASKS))
    assert isinstance(view, FullBookView)
    return book, view


def names(view: Any, side: Side = "buy") -> str:
    return "".join(order.order_id for order in view.orders(side))


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


def unknown(sequence: int | None) -> Unknown:
    return Unknown(type="new", product_id=BTC, sequence=sequence)


def test_unknown_type_with_the_next_sequence_changes_nothing() -> None:
    book, _ = ready(10)
    assert book.step(unknown(11)) == ()
    (view,) = book.step(matched("a", 10, 1, 12))
    assert (view.ready, view.sequence) == (True, 12)  # type: ignore[union-attr]
    assert book.step(unknown(14)) == ()
    # 13 is missing nevertheless; a number that an unknown type repeats is ignored.
    (lost, _) = book.step(opened("f", 1, 1, 15))
    assert (lost.ready, book.stats.gaps) == (False, 1)  # type: ignore[union-attr]


def test_unknown_type_that_repeats_a_sequence_loses_nothing() -> None:
    book, _ = ready(10)
    for sequence in (11, 5, None, 10**15):
        assert book.step(unknown(sequence)) == ()
    (view,) = book.step(matched("a", 10, 1, 11))
    assert (view.ready, view.sequence, book.stats.gaps) == (True, 11, 0)  # type: ignore[union-attr]


def test_buffered_unknown_types_show_no_gap() -> None:
    book = Level3Book(BTC)
    book.step(unknown(7))
    for item in (opened("e", 10, 4, 8), unknown(9), done("b", 10)):
        assert book.step(item) == ()
    (view,) = book.step(taken(1, 6, BIDS, ASKS))
    assert isinstance(view, FullBookView)
    assert (view.sequence, names(view), book.stats.gaps) == (10, "aecd", 0)


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


def test_messages_older_than_the_snapshot_are_dropped() -> None:
    book, _ = ready()
    assert book.step(opened("b", 9, 5, 10)) == book.step(done("b", 3)) == ()
    assert book.stats.stale == 2
    assert book.step(received(None)) == ()


def test_gap_starts_a_new_book_with_its_message() -> None:
    book, _ = ready()
    lost, need = book.step(opened("e", 9, 1, 12))
    assert isinstance(lost, FullBookView)
    assert (lost.ready, lost.bids, lost.best_ask, lost.sequence) == (False, (), None, None)
    assert need == NeedSnapshot(BTC, 2, 1)
    assert book.step(opened("late", 9, 1, 11)) == ()
    assert book.step(opened("f", 9, 1, 13)) == ()
    (again,) = book.step(taken(2, 10, BIDS, ASKS))  # too old: 11 is missing
    assert again == NeedSnapshot(BTC, 3, 2)
    (view,) = book.step(taken(3, 11, BIDS, ASKS))
    assert names(view) == "abcdef"
    assert (book.stats.gaps, book.stats.stale, book.stats.failures, book.stats.snapshots) == (1, 1, 1, 2)


def test_gap_while_waiting_clears_the_buffer() -> None:
    book = Level3Book(BTC)
    for sequence in (1, 2, 4, 5):
        book.step(opened(str(sequence), 9, 1, sequence))
    assert book.waiting == 2
    assert book.step(taken(1, 2)) == (NeedSnapshot(BTC, 2, 1),)
    (view,) = book.step(taken(2, 3))
    assert names(view) == "45"


def test_snapshot_ahead_of_the_channel_is_applied_later() -> None:
    book = Level3Book(BTC)
    book.step(opened("old", 9, 1, 5))
    (view,) = book.step(taken(1, 8, BIDS))
    assert isinstance(view, FullBookView)
    assert view.sequence == 8
    assert [book.step(opened("old", 9, 1, sequence)) for sequence in (6, 7, 8)] == [(), (), ()]
    (view,) = book.step(opened("new", 9, 1, 9))
    assert names(view) == "abcdnew"


def test_new_epoch_is_a_gap_and_discards_older_snapshots() -> None:
    book, _ = ready()
    lost, need = book.step(in_epoch(noop(11), 1))
    assert not lost.ready  # type: ignore[union-attr]
    assert need == NeedSnapshot(BTC, 2, 1)
    (need,) = book.step(heartbeat(3, epoch=2))
    assert book.step(taken(2, 999, BIDS)) == ()
    assert book.step(in_epoch(noop(3), 2)) == ()
    (view,) = book.step(taken(3, 3, BIDS))
    assert isinstance(view, FullBookView)
    assert view.sequence == 3
    assert book.stats.breaks == 2


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
    book.step(Auction(product_id=BTC, sequence=1, auction_state="complete", time=at(1)))
    (view,) = book.step(opened("e", 1, 1, 2))
    assert view.crossed  # type: ignore[union-attr]


def test_bad_arguments_are_named() -> None:
    for arguments, named in (((3,), "product_id"), ((BTC, 0), "depth")):
        with pytest.raises(ConfigError, match=named):
            Level3Book(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="buffer"):
        Level3Book(BTC, buffer=0)
    with pytest.raises(FrameMalformed):
        BookSnapshot.of(b'{"bids":[]')
    with pytest.raises(FrameMalformed):
        BookSnapshot.of({"bids": [], "asks": []})
    for order in (["NaN", "1", "a"], ["9", "Infinity", "a"], ["9", "1e200", "a"], ["9", "-1", "a"], ["sNaN", "1", "a"]):
        with pytest.raises(FrameMalformed, match=r"a number|a size"):
            BookSnapshot.of({"sequence": 1, "bids": [], "asks": [order]})
    given = {"sequence": 1, "bids": [["1", "2", "a"]], "asks": []}
    assert BookSnapshot.of(given).bids == ((1, 2, "a"),)


# ---- against the engine


class _Ear:
    """Receives both channels of a market, and stores the engine's book after every sequence."""

    def __init__(self, seed: int, messages: int) -> None:
        market = Market([BTC], seed=seed, start=datetime(2026, 1, 1, tzinfo=UTC))
        self.engine: MatchingEngine = market.engines[BTC]
        channels = Channels(market)
        self.frames: list[Frame] = []
        self.books: dict[int, Any] = {}
        self._rest = Rest(lambda: market.engines, market.clock)
        self._note()

        def publish(event: Any) -> None:
            channels.publish(event)
            self._note()

        market.publish = publish
        channels.join([("full", BTC), ("heartbeat", BTC)], self)
        while len(self.frames) < messages:
            market.turn()
        decoder = Decoder()
        self.messages: list[Any] = [decoder.decode(payload_of(frame.wire)) for frame in self.frames]

    def offer(self, frame: Frame) -> None:
        self.frames.append(frame)

    def _note(self) -> None:
        _, content = self._rest.answer(f"GET /products/{BTC}/book?level=3 HTTP/1.1")
        self.books[self.engine.sequence] = BookSnapshot.of(content | {"bids": content["bids"], "asks": content["asks"]})


@cache
def market(seed: int) -> _Ear:
    return _Ear(seed, 150)


FATES = st.lists(
    st.sampled_from(["pass"] * 20 + ["drop", "twice", "late", "break", "fail", "stale", "snapshot", "snapshot"]),
    min_size=60,
    max_size=140,
)


@given(st.integers(0, 3), FATES)
@pytest.mark.timeout(240)  # it compares whole books after each message
def test_ready_book_equals_the_engine_book_under_faults(seed: int, fates: list[str]) -> None:
    truth = market(seed)
    book = Level3Book(BTC, buffer=20)
    newest: FullBookView | None = None
    asked: NeedSnapshot | None = None
    kept: list[tuple[FullBookView, int]] = []
    epoch, at_exchange, held = 0, next(iter(truth.books)), []

    def give(item: Any) -> None:
        nonlocal newest, asked
        for output in book.step(item):
            if isinstance(output, NeedSnapshot):
                asked = output
                continue
            newest = output
            if newest.ready:
                assert newest.sequence is not None
                kept.append((newest, newest.sequence))
                right(newest, truth.books[newest.sequence])

    def answer(sequence: int) -> None:
        if asked is not None:
            give(SnapshotTaken(asked.request, truth.books[sequence]))

    for message, fate in zip(truth.messages, fates, strict=False):
        if not isinstance(message, Heartbeat):
            at_exchange = message.sequence
        epoch += fate == "break"
        message = in_epoch(message, epoch)
        if fate == "late":
            held.append(message)
        elif fate != "drop":
            give(message)
        if fate == "twice":
            give(message)
        elif fate == "fail" and asked is not None:
            give(SnapshotFailed(asked.request))
        elif fate == "stale":
            answer(max(at_exchange - 15, min(truth.books)))
        elif fate == "snapshot":
            answer(at_exchange)
        if len(held) > 2:
            give(in_epoch(held.pop(0), epoch))
    for message in truth.messages[len(fates) :]:
        give(in_epoch(message, epoch))
    last = truth.messages[-1].sequence
    if newest is None or not newest.ready:
        answer(last)
    assert newest is not None
    assert newest.ready
    right(newest, truth.books[last])
    for view, sequence in kept:
        right(view, truth.books[sequence])


def right(view: FullBookView, book: BookSnapshot) -> None:
    bids, asks = ([(o.price, o.size, o.order_id) for o in view.orders(side)] for side in SIDES)
    assert (bids, asks) == (list(book.bids), list(book.asks))
    assert view.bids == view.aggregated().bids == by_price(book.bids)
    assert view.asks == view.aggregated().asks == by_price(book.asks)
    assert view.best_bid == view.bids[0]
    assert view.best_ask == view.asks[0]
    assert not view.crossed


def by_price(entries: Any) -> Any:
    levels: dict[Decimal, Decimal] = {}
    for price, size, _ in entries:
        levels[price] = levels.get(price, Decimal(0)) + size
    return tuple(levels.items())
