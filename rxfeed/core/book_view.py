"""Immutable views of a book at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice

import msgspec

from rxfeed.core.arguments import positive_integer
from rxfeed.core.numbers import EXACT, ROUNDED, ZERO
from rxfeed.core.recorded_states import RecordedState
from rxfeed.core.resting_orders import RestingOrder, SortedOrders
from rxfeed.core.result import Result
from rxfeed.core.sorted_map import SortedMap
from rxfeed.market import Level, Side

_HALF = Decimal("0.5")

NO_LEVELS: RecordedState[SortedMap[Decimal, Decimal]] = RecordedState(None, 0, SortedMap())
NO_ORDERS: RecordedState[SortedOrders] = RecordedState(None, 0, SortedOrders())


class BookView(Result, frozen=True, kw_only=True, gc=False):
    """A product's book by price after the message of *time*; it is immutable, and any thread may use it.

    *ready*: it is known to be the exchange's book; if not, it has no prices. *crossed*: the best bid is at or above the
    best ask, and no auction allows that. *sequence*: the number of the last applied message, for level 3 only.
    *best_bid*, *best_ask*: (price, size), `None` if the side is empty. *depth*: the number of prices in `bids` and
    `asks`, `None` for all. Prices are in the quote currency, sizes in the base currency.
    """

    product_id: str
    ready: bool = False
    time: datetime | None = None
    sequence: int | None = None
    crossed: bool = False
    best_bid: Level | None = None
    best_ask: Level | None = None
    depth: int | None = None
    _bids: RecordedState[SortedMap[Decimal, Decimal]] = NO_LEVELS
    _asks: RecordedState[SortedMap[Decimal, Decimal]] = NO_LEVELS

    @property
    def bids(self) -> tuple[Level, ...]:
        """(price, size), the highest price first. Made anew at each call, in O(prices shown)."""
        return tuple(self._best("buy", self.depth))

    @property
    def asks(self) -> tuple[Level, ...]:
        """(price, size), the lowest price first. Made anew at each call, in O(prices shown)."""
        return tuple(self._best("sell", self.depth))

    def top(self, n: int = 1) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The *n* best bids and asks, whatever the `depth`. O(n)."""
        positive_integer("n", n)
        return tuple(self._best("buy", n)), tuple(self._best("sell", n))

    @property
    def mid(self) -> Decimal | None:
        """The exact mean of the best bid and ask; `None` if a side is empty."""
        if self.best_bid is None or self.best_ask is None:
            return None
        return EXACT.multiply(EXACT.add(self.best_bid[0], self.best_ask[0]), _HALF)

    @property
    def spread(self) -> Decimal | None:
        """The best ask less the best bid, negative if the book is crossed; `None` if a side is empty."""
        if self.best_bid is None or self.best_ask is None:
            return None
        return EXACT.subtract(self.best_ask[0], self.best_bid[0])

    def imbalance(self, n: int = 1) -> Decimal | None:
        """(bids - asks) / (bids + asks) of the sizes at the *n* best prices, -1 to 1; `None` for an empty book."""
        bids, asks = (total(size for _, size in side) for side in self.top(n))
        both = EXACT.add(bids, asks)
        return ROUNDED.divide(EXACT.subtract(bids, asks), both) if both else None

    def size_at(self, side: Side, price: Decimal) -> Decimal:
        """The size that rests at *price*, zero for none. O(log n)."""
        size = (self._bids if side == "buy" else self._asks).form.get(price)
        return ZERO if size is None else size

    def _best(self, side: Side, n: int | None) -> Iterator[Level]:
        levels = reversed(self._bids.form) if side == "buy" else iter(self._asks.form)
        return islice(levels, n)


class QueuePosition(msgspec.Struct, frozen=True, gc=False):
    """An order's place in its queue: *orders* orders at its price, of *size* together, trade before it."""

    order: RestingOrder
    orders: int
    size: Decimal


class FullBookView(BookView, frozen=True, kw_only=True, gc=False):
    """A `BookView` with every order of the book."""

    _orders: RecordedState[SortedOrders] = NO_ORDERS

    def order(self, order_id: str) -> RestingOrder | None:
        """The order of that id, if it rests on the book. O(log n)."""
        return self._orders.form.by_id.get(order_id)

    def orders(self, side: Side, n: int | None = None) -> tuple[RestingOrder, ...]:
        """The *n* orders of *side* (`None`: all) that trade first, in that order. O(n)."""
        if n is not None:
            positive_integer("n", n)
        return tuple(islice(self._orders.form.of_side(side), n))

    def queue_position(self, order_id: str) -> QueuePosition | None:
        """The orders that trade before that order at its price; `None` if it is not on the book. O(these orders)."""
        orders = self._orders.form
        order = orders.by_id.get(order_id)
        if order is None:
            return None
        ahead = [other.size for other in orders.ahead_of(order)]
        return QueuePosition(order, len(ahead), total(ahead))

    def aggregated(self) -> BookView:
        """The same book by price, without orders, as `order_book` emits it. O(1)."""
        return BookView(**{name: getattr(self, name) for name in BookView.__struct_fields__})


def total(sizes: Iterable[Decimal]) -> Decimal:
    """The sum, exactly."""
    result = ZERO
    for size in sizes:
        result = EXACT.add(result, size)
    return result
