"""Bars, signals and operators by product."""

from __future__ import annotations

from rxfeed.core import (
    DollarBars,
    LatestByProduct,
    PriceCrossing,
    PriceMoves,
    SpreadWidening,
    Throttle,
    TickBars,
    TumblingVolume,
    VolumeBars,
)
from rxfeed.operators import (
    by_product,
    dollar_bars,
    latest_by_product,
    moved,
    price_crossing,
    spread_wider,
    throttle_by_product,
    tick_bars,
    volume_bars,
    window_volume,
)
from tests.vectors.table import BTC, ETH, Vector, beat, before, quote, trade

BAR = "product_id start end open high low close volume notional count complete"
CROSS = "direction before price time spans_gap"
MOVE = "product_id direction percent before price since time spans_gap"

VECTORS = [
    Vector(
        "two trades a bar",
        lambda: TickBars(2),
        lambda: tick_bars(2),
        [
            trade(0, 10, 1, 1),
            trade(1, 5, 1, 7, ETH),
            trade(2, 12, 1, 2),
            trade(3, 11, 1, 4, epoch=1),
            trade(4, 9, 1, 5, epoch=1),
            trade(5, 9, 1, 6, epoch=1),
        ],
        BAR,
        [
            "BTC-USD 0 2 10 12 10 12 2 22 2 yes",
            "BTC-USD 3 4 11 11 9 9 2 20 2 no",
            "BTC-USD 5 5 9 9 9 9 1 9 1 no",
            "ETH-USD 1 1 5 5 5 5 1 5 1 no",
        ],
    ),
    Vector(
        "a trade that fills several bars of volume",
        lambda: VolumeBars("1.5"),
        lambda: volume_bars("1.5"),
        [trade(0, 10, 1, 1), trade(1, 12, "3.5", 2), trade(2, 9, "1.5", 4, epoch=1)],
        BAR,
        [
            "BTC-USD 0 1 10 12 10 12 1.5 16 2 yes",
            "BTC-USD 1 1 12 12 12 12 1.5 18 1 yes",
            "BTC-USD 1 1 12 12 12 12 1.5 18 1 yes",
            "BTC-USD 2 2 9 9 9 9 1.5 13.5 1 no",
        ],
    ),
    Vector(
        "a trade that fills several bars of money",
        lambda: DollarBars(100),
        lambda: dollar_bars(100),
        [trade(0, 40, 2, 1), trade(1, 40, 4, 2), trade(2, 30, 3, 4, epoch=1)],
        BAR,
        [
            "BTC-USD 0 1 40 40 40 40 2.5 100 2 yes",
            "BTC-USD 1 1 40 40 40 40 2.5 100 1 yes",
            "BTC-USD 1 2 40 40 30 30 3 100 2 no",
            "BTC-USD 2 2 30 30 30 30 1 30 1 no",
        ],
    ),
    Vector(
        "crossings of tickers",
        lambda: PriceCrossing(BTC, 10),
        lambda: price_crossing(BTC, 10),
        [quote(0, 9), quote(1, 10), quote(1, 99, ETH), quote(2, 11), quote(3, 8)],
        CROSS,
        ["up 9 11 2 no", "down 11 8 3 no"],
    ),
    Vector(
        "crossings of trades with hysteresis, across a gap",
        lambda: PriceCrossing(BTC, 10, hysteresis=1),
        lambda: price_crossing(BTC, 10, hysteresis=1),
        [
            before(-1, 8, 1),
            trade(0, 11, 1, 2),
            trade(1, "11.01", 1, 3),
            trade(2, 9, 1, 4),
            trade(3, "8.99", 1, 6, epoch=1),
        ],
        CROSS,
        ["up 8 11.01 1 no", "down 11.01 8.99 3 yes"],
    ),
    Vector(
        "only the first crossing",
        lambda: PriceCrossing(BTC, 10, once=True),
        lambda: price_crossing(BTC, 10, once=True),
        [quote(0, 9), quote(1, 11), quote(2, 9)],
        CROSS,
        ["up 9 11 1 no"],
    ),
    Vector(
        "moves of five percent within a minute",
        lambda: PriceMoves(5, 60),
        lambda: moved(5, 60),
        [
            quote(0, 100),
            quote(20, 104),
            quote(40, 105),
            quote(50, 106),
            quote(50, 10, ETH),
            quote(200, 110),
            quote(3600, 200),
            quote(3601, 190),
        ],
        MOVE,
        [
            "BTC-USD up 5 100 105 0 40 no",
            "BTC-USD up 81.818181818 110 200 200 3600 no",
            "BTC-USD down -5 200 190 3600 3601 no",
        ],
    ),
    Vector(
        "a move across a gap",
        lambda: PriceMoves(5, 60),
        lambda: moved(5, 60),
        [trade(0, 100, 1, 1), trade(1, 95, 1, 3, epoch=1), trade(2, 90, 1, 4, epoch=1)],
        MOVE,
        ["BTC-USD down -5 100 95 0 1 yes", "BTC-USD down -5.263157894 95 90 1 2 no"],
    ),
    Vector(
        "spreads over two",
        lambda: SpreadWidening(2, hysteresis=1),
        lambda: spread_wider(2, hysteresis=1),
        [
            quote(0, 10, bid=9, ask=11),
            quote(1, 10, bid=8, ask=11),
            quote(2, 10, bid=9, ask=11),
            quote(3, 10, bid=8, ask=11),
            quote(4, 10, bid=10, ask=11),
            quote(5, 10),
            quote(6, 10, bid=8, ask=12),
        ],
        "product_id spread percent time spans_gap",
        ["BTC-USD 3 31.578947368 1 no", "BTC-USD 4 40 6 no"],
    ),
    Vector(
        "spreads over one percent of the mid",
        lambda: SpreadWidening(1, percent=True, once=True),
        lambda: spread_wider(1, percent=True, once=True),
        [
            quote(0, 10, bid="99.5", ask="100.5"),
            quote(1, 10, bid=99, ask="100.5"),
            quote(2, 10, bid=100, ask=100),
            quote(3, 10, bid=9, ask=10),
        ],
        "spread time",
        ["1.5 1"],
    ),
    Vector(
        "the newest of each product",
        LatestByProduct,
        latest_by_product,
        [quote(0, 9), quote(0, 5, ETH), quote(1, 8)],
        "",
        ["BTC-USD:9", "BTC-USD:9 ETH-USD:5", "BTC-USD:8 ETH-USD:5"],
    ),
    Vector(
        "one a second of each product",
        lambda: Throttle(1),
        lambda: throttle_by_product(1),
        [quote(0, 9), quote(0.9, 8), quote(0.9, 5, ETH), quote(1, 7), quote(1.5, 6), quote(2, 4)],
        "",
        ["BTC-USD 9", "ETH-USD 5", "BTC-USD 7", "BTC-USD 4"],
    ),
    Vector(
        "windows by product are what they are together",
        lambda: TumblingVolume(60),
        lambda: by_product(window_volume(60)),
        [trade(0, 10, 1, 1), trade(1, 5, 1, 7, ETH), trade(61, 10, 1, 2), beat(61, 7, ETH), trade(62, 9, 1, 3)],
        "product_id start volume count complete",
        ["BTC-USD 0 1 1 no", "ETH-USD 0 1 1 no", "BTC-USD 60 2 2 no"],
    ),
]
