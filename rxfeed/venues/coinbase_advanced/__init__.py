"""Coinbase Advanced Trade: its messages, channels, requests and hosts, without any I/O."""

from rxfeed.venues.coinbase_advanced.auth import AdvancedCredentials
from rxfeed.venues.coinbase_advanced.decode import Decoder
from rxfeed.venues.coinbase_advanced.hosts import DEFAULT_URL, USER_URL
from rxfeed.venues.coinbase_advanced.messages import (
    CandleUpdate,
    ConnectionHeartbeat,
    EmptyFrame,
    FuturesBalance,
    L2Snapshot,
    L2Update,
    MarketTrade,
    OrderUpdate,
    PriorMarketTrade,
    Status,
    Ticker,
)
from rxfeed.venues.coinbase_advanced.requests import Subscription
from rxfeed.venues.coinbase_advanced.venue import COINBASE_ADVANCED

__all__ = [
    "COINBASE_ADVANCED",
    "DEFAULT_URL",
    "USER_URL",
    "AdvancedCredentials",
    "CandleUpdate",
    "ConnectionHeartbeat",
    "Decoder",
    "EmptyFrame",
    "FuturesBalance",
    "L2Snapshot",
    "L2Update",
    "MarketTrade",
    "OrderUpdate",
    "PriorMarketTrade",
    "Status",
    "Subscription",
    "Ticker",
]
