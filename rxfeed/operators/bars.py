"""Bars of research."""

from __future__ import annotations

from decimal import Decimal

from rxfeed.core import MAX_AHEAD, Bar, DollarBars, TickBars, VolumeBars
from rxfeed.market import Message
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.source import Operator, Wish


def tick_bars(trades: int, *, max_ahead: float | None = MAX_AHEAD) -> Operator[Message, Bar]:
    """Emit a `Bar` of each product for every so many *trades* of it.

        prices   -9--11--10--12--|
        emitted  ----(9,11)--(10,12)

        >>> _ = reactivex.of(match(9), match(11), match(10), match(12)).pipe(tick_bars(2)).subscribe(
        ...     lambda b: print(b.open, b.close, b.complete))
        9 11 True
        10 12 True

    Bars follow the order of arrival, so no trade is late; *start* and *end* are its trades' earliest and latest times,
    and of a trade that is dated more than *max_ahead* seconds after its receipt (60; `None`: no limit) that limit.
    The bar that a gap falls into, or just before, is not `complete`, nor is the one that the stream's end cuts short.
    O(1) a trade; memory by the number of products.
    """
    machine = reporting("tick_bars", lambda: TickBars(trades, max_ahead=max_ahead))
    return lift(machine, Wish(TickBars.looks_at, None, "tick_bars"))


def volume_bars(volume: Decimal | str | int, *, max_ahead: float | None = MAX_AHEAD) -> Operator[Message, Bar]:
    """Emit a `Bar` of each product whenever exactly *volume* of it, in the base currency, has been traded.

        sizes    -1----------4-------|
        emitted  ----------(2)(2)----(1)

        >>> _ = reactivex.of(match(size=1), match(size=4)).pipe(volume_bars(2)).subscribe(
        ...     lambda b: print(b.volume, b.count, b.complete))
        2 2 True
        2 1 True
        1 1 False

    A trade that overfills a bar is split: the part that was missing fills it and the rest begins the next, so that one
    trade may fill several; it counts as one in each. A trade that fills over 100,000 ends the stream with
    `ConfigError`. Arrival, *max_ahead*, gaps and cost as for `tick_bars`, and O(1) a bar.
    """
    machine = reporting("volume_bars", lambda: VolumeBars(volume, max_ahead=max_ahead))
    return lift(machine, Wish(VolumeBars.looks_at, None, "volume_bars"))


def dollar_bars(notional: Decimal | str | int, *, max_ahead: float | None = MAX_AHEAD) -> Operator[Message, Bar]:
    """Emit a `Bar` of each product whenever exactly *notional*, in its quote currency, has changed hands.

        price x size   -40x2------40x1------|
        emitted        -----------(100)-----(20)

        >>> _ = reactivex.of(match(40, size=2), match(40, size=1)).pipe(dollar_bars(100)).subscribe(
        ...     lambda b: print(b.notional, b.volume, b.complete))
        100 2.5 True
        20 0.5 False

    A trade that overfills a bar is split by its notional, exactly. The size of the part is that notional by the price,
    cut to 28 digits, and the rest of the size goes on: the volumes of all bars add up exactly. The rest as for
    `volume_bars`.
    """
    machine = reporting("dollar_bars", lambda: DollarBars(notional, max_ahead=max_ahead))
    return lift(machine, Wish(DollarBars.looks_at, None, "dollar_bars"))
