"""Bars that close after a number of trades, a volume, or a notional."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from rxfeed.core import MAX_AHEAD, Bar, DollarBars, Seconds, TickBars, VolumeBars
from rxfeed.market import Message, PriorTrade, Trade
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.source import MessageFilter, Operator

log = logging.getLogger("rxfeed.operators")

B = TypeVar("B", VolumeBars, DollarBars)


def tick_bars(trades: int, *, max_ahead: Seconds | None = MAX_AHEAD) -> Operator[Message, Bar]:
    """Emit a `Bar` of each product after every *trades* trades of it.

        prices   -9--11--10--12--|
        emitted  ----(9,11)--(10,12)

        >>> import reactivex
        >>> from rxfeed import tick_bars
        >>> from rxfeed.testing import trade
        >>> _ = reactivex.of(trade(9), trade(11), trade(10), trade(12)).pipe(tick_bars(2)).subscribe(
        ...     lambda b: print(b.open, b.close, b.complete))
        9 11 True
        10 12 True

    Bars follow the order of arrival, so no trade is late. *start* and *end* are the earliest and latest times of the
    bar's trades. A trade's time counts up to *max_ahead* seconds after its receipt (60; `None`: no limit). A bar is not
    `complete` if a gap is in it or just before it, or if the stream ends before the bar is full.
    O(1) a trade; memory: by the number of products.
    """
    machine = reporting("tick_bars", lambda: TickBars(trades, max_ahead=max_ahead))
    return lift(machine, MessageFilter(TickBars.accepts, None, "tick_bars"))


def volume_bars(volume: Decimal | str | int, *, max_ahead: Seconds | None = MAX_AHEAD) -> Operator[Message, Bar]:
    """Emit a `Bar` of each product whenever exactly *volume* of it, in the base currency, was traded.

        sizes    -1----------4-------|
        emitted  ----------(2)(2)----(1)

        >>> import reactivex
        >>> from rxfeed import volume_bars
        >>> from rxfeed.testing import trade
        >>> _ = reactivex.of(trade(size=1), trade(size=4)).pipe(volume_bars(2)).subscribe(
        ...     lambda b: print(b.volume, b.count, b.complete))
        2 2 True
        2 1 True
        1 1 False

    A trade that overfills a bar is split: the part that was missing fills it and the rest begins the next, so that one
    trade may fill several; it counts as one in each. A trade that would fill over 100,000 is not split: it ends one
    bar, which has all of it and is not complete, and is logged once. Arrival, *max_ahead*, gaps and cost as for
    `tick_bars`, and O(1) a bar.
    """
    machine = _reporting("volume_bars", lambda: VolumeBars(volume, max_ahead=max_ahead))
    return lift(machine, MessageFilter(VolumeBars.accepts, None, "volume_bars"))


def dollar_bars(notional: Decimal | str | int, *, max_ahead: Seconds | None = MAX_AHEAD) -> Operator[Message, Bar]:
    """Emit a `Bar` of each product whenever exactly *notional*, in its quote currency, was traded.

        price x size   -40x2------40x1------|
        emitted        -----------(100)-----(20)

        >>> import reactivex
        >>> from rxfeed import dollar_bars
        >>> from rxfeed.testing import trade
        >>> _ = reactivex.of(trade(40, size=2), trade(40, size=1)).pipe(dollar_bars(100)).subscribe(
        ...     lambda b: print(b.notional, b.volume, b.complete))
        100 2.5 True
        20 0.5 False

    A trade that is larger than the rest of a bar is split by its notional, exactly. The size of the first part is its
    notional divided by the price, truncated to 28 digits. The rest of the size goes to the next bar, so the volumes of
    all bars add up exactly. Everything else is as for `volume_bars`.
    """
    machine = _reporting("dollar_bars", lambda: DollarBars(notional, max_ahead=max_ahead))
    return lift(machine, MessageFilter(DollarBars.accepts, None, "dollar_bars"))


def _reporting(operator: str, make: Callable[[], B]) -> Callable[[], B]:
    """`reporting`, for machines that log the first trade that is not split, too."""
    made = reporting(operator, make)

    def report(trade: Trade | PriorTrade) -> None:
        log.warning(
            "%s: trade %d of %s, %s at %s, would fill over 100,000 bars: it ends one, which is not complete. Check the "
            "trade, or take longer bars.",
            operator,
            trade.trade_id,
            trade.product_id,
            trade.size,
            trade.price,
        )

    def both() -> B:
        machine = made()
        machine.report = report
        return machine

    return both
