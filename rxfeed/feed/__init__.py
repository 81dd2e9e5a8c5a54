"""The feed: one connection to the exchange, as a hot Observable."""

from rxfeed.core import Repair
from rxfeed.feed.book_rest import rest_snapshot
from rxfeed.feed.candle_history import candles_history
from rxfeed.feed.clock import Clock
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.feed.endings import SinkLeft
from rxfeed.feed.feed import Feed
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.products_rest import ProductsRest
from rxfeed.feed.sink import RecentRate, Sink
from rxfeed.feed.source import MessageSource
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import (
    Backfilled,
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
    ProductRenamed,
    Reconnecting,
    RecordingTruncated,
    Rejected,
    Repaired,
    SequenceReset,
    Subscribed,
    Unacknowledged,
)
from rxfeed.feed.status_log import StatusLog, unacknowledged
from rxfeed.feed.stepped import SteppedFeed

__all__ = [
    "Backfilled",
    "CaughtUp",
    "Clock",
    "Connected",
    "Connecting",
    "Disconnected",
    "Dispatcher",
    "Ended",
    "Feed",
    "FeedStatus",
    "FeedStreams",
    "Gap",
    "HeartbeatBack",
    "HeartbeatMissing",
    "Idle",
    "KeepalivePong",
    "Lagging",
    "MessageSource",
    "ProductRenamed",
    "ProductsRest",
    "RecentRate",
    "Reconnecting",
    "RecordingTruncated",
    "Rejected",
    "Repair",
    "Repaired",
    "SequenceReset",
    "Sink",
    "SinkLeft",
    "Stats",
    "StatusLog",
    "SteppedFeed",
    "Subscribed",
    "Unacknowledged",
    "candles_history",
    "rest_snapshot",
    "unacknowledged",
]
