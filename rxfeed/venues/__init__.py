"""One package per venue, without I/O; `Venue` is their contract, and `venue` finds one by its name."""

from typing import TYPE_CHECKING

from rxfeed.venues.delivered_ids import DeliveredIds
from rxfeed.venues.numbers import FrameLine, NumberGroup, NumberReader
from rxfeed.venues.registry import DEFAULT_VENUE, VENUES, venue, venue_at
from rxfeed.venues.rest import RestBook, RestCandle, RestProduct, RestRules, RestTrade, TradeItem, aliases
from rxfeed.venues.venue import (
    ARRAY_KEY,
    Channel,
    ChannelRequest,
    Decoded,
    Decoder,
    Kind,
    Limits,
    Observed,
    Refusal,
    Subscription,
    Venue,
    message_id,
    tag_of,
    venue_of,
)

if TYPE_CHECKING:
    from rxfeed.venues.coinbase_advanced import COINBASE_ADVANCED
    from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE

__all__ = [
    "ARRAY_KEY",
    "COINBASE_ADVANCED",
    "COINBASE_EXCHANGE",
    "DEFAULT_VENUE",
    "VENUES",
    "Channel",
    "ChannelRequest",
    "Decoded",
    "Decoder",
    "DeliveredIds",
    "FrameLine",
    "Kind",
    "Limits",
    "NumberGroup",
    "NumberReader",
    "Observed",
    "Refusal",
    "RestBook",
    "RestCandle",
    "RestProduct",
    "RestRules",
    "RestTrade",
    "Subscription",
    "TradeItem",
    "Venue",
    "aliases",
    "message_id",
    "tag_of",
    "venue",
    "venue_at",
    "venue_of",
]

if not TYPE_CHECKING:  # each venue is imported at its first use

    def __getattr__(name):
        if name.isupper() and name.lower() in VENUES:
            return VENUES[name.lower()]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
