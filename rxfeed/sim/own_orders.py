"""Orders that the owner of a local exchange places beside those of the simulated market."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from rxfeed.core.matching import (
    SIZE_UNIT,
    DoneEvent,
    MatchEvent,
    MatchingEngine,
    OpenEvent,
    OrderEvent,
    ReceivedEvent,
    Side,
)
from rxfeed.errors import ConfigError
from rxfeed.sim.market import Market

Status = Literal["PENDING", "OPEN", "FILLED", "CANCELLED"]


@dataclass(slots=True)
class OwnOrder:
    """An order and what has become of it; sizes and prices are counts as in the engine, and *value* their products."""

    order_id: str
    client_order_id: str
    product_id: str
    side: Side
    size: int
    price: int | None
    created: str
    status: Status = "PENDING"
    filled: int = 0
    value: int = 0
    fills: int = 0
    changed: str = ""

    @property
    def done(self) -> bool:
        return self.status in ("FILLED", "CANCELLED")


class OwnOrders:
    """The placed orders of a market, which reports each change of one to *changed*, which a venue may set."""

    def __init__(self, market: Market) -> None:
        self.changed: Callable[[OwnOrder], None] = lambda order: None
        self._market = market
        self._orders: dict[str, OwnOrder] = {}
        self._placing: OwnOrder | None = None
        self._ids = random.Random("own orders")

    @property
    def active(self) -> bool:
        """Whether there is, or just comes, an order to follow."""
        return bool(self._orders) or self._placing is not None

    def open(self) -> Iterator[OwnOrder]:
        """The orders that are not done, oldest first."""
        return (order for order in self._orders.values() if not order.done)

    def place(
        self, product_id: str, side: Side, size: Decimal | str, price: Decimal | str | None, client_order_id: str
    ) -> str:
        """The id of a new limit order, or market order without a *price*; raises `ConfigError`."""
        engine = self._engine(product_id)
        units = _count("size", size, SIZE_UNIT)
        limit = None if price is None else _count("price", price, 10**engine.product.decimals)
        self._placing = OwnOrder("", client_order_id, product_id, side, units, limit, self._market.clock())
        # What else is random stays the same beside these orders.
        others, self._market.ids = self._market.ids, self._ids
        try:
            if limit is None:
                return engine.market(side, size=units)
            return engine.limit(side, limit, units)
        finally:
            self._placing = None
            self._market.ids = others

    def cancel(self, order_id: str) -> None:
        """Cancel an open order; raises `ConfigError`."""
        order = self._orders.get(order_id)
        if order is None or order.done:
            raise ConfigError(f"order_id: {order_id!r} is no open order of place_order")
        self._engine(order.product_id).cancel(order_id)

    def add(self, event: OrderEvent) -> None:
        """Follow an event of the market."""
        if self._placing is not None and isinstance(event, ReceivedEvent):
            order, self._placing = self._placing, None
            order.order_id = event.order_id
            self._orders[order.order_id] = order
            self._market.kept.add(order.order_id)
            self._change(order, event.time)
        elif self._orders:
            self._follow(event)

    def _follow(self, event: OrderEvent) -> None:
        if isinstance(event, MatchEvent):
            for order_id in (event.maker_order_id, event.taker_order_id):
                if order := self._orders.get(order_id):
                    product = self._engine(event.product_id).product
                    size = product.price_of(event.size)
                    order.filled += size
                    order.value += size * product.price_of(event.price)
                    order.fills += 1
                    order.status = "OPEN"
                    if order.filled < order.size:  # the last fill is reported when the order is done
                        self._change(order, event.time)
        elif isinstance(event, OpenEvent | DoneEvent) and (order := self._orders.get(event.order_id)):
            if isinstance(event, OpenEvent):
                order.status = "OPEN"
            else:
                order.status = "FILLED" if event.reason == "filled" else "CANCELLED"
                self._market.kept.discard(order.order_id)
            self._change(order, event.time)

    def _change(self, order: OwnOrder, time: str) -> None:
        order.changed = time
        self.changed(order)

    def _engine(self, product_id: str) -> MatchingEngine:
        engines = self._market.engines
        if product_id not in engines:
            raise ConfigError(f"product_id: {product_id!r} is none of {', '.join(engines)}")
        return engines[product_id]


def _count(name: str, value: Decimal | str, unit: int) -> int:
    """*value* as a count of 1 / *unit*."""
    try:
        count = Decimal(value) * unit
        if count > 0 and count == int(count):
            return int(count)
    except (InvalidOperation, OverflowError, ValueError, TypeError):
        pass
    raise ConfigError(f"{name}: {value!r} is not a positive multiple of {Decimal(1) / unit}")
