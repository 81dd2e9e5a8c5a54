"""The orders of a book, and how each message changes them.

Rules, from the channels' documentation:
- `open` adds an order behind the others at its price. `match` reduces the maker's order. `done` removes an order, or
  changes nothing if the order was not on the book. `change` by self-trade prevention has a new size. `change` by the
  owner may have a new price, too; the order keeps its place only if nothing but its size was reduced. `received` and
  `noop` only raise the sequence.
- Every `open` and `match` changes the book. One that cannot (an id that exists, a maker that does not, more than the
  maker's size) shows that the book is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, ClassVar

from rxfeed.core.book_snapshot import Level3Snapshot
from rxfeed.core.book_view import NOTHING, Queue, RestingOrder
from rxfeed.core.by_type import ByType
from rxfeed.core.numbers import EXACT, ZERO
from rxfeed.core.recorded_map import RecordedMap
from rxfeed.core.sorted_map import SortedMap
from rxfeed.market import Level, Message, OrderChanged, OrderDone, OrderEvent, OrderMatched, OrderOpened, Side

Queues = SortedMap[Decimal, Queue]


class Level3Orders:
    """The orders by id, which change in place, and the queues of *bids* and *asks* by price: immutable maps."""

    __slots__ = ("_orders", "_place", "asks", "best_ask", "best_bid", "bids", "by_id")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.bids: Queues = NOTHING
        self.asks: Queues = NOTHING
        self._orders: dict[str, RestingOrder] = {}
        self.by_id = RecordedMap(self._orders, _items)
        self.best_bid: Level | None = None
        self.best_ask: Level | None = None
        self._place = 0

    def load(self, snapshot: Level3Snapshot) -> bool:
        """Replace all orders by those of *snapshot*; False if it has an order without size, or an id twice."""
        self.clear()
        return self._fill("buy", snapshot.bids) and self._fill("sell", snapshot.asks)

    def _fill(self, side: Side, entries: tuple[tuple[Decimal, Decimal, str], ...]) -> bool:
        levels: dict[Decimal, list[RestingOrder]] = {}
        orders = self._orders
        known = len(orders)
        for price, size, order_id in entries:
            if not size:
                return False
            self._place += 1
            order = orders[order_id] = RestingOrder(order_id, side, price, size, self._place)
            levels.setdefault(price, []).append(order)
        self._set(side, SortedMap.of((price, _queue(each)) for price, each in levels.items()), None)
        self.by_id = RecordedMap(orders, _items)
        return len(orders) == known + len(entries)

    # ---- by type

    def apply(self, message: OrderEvent) -> bool | None:
        """Whether the book has changed; `None` for a message that cannot be applied."""
        return self._effects[type(message)](self, message)

    def _open(self, message: OrderOpened) -> bool | None:
        return self._add(message.order_id, message.side, message.price, message.open_size)

    def _match(self, message: OrderMatched) -> bool | None:
        order = self._orders.get(message.maker_order_id)
        if order is None or not ZERO < message.size <= order.size or message.price != order.price:
            return None
        self._resize(order, EXACT.subtract(order.size, message.size))
        return True

    def _done(self, message: OrderDone) -> bool | None:
        order = self._orders.get(message.order_id)
        if order is None:
            return False
        self._resize(order, ZERO)
        return True

    def _change(self, message: OrderChanged) -> bool | None:
        order, size = self._orders.get(message.order_id), message.new_size
        if order is None or size is None:
            return False
        price = message.new_price
        return self._modify(order, order.price if price is None else price, size)

    def _nothing(self, message: Message) -> bool | None:
        return False

    _effects: ClassVar[ByType[Callable[[Level3Orders, Any], bool | None]]] = ByType(
        {
            OrderOpened: _open,
            OrderMatched: _match,
            OrderDone: _done,
            OrderChanged: _change,
            OrderEvent: _nothing,
        }
    )

    # ---- orders

    def _modify(self, order: RestingOrder, price: Decimal, size: Decimal) -> bool | None:
        if price == order.price and size <= order.size:
            if size == order.size:
                return False
            self._resize(order, size)
            return True
        if not size:
            return None
        self._resize(order, ZERO)
        return self._add(order.order_id, order.side, price, size)

    def _add(self, order_id: str, side: Side, price: Decimal, size: Decimal) -> bool | None:
        if not size or order_id in self._orders:
            return None
        queues = self.bids if side == "buy" else self.asks
        queue = queues.get(price)
        self._place += 1
        order = RestingOrder(order_id, side, price, size, self._place)
        if queue is None:
            queue = _queue([order])
        else:
            queue = Queue(EXACT.add(queue.size, size), queue.length + 1, queue.orders.put(self._place, order))
        self._orders[order_id] = order
        self.by_id.changed(order_id, order)
        self._set(side, queues.put(price, queue), price)
        return True

    def _resize(self, order: RestingOrder, size: Decimal) -> None:
        """Reduce *order* to *size* at its place; with a size of zero it is removed."""
        queues = self.bids if order.side == "buy" else self.asks
        queue = queues.get(order.price)
        assert queue is not None
        rest = EXACT.subtract(queue.size, EXACT.subtract(order.size, size))
        if size:
            order = order._replace(size=size)
            queue = Queue(rest, queue.length, queue.orders.put(order.place, order))
            self._orders[order.order_id] = order
            self.by_id.changed(order.order_id, order)
            self._set(order.side, queues.put(order.price, queue), order.price)
            return
        del self._orders[order.order_id]
        self.by_id.changed(order.order_id, None)
        if queue.length == 1:
            self._set(order.side, queues.drop(order.price), order.price)
        else:
            queue = Queue(rest, queue.length - 1, queue.orders.drop(order.place))
            self._set(order.side, queues.put(order.price, queue), order.price)

    def _set(self, side: Side, queues: Queues, price: Decimal | None) -> None:
        """Replace the queues of *side*, of which that at *price* has changed (`None`: any)."""
        if side == "buy":
            self.bids, best = queues, self.best_bid
            if best is None or price is None or price >= best[0]:
                self.best_bid = _level(queues.last())
        else:
            self.asks, best = queues, self.best_ask
            if best is None or price is None or price <= best[0]:
                self.best_ask = _level(queues.first())


def _items(orders: dict[str, RestingOrder]) -> Iterable[tuple[str, RestingOrder]]:
    return orders.items()


def _level(best: tuple[Decimal, Queue] | None) -> Level | None:
    return None if best is None else (best[0], best[1].size)


def _queue(orders: list[RestingOrder]) -> Queue:
    size = ZERO
    for order in orders:
        size = EXACT.add(size, order.size)
    return Queue(size, len(orders), SortedMap.of((order.place, order) for order in orders))
