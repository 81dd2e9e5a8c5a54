"""The orders of a classic book by price, and the methods through which every message changes them.

Rules:
- `_asks` and `_bids` map a price to the orders there, the oldest first. A script may read, set and replace them.
- A change puts a new list in place, so that a list which a script has got stays as it was.
- A message reaches `add`, `remove`, `match` or `change` only if its fields are of the right shape (`check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rxfeed.compat.attributes import PerInstance
from rxfeed.compat.levels import SortedLevels
from rxfeed.compat.types import Attribute, Content, Json

Order = Content
"""As the classic book gives it out: `id`, `side`, and `price` and `size` as `Decimal`."""

Price = Decimal | float
"""The price of a level; equal numbers are the same price."""

BROKEN = (KeyError, IndexError, TypeError, ValueError, ArithmeticError)
"""What reading a message or a snapshot of the wrong shape raises."""

_SIDES = ("buy", "sell")


class BookOrders:
    """The part of the classic `OrderBook` that has no connection and no sequence."""

    # `__init__` may never have been called.
    _asks: Attribute = PerInstance(SortedLevels)
    _bids: Attribute = PerInstance(SortedLevels)
    _current_ticker: Attribute = None

    # ---- what every message goes through

    def add(self, order: Content) -> None:
        """Add an order: a message `open`, or one with `id` and `size`."""
        price, order_id = Decimal(order["price"]), order.get("order_id") or order["id"]
        size = Decimal(order.get("size") or order["remaining_size"])
        added = {"id": order_id, "side": order["side"], "price": price, "size": size}
        self.__put(order["side"], price, [*self.__without(order["side"], price, order_id), added])

    def remove(self, order: Content) -> None:
        """Remove the order of a message `done`."""
        price = Decimal(order["price"])
        if self.__orders(order["side"], price):
            self.__put(order["side"], price, self.__without(order["side"], price, order["order_id"]))

    def match(self, order: Content) -> None:
        """Reduce the order that a message `match` names as its maker."""
        price, size = Decimal(order["price"]), Decimal(order["size"])
        maker = order["maker_order_id"]
        left: list[Order] = []
        for each in self.__orders(order["side"], price):
            if each["id"] == maker:
                each = {**each, "size": each["size"] - size}
            if each["size"] > 0:
                left.append(each)
        self.__put(order["side"], price, left)

    def change(self, order: Content) -> None:
        """Change the size of an order, or its price too, as a message `change` has it."""
        if "new_size" not in order:
            return  # of funds: a market order, which is not on the book
        found = self.__find(order)
        if found is None:
            return
        size = Decimal(order["new_size"])
        price = found["price"] if order.get("new_price") is None else Decimal(order["new_price"])
        changed = {**found, "price": price, "size": size}
        orders = self.__orders(found["side"], found["price"])
        if price == found["price"] and size <= found["size"]:
            kept = [changed if each["id"] == found["id"] else each for each in orders]
            self.__put(found["side"], price, [each for each in kept if each["size"] > 0])
        else:  # it has lost its place in the queue
            self.__put(found["side"], found["price"], [each for each in orders if each["id"] != found["id"]])
            self.__put(found["side"], price, [*self.__orders(found["side"], price), changed])

    # ---- the levels

    def get_asks(self, price: Price) -> list[Order] | None:
        """The orders at *price*, the oldest first; `None` without any."""
        return self._asks.get(price)

    def set_asks(self, price: Price, asks: list[Order]) -> None:
        """Set the orders at *price*."""
        self._asks[price] = asks

    def remove_asks(self, price: Price) -> None:
        """Remove all orders at *price*."""
        del self._asks[price]

    def get_bids(self, price: Price) -> list[Order] | None:
        """The orders at *price*, the oldest first; `None` without any."""
        return self._bids.get(price)

    def set_bids(self, price: Price, bids: list[Order]) -> None:
        """Set the orders at *price*."""
        self._bids[price] = bids

    def remove_bids(self, price: Price) -> None:
        """Remove all orders at *price*."""
        del self._bids[price]

    def get_current_ticker(self) -> Content | None:
        """The newest match."""
        return self._current_ticker

    # ---- private

    def __orders(self, side: str, price: Decimal) -> list[Order]:
        return (self.get_bids(price) if side == "buy" else self.get_asks(price)) or []

    def __without(self, side: str, price: Decimal, order_id: object) -> list[Order]:
        return [each for each in self.__orders(side, price) if each["id"] != order_id]

    def __put(self, side: str, price: Decimal, orders: list[Order]) -> None:
        buys = side == "buy"
        if orders:
            (self.set_bids if buys else self.set_asks)(price, orders)
        elif (self.get_bids if buys else self.get_asks)(price) is not None:
            (self.remove_bids if buys else self.remove_asks)(price)

    def __find(self, message: Content) -> Order | None:
        """The order that *message* names, at its price if it has one."""
        price = message.get("price") if message.get("price") is not None else message.get("old_price")
        levels = self._bids if message["side"] == "buy" else self._asks
        places = list(levels) if price is None else [Decimal(price)]
        candidates = (each for place in places for each in levels.get(place) or ())
        return next((each for each in candidates if each["id"] == message["order_id"]), None)


def rows(levels: Mapping[Decimal, Sequence[Order]]) -> list[list[Decimal | str]]:
    """Price, size and id of each order in *levels*, the lowest price first."""
    return [[each["price"], each["size"], each["id"]] for price in list(levels) for each in levels.get(price) or ()]


def orders_of(snapshot: Json) -> Iterator[Order]:
    """The orders of a *snapshot* of the REST API; raises one of `BROKEN`.

    At level 3 each row has an order's id. At level 2 it has the number of orders, and the row is one aggregated order.
    """
    for side, found in (("buy", snapshot["bids"]), ("sell", snapshot["asks"])):
        for price, size, last in found:
            order_id = last if isinstance(last, str) else aggregated_id(side, price)
            yield {"id": order_id, "side": side, "price": _decimal(price), "size": _decimal(size)}


def aggregated_id(side: str, price: object) -> str:
    """The id of the one order that stands for all orders at *price*.

    >>> from rxfeed.compat.book_orders import aggregated_id
    >>> aggregated_id("buy", "99.50")
    'aggregated-buy-99.50'
    """
    return f"aggregated-{side}-{price}"


def apply(book: BookOrders, message: Content) -> bool:
    """Change *book* by a message of the `full` channel; False if its shape is wrong, and then nothing is changed."""
    try:
        check(message)
    except BROKEN:
        return False
    kind = message["type"]
    if kind == "open":
        book.add(message)
    elif kind == "done" and "price" in message:
        book.remove(message)
    elif kind == "match":
        book.match(message)
        book._current_ticker = message
    elif kind == "change":
        book.change(message)
    return True


def check(message: Content) -> None:
    """Raise one of `BROKEN` if a message of the `full` channel is not of the shape that the methods here need."""
    kind = message["type"]
    if kind == "open":
        numbers, texts = ("price", "remaining_size"), ("order_id",)
    elif kind == "match":
        numbers, texts = ("price", "size"), ("maker_order_id",)
    elif kind == "done" and "price" in message:
        numbers, texts = ("price",), ("order_id",)
    elif kind == "change" and "new_size" in message:
        present = [name for name in ("price", "new_price", "old_price") if message.get(name) is not None]
        numbers, texts = ("new_size", *present), ("order_id",)
    else:
        return
    if message["side"] not in _SIDES:
        raise ValueError("not a side")
    for name in texts:
        _ = message[name]
    for name in numbers:
        _decimal(message[name])


def _decimal(value: Json) -> Decimal:
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number
