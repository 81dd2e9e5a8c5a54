"""Pure state machines without Rx, threads, clocks or I/O. Time is the event time of the messages."""

from rxfeed.core.active_products import ActiveProducts
from rxfeed.core.backoff import APART, Backoff, Reconnect, longest
from rxfeed.core.bars import Bar, DollarBars, TickBars, VolumeBars
from rxfeed.core.book import Level2Book
from rxfeed.core.book_snapshot import Level3Snapshot, NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import BookView, FullBookView, QueuePosition, RestingOrder
from rxfeed.core.by_type import ByType
from rxfeed.core.candles import Candle, Candles
from rxfeed.core.completeness import Late
from rxfeed.core.crossing import PriceCross, PriceCrossing
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.gaps import GapDetector, Pair, Resubscribed
from rxfeed.core.imbalance import RunningImbalance, SlidingImbalance, TradeImbalance
from rxfeed.core.level3_book import BookStats, Item, Level3Book
from rxfeed.core.liveness import ARRIVAL_LIMIT, Arrival, HeartbeatWatch, Keepalive, Watchdog
from rxfeed.core.machine import Machine, fold
from rxfeed.core.merge import Merge
from rxfeed.core.merge_items import ConnectionChange, MergedItem, ReceivedItem, StatusEvent
from rxfeed.core.merge_rules import MergeRules
from rxfeed.core.moves import PriceMove, PriceMoves
from rxfeed.core.numbers import EXACT
from rxfeed.core.quotes import Priced, price_of, quote_of
from rxfeed.core.rate_limit import RateLimit
from rxfeed.core.renewals import Renewals
from rxfeed.core.rolling import RollingVolume, SlidingVolume
from rxfeed.core.sequence import Missed, Restarted, Sequence
from rxfeed.core.spreads import SpreadWidening, WideSpread
from rxfeed.core.throttle import LatestByProduct, Throttle
from rxfeed.core.tumbling import Tumbling
from rxfeed.core.windows import TumblingVolume, VolumeWindow

__all__ = [
    "APART",
    "ARRIVAL_LIMIT",
    "EXACT",
    "MAX_AHEAD",
    "ActiveProducts",
    "Arrival",
    "Backoff",
    "Bar",
    "BookStats",
    "BookView",
    "ByType",
    "Candle",
    "Candles",
    "ConnectionChange",
    "DollarBars",
    "EventClock",
    "FullBookView",
    "GapDetector",
    "HeartbeatWatch",
    "Item",
    "Keepalive",
    "Late",
    "LatestByProduct",
    "Level2Book",
    "Level3Book",
    "Level3Snapshot",
    "Machine",
    "Merge",
    "MergeRules",
    "MergedItem",
    "Missed",
    "NeedSnapshot",
    "Pair",
    "PriceCross",
    "PriceCrossing",
    "PriceMove",
    "PriceMoves",
    "Priced",
    "QueuePosition",
    "RateLimit",
    "ReceivedItem",
    "Reconnect",
    "Renewals",
    "Restarted",
    "RestingOrder",
    "Resubscribed",
    "RollingVolume",
    "RunningImbalance",
    "Sequence",
    "SlidingImbalance",
    "SlidingVolume",
    "SnapshotFailed",
    "SnapshotTaken",
    "SpreadWidening",
    "StatusEvent",
    "Throttle",
    "TickBars",
    "TradeImbalance",
    "Tumbling",
    "TumblingVolume",
    "VolumeBars",
    "VolumeWindow",
    "Watchdog",
    "WideSpread",
    "fold",
    "longest",
    "price_of",
    "quote_of",
]
