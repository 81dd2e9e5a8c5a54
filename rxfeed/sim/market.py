"""A simulated market of several products, on a virtual clock, from a seed."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from rxfeed.core.matching import (
    MICROSECONDS,
    SIDES,
    SIZE_UNIT,
    EngineOrder,
    Event,
    HeartbeatEvent,
    MatchingEngine,
    Product,
    Side,
    TickEvent,
    time_text,
)
from rxfeed.market import EPOCH, microseconds

TICK = 50_000  # microseconds
OPENING_ORDERS = 60  # a side
FEWEST_LEVELS = 8  # a side: below, only limit orders on that side come
PRICES = {"BTC": 60_000.0, "ETH": 2_500.0}
OTHER_PRICE = 100.0
WALK = 2e-5  # standard deviation of the fair price's relative change an order
DEPTH = 2e-4  # mean distance of a limit order from the fair price, relative to it
NOTIONAL = 2_000.0  # mean value of an order, in quote currency


class Market:
    """Passes orders, and a tick every 50 ms of virtual time, to `publish`, which the owner sets.

    *rate* is the mean number of orders a virtual second over all products, *start* the time of the first one
    (timezone-aware). The same arguments give the same events; there is no thread and no other clock.
    """

    def __init__(
        self,
        products: Sequence[str],
        *,
        seed: int = 0,
        rate: float = 100.0,
        start: datetime,
    ) -> None:
        self.publish: Callable[[Event], None] = lambda event: None
        self.micros = _micros(start)
        self._off = 0
        self._random = random.Random(seed)
        self.ids = self._random  # draws the ids of orders
        self._rate = rate
        self._next_order = self.micros
        self._next_tick = (self.micros // TICK + 1) * TICK
        self._fair: dict[str, float] = {}
        self.engines: dict[str, MatchingEngine] = {}
        self.delisted: set[str] = set()  # products without events, now
        self.kept: set[str] = set()  # orders that only their owner cancels or changes
        for product_id in products:
            self._open(Product(product_id))
        self._products = tuple(self.engines)  # those with events

    @property
    def time(self) -> datetime:
        """The virtual time: that of the last event, shifted by `jump`."""
        return EPOCH + timedelta(microseconds=self.shown_micros)

    @property
    def shown_micros(self) -> int:
        """The virtual time as messages show it, in Unix microseconds."""
        return self.micros + self._off

    def clock(self) -> str:
        """The virtual time as the text of messages."""
        return time_text(self.shown_micros)

    def jump(self, seconds: float) -> None:
        """Move the clock of the messages forward, or back."""
        self._off += round(seconds * MICROSECONDS)

    @property
    def next_micros(self) -> int:
        """The time of the next event, in Unix microseconds."""
        return min(self._next_tick, self._next_order)

    def turn(self) -> bool:
        """Run the next event. True if it was an order, False for a tick."""
        if self._next_tick <= self._next_order:
            self.micros = self._next_tick
            self._next_tick += TICK
            self._tick()
            return False
        self.micros = self._next_order
        self._next_order += 1 + int(self._random.expovariate(self._rate) * MICROSECONDS)
        self._order(self.engines[self._random.choice(self._products)])
        return True

    def list_product(self, product_id: str) -> bool:
        """Trade *product_id* from now on; True if it was never traded before."""
        new = product_id not in self.engines
        if new:
            publish, self.publish = self.publish, lambda event: None
            self._open(Product(product_id))
            self.publish = publish
        self.delisted.discard(product_id)
        self._products = tuple(each for each in self.engines if each not in self.delisted)
        return new

    def delist_product(self, product_id: str) -> None:
        """Trade *product_id* no longer. The last product stays, since a market has one."""
        self.delisted.add(product_id)
        self._products = tuple(each for each in self.engines if each not in self.delisted)

    def wait_until(self, micros: int) -> None:
        """Move the clock to *micros*; there are no events before it."""
        self.micros = max(self.micros, micros)

    def _tick(self) -> None:
        if self.micros % MICROSECONDS == 0:
            for product_id in self._products:
                engine = self.engines[product_id]
                self.publish(
                    HeartbeatEvent(
                        last_trade_id=engine.last_trade_id,
                        product_id=product_id,
                        sequence=engine.sequence,
                        time=self.clock(),
                    )
                )
        self.publish(TickEvent(self.micros))

    def _open(self, product: Product) -> None:
        """Open a product with a filled book and one trade, before there are subscribers."""
        engine = MatchingEngine(
            product,
            publish=lambda event: self.publish(event),
            clock=self.clock,
            new_id=self._new_id,
            sequence=self._random.randrange(10**11, 2 * 10**11),
            trade_id=self._random.randrange(10**8, 10**9),
        )
        self.engines[product.product_id] = engine
        self._fair[product.product_id] = PRICES.get(product.base, OTHER_PRICE) * 10**product.decimals
        for _ in range(OPENING_ORDERS):
            for side in SIDES:
                engine.limit(side, self._price(engine, side), self._size(engine))
        best = engine.sides["sell"].best()
        assert best is not None
        engine.market("buy", size=best.size // 2 + 1)

    def _order(self, engine: MatchingEngine) -> None:
        """One order of a random kind, on a book that stays filled."""
        draw = self._random
        product_id = engine.product.product_id
        self._fair[product_id] *= math.exp(draw.gauss(0.0, WALK))
        side: Side = "buy" if draw.random() < 0.5 else "sell"
        thin: list[Side] = [name for name, book in engine.sides.items() if len(book) < FEWEST_LEVELS]
        kind = draw.random()
        if thin or kind < 0.45:
            side = thin[0] if thin else side
            immediate = not thin and draw.random() < 0.02
            price = self._price(engine, side)
            engine.limit(side, price, self._size(engine), immediate=immediate)
        elif kind < 0.57:
            if draw.random() < 0.7:
                engine.market(side, size=self._size(engine))
            else:
                value = draw.expovariate(1 / NOTIONAL) * 10**engine.product.decimals
                engine.market(side, funds=1 + int(value))
        elif kind < 0.63:
            if order := self._any(engine):
                self._change(engine, order)
        elif self._free(engine) > draw.gauss(2 * OPENING_ORDERS, OPENING_ORDERS / 4):
            if order := self._any(engine):
                engine.cancel(order.order_id)
        else:
            engine.limit(side, self._price(engine, side), self._size(engine))

    def _change(self, engine: MatchingEngine, order: EngineOrder) -> None:
        draw = self._random
        part = 1 + int(order.size * draw.random())
        if part >= order.size:
            engine.cancel(order.order_id)
        elif draw.random() < 0.2:
            engine.prevent_self_trade(order.order_id, part)
        else:
            price = order.price if draw.random() < 0.5 else self._price(engine, order.side)
            if engine.sides["sell" if order.side == "buy" else "buy"].reaches(price):
                price = order.price
            size = part if draw.random() < 0.5 else order.size + part
            engine.modify(order.order_id, price, size)

    def _any(self, engine: MatchingEngine) -> EngineOrder | None:
        """A resting order that is not kept, if there is one; the older, the less often."""
        orders = engine.orders
        newest = (order for order in reversed(orders.values()) if order.order_id not in self.kept)
        index = min(int(self._random.expovariate(1 / 40)), self._free(engine) - 1)
        return next(islice(newest, max(index, 0), None), None)

    def _free(self, engine: MatchingEngine) -> int:
        """The number of resting orders that are not kept."""
        return len(engine.orders) - len(self.kept & engine.orders.keys())

    def _price(self, engine: MatchingEngine, side: Side) -> int:
        """A limit price near the fair one; now and then one that trades at once."""
        fair = self._fair[engine.product.product_id]
        mean = max(fair * DEPTH, 15.0)
        distance = self._random.expovariate(1 / mean) - 0.05 * mean
        return max(1, round(fair - distance if side == "buy" else fair + distance))

    def _size(self, engine: MatchingEngine) -> int:
        price = self._fair[engine.product.product_id] / 10**engine.product.decimals
        return 1 + int(self._random.expovariate(1 / NOTIONAL) / price * SIZE_UNIT)

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self.ids.getrandbits(128), version=4))


def _micros(moment: datetime) -> int:
    return microseconds(moment)
