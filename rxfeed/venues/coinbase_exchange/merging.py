"""What the merging of several collectors' messages has to know of Exchange's channels."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from rxfeed.core import GapDetector
from rxfeed.market import Heartbeat, Message, PriorTrade
from rxfeed.venues.coinbase_exchange import messages as m
from rxfeed.venues.coinbase_exchange.channels import BOOKS, TABLE
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps

_ORDERS = (m.Received, m.Open, m.Change, m.Done)
_LEVEL3 = (m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop)
# What a collector without acknowledgements must be subscribed to.
_ASSUMED: dict[type[Message], str] = {
    m.Match: "matches",
    m.LastMatch: "matches",
    m.ExchangeTicker: "ticker",
    m.Snapshot: "level2",
    m.L2Update: "level2",
    m.ExchangeHeartbeat: "heartbeat",
    m.ExchangeAuction: "auctionfeed",
    m.RfqMatch: "rfq_matches",
    m.Balance: "balance",
    m.Status: "status",
    **dict.fromkeys(_ORDERS, "full"),
    **dict.fromkeys(_LEVEL3, "level3"),
}
_PLACES: dict[type[Message], Callable[[Any], tuple[str, int | None]]] = {
    m.Match: lambda match: ("matches", match.trade_id),
    m.ExchangeTicker: lambda ticker: ("ticker", ticker.sequence),
    **dict.fromkeys(_ORDERS, lambda order: ("full", order.sequence)),
    **dict.fromkeys(_LEVEL3, lambda order: ("level3", order.sequence)),
}


class ExchangeMerging:
    """The rules of Exchange for `rxfeed.core.Merge`."""

    not_missed: AbstractSet[str] = BOOKS | {"heartbeat"}
    consecutive: AbstractSet[str] = frozenset(("matches", "full", "level3"))
    rising: AbstractSet[str] = frozenset(("ticker",))

    def gaps(self) -> GapDetector:
        return ExchangeGaps()

    def types_of(self, channel: str) -> AbstractSet[type[Message]]:
        none: AbstractSet[type[Message]] = frozenset()
        return next((each.types for each in TABLE if each.name == channel), none)

    def assumed_channels(self, message: Message) -> tuple[str, ...]:
        if isinstance(message, _ORDERS) and message.user_id is not None:
            return ("full", "user")
        channel = _ASSUMED.get(type(message))
        return () if channel is None else (channel,)

    def containing(self, channel: str) -> str | None:
        return "full" if channel == "matches" else None

    def place(self, message: Message, subscribed: set[tuple[str, str]]) -> tuple[tuple[str, str], int] | None:
        found = _PLACES.get(type(message))
        if found is None:
            return None
        product, (channel, number) = message.product_id, found(message)
        if product is None or number is None:
            return None
        if isinstance(message, m.Match):
            if ("full", product) in subscribed:
                channel, number = "full", message.sequence
            elif ("user", product) in subscribed and ("matches", product) not in subscribed:
                return None  # trades of one account, among others that are not subscribed to
        elif isinstance(message, _ORDERS) and ("full", product) not in subscribed:
            if message.user_id is not None:
                return None
            subscribed.add(("full", product))  # by a collector without acknowledgements
        return ((channel, product), number)

    def named(self, heartbeat: Heartbeat) -> tuple[tuple[str, int], ...]:
        assert isinstance(heartbeat, m.ExchangeHeartbeat)
        return (("full", heartbeat.sequence), ("matches", heartbeat.last_trade_id))

    def copy_key(self, message: Message) -> bytes:
        return message.raw

    def trades(self, trade: PriorTrade) -> str:
        return "matches"

    def as_new(self, trade: PriorTrade) -> m.Match:
        assert isinstance(trade, m.LastMatch)
        return m.as_new(trade)
