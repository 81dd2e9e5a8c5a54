"""The orders of a book at one moment: by id, and by side in the order in which they trade.

Rules:
- The keys of a side are (price, place), with the price negated on the buy side. So ascending keys are the order in
  which orders trade: the best price first, and at a price the lowest place.
- A change is the order before and after it, `None` if there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import takewhile
from typing import Any, NamedTuple

from rxfeed.core.sorted_map import SortedMap
from rxfeed.market import Side


class RestingOrder(NamedTuple):
    """An order on the book, and the number that gives its place among those of its price: the lowest is first."""

    order_id: str
    side: Side
    price: Decimal
    size: Decimal
    place: int


Change = tuple[RestingOrder | None, RestingOrder | None]
_Key = tuple[Decimal, int]
_EMPTY: SortedMap[Any, RestingOrder] = SortedMap()


class SortedOrders(NamedTuple):
    """All orders *by_id*, and those of each side by their keys.

    >>> from decimal import Decimal
    >>> from rxfeed.core.resting_orders import RestingOrder, SortedOrders
    >>> a, b = (RestingOrder(name, "buy", Decimal(9), Decimal(1), place) for place, name in enumerate("ab"))
    >>> orders = SortedOrders.of({"a": a}).after([(None, b)])
    >>> [each.order_id for each in orders.of_side("buy")], [each.order_id for each in orders.ahead_of(b)]
    (['a', 'b'], ['a'])
    """

    by_id: SortedMap[str, RestingOrder] = _EMPTY
    bids: SortedMap[_Key, RestingOrder] = _EMPTY
    asks: SortedMap[_Key, RestingOrder] = _EMPTY

    @staticmethod
    def of(orders: dict[str, RestingOrder]) -> SortedOrders:
        """The form of *orders*. O(n log n)."""
        sides = [
            SortedMap.of((_key(order), order) for order in orders.values() if order.side == side)
            for side in ("buy", "sell")
        ]
        return SortedOrders(SortedMap.of(orders.items()), *sides)

    def after(self, changes: list[Change]) -> SortedOrders:
        """The form after *changes*. O(log n) a change."""
        by_id, bids, asks = self
        for before, after in changes:
            order = before if after is None else after
            assert order is not None
            side, key = bids if order.side == "buy" else asks, _key(order)
            if after is None:
                by_id, side = by_id.drop(order.order_id), side.drop(key)
            else:
                by_id, side = by_id.put(order.order_id, order), side.put(key, order)
            if order.side == "buy":
                bids = side
            else:
                asks = side
        return SortedOrders(by_id, bids, asks)

    def of_side(self, side: Side) -> Iterator[RestingOrder]:
        """Those of *side*, in the order in which they trade."""
        return (order for _, order in (self.bids if side == "buy" else self.asks))

    def ahead_of(self, order: RestingOrder) -> Iterator[RestingOrder]:
        """Those at the price of *order* that trade before it."""
        side, (price, place) = self.bids if order.side == "buy" else self.asks, _key(order)
        return (each for _, each in takewhile(lambda item: item[0][1] != place, side.since((price, 0))))


def _key(order: RestingOrder) -> _Key:
    return order.price.copy_negate() if order.side == "buy" else order.price, order.place
