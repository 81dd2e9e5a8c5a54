"""The demo's pipelines, all on one feed."""

from __future__ import annotations

from decimal import Decimal

import reactivex
from pymongo.collection import Collection
from reactivex import Observable
from reactivex import operators as ops

from rxfeed.cli.demo_state import DemoState
from rxfeed.cli.mongo_url import Document
from rxfeed.core import PriceCross
from rxfeed.feed import Feed
from rxfeed.market import Message, Ticker
from rxfeed.operators import Operator, price_crossing, tickers, window_volume
from rxfeed.sinks import MongoSink, to_mongo

_SPACING = Decimal("0.0002")  # of a price: a typical move of the exchange's random walk in a second or two
_LEVELS = 8  # on either side
_LARGEST = 40  # decimal exponent


def compose(feed: Feed, collection: Collection[Document], state: DemoState, window: float) -> MongoSink:
    """Subscribe all pipelines, with results in *state*: prices, volumes of *window* seconds, crossings, the sink.

    Returns the sink.
    """
    feed.status.subscribe(state.connection)
    feed.keepalive.subscribe(state.pong)
    sink = to_mongo(collection, batch_seconds=0.25, retry_seconds=5.0)
    feed.pipe(sink).subscribe(state.written, state.sink_failed, state.stored_all.set)
    feed.pipe(tickers()).subscribe(state.ticker, state.failed)
    feed.pipe(window_volume(window)).subscribe(state.window, state.failed)
    for product in state.quotes:
        feed.pipe(crossings(product)).subscribe(state.crossing, state.failed)
    return sink


def crossings(product_id: str) -> Operator[Message, PriceCross]:
    """Emit when the price crosses one of `levels_near` the first ticker's price; the source must be hot."""

    def operator(source: Observable[Message]) -> Observable[PriceCross]:
        def all_levels(first: Ticker) -> Observable[PriceCross]:
            levels = levels_near(first.price)
            return reactivex.merge(*(source.pipe(price_crossing(product_id, level)) for level in levels))

        return source.pipe(tickers(product_id), ops.take(1), ops.flat_map(all_levels))

    return operator


def levels_near(price: Decimal) -> list[Decimal]:
    """Evenly spaced round prices on both sides of *price*; none if it is not above zero, or extremely large.

    >>> from decimal import Decimal
    >>> from rxfeed.cli.pipelines import levels_near
    >>> print(*levels_near(Decimal("60003.18"))[6:10])
    59990 60000 60010 60020
    """
    if not price.is_finite() or price <= 0 or abs(price.adjusted()) > _LARGEST:
        return []
    spacing = price * _SPACING
    unit = Decimal(1).scaleb(spacing.adjusted())
    step = next(unit * size for size in (5, 2, 1) if unit * size <= spacing)
    below = int(price // step)
    return [Decimal(f"{step * (below + place):f}") for place in range(1 - _LEVELS, 1 + _LEVELS)]
