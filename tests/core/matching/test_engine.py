"""The engine compared with a book that is built from its events as the exchange documents it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed.core.matching import (
    SIDES,
    SIZE_UNIT,
    ChangeEvent,
    DoneEvent,
    MatchEvent,
    MatchingEngine,
    OpenEvent,
    OrderEvent,
    Product,
    ReceivedEvent,
    Side,
    size_text,
)
from rxfeed.errors import ConfigError

TIME = "2026-01-01T00:00:00.000000Z"
UNIT = SIZE_UNIT


class Follower:
    """The book of a client that follows `full`: order id -> [side, price, size], in order of priority."""

    def __init__(self) -> None:
        self.orders: dict[str, list[Any]] = {}

    def apply(self, event: OrderEvent) -> None:
        match event:
            case OpenEvent():
                self.orders[event.order_id] = [event.side, Decimal(event.price), Decimal(event.remaining_size)]
            case MatchEvent():
                order = self.orders[event.maker_order_id]
                assert order[:2] == [event.side, Decimal(event.price)]
                order[2] -= Decimal(event.size)
                assert order[2] >= 0
            case DoneEvent():
                order = self.orders.pop(event.order_id, None)
                if order is not None and event.reason == "filled":
                    assert order[2] == 0
            case ChangeEvent(reason="STP"):
                self.orders[event.order_id][2] = Decimal(event.new_size)
            case ChangeEvent():
                order = self.orders[event.order_id]
                assert order[1:] == [Decimal(str(event.old_price)), Decimal(event.old_size)]
                new_price, new_size = Decimal(str(event.new_price)), Decimal(event.new_size)
                if new_price != order[1] or new_size > order[2]:
                    self.orders[event.order_id] = self.orders.pop(event.order_id)
                self.orders[event.order_id][1:] = [new_price, new_size]

    def levels(self, side: Side) -> dict[Decimal, Decimal]:
        totals: dict[Decimal, Decimal] = defaultdict(Decimal)
        for its_side, price, size in self.orders.values():
            if its_side == side and size:
                totals[price] += size
        return dict(sorted(totals.items(), reverse=side == "buy"))

    def queue(self, side: Side) -> list[str]:
        """Ids by priority: the better price, then the earlier."""
        sign = -1 if side == "buy" else 1
        mine = [(sign * price, order_id) for order_id, (of, price, size) in self.orders.items() if of == side and size]
        return [order_id for _, order_id in sorted(mine, key=lambda entry: entry[0])]


class Harness:
    """An engine with a check of each event."""

    def __init__(self) -> None:
        ids = count(1)
        self.events: list[OrderEvent] = []
        self.follower = Follower()
        self.engine = MatchingEngine(
            Product("BTC-USD"),
            publish=self.check,
            clock=lambda: TIME,
            new_id=lambda: f"order-{next(ids)}",
            sequence=100,
            trade_id=7,
        )

    def check(self, event: OrderEvent) -> None:
        self.events.append(event)
        assert event.sequence == 100 + len(self.events) == self.engine.sequence
        assert event.product_id == "BTC-USD"
        self.follower.apply(event)
        text = self.engine.product.price_text
        for side in SIDES:
            levels = [(Decimal(text(price)), Decimal(size_text(size))) for price, size in self.engine.sides[side]]
            assert levels == list(self.follower.levels(side).items())
            assert [order.order_id for order in self.engine.sides[side].orders()] == self.follower.queue(side)
        bids, asks = self.follower.levels("buy"), self.follower.levels("sell")
        if bids and asks and not isinstance(event, MatchEvent | DoneEvent):
            assert max(bids) < min(asks)

    def take(self) -> list[OrderEvent]:
        """The events since the last call."""
        events, self._from = self.events[getattr(self, "_from", 0) :], len(self.events)
        return events


SIDE = st.sampled_from(SIDES)
PRICE = st.integers(9_990, 10_010)
SIZE = st.integers(1, 5).map(lambda size: size * UNIT // 3)
ACTION = st.one_of(
    st.tuples(st.just("limit"), SIDE, PRICE, SIZE, st.booleans()),
    st.tuples(st.just("market"), SIDE, SIZE),
    st.tuples(st.just("funds"), SIDE, st.integers(1, 100_000)),
    st.tuples(st.just("cancel"), st.integers(0, 99)),
    st.tuples(st.just("modify"), st.integers(0, 99), PRICE, SIZE),
    st.tuples(st.just("stp"), st.integers(0, 99)),
)


def act(engine: MatchingEngine, action: tuple[Any, ...]) -> None:
    kind, *rest = action
    if kind == "limit":
        engine.limit(*rest[:3], immediate=rest[3])
    elif kind == "market":
        engine.market(rest[0], size=rest[1])
    elif kind == "funds":
        engine.market(rest[0], funds=rest[1])
    elif engine.orders:
        order = list(engine.orders.values())[rest[0] % len(engine.orders)]
        if kind == "cancel":
            engine.cancel(order.order_id)
        elif kind == "stp" and order.size > 1:
            engine.prevent_self_trade(order.order_id, order.size // 2)
        elif kind == "modify" and not engine.sides["sell" if order.side == "buy" else "buy"].reaches(rest[1]):
            engine.modify(order.order_id, rest[1], rest[2])


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTION, max_size=60))
def test_book_built_from_full_equals_the_engine_book(actions: list[tuple[Any, ...]]) -> None:
    harness = Harness()
    for action in actions:
        act(harness.engine, action)
    trades = [event.trade_id for event in harness.events if isinstance(event, MatchEvent)]
    assert trades == list(range(8, 8 + len(trades)))
    assert harness.engine.last_trade_id == 7 + len(trades)


@settings(max_examples=100, deadline=None)
@given(st.lists(ACTION, max_size=60))
def test_every_size_is_traded_canceled_changed_or_resting(actions: list[tuple[Any, ...]]) -> None:
    harness = Harness()
    for action in actions:
        act(harness.engine, action)
    left: dict[str, Decimal] = {}
    for event in harness.events:
        match event:
            case ReceivedEvent(order_type="limit"):
                left[event.order_id] = Decimal(str(event.size))
            case OpenEvent():
                assert Decimal(event.remaining_size) == left[event.order_id]
            case MatchEvent():
                assert Decimal(event.size) > 0
                for order_id in (event.maker_order_id, event.taker_order_id):
                    if order_id in left:
                        left[order_id] -= Decimal(event.size)
            case ChangeEvent():
                assert Decimal(event.old_size) == left[event.order_id]
                left[event.order_id] = Decimal(event.new_size)
            case DoneEvent() if event.order_id in left:
                assert Decimal(str(event.remaining_size)) == left.pop(event.order_id)
    assert left == {order_id: order[2] for order_id, order in harness.follower.orders.items()}
    assert all(size > 0 for size in left.values())


def told(events: list[OrderEvent]) -> list[str]:
    return [event.type for event in events]


def test_limit_order_events_from_arrival_to_done() -> None:
    harness = Harness()
    engine = harness.engine
    maker = engine.limit("sell", 10_000, 2 * UNIT)
    assert told(harness.take()) == ["received", "open"]

    taker = engine.limit("buy", 10_001, 3 * UNIT)
    received, match, maker_done, opened = harness.take()
    assert isinstance(received, ReceivedEvent)
    assert (received.size, received.price) == ("3.00000000", "100.01")
    assert isinstance(match, MatchEvent)
    assert (match.maker_order_id, match.taker_order_id) == (maker, taker)
    assert (match.side, match.price, match.size) == ("sell", "100.00", "2.00000000")
    assert isinstance(maker_done, DoneEvent)
    assert (maker_done.order_id, maker_done.reason, maker_done.remaining_size) == (maker, "filled", "0.00000000")
    assert isinstance(opened, OpenEvent)
    assert (opened.order_id, opened.price, opened.remaining_size) == (taker, "100.01", "1.00000000")

    engine.cancel(taker)
    (done,) = harness.take()
    assert isinstance(done, DoneEvent)
    assert (done.reason, done.price, done.remaining_size) == ("canceled", "100.01", "1.00000000")


def test_order_that_is_filled_at_once_is_never_open() -> None:
    harness = Harness()
    harness.engine.limit("sell", 10_000, 2 * UNIT)
    harness.take()
    harness.engine.limit("buy", 10_000, UNIT)
    assert told(harness.take()) == ["received", "match", "done"]


def test_immediate_order_cancels_what_does_not_trade() -> None:
    harness = Harness()
    harness.engine.limit("buy", 10_000, UNIT, immediate=True)
    received, done = harness.take()
    assert isinstance(received, ReceivedEvent)
    assert isinstance(done, DoneEvent)
    assert (done.reason, done.remaining_size) == ("canceled", "1.00000000")


def test_market_order_takes_best_prices_and_oldest_orders_first() -> None:
    harness = Harness()
    engine = harness.engine
    dear, first, second = (engine.limit("sell", price, UNIT) for price in (10_001, 10_000, 10_000))
    harness.take()
    engine.market("buy", size=2 * UNIT + 1)
    received, *trades, done = harness.take()
    assert isinstance(received, ReceivedEvent)
    assert isinstance(done, DoneEvent)
    assert not received.price
    assert not received.funds
    assert not done.price
    assert not done.remaining_size
    assert done.reason == "filled"
    assert [event.maker_order_id for event in trades if isinstance(event, MatchEvent)] == [first, second, dear]


def test_market_order_for_funds_spends_at_most_them() -> None:
    harness = Harness()
    harness.engine.limit("sell", 10_000, 2 * UNIT)
    harness.take()
    harness.engine.market("buy", funds=15_000)
    received, match, done = harness.take()
    assert isinstance(received, ReceivedEvent)
    assert isinstance(match, MatchEvent)
    assert isinstance(done, DoneEvent)
    assert (received.funds, received.size or None) == ("150.00", None)
    assert (match.size, done.reason) == ("1.50000000", "filled")


def test_market_order_on_an_empty_book_is_canceled() -> None:
    harness = Harness()
    harness.engine.market("buy", size=UNIT)
    _, done = harness.take()
    assert isinstance(done, DoneEvent)
    assert done.reason == "canceled"


def test_only_a_smaller_size_keeps_the_queue_position() -> None:
    harness = Harness()
    engine = harness.engine
    first, second = (engine.limit("buy", 10_000, 2 * UNIT) for _ in range(2))
    engine.modify(first, 10_000, UNIT)
    assert [order.order_id for order in engine.sides["buy"].orders()] == [first, second]
    engine.modify(first, 10_000, 2 * UNIT)
    assert [order.order_id for order in engine.sides["buy"].orders()] == [second, first]


def test_new_price_must_not_trade() -> None:
    harness = Harness()
    harness.engine.limit("sell", 10_000, UNIT)
    order = harness.engine.limit("buy", 9_999, UNIT)
    with pytest.raises(ConfigError, match=r"price: 100\.00 would trade"):
        harness.engine.modify(order, 10_000, UNIT)
