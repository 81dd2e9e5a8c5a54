"""A limit order book with price-time priority, for one product."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TypedDict

from rxfeed.core.matching.events import (
    SIDES,
    ChangeEvent,
    DoneEvent,
    MatchEvent,
    OpenEvent,
    OrderEvent,
    ReceivedEvent,
    Side,
)
from rxfeed.core.matching.product import SIZE_UNIT, Product, size_text
from rxfeed.errors import ConfigError


class _Stamp(TypedDict):
    product_id: str
    time: str
    sequence: int


class EngineOrder:
    """A resting order: *price* and *size* as in `rxfeed.core.matching.product`; *size* is what remains."""

    __slots__ = ("order_id", "price", "side", "size")

    def __init__(self, order_id: str, side: Side, price: int, size: int) -> None:
        self.order_id = order_id
        self.side: Side = side
        self.price = price
        self.size = size


class RestingOrders:
    """The resting orders of one side; the best price is the last of its sorted keys."""

    __slots__ = ("_keys", "_levels", "_sign", "_totals")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side == "buy" else -1
        self._keys: list[int] = []
        self._levels: dict[int, dict[str, EngineOrder]] = {}
        self._totals: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(price, total size) of each level, best first."""
        return ((self._sign * key, self._totals[key]) for key in reversed(self._keys))

    def orders(self) -> Iterator[EngineOrder]:
        """Each order, best price first and then the oldest."""
        return (order for key in reversed(self._keys) for order in self._levels[key].values())

    def best(self) -> EngineOrder | None:
        """The order that trades next."""
        return next(iter(self._levels[self._keys[-1]].values())) if self._keys else None

    def size_at(self, price: int) -> int:
        return self._totals.get(self._sign * price, 0)

    def reaches(self, price: int) -> bool:
        """Whether this side would trade with an incoming order at *price*."""
        return bool(self._keys) and self._keys[-1] >= self._sign * price

    def add(self, order: EngineOrder) -> None:
        key = self._sign * order.price
        if key not in self._levels:
            insort(self._keys, key)
            self._levels[key] = {}
            self._totals[key] = 0
        self._levels[key][order.order_id] = order
        self._totals[key] += order.size

    def reduce(self, order: EngineOrder, size: int) -> None:
        """Reduce *order* by *size*; an order of size zero is removed."""
        key = self._sign * order.price
        order.size -= size
        self._totals[key] -= size
        if order.size == 0:
            del self._levels[key][order.order_id]
            if not self._levels[key]:
                del self._levels[key], self._totals[key]
                del self._keys[bisect_left(self._keys, key)]


class MatchingEngine:
    """Orders in, the events of the `full` channel out.

    *publish* is called with each event when the book is in the state after it.
    *clock* gives the time of an event as text, *new_id* an order id. *sequence* and *trade_id* are the last
    ones used; both go up by one.
    """

    def __init__(
        self,
        product: Product,
        *,
        publish: Callable[[OrderEvent], None],
        clock: Callable[[], str],
        new_id: Callable[[], str],
        sequence: int = 0,
        trade_id: int = 0,
    ) -> None:
        self.product = product
        self.sequence = sequence
        self.last_trade_id = trade_id
        self.last_match: MatchEvent | None = None
        self.orders: dict[str, EngineOrder] = {}
        self.sides: dict[Side, RestingOrders] = {"buy": RestingOrders("buy"), "sell": RestingOrders("sell")}
        self._publish = publish
        self._clock = clock
        self._new_id = new_id

    def levels(self) -> dict[str, list[tuple[Decimal, Decimal]]]:
        """The book: `bids` and `asks`, each (price, size), best first."""
        bids, asks = (
            [(Decimal(self.product.price_text(price)), Decimal(size_text(size))) for price, size in self.sides[side]]
            for side in SIDES
        )
        return {"bids": bids, "asks": asks}

    def limit(self, side: Side, price: int, size: int, *, immediate: bool = False) -> str:
        """The id of a limit order; what does not trade at once rests, or is canceled if *immediate*."""
        order = EngineOrder(self._new_id(), side, price, size)
        price_text = self.product.price_text(price)
        self._publish(
            ReceivedEvent(
                order_id=order.order_id,
                order_type="limit",
                size=size_text(size),
                price=price_text,
                side=side,
                **self._stamp(),
            )
        )
        opposite = self.sides[_other(side)]
        while order.size and opposite.reaches(price):
            self._trade(order, opposite, order.size)
        if order.size and not immediate:
            self.orders[order.order_id] = order
            self.sides[side].add(order)
            self._publish(
                OpenEvent(
                    price=price_text,
                    order_id=order.order_id,
                    remaining_size=size_text(order.size),
                    side=side,
                    **self._stamp(),
                )
            )
        else:
            self._done(order)
        return order.order_id

    def market(self, side: Side, *, size: int = 0, funds: int = 0) -> str:
        """The id of a market order for a *size*, or for *funds* (a count of quote increments)."""
        order = EngineOrder(self._new_id(), side, 0, size)
        amount = {"size": size_text(size)} if size else {"funds": self.product.price_text(funds)}
        self._publish(ReceivedEvent(order_id=order.order_id, order_type="market", side=side, **amount, **self._stamp()))
        opposite = self.sides[_other(side)]
        budget = funds * SIZE_UNIT
        traded = False
        while maker := opposite.best():
            if not size:
                order.size = budget // maker.price
            if not order.size:
                break
            budget -= maker.price * self._trade(order, opposite, order.size)
            traded = True
        filled = traded and not order.size
        self._publish(
            DoneEvent(
                order_id=order.order_id,
                reason="filled" if filled else "canceled",
                side=side,
                **self._stamp(),
            )
        )
        return order.order_id

    def cancel(self, order_id: str) -> None:
        """Remove a resting order from the book."""
        order = self.orders.pop(order_id)
        remaining = order.size
        self.sides[order.side].reduce(order, remaining)
        order.size = remaining
        self._done(order)

    def modify(self, order_id: str, price: int, size: int) -> None:
        """Change the price and size of a resting order; it keeps its place only if nothing but its size is reduced."""
        order = self.orders[order_id]
        if self.sides[_other(order.side)].reaches(price):
            raise ConfigError(f"price: {self.product.price_text(price)} would trade at once")
        old_price, old_size = order.price, order.size
        book = self.sides[order.side]
        if price == old_price and size <= old_size:
            book.reduce(order, old_size - size)
        else:
            book.reduce(order, old_size)
            order.price, order.size = price, size
            book.add(order)
        self._publish(
            ChangeEvent(
                reason="modify_order",
                order_id=order_id,
                side=order.side,
                old_size=size_text(old_size),
                new_size=size_text(size),
                old_price=self.product.price_text(old_price),
                new_price=self.product.price_text(price),
                **self._stamp(),
            )
        )

    def prevent_self_trade(self, order_id: str, size: int) -> None:
        """Reduce a resting order by *size*, which is less than its remaining size."""
        order = self.orders[order_id]
        old_size = order.size
        self.sides[order.side].reduce(order, size)
        self._publish(
            ChangeEvent(
                reason="STP",
                order_id=order_id,
                side=order.side,
                old_size=size_text(old_size),
                new_size=size_text(order.size),
                price=self.product.price_text(order.price),
                **self._stamp(),
            )
        )

    def _trade(self, taker: EngineOrder, book: RestingOrders, wanted: int) -> int:
        """The size that *taker* trades with the best order of *book*."""
        maker = book.best()
        assert maker is not None
        size = min(wanted, maker.size)
        taker.size -= size
        book.reduce(maker, size)
        self.last_trade_id += 1
        self.last_match = MatchEvent(
            trade_id=self.last_trade_id,
            maker_order_id=maker.order_id,
            taker_order_id=taker.order_id,
            side=maker.side,
            size=size_text(size),
            price=self.product.price_text(maker.price),
            **self._stamp(),
        )
        if not maker.size:
            del self.orders[maker.order_id]
        self._publish(self.last_match)
        if not maker.size:
            self._done(maker)
        return size

    def _done(self, order: EngineOrder) -> None:
        self._publish(
            DoneEvent(
                order_id=order.order_id,
                reason="canceled" if order.size else "filled",
                price=self.product.price_text(order.price),
                remaining_size=size_text(order.size),
                side=order.side,
                **self._stamp(),
            )
        )

    def _stamp(self) -> _Stamp:
        self.sequence += 1
        return {
            "product_id": self.product.product_id,
            "time": self._clock(),
            "sequence": self.sequence,
        }


def _other(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"
