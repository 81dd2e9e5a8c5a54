"""What the merging of several collectors' messages has to know of Advanced Trade's channels."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from rxfeed.core import GapDetector
from rxfeed.market import Heartbeat, Message, PriorTrade
from rxfeed.venues.coinbase_advanced import messages as m
from rxfeed.venues.coinbase_advanced.channels import BOOK, TABLE, TRADES
from rxfeed.venues.coinbase_advanced.gaps import AdvancedGaps
from rxfeed.venues.coinbase_advanced.identity import content_of

# What a collector without acknowledgements must be subscribed to.
_ASSUMED: dict[type[Message], str] = {
    m.MarketTrade: TRADES,
    m.PriorMarketTrade: TRADES,
    m.AdvancedL2Snapshot: BOOK,
    m.AdvancedL2Update: BOOK,
    m.AdvancedTicker: "ticker",
    m.CandleUpdate: "candles",
    m.AdvancedStatus: "status",
    m.ConnectionHeartbeat: "heartbeats",
    m.OrderUpdate: "user",
    m.FuturesBalance: "futures_balance_summary",
}


class AdvancedMerging:
    """The rules of Advanced Trade for `rxfeed.core.Merge`. Trades are merged by their ids.

    The numbers of two connections are unrelated: they are checked by each collector, and not here.
    """

    not_missed: AbstractSet[str] = frozenset((BOOK, "heartbeats"))
    consecutive: AbstractSet[str] = frozenset((TRADES,))
    rising: AbstractSet[str] = frozenset()

    def gaps(self) -> GapDetector:
        return AdvancedGaps(connections=False)

    def types_of(self, channel: str) -> AbstractSet[type[Message]]:
        none: AbstractSet[type[Message]] = frozenset()
        return next((each.types for each in TABLE if each.name == channel), none)

    def assumed_channels(self, message: Message) -> tuple[str, ...]:
        channel = _ASSUMED.get(type(message))
        return () if channel is None else (channel,)

    def containing(self, channel: str) -> str | None:
        return None

    def place(self, message: Message, subscribed: set[tuple[str, str]]) -> tuple[tuple[str, str], int] | None:
        if isinstance(message, m.MarketTrade):
            return ((TRADES, message.product_id), message.trade_id)
        return None

    def named(self, heartbeat: Heartbeat) -> tuple[tuple[str, int], ...]:
        return ()

    def trades(self, trade: PriorTrade) -> str:
        return TRADES

    def as_new(self, trade: PriorTrade) -> m.MarketTrade:
        assert isinstance(trade, m.PriorMarketTrade)
        return m.as_new(trade)

    def copy_key(self, message: Message) -> bytes:
        if isinstance(message, m.AdvancedTicker):  # its time is that of its connection's envelope
            return content_of(replace(message.unstamped, time=None))
        if isinstance(message, m.CandleUpdate | m.OrderUpdate):
            return content_of(message)
        return message.raw
