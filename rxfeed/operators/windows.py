"""Windows of event time, and sums over the last seconds. What comes too late for them is on the operator's `late`."""

from __future__ import annotations

from rxfeed.core import (
    MAX_AHEAD,
    Candle,
    Candles,
    RollingVolume,
    RunningImbalance,
    SlidingImbalance,
    SlidingVolume,
    TradeImbalance,
    TumblingVolume,
    VolumeWindow,
)
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.source import MessageFilter
from rxfeed.operators.window_operator import WindowOperator


def window_volume(
    seconds: float, lateness: float = 0, empty: bool = False, *, max_ahead: float | None = MAX_AHEAD
) -> WindowOperator[VolumeWindow]:
    """Emit a `VolumeWindow` for each product and each `[start, end)` of *seconds* in which it traded.

        trades  --2----1-|--1-----|-      |: whole minutes
        emitted          --3------1

        >>> trades = [match(time="12:00:10", size="2"), match(time="12:00:59", size="1"), match(time="12:01:00")]
        >>> _ = reactivex.from_iterable(trades).pipe(window_volume(60)).subscribe(
        ...     lambda w: print(w.start.time(), w.volume, w.complete))
        12:00:00 3 False
        12:01:00 1 False

    Time is the trades' own, windows of 60 begin at whole minutes. One goes out when its product's time, of trades and
    heartbeats, comes to its end plus *lateness* seconds, the last ones when the stream ends; a heartbeat that names a
    trade which has not come is waited with until the next. So a quiet product needs the `heartbeat` channel. *empty*:
    windows without a trade go out too, from the first message on (of a longer silence the last 10,000).

    A trade whose window has gone out is in none: it is counted, and on the operator's `late` stream:

        >>> minutes = window_volume(60)
        >>> _ = minutes.late.subscribe(lambda late: print("late for", late.start.time(), late.trade.size))
        >>> trades.append(match(time="12:00:58", size="7"))
        >>> reactivex.from_iterable(trades).pipe(minutes, reactivex.operators.count()).run(), minutes.late_count
        late for 12:00:00 7
        (2, 1)

    Time never runs ahead of the messages' receipt by more than *max_ahead* seconds (60; `None`: no limit). A trade that
    is dated later is late, and what it may belong to is not `complete`; the first one is logged.

    At a gap: `complete` is False for the windows that it may have torn, for one that we came into the midst of, and for
    one that had not ended. A duplicate counts as often as it comes (a feed delivers it once). `last_match` is no trade.
    Cost: O(1) a message and window; memory by the number of products and of the windows that *lateness* keeps open.
    """
    machine = reporting("window_volume", lambda: TumblingVolume(seconds, lateness, empty, max_ahead=max_ahead))
    return WindowOperator(machine, MessageFilter(TumblingVolume.accepts, None, "window_volume"))


def candles(
    seconds: float, lateness: float = 0, empty: bool = False, *, max_ahead: float | None = MAX_AHEAD
) -> WindowOperator[Candle]:
    """Emit a `Candle` (prices, volume, count, VWAP) for each product and `[start, end)` of *seconds*.

        prices   -10--12--9-|-11--|-      |: whole minutes
        emitted             -(10,12,9,9)--(11,11,11,11)

        >>> trades = [match(10, time="12:00:10"), match(12, time="12:00:20"), match(9, time="12:00:59")]
        >>> _ = reactivex.from_iterable(trades).pipe(candles(60)).subscribe(
        ...     lambda c: print(c.open, c.high, c.low, c.close, c.count))
        10 12 9 9 3

    Prices and notional in the quote currency, volume in the base currency. When candles go out, what *lateness*,
    *empty* and *max_ahead* mean, what is late, what a gap does, and the cost: all as for `window_volume`. Open and
    close go by the trades' times, then their ids, not by arrival; a candle without a trade repeats the last close
    (`last_match`'s price before the first one), or has `None` where there is none.
    """
    machine = reporting("candles", lambda: Candles(seconds, lateness, empty, max_ahead=max_ahead))
    return WindowOperator(machine, MessageFilter(Candles.accepts, None, "candles"))


def rolling_volume(seconds: float, *, max_ahead: float | None = MAX_AHEAD) -> WindowOperator[RollingVolume]:
    """Emit, at every trade, its product's volume, VWAP, count, high and low over the last *seconds*.

        sizes    -1------1------1--       a trade each half minute
        emitted  -1------2------2--       rolling_volume(60)

        >>> _ = reactivex.of(match(time=0), match(time=30), match(time=60)).pipe(rolling_volume(60)).subscribe(
        ...     lambda r: print(r.volume, r.count, r.complete))
        1 1 False
        2 2 False
        2 2 True

    The span is `(trade.time - seconds, trade.time]`. A trade that is older than the newest of its product is in none:
    it is counted, and on the operator's `late` stream, as for `window_volume`; so is one that is dated more than
    *max_ahead* seconds after its receipt. At a gap, as at the beginning,
    `complete` is False until *seconds* have passed. Volume in the base currency, prices in the quote currency.
    Cost: amortised O(1) a trade whatever *seconds*; memory by the trades of the last *seconds*.
    """
    machine = reporting("rolling_volume", lambda: SlidingVolume(seconds, max_ahead=max_ahead))
    return WindowOperator(machine, MessageFilter(SlidingVolume.accepts, None, "rolling_volume"))


def trade_imbalance(
    seconds: float | None = None, *, max_ahead: float | None = MAX_AHEAD
) -> WindowOperator[TradeImbalance]:
    """Emit, at every trade, what takers bought less what they sold of its product: so far, or in the last *seconds*.

        taker    -buy 1--sell 3--buy 1--
        emitted  -1------(-2)----(-1)---

        >>> trades = [match(side="sell"), match(side="buy", size=3), match(side="sell")]  # the makers' sides
        >>> _ = reactivex.from_iterable(trades).pipe(trade_imbalance()).subscribe(lambda i: print(i.volume, i.count))
        1 1
        -2 0
        -1 1

    *volume* in the base currency, *notional* in the quote currency, *count* in trades. With *seconds* spans, late
    trades, *max_ahead*, gaps and cost are as for `rolling_volume`. Without, nothing is late, `complete` is False from
    the first gap on, and it takes O(1) a trade and memory by the number of products.
    """
    if seconds is None:
        running = reporting("trade_imbalance", lambda: RunningImbalance(max_ahead=max_ahead))
        return WindowOperator(running, MessageFilter(RunningImbalance.accepts, None, "trade_imbalance"))
    sliding = reporting("trade_imbalance", lambda: SlidingImbalance(seconds, max_ahead=max_ahead))
    return WindowOperator(sliding, MessageFilter(SlidingImbalance.accepts, None, "trade_imbalance"))
