"""Models the recorded market of one product as resting orders in a matching engine, together with paper orders.

Rules:
- A recorded level is represented in the engine by market orders, before and behind paper orders, in the order of
  arrival. Their sum is never more than the recorded size.
- A recorded trade is an order that trades at once: with paper orders at better prices first, then with its level from
  the front, paper orders included.
- Any other decrease of a level is taken from its back: orders ahead of a paper order are assumed to stay, unless no
  others are left. An increase joins the back. If its price reaches paper orders of the opposite side, it trades with
  them first.
- Size taken by paper orders stays taken while the recording shows it: changes of a level are applied, not its size.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import count, takewhile

from rxfeed.core import EXACT
from rxfeed.core.matching import SIDES, EngineOrder, MatchingEngine
from rxfeed.errors import ConfigError
from rxfeed.market import Side, Trade

PRICE_PLACES, SIZE_PLACES = 12, 8  # of the engine's whole numbers

Change = tuple[Side, Decimal, Decimal, datetime | None]
"""(side, price, size, when): *size* is all that the recording showed there then."""


class _Level:
    """*shown*: the recorded size; *orders*: its market orders; *gone*: size taken by trades that *shown* still has."""

    __slots__ = ("gone", "gone_at", "orders", "ours_last", "shown")

    def __init__(self) -> None:
        self.shown = 0
        self.orders: list[EngineOrder] = []
        self.ours_last = False  # a paper order is behind the last of *orders*
        self.gone = 0
        self.gone_at: datetime | None = None

    def standing(self) -> int:
        """The sum of *orders*, after filled ones were removed."""
        self.orders = [order for order in self.orders if order.size]
        return sum(order.size for order in self.orders)


class QueueModel:
    """Maintains the market's orders in *engine*; all other orders there are paper orders."""

    def __init__(self, engine: MatchingEngine) -> None:
        self._engine = engine
        self._levels: dict[Side, dict[int, _Level]] = {"buy": {}, "sell": {}}
        self._names = (f"market-{number}" for number in count(1))

    def new_id(self) -> str:
        return next(self._names)

    def trade(self, match: Trade) -> None:
        """Execute a recorded trade as an order of its size and price."""
        side, price = match.maker_side, price_units(match.price)
        book = self._engine.sides[side]
        # A trade at this price means that no better price was left, although the change that removes it is yet to come.
        for stale in {order.price for order in takewhile(lambda each: _better(side, each.price, price), book.orders())}:
            if level := self._levels[side].get(stale):
                standing = level.standing()
                self._gone(level, standing, match.time)
                self._leave(side, level, standing)
        level = self._levels[side].get(price) or _Level()
        before = level.standing()
        self._engine.limit(match.taker_side, price, size_units(match.size), immediate=True)
        self._gone(level, before - level.standing(), match.time)

    def settle(self, changes: Iterable[Change], *, trading: bool) -> None:
        """Apply the recorded *changes*. *trading*: an increase trades with the paper orders that its price reaches."""
        coming: list[tuple[Side, int, _Level, int]] = []
        for side, decimal, size, when in changes:
            price, shown = price_units(decimal), size_units(size)
            level = self._levels[side].setdefault(price, _Level())
            standing = level.standing()
            target = standing + shown - level.shown
            if when is None or level.gone_at is None or level.gone_at <= when:
                target, level.gone = target + level.gone, 0
            target, level.shown = max(0, min(target, shown)), shown
            if target < standing:
                self._leave(side, level, standing - target)
            elif target > standing:
                coming.append((side, price, level, target - standing))
            if not shown and not level.gone:
                del self._levels[side][price]
        for side, price, level, size in coming:
            self._come(side, price, level, size, trading)

    def replace(self, bids: Iterable[tuple[Decimal, Decimal]], asks: Iterable[tuple[Decimal, Decimal]]) -> list[Change]:
        """The changes from the present book to that of a snapshot."""
        changes: list[Change] = []
        for side, levels in zip(SIDES, (bids, asks), strict=True):
            sizes = {price_units(price): (price, size) for price, size in levels}
            changes.extend((side, price, size, None) for price, size in sizes.values())
            for units in self._levels[side].keys() - sizes.keys():
                changes.append((side, price_decimal(units), Decimal(0), None))
        return changes

    def joined(self, side: Side, price: int) -> None:
        """A paper order rests at *price* now: later market orders are behind it."""
        if level := self._levels[side].get(price):
            level.ours_last = True

    def _gone(self, level: _Level, size: int, when: datetime) -> None:
        level.gone += size
        level.gone_at = when

    def _leave(self, side: Side, level: _Level, size: int) -> None:
        while size:
            order = level.orders[-1]
            part = min(size, order.size)
            self._engine.sides[side].reduce(order, part)
            if not order.size:
                level.orders.pop()
                del self._engine.orders[order.order_id]
            size -= part

    def _come(self, side: Side, price: int, level: _Level, size: int, trading: bool) -> None:
        engine = self._engine
        if trading and engine.sides["sell" if side == "buy" else "buy"].reaches(price):
            order = engine.orders.get(engine.limit(side, price, size))
        elif level.orders and not level.ours_last:
            engine.sides[side].reduce(level.orders[-1], -size)
            return
        else:
            order = EngineOrder(self.new_id(), side, price, size)
            engine.orders[order.order_id] = order
            engine.sides[side].add(order)
        if order is not None:
            level.orders.append(order)
            level.ours_last = False


def price_units(price: Decimal) -> int:
    """*price* in the engine's whole numbers."""
    return _units("price", price, PRICE_PLACES)


def size_units(size: Decimal) -> int:
    """*size* in the engine's whole numbers."""
    return _units("size", size, SIZE_PLACES)


def price_decimal(units: int) -> Decimal:
    """The price of *units*, the inverse of `price_units`, without zeros at its end."""
    return EXACT.divide(Decimal(units), Decimal(10**PRICE_PLACES))


def _units(name: str, value: Decimal, places: int) -> int:
    scaled = value.scaleb(places, EXACT)
    whole = int(scaled)
    if whole != scaled:
        raise ConfigError(f"{name}: {value} has more than the {places} decimal places that the engine keeps")
    return whole


def _better(side: Side, price: int, than: int) -> bool:
    return price > than if side == "buy" else price < than
