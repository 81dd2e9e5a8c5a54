"""Pure state machines without Rx, threads, clocks or I/O. Time is the event time of the messages."""

from importlib import import_module
from typing import TYPE_CHECKING

from rxfeed.core.accumulator import WindowAccumulator
from rxfeed.core.acknowledgements import AcknowledgementWatch
from rxfeed.core.active_products import ActiveProducts
from rxfeed.core.arguments import Seconds, in_seconds
from rxfeed.core.backoff import APART, Backoff, Reconnect, longest
from rxfeed.core.bars import Bar, DollarBars, TickBars, VolumeBars
from rxfeed.core.book import Level2Book
from rxfeed.core.book_snapshot import Level3Snapshot, NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import BookView, FullBookView, QueuePosition, RestingOrder
from rxfeed.core.by_type import ByType
from rxfeed.core.candles import Candle, CandlePrices, Candles
from rxfeed.core.checked_frame import CheckedFrame, FrameCheck
from rxfeed.core.completeness import Late
from rxfeed.core.connection_plan import ConnectionPlan
from rxfeed.core.crossing import PriceCross, PriceCrossing
from rxfeed.core.epochs import EPOCH_KINDS, LEVELS, PRODUCT, TRADES
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.findings import Awaited, Findings, Missed, RepairedNumbers, Restarted
from rxfeed.core.gaps import GapDetector, Pair, Resubscribed
from rxfeed.core.held_run import PROVEN, HeldRun
from rxfeed.core.imbalance import RunningImbalance, SlidingImbalance, TradeImbalance
from rxfeed.core.level3_book import BookStats, Item, Level3Book
from rxfeed.core.liveness import ARRIVAL_LIMIT, Arrival, HeartbeatWatch, Keepalive, Watchdog
from rxfeed.core.machine import Machine, Receiving, fold
from rxfeed.core.merge_items import BookOwnerChanged, ConnectionChange, MergedItem, ReceivedItem, StatusEvent
from rxfeed.core.merge_rules import MergeRules
from rxfeed.core.moves import PriceMove, PriceMoves
from rxfeed.core.numbers import EXACT, exactly
from rxfeed.core.quotes import Priced, price_of, quote_of
from rxfeed.core.rate_limit import RateLimit
from rxfeed.core.renewals import Renewals
from rxfeed.core.result import Result, table
from rxfeed.core.rising import RisingSequence
from rxfeed.core.rolling import RollingVolume, SlidingVolume
from rxfeed.core.sequence import Sequence
from rxfeed.core.spreads import SpreadWidening, WideSpread
from rxfeed.core.throttle import LatestByProduct, Throttle
from rxfeed.core.trade_repair import BackfilledTrades, LostTrades, Repair, RepairedTrades, TradeRepair
from rxfeed.core.windower import Grid, Span, Windower
from rxfeed.core.windowing import Windowing
from rxfeed.core.windows import TumblingVolume, VolumeSums, VolumeWindow

if TYPE_CHECKING:  # what type checkers see of `_LATER`
    from rxfeed.core.arbitration import Arbitration, ArbitrationOutput, Delivered
    from rxfeed.core.arbitration_lines import BookMoved, SnapshotNeeded
    from rxfeed.core.merge import Merge
    from rxfeed.core.week_times import WeekTime, first_after

# What only several connections and merged recordings need, by module: each is imported when it is first used.
_LATER = {
    "Arbitration": "arbitration",
    "ArbitrationOutput": "arbitration",
    "BookMoved": "arbitration_lines",
    "Delivered": "arbitration",
    "Merge": "merge",
    "SnapshotNeeded": "arbitration_lines",
    "WeekTime": "week_times",
    "first_after": "week_times",
}

__all__ = [
    "APART",
    "ARRIVAL_LIMIT",
    "EPOCH_KINDS",
    "EXACT",
    "LEVELS",
    "MAX_AHEAD",
    "PRODUCT",
    "PROVEN",
    "TRADES",
    "AcknowledgementWatch",
    "ActiveProducts",
    "Arbitration",
    "ArbitrationOutput",
    "Arrival",
    "Awaited",
    "BackfilledTrades",
    "Backoff",
    "Bar",
    "BookMoved",
    "BookOwnerChanged",
    "BookStats",
    "BookView",
    "ByType",
    "Candle",
    "CandlePrices",
    "Candles",
    "CheckedFrame",
    "ConnectionChange",
    "ConnectionPlan",
    "Delivered",
    "DollarBars",
    "EventClock",
    "Findings",
    "FrameCheck",
    "FullBookView",
    "GapDetector",
    "Grid",
    "HeartbeatWatch",
    "HeldRun",
    "Item",
    "Keepalive",
    "Late",
    "LatestByProduct",
    "Level2Book",
    "Level3Book",
    "Level3Snapshot",
    "LostTrades",
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
    "Receiving",
    "Reconnect",
    "Renewals",
    "Repair",
    "RepairedNumbers",
    "RepairedTrades",
    "Restarted",
    "RestingOrder",
    "Resubscribed",
    "Result",
    "RisingSequence",
    "RollingVolume",
    "RunningImbalance",
    "Seconds",
    "Sequence",
    "SlidingImbalance",
    "SlidingVolume",
    "SnapshotFailed",
    "SnapshotNeeded",
    "SnapshotTaken",
    "Span",
    "SpreadWidening",
    "StatusEvent",
    "Throttle",
    "TickBars",
    "TradeImbalance",
    "TradeRepair",
    "TumblingVolume",
    "VolumeBars",
    "VolumeSums",
    "VolumeWindow",
    "Watchdog",
    "WeekTime",
    "WideSpread",
    "WindowAccumulator",
    "Windower",
    "Windowing",
    "exactly",
    "first_after",
    "fold",
    "in_seconds",
    "longest",
    "price_of",
    "quote_of",
    "table",
]

if not TYPE_CHECKING:  # a type checker reports a name that is not above

    def __getattr__(name):
        module = _LATER.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
        return found
