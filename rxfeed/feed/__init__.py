"""The feed: the connections to a venue, as a hot Observable."""

from typing import TYPE_CHECKING

from rxfeed._later import imports_later
from rxfeed.core import Repair
from rxfeed.feed.clock import Clock
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.feed.endings import SinkLeft
from rxfeed.feed.feed import Feed
from rxfeed.feed.feed_connection import ConnectionInfo
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.products_rest import ProductsRest
from rxfeed.feed.source import MessageSource
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import (
    Backfilled,
    BookSwitched,
    CaughtUp,
    Connected,
    Connecting,
    ConnectionRemoved,
    Disconnected,
    Ended,
    FeedStatus,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    Idle,
    KeepalivePong,
    Lagging,
    ProductDelisted,
    ProductListed,
    ProductRenamed,
    Reconnecting,
    RecordingTruncated,
    Rejected,
    Renewed,
    Repaired,
    SequenceReset,
    Subscribed,
    Unacknowledged,
)
from rxfeed.feed.status_log import StatusLog, unacknowledged

if TYPE_CHECKING:  # what type checkers see of `_LATER`
    from rxfeed.feed.blocking_writer import BlockingWriter
    from rxfeed.feed.book_rest import rest_snapshot
    from rxfeed.feed.candle_history import candles_history
    from rxfeed.feed.feed_sink import FeedSink
    from rxfeed.feed.sink import RecentRate, Sink
    from rxfeed.feed.stepped import SteppedFeed

# What few programs need, by module: each is imported when it is first used.
_LATER = {
    "BlockingWriter": "blocking_writer",
    "FeedSink": "feed_sink",
    "RecentRate": "sink",
    "Sink": "sink",
    "SteppedFeed": "stepped",
    "candles_history": "candle_history",
    "rest_snapshot": "book_rest",
}

__all__ = [
    "Backfilled",
    "BlockingWriter",
    "BookSwitched",
    "CaughtUp",
    "Clock",
    "Connected",
    "Connecting",
    "ConnectionInfo",
    "ConnectionRemoved",
    "Disconnected",
    "Dispatcher",
    "Ended",
    "Feed",
    "FeedSink",
    "FeedStatus",
    "FeedStreams",
    "Gap",
    "HeartbeatBack",
    "HeartbeatMissing",
    "Idle",
    "KeepalivePong",
    "Lagging",
    "MessageSource",
    "ProductDelisted",
    "ProductListed",
    "ProductRenamed",
    "ProductsRest",
    "RecentRate",
    "Reconnecting",
    "RecordingTruncated",
    "Rejected",
    "Renewed",
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

if not TYPE_CHECKING:  # a type checker reports a name that is not above
    __getattr__ = imports_later(__name__, _LATER)
