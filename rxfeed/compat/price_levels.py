"""The pure part of the classic order book: orders by price, and where they stand in the sequence."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from decimal import Decimal
from typing import Any

Order = dict[str, Any]
"""As the classic book gives it out: `id`, `side`, and `price` and `size` as `Decimal`."""

BROKEN = (KeyError, IndexError, TypeError, ValueError, ArithmeticError)
"""What reading a message or a snapshot of the wrong shape raises."""


class Side:
    """The orders of one side, by price and then by age."""

    def __init__(self) -> None:
        self.prices: list[Decimal] = []  # ascending
        self.levels: dict[Decimal, dict[str, Order]] = {}

    def add(self, order: Order) -> None:
        price = order["price"]
        if price not in self.levels:
            insort(self.prices, price)
            self.levels[price] = {}
        self.levels[price][order["id"]] = order

    def discard(self, order: Order) -> None:
        level = self.levels[order["price"]]
        del level[order["id"]]
        if not level:
            del self.levels[order["price"]]
            del self.prices[bisect_left(self.prices, order["price"])]

    def rows(self) -> list[list[Any]]:
        """Price, size and id of each order, the lowest price first."""
        return [[o["price"], o["size"], o["id"]] for price in self.prices for o in self.levels[price].values()]


class PriceLevels:
    """Every order of one product, kept by the messages of the `full` channel in their order."""

    def __init__(self) -> None:
        self.sides = {"buy": Side(), "sell": Side()}
        self._orders: dict[str, Order] = {}

    @classmethod
    def of(cls, snapshot: Any) -> PriceLevels:
        """The book of a level 3 *snapshot* of the REST API; raises one of `BROKEN` if its shape is wrong."""
        levels = cls()
        for side, rows in (("buy", snapshot["bids"]), ("sell", snapshot["asks"])):
            for price, size, order_id in rows:
                levels._add(order_id, side, price, size)
        return levels

    def apply(self, message: dict[str, Any]) -> None:
        """Apply *message*; raises one of `BROKEN`, and leaves the book unchanged, if its shape is wrong."""
        kind = message["type"]
        if kind == "open":
            self._add(message["order_id"], message["side"], message["price"], message["remaining_size"])
        elif kind == "match":
            maker = self._orders.get(message["maker_order_id"])
            size = _decimal(message["size"])
            if maker is not None:  # one that was filled before the snapshot is not in it
                self._resize(maker, maker["size"] - size)
        elif kind == "done":
            gone = self._orders.get(message["order_id"])
            if gone is not None:  # a market order never was on the book
                self._remove(gone)
        elif kind == "change":
            changed = self._orders.get(message["order_id"])
            if changed is not None:
                self._change(changed, message)

    def _add(self, order_id: str, side: str, price: Any, size: Any) -> None:
        order = {"id": order_id, "side": side, "price": _decimal(price), "size": _decimal(size)}
        orders_of_side = self.sides[side]
        if order_id in self._orders:
            self._remove(self._orders[order_id])
        self._orders[order_id] = order
        orders_of_side.add(order)

    def _remove(self, order: Order) -> None:
        del self._orders[order["id"]]
        self.sides[order["side"]].discard(order)

    def _resize(self, order: Order, size: Decimal) -> None:
        if size > 0:
            order["size"] = size
        else:
            self._remove(order)

    def _change(self, order: Order, message: dict[str, Any]) -> None:
        if "new_size" not in message:
            return  # of funds: a market order, which is not on the book
        size = _decimal(message["new_size"])
        price = _decimal(message["new_price"]) if message.get("new_price") is not None else order["price"]
        if price == order["price"] and size <= order["size"]:
            self._resize(order, size)
        else:  # it has lost its place in the queue
            self._add(order["id"], order["side"], price, size)


class SequencedBook:
    """A `PriceLevels` and its place in the sequence: what comes while it has none is held, and replayed on a snapshot.

    *most*: messages that are held; with more of them the oldest go, and the snapshot has to be newer.
    """

    def __init__(self, most: int = 500_000) -> None:
        self.levels = PriceLevels()
        self.sequence = -1
        self.ready = False
        self.last_match: dict[str, Any] | None = None
        self._held: deque[dict[str, Any]] = deque(maxlen=most)

    def step(self, message: dict[str, Any]) -> tuple[int, int] | None:
        """Take *message*; the sequences around a gap where it shows one, after which a snapshot is needed."""
        sequence = message["sequence"]
        if not self.ready:
            self._held.append(message)
            return None
        if sequence <= self.sequence:
            return None
        last = self.sequence
        if sequence == last + 1 and self._applied(message):
            return None
        # What cannot be read is as good as missed; only a missed one is worth keeping.
        self.lose()
        if sequence > last + 1:
            self._held.append(message)
        return last, sequence

    def lose(self) -> None:
        """Mark the book as not exact until the next snapshot; it can still be read."""
        self.ready = False

    def load(self, snapshot: Any) -> bool:
        """Begin anew from *snapshot*; True where nothing is missing between it and what was held, then `ready`.

        Raises one of `BROKEN` where it is no snapshot, and changes nothing then.
        """
        levels, sequence = PriceLevels.of(snapshot), int(snapshot["sequence"])
        self.levels, self.sequence = levels, sequence
        waiting = sorted(self._held, key=lambda message: message["sequence"])
        self._held.clear()
        for index, message in enumerate(waiting):
            if message["sequence"] <= self.sequence:
                continue
            if message["sequence"] > self.sequence + 1:
                self._held.extend(waiting[index:])
                return False
            if not self._applied(message):
                self._held.extend(waiting[index + 1 :])
                return False
        self.ready = True
        return True

    def _applied(self, message: dict[str, Any]) -> bool:
        try:
            self.levels.apply(message)
        except BROKEN:
            return False
        self.sequence = message["sequence"]
        if message["type"] == "match":
            self.last_match = message
        return True


def _decimal(value: Any) -> Decimal:
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number
