"""The message model that every venue shares. A venue's structs are subclasses of these."""

from rxfeed.market.books import Auction, BookSnapshot, BookUpdate
from rxfeed.market.control import AnyHeartbeat, ChannelSubscription, ErrorMessage, Heartbeat, Subscriptions
from rxfeed.market.epoch import EPOCH, FIRST, LAST, MICROSECOND, microseconds, moment
from rxfeed.market.message import (
    Count,
    FrameOrigin,
    Level,
    Malformed,
    Message,
    Origin,
    Side,
    Skipped,
    Time,
    Unknown,
    stamp,
)
from rxfeed.market.orders import OrderChanged, OrderDone, OrderEvent, OrderMatched, OrderOpened
from rxfeed.market.texts import BookUpdateText, TickerText, TradeText
from rxfeed.market.times import ENDING, LONG, PLAIN, UNDECODED, ends_with_microseconds, finer, in_microseconds
from rxfeed.market.trades import PriorTrade, Ticker, Trade, TradeFields
from rxfeed.market.values import NEGATIVE, NOT_FINITE, TOO_LONG, ZERO, check, check_sizes, fits

__all__ = [
    "ENDING",
    "EPOCH",
    "FIRST",
    "LAST",
    "LONG",
    "MICROSECOND",
    "NEGATIVE",
    "NOT_FINITE",
    "PLAIN",
    "TOO_LONG",
    "UNDECODED",
    "ZERO",
    "AnyHeartbeat",
    "Auction",
    "BookSnapshot",
    "BookUpdate",
    "BookUpdateText",
    "ChannelSubscription",
    "Count",
    "ErrorMessage",
    "FrameOrigin",
    "Heartbeat",
    "Level",
    "Malformed",
    "Message",
    "OrderChanged",
    "OrderDone",
    "OrderEvent",
    "OrderMatched",
    "OrderOpened",
    "Origin",
    "PriorTrade",
    "Side",
    "Skipped",
    "Subscriptions",
    "Ticker",
    "TickerText",
    "Time",
    "Trade",
    "TradeFields",
    "TradeText",
    "Unknown",
    "check",
    "check_sizes",
    "ends_with_microseconds",
    "finer",
    "fits",
    "in_microseconds",
    "microseconds",
    "moment",
    "stamp",
]
