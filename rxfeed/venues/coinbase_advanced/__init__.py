"""Coinbase Advanced Trade: its messages, channels, requests and hosts, without any I/O."""

from rxfeed.venues.coinbase_advanced.auth import AdvancedCredentials
from rxfeed.venues.coinbase_advanced.decode import AdvancedDecoder
from rxfeed.venues.coinbase_advanced.hosts import DEFAULT_URL, USER_URL
from rxfeed.venues.coinbase_advanced.messages import (
    AdvancedL2Snapshot,
    AdvancedL2Update,
    AdvancedStatus,
    AdvancedTicker,
    CandleUpdate,
    ConnectionHeartbeat,
    EmptyFrame,
    FuturesBalance,
    MarketTrade,
    OrderUpdate,
    PriorMarketTrade,
)
from rxfeed.venues.coinbase_advanced.requests import AdvancedSubscription
from rxfeed.venues.coinbase_advanced.venue import COINBASE_ADVANCED

__all__ = [
    "COINBASE_ADVANCED",
    "DEFAULT_URL",
    "USER_URL",
    "AdvancedCredentials",
    "AdvancedDecoder",
    "AdvancedL2Snapshot",
    "AdvancedL2Update",
    "AdvancedStatus",
    "AdvancedSubscription",
    "AdvancedTicker",
    "CandleUpdate",
    "ConnectionHeartbeat",
    "EmptyFrame",
    "FuturesBalance",
    "MarketTrade",
    "OrderUpdate",
    "PriorMarketTrade",
]
