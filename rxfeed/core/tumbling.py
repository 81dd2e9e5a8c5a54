"""Opens and closes windows of event time, for any accumulator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any, ClassVar, Generic, TypeVar

from rxfeed.core.completeness import (
    EPOCH,
    MICROSECOND,
    CompletenessTracker,
    Late,
    moment,
    not_negative_microseconds,
    positive_microseconds,
)
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.numbers import exactly
from rxfeed.market import Heartbeat, Message, PriorTrade, Trade

R = TypeVar("R")

_MOST_EMPTY = 10_000
_AT_ONCE = 16


class WindowAccumulator(ABC, Generic[R]):
    """The sums of one window, without the *waiting* trades, which are in the order of arrival.

    Many trades are added at once, since exact sums then take half the time.
    """

    __slots__ = ("waiting", "whole")

    whole: bool

    def __init__(self) -> None:
        self.waiting: list[Trade] = []

    @exactly
    def gather(self, waiting: list[Trade]) -> None:
        """Add the waiting trades, and empty the list."""
        self._add(waiting)
        waiting.clear()

    @abstractmethod
    def _add(self, trades: list[Trade], /) -> None:
        """Add *trades*; `+` and `*` are exact here."""

    @abstractmethod
    def result(self, product_id: str, start: datetime, end: datetime, complete: bool) -> R: ...


class _ProductWindows(CompletenessTracker, Generic[R]):
    """The windows of one product: those before *boundary* were output, and the next is due when event time is *due*.

    [*start*, *end*) most likely contains the time of the next trade. It is the window of the last trade, up to *due*,
    and up to the latest time that is credible at the receipt of the last trade.
    """

    __slots__ = ("boundary", "due", "end", "first", "start", "starts", "window", "windows")

    def __init__(self, first: Trade | PriorTrade | Heartbeat, boundary: datetime, due: datetime) -> None:
        super().__init__(first)
        self.boundary, self.due = boundary, due
        self.first: datetime | None = None  # the start of the first window that can be output empty
        self.start = self.end = EPOCH  # no trade is in it
        self.window: WindowAccumulator[R]
        self.windows: dict[datetime, WindowAccumulator[R]] = {}
        self.starts: list[datetime] = []  # the windows' starts, as a heap

    def broken(self) -> None:
        for window in self.windows.values():
            window.whole = False


class Tumbling(ABC, Generic[R]):
    """Windows `[start, end)` of *seconds*, aligned to the Unix epoch, of each product by its own time.

    The event time of a product is the latest time of its trades and heartbeats, limited by their receipt: see
    `EventClock`. If a heartbeat has the id of a trade that has not arrived, event time does not advance until the next
    heartbeat. A window is output when event time is its end plus *lateness* seconds. A trade that comes later is output
    as `Late`, and so is a trade dated more than *max_ahead* seconds after its receipt. With *empty*, windows without a
    trade are output too, from the first message on, at most 10,000 at once. A window is complete unless the
    subscription began within it, trades in it or directly before it were missed, or the stream ended before its end.

    O(1) a message and output, O(log n) for n windows that *lateness* keeps open. Memory grows with the open windows and
    the number of products.
    """

    __slots__ = ("_empty", "_lateness", "_products", "_trade_type", "_width", "clock")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade, Heartbeat))

    def __init__(
        self, seconds: float, lateness: float = 0, empty: bool = False, *, max_ahead: float | None = MAX_AHEAD
    ) -> None:
        self._width = positive_microseconds("seconds", seconds)
        self._lateness = not_negative_microseconds("lateness", lateness)
        self._empty = bool(empty)
        self.clock = EventClock(max_ahead)
        self._products: dict[str, _ProductWindows[R]] = {}
        self._trade_type: type[Message] = Trade

    @abstractmethod
    def _open(self, product_id: str) -> WindowAccumulator[R]:
        """A new accumulator for a window."""

    def step(self, message: Message) -> tuple[R | Late, ...]:
        kind = type(message)
        if kind is self._trade_type or isinstance(message, Trade):
            self._trade_type = kind  # a test for a subclass takes longer
            trade: Any = message
            product = self._products.get(trade.product_id)
            origin: Any = trade._origin  # `message.epoch`, without the call that a property is: a tenth of the step
            epoch = 0 if origin is None else origin.epoch
            # Nearly every trade falls into the window of the one before it.
            if product is not None and product.start <= trade.time < product.end and epoch == product.epoch:
                if trade.trade_id > product.known:
                    product.known = trade.trade_id
                waiting = product.window.waiting
                waiting.append(trade)
                if len(waiting) == _AT_ONCE:
                    product.window.gather(waiting)
                return ()
            return self._trade(product, trade)
        if isinstance(message, Heartbeat):
            if message.time <= self.clock.limit or not self.clock.is_ahead(message, message.time):
                return self._heartbeat(message)
        elif isinstance(message, PriorTrade) and not self.clock.is_ahead(message, message.time):
            self._last_match(message)
        return ()

    def finish(self) -> tuple[R, ...]:
        """The windows that are still open, all incomplete."""
        products, self._products = self._products, {}
        left: list[R] = []
        for product_id, product in products.items():
            end = max([self._end(start) for start in product.starts] + [product.boundary])
            if product.first is not None:
                end = max(end, self._end(self._start(product.now)))
            for window in product.windows.values():
                window.whole = False
            product.since = max(product.since, product.now)
            left += self._emit_due(product_id, product, end, finishing=True)
        return tuple(left)

    def _trade(self, product: _ProductWindows[R] | None, match: Trade) -> tuple[R | Late, ...]:
        product_id, time = match.product_id, match.time
        if time > self.clock.limit and self.clock.is_ahead(match, time):
            if product is not None:
                product.undated(match)
                product.broken()
            start = self._start(time)
            return (Late(product_id, start, self._end(start), match),)
        if product is None:
            product = self._products[product_id] = self._product(match)
        elif product.trade(match):
            product.broken()
        start = self._start(time)
        if time < product.boundary:
            return (Late(product_id, start, self._end(start), match),)
        boundary = self._advance_to(product_id, product, time)
        window = product.windows.get(start)
        if window is None:
            window = product.windows[start] = self._open(product_id)
            window.whole = product.since < start
            heappush(product.starts, start)
        product.start, product.window = start, window
        product.end = min(self._end(start), product.due, self.clock.bound(time))
        window.waiting.append(match)
        if len(window.waiting) >= _AT_ONCE:
            window.gather(window.waiting)
        return boundary

    def _heartbeat(self, heartbeat: Heartbeat) -> tuple[R, ...]:
        product = self._products.get(heartbeat.product_id)
        if product is None:
            product = self._products[heartbeat.product_id] = self._product(heartbeat)
        missed, time = product.heartbeat(heartbeat)
        if missed:
            product.broken()
        return self._advance_to(heartbeat.product_id, product, time)

    def _last_match(self, last: PriorTrade) -> None:
        product = self._products.get(last.product_id)
        if product is None:
            self._products[last.product_id] = self._product(last)
        elif product.last_match(last):
            product.broken()

    def _product(self, first: Trade | PriorTrade | Heartbeat) -> _ProductWindows[R]:
        boundary = self._boundary(first.time)
        return _ProductWindows(first, boundary, self._due(boundary))

    def _advance_to(self, product_id: str, product: _ProductWindows[R], time: datetime) -> tuple[R, ...]:
        """The windows that are due when the product's event time is *time*."""
        if product.first is None and self._empty:
            product.first = self._start(time)
        if time < product.due:
            return ()
        boundary = self._boundary(time)
        results = self._emit_due(product_id, product, boundary)
        product.boundary, product.due = boundary, self._due(boundary)
        product.start = product.end = EPOCH
        return tuple(results)

    def _emit_due(
        self, product_id: str, product: _ProductWindows[R], boundary: datetime, finishing: bool = False
    ) -> list[R]:
        results: list[R] = []
        at = product.boundary
        while product.starts and product.starts[0] < boundary:
            start = heappop(product.starts)
            window = product.windows.pop(start)
            results += self._empties(product_id, product, at, start)
            at = self._end(start)
            window.gather(window.waiting)
            results.append(window.result(product_id, start, at, window.whole))
        results += self._empties(product_id, product, at, boundary)
        return results

    def _empties(self, product_id: str, product: _ProductWindows[R], at: datetime, to: datetime) -> list[R]:
        if product.first is None:
            return []
        at = max(at, product.first)
        missing = (to - at) // MICROSECOND // self._width
        if missing > _MOST_EMPTY:
            at += timedelta(microseconds=(missing - _MOST_EMPTY) * self._width)
        results: list[R] = []
        while at < to:
            end = self._end(at)
            results.append(self._open(product_id).result(product_id, at, end, product.since < at))
            at = end
        return results

    # ---- the grid

    def _start(self, time: datetime) -> datetime:
        microseconds = (time - EPOCH) // MICROSECOND
        return moment(microseconds - microseconds % self._width)

    def _end(self, start: datetime) -> datetime:
        return moment((start - EPOCH) // MICROSECOND + self._width)

    def _boundary(self, time: datetime) -> datetime:
        """The end of the last window that is due at *time*: all windows before it were output."""
        microseconds = (time - EPOCH) // MICROSECOND - self._lateness
        return moment(microseconds - microseconds % self._width)

    def _due(self, boundary: datetime) -> datetime:
        return moment((boundary - EPOCH) // MICROSECOND + self._width + self._lateness)
