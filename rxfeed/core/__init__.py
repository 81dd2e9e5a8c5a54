"""Pure state machines without Rx, threads, clocks or I/O. Time is the event time of the messages."""

from typing import TYPE_CHECKING

from rxfeed._later import imports_later

if TYPE_CHECKING:  # what type checkers see of `_LATER`
    from rxfeed.core.accumulator import WindowAccumulator
    from rxfeed.core.acknowledgements import AcknowledgementWatch
    from rxfeed.core.active_products import ActiveProducts
    from rxfeed.core.arbitration import Arbitration, ArbitrationOutput, Delivered
    from rxfeed.core.arbitration_lines import BookMoved, SnapshotNeeded
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
    from rxfeed.core.connection_numbers import renumber
    from rxfeed.core.connection_plan import ConnectionPlan
    from rxfeed.core.coverage import pairs_of
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
    from rxfeed.core.merge import Merge
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
    from rxfeed.core.week_times import WeekTime, first_after
    from rxfeed.core.windower import Grid, Span, Windower
    from rxfeed.core.windowing import Windowing
    from rxfeed.core.windows import TumblingVolume, VolumeSums, VolumeWindow

# The names of each module, which is imported when one of them is first used: a feed needs few machines.
_MODULES = {
    "accumulator": ("WindowAccumulator",),
    "acknowledgements": ("AcknowledgementWatch",),
    "active_products": ("ActiveProducts",),
    "arbitration": (
        "Arbitration",
        "ArbitrationOutput",
        "Delivered",
    ),
    "arbitration_lines": (
        "BookMoved",
        "SnapshotNeeded",
    ),
    "arguments": (
        "Seconds",
        "in_seconds",
    ),
    "backoff": (
        "APART",
        "Backoff",
        "Reconnect",
        "longest",
    ),
    "bars": (
        "Bar",
        "DollarBars",
        "TickBars",
        "VolumeBars",
    ),
    "book": ("Level2Book",),
    "book_snapshot": (
        "Level3Snapshot",
        "NeedSnapshot",
        "SnapshotFailed",
        "SnapshotTaken",
    ),
    "book_view": (
        "BookView",
        "FullBookView",
        "QueuePosition",
        "RestingOrder",
    ),
    "by_type": ("ByType",),
    "candles": (
        "Candle",
        "CandlePrices",
        "Candles",
    ),
    "checked_frame": (
        "CheckedFrame",
        "FrameCheck",
    ),
    "completeness": ("Late",),
    "connection_numbers": ("renumber",),
    "connection_plan": ("ConnectionPlan",),
    "coverage": ("pairs_of",),
    "crossing": (
        "PriceCross",
        "PriceCrossing",
    ),
    "epochs": (
        "EPOCH_KINDS",
        "LEVELS",
        "PRODUCT",
        "TRADES",
    ),
    "event_time": (
        "EventClock",
        "MAX_AHEAD",
    ),
    "findings": (
        "Awaited",
        "Findings",
        "Missed",
        "RepairedNumbers",
        "Restarted",
    ),
    "gaps": (
        "GapDetector",
        "Pair",
        "Resubscribed",
    ),
    "held_run": (
        "HeldRun",
        "PROVEN",
    ),
    "imbalance": (
        "RunningImbalance",
        "SlidingImbalance",
        "TradeImbalance",
    ),
    "level3_book": (
        "BookStats",
        "Item",
        "Level3Book",
    ),
    "liveness": (
        "ARRIVAL_LIMIT",
        "Arrival",
        "HeartbeatWatch",
        "Keepalive",
        "Watchdog",
    ),
    "machine": (
        "Machine",
        "Receiving",
        "fold",
    ),
    "merge": ("Merge",),
    "merge_items": (
        "BookOwnerChanged",
        "ConnectionChange",
        "MergedItem",
        "ReceivedItem",
        "StatusEvent",
    ),
    "merge_rules": ("MergeRules",),
    "moves": (
        "PriceMove",
        "PriceMoves",
    ),
    "numbers": (
        "EXACT",
        "exactly",
    ),
    "quotes": (
        "Priced",
        "price_of",
        "quote_of",
    ),
    "rate_limit": ("RateLimit",),
    "renewals": ("Renewals",),
    "result": (
        "Result",
        "table",
    ),
    "rising": ("RisingSequence",),
    "rolling": (
        "RollingVolume",
        "SlidingVolume",
    ),
    "sequence": ("Sequence",),
    "spreads": (
        "SpreadWidening",
        "WideSpread",
    ),
    "throttle": (
        "LatestByProduct",
        "Throttle",
    ),
    "trade_repair": (
        "BackfilledTrades",
        "LostTrades",
        "Repair",
        "RepairedTrades",
        "TradeRepair",
    ),
    "week_times": (
        "WeekTime",
        "first_after",
    ),
    "windower": (
        "Grid",
        "Span",
        "Windower",
    ),
    "windowing": ("Windowing",),
    "windows": (
        "TumblingVolume",
        "VolumeSums",
        "VolumeWindow",
    ),
}
_LATER = {name: module for module, names in _MODULES.items() for name in names}

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
    "pairs_of",
    "price_of",
    "quote_of",
    "renumber",
    "table",
]

if not TYPE_CHECKING:  # a type checker reports a name that is not above
    __getattr__ = imports_later(__name__, _LATER)
