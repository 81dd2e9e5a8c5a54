"""Windows, candles and rolling sums."""

from __future__ import annotations

from rxfeed.core import Candles, RunningImbalance, SlidingImbalance, SlidingVolume, TumblingVolume
from rxfeed.operators import candles, rolling_volume, trade_imbalance, window_volume
from tests.vectors.table import ETH, Vector, beat, before, trade

WINDOW = "product_id start end volume count complete"
CANDLE = "start open high low close volume notional vwap count complete"
ROLLING = "product_id start end volume vwap count high low complete"
IMBALANCE = "start end count volume notional ratio complete"

VECTORS = [
    Vector(
        "a minute at a time, two products",
        lambda: TumblingVolume(60),
        lambda: window_volume(60),
        [
            before(-5, 10, 1),
            trade(0, 10, "0.5", 2),
            trade(10, 3, "7", 1, ETH),
            trade(59.999999, 10, "1", 3),
            trade(60, 11, "2", 4),
            beat(61, 1, ETH),
            trade(125, 12, "1", 5),
        ],
        WINDOW,
        [
            "BTC-USD 0 60 1.5 2 yes",
            "ETH-USD 0 60 7 1 no",
            "BTC-USD 60 120 2 1 yes",
            "BTC-USD 120 180 1 1 no",
        ],
    ),
    Vector(
        "a heartbeat that knows of a trade which has not come is waited with, once",
        lambda: TumblingVolume(60),
        lambda: window_volume(60),
        [
            before(-5, 10, 1),
            trade(1, 10, 1, 2),
            beat(60, 3),
            trade(59, 10, 2, 3),
            beat(61, 3),
            trade(62, 10, 4, 4),
            beat(120, 5),
            beat(121, 5, epoch=1),
        ],
        WINDOW,
        ["BTC-USD 0 60 3 2 yes", "BTC-USD 60 120 4 1 no"],
    ),
    Vector(
        "a gap tears the window it falls into and the one before",
        lambda: TumblingVolume(60),
        lambda: window_volume(60),
        [
            before(-5, 10, 1),
            trade(1, 10, 1, 2),
            trade(61, 10, 1, 3),
            trade(125, 10, 1, 5, epoch=1),
            trade(181, 10, 1, 6, epoch=1),
            trade(241, 10, 1, 7, epoch=1),
        ],
        WINDOW,
        [
            "BTC-USD 0 60 1 1 yes",
            "BTC-USD 60 120 1 1 no",
            "BTC-USD 120 180 1 1 no",
            "BTC-USD 180 240 1 1 yes",
            "BTC-USD 240 300 1 1 no",
        ],
    ),
    Vector(
        "late without lateness, in time with it",
        lambda: TumblingVolume(60),
        lambda: window_volume(60),
        [before(-5, 10, 1), trade(30, 10, 1, 2), trade(61, 10, 2, 3), trade(59, 10, 4, 4), trade(130, 10, 8, 5)],
        WINDOW,
        ["BTC-USD 0 60 1 1 yes", "late 0 4", "BTC-USD 60 120 2 1 yes", "BTC-USD 120 180 8 1 no"],
    ),
    Vector(
        "lateness keeps windows open",
        lambda: TumblingVolume(60, lateness=10),
        lambda: window_volume(60, lateness=10),
        [
            before(-5, 10, 1),
            trade(30, 10, 1, 2),
            trade(61, 10, 2, 3),
            trade(59, 10, 4, 4),
            trade(69.9, 10, 8, 5),
            beat(70, 5),
            trade(59, 10, 16, 6),
            trade(130, 10, 32, 7),
        ],
        WINDOW,
        ["BTC-USD 0 60 5 2 yes", "late 0 6", "BTC-USD 60 120 10 2 yes", "BTC-USD 120 180 32 1 no"],
    ),
    Vector(
        "windows without a trade",
        lambda: TumblingVolume(60, empty=True),
        lambda: window_volume(60, empty=True),
        [before(-500, 10, 1), beat(10, 1), trade(61, 10, 2, 2), beat(240, 2)],
        WINDOW,
        [
            "BTC-USD 0 60 0 0 yes",
            "BTC-USD 60 120 2 1 yes",
            "BTC-USD 120 180 0 0 yes",
            "BTC-USD 180 240 0 0 yes",
            "BTC-USD 240 300 0 0 no",
        ],
    ),
    Vector(
        "candles, open and close by time",
        lambda: Candles(60),
        lambda: candles(60),
        [
            before(-5, 10, 1),
            trade(10, 12, 1, 2),
            trade(5, 11, 1, 3),
            trade(30, 9, 2, 4),
            trade(20, 20, 1, 5),
            trade(60, 13, 3, 6),
        ],
        CANDLE,
        ["0 11 20 9 9 5 61 12.2 4 yes", "60 13 13 13 13 3 39 13 1 no"],
    ),
    Vector(
        "candles without a trade repeat the last close",
        lambda: Candles(60, empty=True),
        lambda: candles(60, empty=True),
        [before(-5, 10, 1), beat(0, 1), trade(61, 12, 1, 2), beat(180, 2), trade(59, 99, 1, 3)],
        CANDLE,
        [
            "0 10 10 10 10 0 0 - 0 yes",
            "60 12 12 12 12 1 12 12 1 yes",
            "120 12 12 12 12 0 0 - 0 yes",
            "late 0 3",
            "180 12 12 12 12 0 0 - 0 no",
        ],
    ),
    Vector(
        "the last minute at every trade",
        lambda: SlidingVolume(60),
        lambda: rolling_volume(60),
        [
            before(-70, 10, 1),
            trade(0, 10, 1, 2),
            trade(30, 14, 2, 3),
            trade(30, 5, 1, 1, ETH),
            trade(60, 12, 1, 4),
            trade(59, 99, 9, 5),
            trade(90, 12, 1, 7, epoch=1),
            trade(150, 11, 1, 8, epoch=1),
        ],
        ROLLING,
        [
            "BTC-USD -60 0 1 10 1 10 10 yes",
            "BTC-USD -30 30 3 12.666666666 2 14 10 yes",
            "ETH-USD -30 30 1 5 1 5 5 no",
            "BTC-USD 0 60 3 13.333333333 2 14 12 yes",
            "late -1 5",
            "BTC-USD 30 90 2 12 2 12 12 no",
            "BTC-USD 90 150 1 11 1 11 11 yes",
        ],
    ),
    Vector(
        "imbalance of the last minute",
        lambda: SlidingImbalance(60),
        lambda: trade_imbalance(60),
        [trade(0, 10, 1, 1), trade(30, 10, 3, 2, taker="sell"), trade(60, 10, 4, 3), trade(59, 1, 1, 4)],
        IMBALANCE,
        ["-60 0 1 1 10 1 no", "-30 30 0 -2 -20 -0.5 no", "0 60 0 1 10 0.1428571428 yes", "late -1 4"],
    ),
    Vector(
        "imbalance since the beginning",
        RunningImbalance,
        trade_imbalance,
        [trade(5, 10, 1, 1), trade(0, 10, 3, 2, taker="sell"), trade(60, 10, 4, 4, epoch=1)],
        IMBALANCE,
        ["5 5 1 1 10 1 yes", "0 5 0 -2 -20 -0.5 yes", "0 60 1 2 20 0.25 no"],
    ),
]
