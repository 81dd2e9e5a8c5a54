"""Windows of event time, and sums over the last seconds. Trades that are too late are on the operator's `late`."""

from __future__ import annotations

from rxfeed.core import (
    MAX_AHEAD,
    Candle,
    Candles,
    RollingVolume,
    RunningImbalance,
    Seconds,
    SlidingImbalance,
    SlidingVolume,
    TradeImbalance,
    TumblingVolume,
    VolumeWindow,
)
from rxfeed.operators.window_operator import WindowOperator, window_operator


def window_volume(
    seconds: Seconds, lateness: Seconds = 0, empty: bool = False, *, max_ahead: Seconds | None = MAX_AHEAD
) -> WindowOperator[VolumeWindow]:
    """Emit a `VolumeWindow` for each product and each `[start, end)` of *seconds* in which it traded.

        trades  --2----1-|--1-----|-      |: whole minutes
        emitted          --3------1

        >>> import reactivex
        >>> from rxfeed import window_volume
        >>> from rxfeed.testing import trade
        >>> trades = [trade(time="12:00:10", size="2"), trade(time="12:00:59", size="1"), trade(time="12:01:00")]
        >>> _ = reactivex.from_iterable(trades).pipe(window_volume(60)).subscribe(
        ...     lambda w: print(w.start.time(), w.volume, w.complete))
        12:00:00 3 False
        12:01:00 1 False

    Time is event time: windows of 60 seconds begin at whole minutes. A window is emitted when its product's event time,
    from trades and heartbeats, reaches the window's end plus *lateness* seconds. The last windows are emitted when the
    stream ends. A quiet product needs the `heartbeat` channel. If a heartbeat names a trade id that has not arrived,
    event time does not advance until the next heartbeat. *empty*: windows without a trade are emitted too, from the
    first message on (after a long silence, the last 10,000).

    If a trade's window was already emitted, the trade is in no window. It is counted, and is on the operator's `late`
    stream:

        >>> minutes = window_volume(60)
        >>> _ = minutes.late.subscribe(lambda late: print("late for", late.start.time(), late.trade.size))
        >>> trades.append(trade(time="12:00:58", size="7"))
        >>> reactivex.from_iterable(trades).pipe(minutes, reactivex.operators.count()).run(), minutes.late_count
        late for 12:00:00 7
        (2, 1)

    Event time is at most *max_ahead* seconds ahead of the messages' receipt (60; `None`: no limit). A trade that is
    dated later is late, and its window is not `complete`; the first such trade is logged.

    `complete` is False for windows that may have a gap, for a first window that began before the subscription, and for
    a last window that had not ended. A feed delivers duplicates once; other sources' duplicates are counted each time.
    `last_match` is not a trade.
    Cost: O(1) a message and window; memory: by the number of products and of the windows that *lateness* keeps open.
    """
    return window_operator("window_volume", lambda: TumblingVolume(seconds, lateness, empty, max_ahead=max_ahead))


def candles(
    seconds: Seconds, lateness: Seconds = 0, empty: bool = False, *, max_ahead: Seconds | None = MAX_AHEAD
) -> WindowOperator[Candle]:
    """Emit a `Candle` (prices, volume, count, VWAP) for each product and `[start, end)` of *seconds*.

        prices   -10--12--9-|-11--|-      |: whole minutes
        emitted             -(10,12,9,9)--(11,11,11,11)

        >>> import reactivex
        >>> from rxfeed import candles
        >>> from rxfeed.testing import trade
        >>> trades = [trade(10, time="12:00:10"), trade(12, time="12:00:20"), trade(9, time="12:00:59")]
        >>> _ = reactivex.from_iterable(trades).pipe(candles(60)).subscribe(
        ...     lambda c: print(c.open, c.high, c.low, c.close, c.count))
        10 12 9 9 3

    Prices and notional are in the quote currency, volume is in the base currency. When candles are emitted, *lateness*,
    *empty*, *max_ahead*, late trades, gaps and the cost: all as for `window_volume`. Open and close are found by the
    trades' times, then their ids, not by arrival. A candle without a trade repeats the last close (before the first
    trade: the price of `last_match`), or has `None` if there is none.
    """
    return window_operator("candles", lambda: Candles(seconds, lateness, empty, max_ahead=max_ahead))


def rolling_volume(seconds: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD) -> WindowOperator[RollingVolume]:
    """Emit, at every trade, its product's volume, VWAP, count, high and low over the last *seconds*.

        sizes    -1------1------1--       a trade each half minute
        emitted  -1------2------2--       rolling_volume(60)

        >>> import reactivex
        >>> from rxfeed import rolling_volume
        >>> from rxfeed.testing import trade
        >>> _ = reactivex.of(trade(time=0), trade(time=30), trade(time=60)).pipe(rolling_volume(60)).subscribe(
        ...     lambda r: print(r.volume, r.count, r.complete))
        1 1 False
        2 2 False
        2 2 True

    The span is `(trade.time - seconds, trade.time]`. A trade is late if it is older than the newest of its product, or
    dated more than *max_ahead* seconds after its receipt. A late trade is in no result; it is counted, and is on the
    operator's `late` stream, as for `window_volume`. At the beginning and after a gap, `complete` is False until
    *seconds* have passed. Volume is in the base currency, prices are in the quote currency.
    Cost: amortised O(1) a trade for any *seconds*; memory: by the trades of the last *seconds*.
    """
    return window_operator("rolling_volume", lambda: SlidingVolume(seconds, max_ahead=max_ahead))


def trade_imbalance(
    seconds: Seconds | None = None, *, max_ahead: Seconds | None = MAX_AHEAD
) -> WindowOperator[TradeImbalance]:
    """Emit, at every trade, its product's taker buys minus taker sells: so far, or in the last *seconds*.

        taker    -buy 1--sell 3--buy 1--
        emitted  -1------(-2)----(-1)---

        >>> import reactivex
        >>> from rxfeed import trade_imbalance
        >>> from rxfeed.testing import trade
        >>> trades = [trade(taker_side="buy"), trade(taker_side="sell", size=3), trade(taker_side="buy")]
        >>> _ = reactivex.from_iterable(trades).pipe(trade_imbalance()).subscribe(lambda i: print(i.volume, i.count))
        1 1
        -2 0
        -1 1

    *volume* is in the base currency, *notional* in the quote currency, *count* in trades. With *seconds*, span, late
    trades, *max_ahead*, gaps and cost are as for `rolling_volume`. Without *seconds*, no trade is late, and `complete`
    is False from the first gap on. Cost: O(1) a trade; memory: by the number of products.
    """
    if seconds is None:
        return window_operator("trade_imbalance", lambda: RunningImbalance(max_ahead=max_ahead))
    return window_operator("trade_imbalance", lambda: SlidingImbalance(seconds, max_ahead=max_ahead))
