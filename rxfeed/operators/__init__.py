"""Operators: thin Rx adapters over the machines of `rxfeed.core`."""

from rxfeed.operators.async_iter import AsyncItems, to_async_iterable
from rxfeed.operators.bars import dollar_bars, tick_bars, volume_bars
from rxfeed.operators.book import FullBook, full_book, order_book
from rxfeed.operators.book_rest import SnapshotSource, rest_snapshot
from rxfeed.operators.bounded import Bounded, bounded
from rxfeed.operators.coinbase_exchange import balances, last_matches, level3, matches, orders, rfq_matches, statuses
from rxfeed.operators.dataframes import to_dataframe, to_frames, to_records
from rxfeed.operators.endings import SinkLeft
from rxfeed.operators.lift import lift
from rxfeed.operators.per_product import by_product, latest_by_product, throttle_by_product
from rxfeed.operators.pipeline import Guarded, Pipeline
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
from rxfeed.operators.signals import moved, price_crossing, spread_wider
from rxfeed.operators.source import FilterableSource, MessageFilter, Operator, Root
from rxfeed.operators.window_operator import WindowOperator
from rxfeed.operators.windows import candles, rolling_volume, trade_imbalance, window_volume

__all__ = [
    "AsyncItems",
    "Bounded",
    "FilterableSource",
    "FullBook",
    "Guarded",
    "MessageFilter",
    "Operator",
    "Pipeline",
    "Root",
    "SinkLeft",
    "SnapshotSource",
    "WindowOperator",
    "auctions",
    "balances",
    "bounded",
    "by_product",
    "candles",
    "dollar_bars",
    "error_messages",
    "full_book",
    "heartbeats",
    "last_matches",
    "latest_by_product",
    "level2",
    "level3",
    "lift",
    "matches",
    "moved",
    "order_book",
    "orders",
    "price_crossing",
    "rest_snapshot",
    "rfq_matches",
    "rolling_volume",
    "select",
    "spread_wider",
    "statuses",
    "throttle_by_product",
    "tick_bars",
    "tickers",
    "to_async_iterable",
    "to_dataframe",
    "to_frames",
    "to_records",
    "trade_imbalance",
    "trades",
    "unknowns",
    "volume_bars",
    "window_volume",
]
