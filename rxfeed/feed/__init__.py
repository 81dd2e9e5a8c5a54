"""The feed: a connection to the exchange as a hot Observable."""

from rxfeed.feed.feed import Feed
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import (
    Connected,
    Connecting,
    Disconnected,
    Ended,
    FeedStatus,
    Idle,
    KeepalivePong,
    Rejected,
    Subscribed,
)

__all__ = [
    "Connected",
    "Connecting",
    "Disconnected",
    "Ended",
    "Feed",
    "FeedStatus",
    "Idle",
    "KeepalivePong",
    "Rejected",
    "Stats",
    "Subscribed",
]
