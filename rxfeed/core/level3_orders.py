"""The orders of a book, and how each message changes them.

Rules, from the channels' documentation:
- `open` adds an order behind the others at its price. `match` reduces the maker's order. `done` removes an order, or
  changes nothing if the order was not on the book. `change` by self-trade prevention has a new size. `change` by the
  owner may have a new price, too; the order keeps its place only if nothing but its size was reduced. `received` and
  `noop` only raise the sequence.
- Every `open` and `match` changes the book. One that cannot (an id that exists, a maker that does not, more than the
  maker's size) shows that the book is wrong.

Orders and the sizes at each price change in place, because most views are read at their best prices only. The orders of
a view by their place are made when they are read: see `resting_orders.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from rxfeed.core.book_snapshot import Level3Snapshot
from rxfeed.core.by_type import ByType
from rxfeed.core.live_side import LiveSide
from rxfeed.core.numbers import EXACT, ZERO
from rxfeed.core.recorded_states import RecordedStates
from rxfeed.core.resting_orders import Change, RestingOrder, SortedOrders
from rxfeed.market import Message, OrderChanged, OrderDone, OrderEvent, OrderMatched, OrderOpened, Side

_plus, _minus = EXACT.add, EXACT.subtract


class Level3Orders:
    """The orders by id, and the levels of *bids* and *asks*; all change in place. *recorded*: their states, for views.

    O(1) a message that does not take away the best price, amortised O(log n) otherwise, for n prices.
    """

    __slots__ = ("_orders", "_place", "asks", "bids", "recorded")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._begin({}, {}, {})

    def _begin(
        self, orders: dict[str, RestingOrder], bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]
    ) -> None:
        self._orders = orders
        self._place = len(orders)
        self.bids, self.asks = LiveSide(bids.items(), highest=True), LiveSide(asks.items(), highest=False)
        self.recorded: RecordedStates[Change, SortedOrders] = RecordedStates(
            orders, SortedOrders.of, SortedOrders.after
        )

    def load(self, snapshot: Level3Snapshot) -> bool:
        """Replace all orders by those of *snapshot*; False if it has an order without size, or an id twice."""
        orders: dict[str, RestingOrder] = {}
        sides: list[dict[Decimal, Decimal]] = []
        place = 0
        both: tuple[tuple[Side, tuple[tuple[Decimal, Decimal, str], ...]], ...]
        both = ("buy", snapshot.bids), ("sell", snapshot.asks)
        for side, entries in both:
            levels: dict[Decimal, Decimal] = {}
            for price, size, order_id in entries:
                if not size:
                    return False
                place += 1
                orders[order_id] = RestingOrder(order_id, side, price, size, place)
                levels[price] = _plus(levels.get(price, ZERO), size)
            sides.append(levels)
        if len(orders) < place:
            return False
        self._begin(orders, *sides)
        return True

    # ---- by type

    def _open(self, message: OrderOpened) -> bool | None:
        return self._add(message.order_id, message.side, message.price, message.open_size)

    def _match(self, message: OrderMatched) -> bool | None:
        order, size = self._orders.get(message.maker_order_id), message.size
        if order is None or not ZERO < size <= order.size or message.price != order.price:
            return None
        self._reduce(order, _minus(order.size, size))
        return True

    def _done(self, message: OrderDone) -> bool | None:
        order = self._orders.get(message.order_id)
        if order is None:
            return False
        self._reduce(order, ZERO)
        return True

    def _change(self, message: OrderChanged) -> bool | None:
        order, size = self._orders.get(message.order_id), message.new_size
        if order is None or size is None:
            return False
        price = message.new_price
        return self._modify(order, order.price if price is None else price, size)

    def _nothing(self, message: Message) -> bool | None:
        return False

    effects: ClassVar[ByType[Callable[[Level3Orders, Any], bool | None]]] = ByType(
        {
            OrderOpened: _open,
            OrderMatched: _match,
            OrderDone: _done,
            OrderChanged: _change,
            OrderEvent: _nothing,
        }
    )
    """By type: True if the book has changed; `None` for a message that cannot be applied."""

    # ---- orders

    def _modify(self, order: RestingOrder, price: Decimal, size: Decimal) -> bool | None:
        if price == order.price and size <= order.size:
            if size == order.size:
                return False
            self._reduce(order, size)
            return True
        if not size:
            return None
        self._reduce(order, ZERO)
        return self._add(order.order_id, order.side, price, size)

    def _add(self, order_id: str, side: Side, price: Decimal, size: Decimal) -> bool | None:
        orders = self._orders
        if not size or order_id in orders:
            return None
        self._place += 1
        order = orders[order_id] = RestingOrder(order_id, side, price, size, self._place)
        levels = self.bids if side == "buy" else self.asks
        levels.put(price, _plus(levels.get(price), size))
        self.recorded.changed((None, order))
        return True

    def _reduce(self, order: RestingOrder, rest: Decimal) -> None:
        """Leave *rest* of the size of *order* at its place; without any it is removed."""
        order_id, side, price, size, place = order
        levels = self.bids if side == "buy" else self.asks
        levels.put(price, _minus(levels.get(price), _minus(size, rest) if rest else size))
        if rest:
            after = self._orders[order_id] = RestingOrder(order_id, side, price, rest, place)
            self.recorded.changed((order, after))
        else:
            del self._orders[order_id]
            self.recorded.changed((order, None))
