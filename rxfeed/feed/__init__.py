"""The feed: a connection to the exchange as a hot Observable."""

from rxfeed.feed.clock import Clock
from rxfeed.feed.delivery import Delivery
from rxfeed.feed.feed import Feed
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.source import MessageSource
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import (
    CaughtUp,
    Connected,
    Connecting,
    Disconnected,
    Ended,
    FeedStatus,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    Idle,
    KeepalivePong,
    Lagging,
    Reconnecting,
    Rejected,
    SequenceReset,
    Subscribed,
    Torn,
)
from rxfeed.feed.status_log import StatusLog

__all__ = [
    "CaughtUp",
    "Clock",
    "Connected",
    "Connecting",
    "Delivery",
    "Disconnected",
    "Ended",
    "Feed",
    "FeedStatus",
    "Gap",
    "HeartbeatBack",
    "HeartbeatMissing",
    "Idle",
    "KeepalivePong",
    "Lagging",
    "MessageSource",
    "Outlets",
    "Reconnecting",
    "Rejected",
    "SequenceReset",
    "Stats",
    "StatusLog",
    "Subscribed",
    "Torn",
]
