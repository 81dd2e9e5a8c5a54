"""The envelopes of frames, by channel, as msgspec decodes them in one pass.

Numbers come as text, so they are decoded with `strict=False`. The envelope's `timestamp` stays a text: it always has
nanoseconds, which msgspec would round.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from rxfeed.market import Count
from rxfeed.venues.coinbase_advanced import messages as m


class ChannelFrame(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="channel"):
    """What every frame of a channel has."""

    timestamp: str = ""
    sequence_num: Count | Literal[-1] = -1


class _Event(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    pass


class TradesSnapshot(_Event, frozen=True, gc=False, tag="snapshot"):
    trades: tuple[m.PriorMarketTrade, ...] | None


class TradesUpdate(_Event, frozen=True, gc=False, tag="update"):
    trades: tuple[m.MarketTrade, ...] | None


class TradesFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="market_trades"):
    events: tuple[TradesSnapshot | TradesUpdate, ...]


class LevelUpdate(msgspec.Struct, frozen=True, gc=False):
    side: Literal["bid", "offer"]
    price_level: Decimal
    new_quantity: Decimal
    event_time: str | None = None  # one for all changes of an event, as far as is known


class BookEvent(msgspec.Struct, frozen=True, gc=False):
    type: Literal["snapshot", "update"]
    product_id: str
    updates: tuple[LevelUpdate, ...] | None


class SnapshotHead(_Event, frozen=True, gc=False, tag="snapshot"):
    """Which book a snapshot is of; its levels are not decoded."""

    product_id: str


class UpdateHead(_Event, frozen=True, gc=False, tag="update"):
    product_id: str


class BookHeads(msgspec.Struct, frozen=True, gc=False):
    events: tuple[SnapshotHead | UpdateHead]
    sequence_num: Count


class TickerHead(msgspec.Struct, frozen=True, gc=False):
    product_id: str


class TickersHead(msgspec.Struct, frozen=True, gc=False):
    tickers: tuple[TickerHead]


class TickerHeads(msgspec.Struct, frozen=True, gc=False):
    events: tuple[TickersHead]
    sequence_num: Count


class BookFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="l2_data"):
    events: tuple[BookEvent, ...]


class TickersEvent(msgspec.Struct, frozen=True, gc=False):
    tickers: tuple[m.AdvancedTicker, ...] | None


class TickerFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="ticker"):
    events: tuple[TickersEvent, ...]


class TickerBatchFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="ticker_batch"):
    events: tuple[TickersEvent, ...]


class CandlesEvent(msgspec.Struct, frozen=True, gc=False):
    candles: tuple[m.CandleUpdate, ...] | None


class CandlesFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="candles"):
    events: tuple[CandlesEvent, ...]


class StatusFrameEvent(msgspec.Struct, frozen=True, gc=False):
    products: tuple[m.AdvancedStatusProduct, ...] | None


class StatusFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="status"):
    events: tuple[StatusFrameEvent, ...]


class HeartbeatsEvent(msgspec.Struct, frozen=True, gc=False):
    current_time: str
    heartbeat_counter: int


class HeartbeatsFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="heartbeats"):
    events: tuple[HeartbeatsEvent, ...]


class SubscriptionsEvent(msgspec.Struct, frozen=True, gc=False):
    subscriptions: dict[str, tuple[str, ...] | None]


class SubscriptionsFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="subscriptions"):
    events: tuple[SubscriptionsEvent, ...]


class UserEvent(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    orders: tuple[m.OrderUpdate, ...] | None = None


class UserFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="user"):
    events: tuple[UserEvent, ...]


class BalanceEvent(msgspec.Struct, frozen=True, gc=False):
    fcm_balance_summary: m.FuturesBalance | None


class BalanceFrame(ChannelFrame, frozen=True, kw_only=True, gc=False, tag="futures_balance_summary"):
    events: tuple[BalanceEvent, ...]


AnyFrame = (
    BookFrame
    | TradesFrame
    | TickerFrame
    | TickerBatchFrame
    | HeartbeatsFrame
    | CandlesFrame
    | StatusFrame
    | SubscriptionsFrame
    | UserFrame
    | BalanceFrame
)
CHANNELS: dict[str, type[ChannelFrame]] = {str(each.__struct_config__.tag): each for each in AnyFrame.__args__}
"""The frames by their channel."""
# The heads are strict, which takes half the time: a frame that does not fit is decoded completely.
decode_books = msgspec.json.Decoder(BookHeads).decode
decode_tickers = msgspec.json.Decoder(TickerHeads).decode
decode_frame = msgspec.json.Decoder(AnyFrame, strict=False).decode
