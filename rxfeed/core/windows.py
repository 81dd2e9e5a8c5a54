"""Traded volume by windows of event time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import msgspec

from rxfeed.core.numbers import EXACT, ROUNDED, ZERO
from rxfeed.errors import ConfigError
from rxfeed.messages import Heartbeat, LastMatch, Match, Message

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class VolumeWindow(msgspec.Struct, frozen=True, gc=False):
    """The trades of *product_id* in `[start, end)`.

    *volume* in the base currency, *notional* (the sum of price times size) in the quote currency, both exact; *vwap* is
    their quotient to 28 digits; *buy_volume* and *sell_volume* go by the taker's side. *complete* is True only where
    every trade of the span is known to be in.
    """

    product_id: str
    start: datetime
    end: datetime
    volume: Decimal
    notional: Decimal
    vwap: Decimal | None
    count: int
    buy_volume: Decimal
    sell_volume: Decimal
    complete: bool


class _Window:
    """What is known of one product: its open window, and since when no trade of it was missed."""

    __slots__ = ("bought", "count", "end", "epoch", "last_trade_id", "notional", "since", "sold", "start", "whole")

    def __init__(self, epoch: int, since: datetime, last_trade_id: int) -> None:
        self.epoch, self.since, self.last_trade_id = epoch, since, last_trade_id
        self.start = self.end = _EPOCH  # no window is open: nothing lies in [start, end)
        self.whole = False
        self.bought = self.sold = self.notional = ZERO
        self.count = 0


class TumblingVolume:
    """Outputs a `VolumeWindow` per product and window of *seconds*, aligned to the Unix epoch, when it closes.

    A window closes with the first trade of its product at or past its end, or with a heartbeat that knows of no later
    trade than we do; windows without a trade are not output. It is `complete` unless we came in its midst, a message
    of it carries a new `epoch`, or the stream ended before it did. A trade that comes after its window has closed makes
    a further, incomplete `VolumeWindow` of its own span, so that sums by span stay right. O(1) a message; memory grows
    with the number of products.
    """

    __slots__ = ("_products", "_width")

    looks_at: ClassVar[frozenset[type[Message]]] = frozenset((Match, LastMatch, Heartbeat))

    def __init__(self, seconds: float) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ConfigError(f"seconds: {seconds!r} is not a number of seconds")
        if seconds < 1e-6:
            raise ConfigError(f"seconds: {seconds!r} is not a positive number of seconds")
        self._width = round(seconds * 1_000_000)
        self._products: dict[str, _Window] = {}

    def step(self, message: Message) -> tuple[VolumeWindow, ...]:
        if type(message) is Match:
            return self._trade(message)
        if type(message) is Heartbeat:
            return self._heartbeat(message)
        if type(message) is LastMatch:
            self._last_match(message)
        return ()

    def finish(self) -> tuple[VolumeWindow, ...]:
        """The windows still open, all incomplete."""
        left = [(product, w) for product, w in self._products.items() if w.count]
        self._products = {}
        return tuple(_result(product, window, complete=False) for product, window in left)

    def _trade(self, match: Match) -> tuple[VolumeWindow, ...]:
        window = self._products.get(match.product_id)
        if window is None:
            window = self._products[match.product_id] = _Window(match.epoch, match.time, match.trade_id)
        elif window.epoch != match.epoch:
            _broken(window, match.epoch, match.time)
        window.last_trade_id = match.trade_id
        if window.start <= match.time < window.end:
            _add(window, match)
            return ()
        if match.time < window.start:
            return (self._late(match),)
        closed = _close(match.product_id, window)
        window.start, window.end = self._span(match.time)
        window.whole = window.since < window.start
        _add(window, match)
        return closed

    def _heartbeat(self, heartbeat: Heartbeat) -> tuple[VolumeWindow, ...]:
        window = self._products.get(heartbeat.product_id)
        if window is None:
            return ()
        if window.epoch != heartbeat.epoch:
            _broken(window, heartbeat.epoch, heartbeat.time)
        # A heartbeat can overtake a trade; last_trade_id tells.
        if heartbeat.time < window.end or heartbeat.last_trade_id > window.last_trade_id:
            return ()
        return _close(heartbeat.product_id, window)

    def _last_match(self, last: LastMatch) -> None:
        """The exchange's word that no trade came between this one and the subscription."""
        window = self._products.get(last.product_id)
        if window is None:
            self._products[last.product_id] = _Window(last.epoch, last.time, last.trade_id)
        elif window.epoch != last.epoch:
            _broken(window, last.epoch, last.time)
            window.last_trade_id = last.trade_id

    def _late(self, match: Match) -> VolumeWindow:
        alone = _Window(match.epoch, match.time, match.trade_id)
        alone.start, alone.end = self._span(match.time)
        _add(alone, match)
        return _result(match.product_id, alone, complete=False)

    def _span(self, time: datetime) -> tuple[datetime, datetime]:
        microseconds = (time - _EPOCH) // _US
        start = _EPOCH + timedelta(microseconds=microseconds - microseconds % self._width)
        return start, start + timedelta(microseconds=self._width)


def _broken(window: _Window, epoch: int, since: datetime) -> None:
    window.epoch, window.since, window.whole = epoch, since, False


def _add(window: _Window, match: Match) -> None:
    # match.side is the maker's: a maker who sells meets a taker who buys.
    if match.side == "sell":
        window.bought = EXACT.add(window.bought, match.size)
    else:
        window.sold = EXACT.add(window.sold, match.size)
    window.notional = EXACT.fma(match.price, match.size, window.notional)
    window.count += 1


def _close(product_id: str, window: _Window) -> tuple[VolumeWindow, ...]:
    if not window.count:
        return ()
    result = _result(product_id, window, complete=window.whole)
    # Nothing is open from here to the next trade, but what is older than the end is late.
    window.start = window.end
    window.bought = window.sold = window.notional = ZERO
    window.count = 0
    return (result,)


def _result(product_id: str, window: _Window, *, complete: bool) -> VolumeWindow:
    volume = EXACT.add(window.bought, window.sold)
    return VolumeWindow(
        product_id=product_id,
        start=window.start,
        end=window.end,
        volume=volume,
        notional=window.notional,
        vwap=ROUNDED.divide(window.notional, volume) if volume else None,
        count=window.count,
        buy_volume=window.bought,
        sell_volume=window.sold,
        complete=complete,
    )
