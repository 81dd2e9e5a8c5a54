"""The demo's pipelines: all of one feed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import reactivex
from pymongo.collection import Collection
from reactivex import Observable
from reactivex import operators as ops

from rxfeed.cli.board import Board
from rxfeed.core import PriceCross
from rxfeed.feed import Feed
from rxfeed.market import Message
from rxfeed.operators import Operator, price_crossing, tickers, window_volume
from rxfeed.sinks import to_mongo
from rxfeed.venues.coinbase_exchange import Ticker

_SPACING = Decimal("0.0002")  # of a price: what the exchange's random walk covers in a second or two
_LEVELS = 8  # on either side
_LARGEST = 40  # decimal exponent


def compose(feed: Feed, collection: Collection[Any], board: Board, window: float) -> None:
    """Subscribe them all with *board* as their state: prices, volumes of *window* seconds, crossings, and the sink."""
    feed.status.subscribe(board.connection)
    feed.keepalive.subscribe(board.pong)
    feed.pipe(to_mongo(collection, batch_seconds=0.25, retry_seconds=5.0)).subscribe(
        board.written, board.sink_failed, board.stored_all.set
    )
    feed.pipe(tickers()).subscribe(board.ticker, board.failed)
    feed.pipe(window_volume(window)).subscribe(board.window, board.failed)
    for product in board.quotes:
        feed.pipe(crossings(product)).subscribe(board.crossing, board.failed)


def crossings(product_id: str) -> Operator[Message, PriceCross]:
    """Emit where the price crosses one of `levels_near` the first ticker's; the source must be hot."""

    def operator(source: Observable[Message]) -> Observable[PriceCross]:
        def all_levels(first: Ticker) -> Observable[PriceCross]:
            levels = levels_near(first.price)
            return reactivex.merge(*(source.pipe(price_crossing(product_id, level)) for level in levels))

        return source.pipe(tickers(product_id), ops.take(1), ops.flat_map(all_levels))

    return operator


def levels_near(price: Decimal) -> list[Decimal]:
    """Round prices on either side of *price*, evenly spaced; none where it is not positive, or beyond any market's.

    >>> print(*levels_near(Decimal("60003.18"))[6:10])
    59990 60000 60010 60020
    """
    if not price.is_finite() or price <= 0 or abs(price.adjusted()) > _LARGEST:
        return []
    wanted = price * _SPACING
    unit = Decimal(1).scaleb(wanted.adjusted())
    step = next(unit * size for size in (5, 2, 1) if unit * size <= wanted)
    below = int(price // step)
    return [Decimal(f"{step * (below + place):f}") for place in range(1 - _LEVELS, 1 + _LEVELS)]
