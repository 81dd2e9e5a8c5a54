"""Operators: thin Rx skins over the machines of `rxfeed.core`."""

from rxfeed.operators.bounded import Bounded, bounded
from rxfeed.operators.lift import lift
from rxfeed.operators.market import price_crossing, window_volume
from rxfeed.operators.select import (
    auctions,
    balances,
    error_messages,
    heartbeats,
    last_matches,
    level2,
    level3,
    matches,
    orders,
    rfq_matches,
    select,
    statuses,
    tickers,
    unknowns,
)
from rxfeed.operators.source import Operator, Selectable, Wish

__all__ = [
    "Bounded",
    "Operator",
    "Selectable",
    "Wish",
    "auctions",
    "balances",
    "bounded",
    "error_messages",
    "heartbeats",
    "last_matches",
    "level2",
    "level3",
    "lift",
    "matches",
    "orders",
    "price_crossing",
    "rfq_matches",
    "select",
    "statuses",
    "tickers",
    "unknowns",
    "window_volume",
]
