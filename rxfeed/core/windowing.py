"""Runs windows of event time: an event clock, a windower and accumulators, for each product.

Rules:
- The event clock (`EventClock`, with each product's `CompletenessTracker`) decides which time a message has, how far
  the event time of its product is, and since when no trade was missed.
- The windower (`Windower`) decides which windows a time is in, and when they are due.
- The accumulator (`WindowAccumulator`) decides what a window computes.
- Here is what connects them: the open windows, the order of results, late trades, and windows without a trade.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from typing import ClassVar, Generic, TypeVar

from rxfeed.core.accumulator import AT_ONCE, WindowAccumulator
from rxfeed.core.arguments import Seconds
from rxfeed.core.completeness import CompletenessTracker, Late
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.trade_machine import TradeMachine
from rxfeed.core.windower import Grid, Span, Windower
from rxfeed.errors import ConfigError
from rxfeed.market import EPOCH, Heartbeat, Message, PriorTrade, Trade, microseconds, moment

R = TypeVar("R")

_MOST_EMPTY = 10_000


class _ProductWindows(CompletenessTracker, Generic[R]):
    """The windows of one product: event time is *passed* (Unix microseconds), and nothing is output before *due*.

    A trade in [*start*, *end*), of the same epoch, belongs to *window* alone, and nothing is due at it. It is the
    window of the last trade, up to *due*, and up to the latest time that is credible at the receipt of the last trade.
    """

    __slots__ = ("due", "end", "ends", "next_empty", "output", "passed", "product_id", "start", "window", "windows")

    def __init__(self, first: Trade | PriorTrade | Heartbeat, windower: Windower) -> None:
        super().__init__(first)
        self.product_id = first.product_id
        self.passed = microseconds(first.time)
        self.due = moment(windower.due(self.passed))
        self.next_empty: int | None = None  # windows that start from here on can be output without a trade
        self.start = self.end = EPOCH  # no trade is in it
        self.window: WindowAccumulator[R]
        self.windows: dict[int, WindowAccumulator[R]] = {}  # by their starts
        self.output = -sys.maxsize  # the end of the last window that was output
        self.ends: list[Span] = []  # ends and starts of the windows, as a heap; an end may have become later

    def missed_trades(self) -> None:
        for window in self.windows.values():
            window.whole = False


class Windowing(TradeMachine[_ProductWindows[R]], Generic[R]):
    """Outputs the result of each window of *windower* and of each product; *accumulator* makes what a window computes.

    The event time of a product is the latest time of its trades and heartbeats, limited by their receipt: see
    `EventClock`. If a heartbeat has the id of a trade that has not arrived, event time does not advance until the next
    heartbeat. A window is output when event time is its end plus the windower's lateness. A trade that comes later is
    output as `Late`, and so is a trade dated more than *max_ahead* seconds after its receipt. With *empty*, windows of
    a grid are output without a trade too, from the first message on, at most 10,000 at once. A window is complete
    unless the subscription began within it, trades in it or directly before it were missed, or the stream ended before
    its end.

    O(1) a message and output, O(log n) for n windows that lateness keeps open. Memory grows with the open windows and
    the number of products.
    """

    __slots__ = ("_accumulator", "_grid", "_windower")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade, Heartbeat))

    def __init__(
        self,
        windower: Windower,
        accumulator: Callable[[], WindowAccumulator[R]],
        empty: bool = False,
        *,
        max_ahead: Seconds | None = MAX_AHEAD,
    ) -> None:
        super().__init__(max_ahead)
        self._windower, self._accumulator = windower, accumulator
        self._grid: Grid | None = None
        if empty:
            if not isinstance(windower, Grid):
                raise ConfigError(f"empty: {type(windower).__name__} has no windows without a trade: only a Grid has")
            self._grid = windower

    def _follow(self, first: Trade | PriorTrade | Heartbeat) -> _ProductWindows[R]:
        return _ProductWindows(first, self._windower)

    def step(self, message: Message) -> tuple[R | Late, ...]:
        kind = type(message)
        if kind is self._trade_type or isinstance(message, Trade):
            self._trade_type = kind
            trade: Trade = message  # pyright: ignore[reportAssignmentType]  # the type of the last trade
            product = self._products.get(trade.product_id)
            # `message.epoch`, without the call that a property is: a tenth of the step.
            origin = trade._origin  # pyright: ignore[reportPrivateUsage]  # as above
            epoch = 0 if origin is None else origin.epoch
            # Nearly every trade falls into the window of the one before it. Clock, windower and accumulator would
            # answer as before, so none is called: a call of each would more than double the step.
            if product is not None and product.start <= trade.time < product.end and epoch == product.epoch:
                if trade.trade_id > product.known:
                    product.known = trade.trade_id
                waiting = product.window.waiting
                waiting.append(trade)
                if len(waiting) == AT_ONCE:
                    product.window.gather(waiting)
                return ()
            return self._trade(product, trade)
        if isinstance(message, Heartbeat):
            if message.time <= self.clock.limit or not self.clock.is_ahead(message, message.time):
                return self._heartbeat(message)
        elif isinstance(message, PriorTrade) and self._counts(message):
            outputs = self._trade(self._products.get(message.product_id), message)
            return tuple(each for each in outputs if not isinstance(each, Late))
        return ()

    def finish(self) -> tuple[R, ...]:
        """The windows that are still open, all incomplete."""
        products, self._products = self._products, {}
        left: list[R] = []
        for product in products.values():
            product.missed_trades()
            product.since = max(product.since, product.now)
            ends = [window.end for window in product.windows.values()]
            left += self._emit(product, max(ends, default=product.passed))
            if self._grid is not None and product.next_empty is not None:
                _, end = self._grid.spans(microseconds(product.now))[0]
                left += self._empties(product, self._grid, product.next_empty, max([*ends, end]))
        return tuple(left)

    # ---- messages

    def _trade(self, product: _ProductWindows[R] | None, trade: Trade | PriorTrade) -> tuple[R | Late, ...]:
        time = trade.time
        spans = self._windower.spans(microseconds(time))
        if time > self.clock.limit and self._is_ahead(product, trade):
            return tuple(_late(trade, span) for span in spans)
        if product is None:
            product = self._product(trade)
        product.trade(trade)
        windows = [self._window(product, span) for span in spans]
        outputs: list[R | Late] = [
            _late(trade, span) for span, each in zip(spans, windows, strict=True) if each is None
        ]
        if len(outputs) < len(spans):  # a trade that is late for all its windows starts no windows without a trade
            outputs += self._advance_to(product, time)
        for window in windows:
            if window is not None:
                window.waiting.append(trade)
                if len(window.waiting) >= AT_ONCE:
                    window.gather(window.waiting)
                if self._windower.fixed:
                    product.window, product.start = window, moment(window.start)
                    product.end = min(moment(window.end), product.due, self.clock.bound(time))
        return tuple(outputs)

    def _heartbeat(self, heartbeat: Heartbeat) -> tuple[R, ...]:
        product = self._product(heartbeat)
        return tuple(self._advance_to(product, product.heartbeat(heartbeat)))

    # ---- windows

    def _window(self, product: _ProductWindows[R], span: Span) -> WindowAccumulator[R] | None:
        """The open window of *span*; `None` if it was output."""
        start, end = span
        window = self._merged(product, start, end) if self._windower.merging else product.windows.get(start)
        if window is None and end + self._windower.lateness > product.passed:
            if self._windower.merging and start < product.output:
                return None
            window = self._accumulator()
            window.whole = True
            self._place(product, window, start, end)
            heappush(product.ends, (end, start))
        return window

    def _merged(self, product: _ProductWindows[R], start: int, end: int) -> WindowAccumulator[R] | None:
        """One window of all open windows that overlap `[start, end)`; `None` if there are none."""
        merged = [each for each in product.windows.values() if each.start < end and start < each.end]
        if not merged or start < product.output:  # what it overlaps was output
            return None
        window, *others = merged
        starts = [each.start for each in merged]
        start, end = min(start, *starts), max(end, *(each.end for each in merged))
        for each in starts:
            del product.windows[each]
        for other in others:
            window.absorb(other)
            window.whole = window.whole and other.whole
        self._place(product, window, start, end)
        if start not in starts:
            heappush(product.ends, (end, start))
        return window

    def _place(self, product: _ProductWindows[R], window: WindowAccumulator[R], start: int, end: int) -> None:
        window.start, window.end = start, end
        window.whole = window.whole and product.since < moment(start - self._windower.reach)
        product.windows[start] = window

    def _advance_to(self, product: _ProductWindows[R], time: datetime) -> list[R]:
        """The windows that are due when the product's event time is *time*."""
        if self._grid is not None and product.next_empty is None:
            start, _ = self._grid.spans(microseconds(time))[0]
            product.next_empty = max(start, self._grid.boundary(product.passed))
        if time < product.due:
            return []
        product.passed = max(product.passed, microseconds(time))
        results = self._emit(product, product.passed - self._windower.lateness)
        if self._grid is not None and product.next_empty is not None:
            results += self._empties(product, self._grid, product.next_empty, self._grid.boundary(product.passed))
        product.due = moment(self._windower.due(product.passed))
        product.start = product.end = EPOCH
        return results

    def _emit(self, product: _ProductWindows[R], limit: int) -> list[R]:
        """The windows that end up to *limit*, by their ends, and those without a trade between them."""
        results: list[R] = []
        while product.ends and product.ends[0][0] <= limit:
            _, start = heappop(product.ends)
            window = product.windows.get(start)
            if window is None:  # it is a part of another one
                continue
            if window.end > limit:
                heappush(product.ends, (window.end, start))
                continue
            del product.windows[start]
            product.output = window.end
            if self._grid is not None and product.next_empty is not None:
                results += self._empties(product, self._grid, product.next_empty, start)
                product.next_empty = max(product.next_empty, window.end)
            window.gather(window.waiting)
            results.append(window.result(product.product_id, moment(start), moment(window.end), window.whole))
        return results

    def _empties(self, product: _ProductWindows[R], grid: Grid, begin: int, end: int) -> list[R]:
        """The windows of the grid from *begin* to *end*, each without a trade."""
        product.next_empty = max(begin, end)
        return [
            self._accumulator().result(
                product.product_id, moment(start), moment(start + grid.width), product.since < moment(start)
            )
            for start in range(begin, end, grid.width)[-_MOST_EMPTY:]
        ]


def _late(trade: Trade | PriorTrade, span: Span) -> Late:
    start, end = span
    return Late(trade.product_id, moment(start), moment(end), trade)
