"""Holds a product's trades behind a hole in its trade ids until the missing trades are here, or cannot be had.

Rules:
- A hole is a range of ids that did not come. From then on the product's trades and heartbeats are held, in their order,
  and everything else passes. There may be further holes among what is held.
- What is fetched fills the holes of its product. The first hole is closed when all of its ids are here, when its time
  is up, when nothing more can be had, or when too much is held.
- A closed hole is output as its trades in the order of ids, with `Repaired` before each run of them, and `Missed` in
  the place of each run that is not there. Then follows what was held up to the next hole.
- What is fetched must have a time between those of the trades before and after the hole, or it would be counted in a
  window that is over, which would be complete and wrong. A heartbeat that names the last trade of the hole is after it,
  too. If the trade after the hole comes later than what was fetched, that is checked again.
- What is fetched for a hole that is closed is dropped, so nothing comes out of order.
- A backfill is a hole before the first trade of a product: its last id is that before the first trade, or that of the
  last one from before the subscription. It is closed when no more is fetched, or when its time is up. What is missing
  among its trades is lost; what is before them is not.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
from msgspec.structs import force_setattr

from rxfeed.core.arguments import Seconds, in_seconds, number, positive_integer
from rxfeed.core.completeness import earlier
from rxfeed.market import Message, PriorTrade, Trade

_SLACK = timedelta(seconds=1)
"""The times of a venue's trades may be a little out of order."""


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """How missing trades are fetched while the feed runs.

    *patience*: seconds (a number, or a timedelta) for which a product's trades are held at the most, while the missing
    ones are fetched. *most*: messages of a product that are held, and trades that it may lack at one time; beyond it
    the gap is reported at once.
    """

    patience: Seconds = 5.0
    most: int = 10_000

    def __post_init__(self) -> None:
        force_setattr(self, "patience", number("patience", self.patience))
        positive_integer("most", self.most)


class RepairedTrades(msgspec.Struct, frozen=True):
    """The trades *first* to *last* of *product_id* were missed, and follow; fetching them took *seconds*."""

    product_id: str
    first: int
    last: int
    seconds: float


class LostTrades(msgspec.Struct, frozen=True):
    """The trades *first* to *last* of *product_id* were missed, and could not be had: the next trade is after a gap."""

    product_id: str
    first: int
    last: int


class BackfilledTrades(msgspec.Struct, frozen=True):
    """The trades *first* to *last* of *product_id*, from before the subscription, follow; it took *seconds*."""

    product_id: str
    first: int
    last: int
    seconds: float


Output = Message | BackfilledTrades | RepairedTrades | LostTrades
"""What to deliver, or to report, in this order."""


class _OpenHole:
    """A hole, the trades that were fetched for it, and the messages that are held after it."""

    __slots__ = ("after", "before", "came", "deadline", "first", "followed", "found", "held", "last", "since")

    def __init__(
        self,
        first: int,
        last: int,
        since: float,
        deadline: float,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> None:
        self.first, self.last, self.since, self.deadline = first, last, since, deadline
        self.after, self.before = after, before
        self.followed = False
        """True if a trade after the hole has come."""
        self.found: dict[int, Trade | PriorTrade] = {}
        self.came: set[int] = set()
        """Those of *found* that were not fetched, since they still came."""
        self.held: list[Message] = []

    @property
    def size(self) -> int:
        """How many trades are missed."""
        return self.last - self.first + 1

    @property
    def filled(self) -> bool:
        return len(self.found) >= self.size

    def fits(self, trade: Trade | PriorTrade) -> bool:
        """True if *trade*, which was fetched, is one of the hole, by its id and time."""
        return (
            self.first <= trade.trade_id <= self.last
            and (self.after is None or trade.time >= earlier(self.after, _SLACK))
            and (self.before is None or earlier(trade.time, _SLACK) <= self.before)
        )

    def follow(self, trade: Trade | PriorTrade) -> None:
        """*trade* has come, the first one after the hole: what was fetched and is newer is dropped."""
        self.followed = True
        if self.before is None or trade.time < self.before:
            self.before = trade.time
            self.found = {number: each for number, each in self.found.items() if number in self.came or self.fits(each)}

    def close(self, product_id: str, now: float) -> list[Output]:
        """The trades that are here, in order, with reports of both kinds of runs, and the messages after the hole."""
        outputs: list[Output] = []
        for here, numbers in groupby(range(self.first, self.last + 1), self.found.__contains__):
            run = [*numbers]
            if here:
                outputs.append(RepairedTrades(product_id, run[0], run[-1], max(0.0, now - self.since)))
                outputs += map(self.found.__getitem__, run)
            else:
                outputs.append(LostTrades(product_id, run[0], run[-1]))
        return outputs + self.held


class _Backfill(_OpenHole):
    """The hole before the first trade: *last* is -1 until that has come."""

    __slots__ = ()

    def __init__(self, since: float, deadline: float) -> None:
        super().__init__(0, -1, since, deadline)

    @property
    def size(self) -> int:
        return 0  # its trades are not missed

    @property
    def filled(self) -> bool:
        return False

    def close(self, product_id: str, now: float) -> list[Output]:
        numbers = sorted(self.found)
        counted = [each for each in numbers if self.found[each].backfilled]
        outputs: list[Output] = []
        if counted:
            outputs.append(BackfilledTrades(product_id, counted[0], counted[-1], max(0.0, now - self.since)))
        for before, own in zip([None, *numbers], numbers, strict=False):
            if before is not None and own > before + 1:
                outputs.append(LostTrades(product_id, before + 1, own - 1))
            outputs.append(self.found[own])
        if numbers and numbers[-1] < self.last:
            outputs.append(LostTrades(product_id, numbers[-1] + 1, self.last))
        return outputs + self.held


class TradeRepair:
    """The holes of all products; times are seconds of one clock that never goes back.

    >>> from rxfeed.core import Repair, TradeRepair
    >>> repair = TradeRepair(Repair(patience=5))
    >>> repair.missed("BTC-USD", 7, 8, now=100.0)
    True
    >>> repair.holds("BTC-USD"), repair.holds("ETH-USD")
    (True, False)
    >>> repair.due(105.0)
    [LostTrades(product_id='BTC-USD', first=7, last=8)]
    """

    __slots__ = ("_held", "_holes", "_missing", "_policy")

    def __init__(self, policy: Repair) -> None:
        self._policy = policy
        self._holes: dict[str, deque[_OpenHole]] = {}
        self._held: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()  # the trades of all holes, without backfills

    def holds(self, product_id: str | None) -> bool:
        """True if trades and heartbeats of the product are to be held."""
        return product_id in self._holes

    def can_repair(self, product_id: str, first: int, last: int) -> bool:
        """False for a hole that is too large, with those that are open: it is a gap then."""
        return self._missing[product_id] + last - first < self._policy.most

    def expect(self, product_id: str, now: float, patience: float) -> bool:
        """Hold the product's trades from the first one on, for a backfill that begins within *patience* seconds.

        False if its trades are held already.
        """
        if product_id in self._holes:
            return False
        self._holes[product_id] = deque((_Backfill(now, now + patience),))
        return True

    def backfilling(self, product_id: str) -> bool:
        """True if the trades before the product's first one are awaited."""
        return any(isinstance(hole, _Backfill) for hole in self._holes.get(product_id, ()))

    def backfilled(self, product_id: str, now: float) -> list[Output]:
        """No more of the trades before the first one comes; returns what comes out with that."""
        self.extend(product_id, now)
        return self._close_due(product_id, now)

    def extend(self, product_id: str, deadline: float) -> None:
        """The backfill of the product may last until *deadline*."""
        for hole in self._holes.get(product_id, ()):
            if isinstance(hole, _Backfill):
                hole.deadline = deadline

    def begins_after(self, product_id: str, number: int) -> None:
        """The trade *number* is from before the subscription: the product's trades begin after it."""
        holes = self._holes.get(product_id, ())
        for hole in holes if len(holes) == 1 else ():
            if isinstance(hole, _Backfill) and not any(isinstance(each, Trade) for each in hole.held):
                hole.last = max(hole.last, number)

    def missed(
        self,
        product_id: str,
        first: int,
        last: int,
        now: float,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> bool:
        """A hole begins, after all that is held. False if it cannot be repaired.

        *after*: the time of the trade before it, *before*: that of a heartbeat after it; each if it is known.
        """
        if not self.can_repair(product_id, first, last):
            return False
        hole = _OpenHole(first, last, now, now + in_seconds(self._policy.patience), after, before)
        self._holes.setdefault(product_id, deque()).append(hole)
        self._missing[product_id] += hole.size
        return True

    def hold(self, message: Message, now: float) -> list[Output]:
        """Hold *message*, of a product that `holds`; returns what comes out because of it.

        A trade is held after the last hole before it, and comes out at once if there is none. One that was missing
        fills its hole.
        """
        product_id = str(message.product_id)
        holes = self._holes[product_id]
        place = holes[-1]
        if isinstance(message, Trade | PriorTrade):
            before = next((hole for hole in reversed(holes) if hole.first <= message.trade_id), None)
            if before is None:
                return [message]
            if isinstance(before, _Backfill) and before.last < 0:
                before.last = message.trade_id - 1
            if isinstance(message, Trade) and message.trade_id <= before.last:
                for hole in holes:
                    if hole.first <= message.trade_id <= hole.last:
                        hole.found.setdefault(message.trade_id, message)
                        hole.came.add(message.trade_id)
                return self._close_due(product_id, now)
            place = before
            for hole in reversed(holes):
                if hole.followed:
                    break
                if hole.first <= hole.last <= message.trade_id:
                    hole.follow(message)
        place.held.append(message)
        self._held[product_id] += 1
        outputs: list[Output] = []
        while self._held[product_id] > self._policy.most:
            outputs += self._close_first(product_id, now)
        return outputs

    def fetched(self, product_id: str, trades: Iterable[Trade | PriorTrade], now: float) -> list[Output]:
        """*trades* were fetched; returns what comes out with them."""
        holes = self._holes.get(product_id, ())
        for trade in trades:
            for hole in holes:
                if (isinstance(trade, Trade) or isinstance(hole, _Backfill)) and hole.fits(trade):
                    hole.found.setdefault(trade.trade_id, trade)
        return self._close_due(product_id, now)

    def exhausted(self, product_id: str, first: int, last: int, now: float) -> list[Output]:
        """No more of the trades *first* to *last* can be had; returns what comes out with that."""
        for hole in self._holes.get(product_id, ()):
            if first <= hole.first and hole.last <= last:
                hole.deadline = min(hole.deadline, now)
        return self._close_due(product_id, now)

    def due(self, now: float) -> list[Output]:
        """What comes out because its time is up."""
        return [output for product_id in [*self._holes] for output in self._close_due(product_id, now)]

    def remaining(self, now: float) -> float | None:
        """Seconds until `due` returns something; `None` if nothing is held."""
        times = [holes[0].deadline for holes in self._holes.values()]
        return max(0.0, min(times) - now) if times else None

    def finish(self, now: float, product_id: str | None = None) -> list[Output]:
        """Close all holes as they are; *product_id*: those of one product only."""
        outputs: list[Output] = []
        for each in [*self._holes] if product_id is None else [product_id]:
            while each in self._holes:
                outputs += self._close_first(each, now)
        return outputs

    def remove(self, product_id: str, now: float) -> list[Output]:
        """The product is not subscribed to any more: close its holes, without the trades from before its first one."""
        for hole in self._holes.get(product_id, ()):
            if isinstance(hole, _Backfill):
                hole.found.clear()
        return self.finish(now, product_id)

    def _close_due(self, product_id: str, now: float) -> list[Output]:
        outputs: list[Output] = []
        while (holes := self._holes.get(product_id)) and (holes[0].filled or holes[0].deadline <= now):
            outputs += self._close_first(product_id, now)
        return outputs

    def _close_first(self, product_id: str, now: float) -> list[Output]:
        holes = self._holes[product_id]
        first = holes.popleft()
        self._held[product_id] -= len(first.held)
        self._missing[product_id] -= first.size
        if not holes:
            del self._holes[product_id], self._held[product_id], self._missing[product_id]
        return first.close(product_id, now)
