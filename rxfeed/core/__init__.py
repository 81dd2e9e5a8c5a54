"""Pure state machines without Rx, threads, clocks or I/O. Time is the event time of the messages."""

from rxfeed.core.active_products import ActiveProducts
from rxfeed.core.backoff import Backoff, Reconnect
from rxfeed.core.bars import Bar, DollarBars, TickBars, VolumeBars
from rxfeed.core.book import Level2Book
from rxfeed.core.book_snapshot import BookSnapshot, NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import BookView, FullBookView, QueuePosition, RestingOrder
from rxfeed.core.candles import Candle, Candles
from rxfeed.core.completeness import Late
from rxfeed.core.continuity import GapDetector, Resubscribed
from rxfeed.core.coverage import ALIASES, CHANNELS_OF, Pair, by_subscribed_name
from rxfeed.core.crossing import PriceCross, PriceCrossing
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.imbalance import RunningImbalance, SlidingImbalance, TradeImbalance
from rxfeed.core.level3_book import BookStats, Level3Book
from rxfeed.core.liveness import ARRIVAL_LIMIT, Arrival, HeartbeatWatch, Keepalive, Watchdog
from rxfeed.core.machine import Machine, fold
from rxfeed.core.merge import Merge
from rxfeed.core.merge_items import ConnectionChange, MergedItem, ReceivedItem, StatusEvent
from rxfeed.core.moves import PriceMove, PriceMoves
from rxfeed.core.quotes import Priced, price_of, quote_of
from rxfeed.core.rolling import RollingVolume, SlidingVolume
from rxfeed.core.sequence import Missed, Restarted
from rxfeed.core.spreads import SpreadWidening, WideSpread
from rxfeed.core.throttle import LatestByProduct, Throttle
from rxfeed.core.tumbling import Tumbling
from rxfeed.core.windows import TumblingVolume, VolumeWindow

__all__ = [
    "ALIASES",
    "ARRIVAL_LIMIT",
    "CHANNELS_OF",
    "MAX_AHEAD",
    "ActiveProducts",
    "Arrival",
    "Backoff",
    "Bar",
    "BookSnapshot",
    "BookStats",
    "BookView",
    "Candle",
    "Candles",
    "ConnectionChange",
    "DollarBars",
    "EventClock",
    "FullBookView",
    "GapDetector",
    "HeartbeatWatch",
    "Keepalive",
    "Late",
    "LatestByProduct",
    "Level2Book",
    "Level3Book",
    "Machine",
    "Merge",
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
    "ReceivedItem",
    "Reconnect",
    "Restarted",
    "RestingOrder",
    "Resubscribed",
    "RollingVolume",
    "RunningImbalance",
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
    "by_subscribed_name",
    "fold",
    "price_of",
    "quote_of",
]
