"""Which channels of Advanced Trade serve the channels that a classic client asks for.

Rules:
- A `ticker` of the classic names the trade that caused it, and a `heartbeat` the last trade: both need the trades.
- Heartbeats are always subscribed to, since Advanced Trade closes connections that are quiet for a minute.
- A book comes first, so that its snapshot is there before anything else of its product.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rxfeed.compat.types import Attribute, Given
from rxfeed.errors import AuthenticationFailed
from rxfeed.venues.coinbase_exchange import ExchangeSubscription

Verb = Literal["subscribe", "unsubscribe"]
ByChannel = dict[str, dict[str, None]]
"""The products of each channel, as sets with an order."""

_SERVED_BY = {
    "level2": ("level2",),
    "level2_batch": ("level2",),
    "ticker": ("ticker", "market_trades"),
    "ticker_batch": ("ticker", "market_trades"),
    "matches": ("market_trades",),
    "status": ("status",),
    "heartbeat": ("heartbeats", "market_trades"),
}
_ORDER = ("level2", "ticker", "market_trades", "status", "heartbeats")
_OTHER_NAMES = {"level2_50": "level2_batch", "ticker_1000": "ticker_batch"}
_SINGLE = "refused: Advanced Trade has no single orders: use level2, matches and ticker, or keys of Coinbase Exchange"
_ACCOUNT = "refused: it is out of scope on Advanced Trade: use a trading library, such as coinbase-advanced-py"
_REASONS = {"full": _SINGLE, "level3": _SINGLE, "user": _ACCOUNT, "balance": _ACCOUNT}
_NO_SUCH = "refused: Advanced Trade has no such channel: use ticker, matches, heartbeat, level2 or status"


class Plan:
    """The channels of one client: those that it asks for, those that serve them, and those that are refused."""

    def __init__(self, channels: Attribute, products: Attribute) -> None:
        self.served: ByChannel = {}
        """The products of each channel that the client asks for, by the classic's names."""
        self.refused: dict[str, str] = {}
        """Why a channel is not served."""
        self._change("subscribe", channels, products)
        if not self.served and self.refused:
            raise AuthenticationFailed("; ".join(f"{name}: {reason}" for name, reason in self.refused.items()))

    @property
    def channels(self) -> list[dict[str, object]]:
        """The channels of Advanced Trade, as a subscription takes them."""
        return _listed(self._needed())

    @property
    def products(self) -> list[str]:
        """All products."""
        return list(dict.fromkeys(product for products in self.served.values() for product in products))

    def change(self, verb: Verb, channels: Given, products: Given) -> tuple[list[dict[str, object]], ...]:
        """Apply a request of a script: the channels of Advanced Trade to subscribe to, and to unsubscribe from."""
        before = self._needed()
        self.refused.clear()
        self._change(verb, channels, products)
        after = self._needed()
        return _listed(_without(after, before)), _listed(_without(before, after))

    def _change(self, verb: Verb, channels: Attribute, products: Attribute) -> None:
        # Checks both, as for Coinbase Exchange.
        asked = ExchangeSubscription.of(products or [], channels)
        for channel in asked.channels:
            entry = {"name": channel} if isinstance(channel, str) else channel
            name = _OTHER_NAMES.get(entry["name"], entry["name"])
            if name not in _SERVED_BY:
                self.refused[name] = _REASONS.get(name, _NO_SUCH)
                continue
            wanted = dict.fromkeys((*asked.products, *(entry.get("product_ids") or ())))
            if verb == "subscribe":
                self.served.setdefault(name, {}).update(wanted)
            elif wanted:
                self.served[name] = {each: None for each in self.served.get(name, ()) if each not in wanted}
            if verb == "unsubscribe" and not (wanted and self.served[name]):
                self.served.pop(name, None)

    def _needed(self) -> ByChannel:
        needed: ByChannel = {"heartbeats": {}}
        for name, products in self.served.items():
            for channel in _SERVED_BY[name]:
                needed.setdefault(channel, {}).update({} if channel == "heartbeats" else products)
        return {channel: needed[channel] for channel in _ORDER if channel in needed}


def _listed(channels: ByChannel) -> list[dict[str, object]]:
    return [{"name": name, "product_ids": list(products)} for name, products in channels.items()]


def _without(channels: ByChannel, others: ByChannel) -> ByChannel:
    left = {name: _less(products, others.get(name, ())) for name, products in channels.items()}
    return {name: products for name, products in left.items() if products or name not in others}


def _less(products: Iterable[str], others: Iterable[str]) -> dict[str, None]:
    return {each: None for each in products if each not in others}
