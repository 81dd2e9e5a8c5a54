"""Operators: thin Rx adapters over the machines of `rxfeed.core`."""

from typing import TYPE_CHECKING

from rxfeed._later import imports_later
from rxfeed.operators.lift import lift
from rxfeed.operators.select import (
    auctions,
    error_messages,
    heartbeats,
    level2,
    select,
    tickers,
    trades,
    unknowns,
)
from rxfeed.operators.window_operator import WindowOperator, window_operator

if TYPE_CHECKING:  # what type checkers see of `_LATER`
    from rxfeed.operators.async_iter import AsyncItems, to_async_iterable
    from rxfeed.operators.bars import dollar_bars, tick_bars, volume_bars
    from rxfeed.operators.book import FullBook, full_book, order_book
    from rxfeed.operators.bounded_queue import BoundedQueue, ForkedQueue, Overflow
    from rxfeed.operators.bounding import Bounded, bounded
    from rxfeed.operators.coinbase_exchange import (
        balances,
        last_matches,
        level3,
        matches,
        orders,
        rfq_matches,
        statuses,
    )
    from rxfeed.operators.dated_ahead import report_once
    from rxfeed.operators.description import GraphDescription, PipelineDescription, StepDescription, described
    from rxfeed.operators.frames import to_frames
    from rxfeed.operators.graph import Graph, GraphEntry, HasQueue, PipelineStep, QueueState
    from rxfeed.operators.leaving import leave, note
    from rxfeed.operators.multicast import Multicast
    from rxfeed.operators.per_product import by_product, latest_by_product, throttle_by_product
    from rxfeed.operators.pipeline import Guarded, Pipeline, first_filter, piped
    from rxfeed.operators.share_latest import SharedItems
    from rxfeed.operators.signals import moved, price_crossing, spread_wider
    from rxfeed.operators.source import (
        FilterableSource,
        MessageFilter,
        Operator,
        Root,
        SnapshotSource,
        filter_of,
        rooted,
    )
    from rxfeed.operators.unhandled import at, hand_back, is_handed_back, place_of_caller, remedy
    from rxfeed.operators.windows import candles, rolling_volume, trade_imbalance, window_volume

# The names of each module, which is imported when one of them is first used: a feed needs few operators. The modules
# above are imported at once, because each has its own name among its names.
_MODULES = {
    "async_iter": (
        "AsyncItems",
        "to_async_iterable",
    ),
    "bars": (
        "dollar_bars",
        "tick_bars",
        "volume_bars",
    ),
    "book": (
        "FullBook",
        "full_book",
        "order_book",
    ),
    "bounded_queue": (
        "BoundedQueue",
        "ForkedQueue",
        "Overflow",
    ),
    "bounding": (
        "Bounded",
        "bounded",
    ),
    "coinbase_exchange": (
        "balances",
        "last_matches",
        "level3",
        "matches",
        "orders",
        "rfq_matches",
        "statuses",
    ),
    "dated_ahead": ("report_once",),
    "description": (
        "GraphDescription",
        "PipelineDescription",
        "StepDescription",
        "described",
    ),
    "frames": ("to_frames",),
    "graph": (
        "Graph",
        "GraphEntry",
        "HasQueue",
        "PipelineStep",
        "QueueState",
    ),
    "leaving": (
        "leave",
        "note",
    ),
    "multicast": ("Multicast",),
    "per_product": (
        "by_product",
        "latest_by_product",
        "throttle_by_product",
    ),
    "pipeline": (
        "Guarded",
        "Pipeline",
        "first_filter",
        "piped",
    ),
    "share_latest": ("SharedItems",),
    "signals": (
        "moved",
        "price_crossing",
        "spread_wider",
    ),
    "source": (
        "FilterableSource",
        "MessageFilter",
        "Operator",
        "Root",
        "SnapshotSource",
        "filter_of",
        "rooted",
    ),
    "unhandled": (
        "at",
        "hand_back",
        "is_handed_back",
        "place_of_caller",
        "remedy",
    ),
    "windows": (
        "candles",
        "rolling_volume",
        "trade_imbalance",
        "window_volume",
    ),
}
_LATER = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AsyncItems",
    "Bounded",
    "BoundedQueue",
    "FilterableSource",
    "ForkedQueue",
    "FullBook",
    "Graph",
    "GraphDescription",
    "GraphEntry",
    "Guarded",
    "HasQueue",
    "MessageFilter",
    "Multicast",
    "Operator",
    "Overflow",
    "Pipeline",
    "PipelineDescription",
    "PipelineStep",
    "QueueState",
    "Root",
    "SharedItems",
    "SnapshotSource",
    "StepDescription",
    "WindowOperator",
    "at",
    "auctions",
    "balances",
    "bounded",
    "by_product",
    "candles",
    "described",
    "dollar_bars",
    "error_messages",
    "filter_of",
    "first_filter",
    "full_book",
    "hand_back",
    "heartbeats",
    "is_handed_back",
    "last_matches",
    "latest_by_product",
    "leave",
    "level2",
    "level3",
    "lift",
    "matches",
    "moved",
    "note",
    "order_book",
    "orders",
    "piped",
    "place_of_caller",
    "price_crossing",
    "remedy",
    "report_once",
    "rfq_matches",
    "rolling_volume",
    "rooted",
    "select",
    "spread_wider",
    "statuses",
    "throttle_by_product",
    "tick_bars",
    "tickers",
    "to_async_iterable",
    "to_frames",
    "trade_imbalance",
    "trades",
    "unknowns",
    "volume_bars",
    "window_operator",
    "window_volume",
]

if not TYPE_CHECKING:  # a type checker reports a name that is not above
    __getattr__ = imports_later(__name__, _LATER)
