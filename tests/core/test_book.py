"""The level 2 book, with fixed examples and compared with a dictionary."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, Message, fold
from rxfeed.core.book import Level2Book
from rxfeed.core.book_view import BookView
from rxfeed.venues.coinbase_exchange import ExchangeAuction, L2Update, Snapshot
from tests.support.make import at, heartbeat, in_epoch, match

BTC = "BTC-USD"


def levels(pairs: list[tuple[Any, Any]]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(price), Decimal(size)) for price, size in pairs)


def snapshot(bids: list[Any], asks: list[Any], *, epoch: int = 0, time: Any = 0, product_id: str = BTC) -> Snapshot:
    message = Snapshot(product_id=product_id, bids=levels(bids), asks=levels(asks), time=at(time))
    return in_epoch(message, epoch)


def update(*changes: Any, epoch: int = 0, time: Any = 1, product_id: str = BTC) -> L2Update:
    given = tuple((side, Decimal(price), Decimal(size)) for side, price, size in changes)
    return in_epoch(L2Update(product_id=product_id, changes=given, time=at(time)), epoch)


def auction(state: str, *, epoch: int = 0) -> ExchangeAuction:
    return in_epoch(ExchangeAuction(product_id=BTC, sequence=1, auction_state=state, time=at(1)), epoch)


def views(*messages: Message, depth: int | None = None) -> list[BookView]:
    return fold(Level2Book(BTC, depth), messages)


BOOK = snapshot([("10101.10", 1), ("10100", 2), (10099, 3)], [("10102.5", "0.5"), (10103, 1)])


def test_snapshot_sets_the_book() -> None:
    (view,) = views(BOOK)
    assert view.ready
    assert not view.crossed
    assert (view.product_id, view.time, view.sequence) == (BTC, at(0), None)
    assert view.best_bid == (Decimal("10101.1"), 1)
    assert view.best_ask == (Decimal("10102.5"), Decimal("0.5"))
    assert view.bids == levels([("10101.10", 1), ("10100", 2), (10099, 3)])
    assert view.asks == levels([("10102.5", "0.5"), (10103, 1)])
    assert view.mid == Decimal("10101.8")
    assert view.spread == Decimal("1.4")
    assert view.imbalance() == Decimal("0.5") / Decimal("1.5")
    assert view.imbalance(2) == Decimal("1.5") / Decimal("4.5")
    assert view.imbalance(99) == Decimal("4.5") / Decimal("7.5")
    assert view.size_at("buy", Decimal(10100)) == 2
    assert view.size_at("sell", Decimal(10100)) == 0


def test_changes_are_absolute_and_prices_equal_by_value() -> None:
    book = views(
        BOOK,
        update(("buy", "10101.10000000", "7")),
        update(("buy", "10101.1", "0.00000000"), ("sell", "10101.9", "2")),
        update(("sell", "10102.50", 0)),
    )
    assert [view.best_bid and view.best_bid[1] for view in book] == [1, 7, 2, 2]
    assert book[2].best_ask == levels([("10101.9", 2)])[0]
    assert book[3].asks == levels([("10101.9", 2), (10103, 1)])
    assert book[3].time == at(1)


def test_unchanged_book_is_not_emitted() -> None:
    assert len(views(BOOK, update(("buy", 1, 0)), update(("buy", 10100, "2.0")), update(), heartbeat(1))) == 1
    assert len(views(BOOK, update(("buy", 1, 1), ("buy", 1, 0)))) == 1
    assert len(views(BOOK, update(("sell", 10103, 0), ("sell", "10103.0", 1)))) == 1


def test_views_never_change() -> None:
    machine = Level2Book(BTC)
    (first,) = machine.step(BOOK)
    before = (first.bids, first.asks, repr(first))
    for size in range(1, 100):
        machine.step(update(("buy", 10100 - size, size), ("sell", 10102 + size, 0)))
    machine.step(snapshot([], [], epoch=1))
    assert (first.bids, first.asks, repr(first)) == before
    with pytest.raises(AttributeError):
        first.ready = False  # type: ignore[misc]


def test_depth_limits_what_is_shown_and_not_what_is_kept() -> None:
    first, second = views(BOOK, update(("buy", "10101.1", 0)), depth=2)
    assert first.bids == levels([("10101.1", 1), (10100, 2)])
    assert second.bids == levels([(10100, 2), (10099, 3)])
    assert first.top(3)[0] == levels([("10101.1", 1), (10100, 2), (10099, 3)])


def test_nothing_is_emitted_before_the_first_snapshot() -> None:
    assert views(update(("buy", 1, 1)), auction("opening"), heartbeat(1)) == []


@pytest.mark.parametrize("breaker", [update(epoch=1), update(("buy", 1, 1), epoch=1), heartbeat(2, epoch=1)])
def test_new_epoch_is_emitted_once_and_ends_with_a_snapshot(breaker: Message) -> None:
    book = views(BOOK, breaker, breaker, update(("buy", 2, 2), epoch=1), snapshot([(5, 1)], [], epoch=1))
    assert [view.ready for view in book] == [True, False, True]
    lost, healed = book[1:]
    assert (lost.best_bid, lost.best_ask, lost.mid, lost.spread) == (None, None, None, None)
    assert (lost.bids, lost.asks) == ((), ())
    assert lost.imbalance(5) is None
    assert healed.bids == levels([(5, 1)])


def test_snapshot_in_a_new_epoch_reports_the_break() -> None:
    assert [view.ready for view in views(BOOK, snapshot([(5, 1)], [], epoch=3), update(("buy", 5, 2), epoch=3))] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("change", [("buy", 1, "NaN"), ("buy", "NaN", 1), ("sell", 1, -1), ("sell", 1, "Infinity")])
def test_impossible_level_is_malformed(change: Any) -> None:
    with pytest.raises(ValueError, match=r"a number|a size"):
        update(("buy", 3, 3), change)
    with pytest.raises(ValueError, match=r"a number|a size"):
        snapshot([change[1:]], [])
    with pytest.raises(ValueError, match=r"a number|a size"):
        snapshot([], [change[1:]])


def test_crossed_book_is_reported_outside_an_auction() -> None:
    cross, locked = update(("buy", 10104, 1)), update(("buy", 10104, 0), ("buy", "10102.5", 1))
    assert [view.crossed for view in views(BOOK, cross, locked, update(("buy", "10102.5", 0)))] == [
        False,
        True,
        True,
        False,
    ]
    (_, view) = views(BOOK, cross)
    assert view.spread == Decimal("-1.5")
    assert [view.crossed for view in views(BOOK, auction("collection"), cross, auction("complete"), locked)] == [
        False,
        False,
        True,
    ]
    # A break may have hidden the auction's end.
    again = snapshot([(2, 1)], [(1, 1)], epoch=1)
    book = views(BOOK, auction("collection"), cross, again)
    assert [(view.ready, view.crossed) for view in book] == [(True, False), (True, False), (False, False), (True, True)]


def test_other_products_and_types_are_ignored() -> None:
    others = [snapshot([(1, 1)], [], product_id="ETH-USD"), update(("buy", 1, 1), product_id="ETH-USD"), match(epoch=4)]
    assert views(*others, BOOK, *others) == views(BOOK)


@pytest.mark.parametrize("depth", [0, -1, True, 1.5, "3"])
def test_bad_depth_is_named(depth: Any) -> None:
    with pytest.raises(ConfigError, match="depth"):
        Level2Book(BTC, depth)
    with pytest.raises(ConfigError, match="product_id"):
        Level2Book("")


# ---- against a dictionary

PRICES = st.sampled_from(["1", "1.0", "1.00", "2", "2.5", "2.50", "3", "4", "4.000", "5"])
SIZES = st.sampled_from(["0", "0.0", "0.00000000", "1", "1.0", "2.5", "0.00000001"])
SIDES = st.sampled_from(["buy", "sell"])
EPOCHS = st.sampled_from([0, 0, 0, 0, 1, 2])
PRODUCTS = st.sampled_from([BTC, BTC, BTC, "ETH-USD"])
MESSAGES = st.one_of(
    st.builds(
        lambda bids, asks, epoch, product: snapshot(bids, asks, epoch=epoch, product_id=product),
        st.lists(st.tuples(PRICES, SIZES), max_size=4),
        st.lists(st.tuples(PRICES, SIZES), max_size=4),
        EPOCHS,
        PRODUCTS,
    ),
    *[
        st.builds(
            lambda changes, epoch, product: update(*changes, epoch=epoch, product_id=product),
            st.lists(st.tuples(SIDES, PRICES, SIZES), max_size=4),
            EPOCHS,
            PRODUCTS,
        )
    ]
    * 4,
    st.builds(lambda epoch, product: heartbeat(1, epoch=epoch, product_id=product), EPOCHS, PRODUCTS),
)


class Model:
    """The simplest possible book."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] | None = None
        self.epoch = 0

    def step(self, message: Any) -> None:
        if message.product_id != BTC:
            return
        if isinstance(message, Snapshot):
            self.epoch = message.epoch
            self.sides = {"buy": dict(message.bids), "sell": dict(message.asks)}
        elif message.epoch > self.epoch or (message.epoch < self.epoch and isinstance(message, L2Update)):
            self.sides = None
        elif isinstance(message, L2Update) and self.sides is not None:
            for side, price, size in message.changes:
                self.sides[side][price] = size

    def shown(self) -> Any:
        if self.sides is None:
            return None
        bids, asks = ([(p, s) for p, s in sorted(self.sides[side].items()) if s] for side in ("buy", "sell"))
        return tuple(reversed(bids)), tuple(asks)


@given(st.lists(MESSAGES, max_size=40))
def test_book_equals_a_dictionary_after_every_message(messages: list[Any]) -> None:
    machine, model = Level2Book(BTC), Model()
    newest = None
    kept: list[tuple[BookView, Any]] = []
    for message in messages:
        before = model.shown()
        model.step(message)
        shown = model.shown()
        outputs = machine.step(message)
        assert [view.ready for view in outputs] in ([], [True], [False], [False, True])
        for newest in outputs:
            kept.append((newest, (newest.bids, newest.asks) if newest.ready else None))
        if newest is None:
            assert shown is None
            continue
        assert bool(outputs) == (shown != before or (isinstance(message, Snapshot) and message.product_id == BTC))
        assert newest.ready == (shown is not None)
        assert (newest.bids, newest.asks) == (shown or ((), ()))
        assert newest.best_bid == (newest.bids[0] if newest.bids else None)
        assert newest.best_ask == (newest.asks[0] if newest.asks else None)
    for view, was in kept:
        assert (view.bids, view.asks) == (was or ((), ()))
    assert machine.finish() == ()
