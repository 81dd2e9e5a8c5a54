"""The subscriptions of one client of Advanced Trade, without a socket: requests in, changes and errors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from rxfeed.sim.coinbase_advanced.products import alias_of, traded
from rxfeed.sim.frames import Json, parse

EVERYTHING = ""  # in place of a product id, where a channel has none
MOST_LEVEL2 = 30  # products of a connection
USER_ID = "00000000-0000-4000-8000-00000000beef"

MALFORMED = "subscribe or unsubscribe required"
UNAUTHENTICATED = "authentication failure"
TOO_MANY = "too many L2 streams requested in a single session"

Pair = tuple[str, str]  # (channel, product id)


class AdvancedChannel(NamedTuple):
    """A channel's name in acknowledgements, and what its requests need.

    *scope*: "products" have to be named, need not be ("any products", all by default), or are "none".
    """

    acknowledged: str
    scope: Literal["products", "any products", "none"] = "products"
    private: bool = False


CHANNELS = {
    "heartbeats": AdvancedChannel("heartbeats", "none"),
    "level2": AdvancedChannel("level2"),
    "market_trades": AdvancedChannel("market_trades"),
    "ticker": AdvancedChannel("ticker"),
    "ticker_batch": AdvancedChannel("ticker_1000"),
    "candles": AdvancedChannel("candles"),
    "status": AdvancedChannel("status", "any products"),
    "user": AdvancedChannel("user", "any products", private=True),
    "futures_balance_summary": AdvancedChannel("futures_balance_summary", "none", private=True),
}


class SubscriptionChange(NamedTuple):
    """What a request has done: *error*, or else the (channel, product id) pairs that are new or gone."""

    error: str | None = None
    added: Sequence[Pair] = ()
    removed: Sequence[Pair] = ()


class AdvancedSubscriber:
    """The subscriptions of a client.

    *products* may change.

    *verify* decides about a request's `jwt`. *refusal*: the error for which a fault refuses the next subscription to
    a channel, if one does. A product that is not traded is left out of the subscription: an assumption, as the
    venue's answer is not documented.

    >>> from rxfeed.sim.coinbase_advanced.subscriptions import AdvancedSubscriber
    >>> subscriber = AdvancedSubscriber(["BTC-USD"], verify=lambda token: False)
    >>> subscriber.receive('{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}').added
    [('level2', 'BTC-USD')]
    """

    def __init__(
        self,
        products: Sequence[str],
        verify: Callable[[object], bool],
        refusal: Callable[[str], str | None] = lambda channel: None,
    ) -> None:
        self._products = products
        self._whole: set[str] = set()  # the channels that were subscribed to without ids
        self._verify = verify
        self._refusal = refusal
        self._held: dict[str, dict[str, None]] = {}

    @property
    def pairs(self) -> list[Pair]:
        """Every (channel, product id) that the client is subscribed to."""
        return [(channel, name) for channel, names in self._held.items() for name in names]

    @property
    def acknowledgement(self) -> dict[str, Json]:
        """The event that lists all subscriptions."""
        found = {}
        for channel, names in self._held.items():
            entry = CHANNELS[channel]
            if entry.private:
                found[entry.acknowledged] = [USER_ID]
            else:
                found[entry.acknowledged] = [name or entry.acknowledged for name in names]
        return {"subscriptions": dict(sorted(found.items()))}

    def receive(self, text: str | bytes) -> SubscriptionChange:
        """The change by a frame from the client."""
        request = parse(text)
        verb = request.get("type") if isinstance(request, dict) else None
        if not isinstance(request, dict) or verb not in ("subscribe", "unsubscribe"):
            return SubscriptionChange(MALFORMED)
        names = request.get("product_ids") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return SubscriptionChange(MALFORMED)
        name = request.get("channel")
        channel = CHANNELS.get(name) if isinstance(name, str) else None
        signed = request.get("jwt") is not None
        if channel is None or (signed and not self._verify(request["jwt"])):
            return SubscriptionChange(UNAUTHENTICATED)
        wanted = self._wanted(channel, names)
        if verb == "unsubscribe":
            return self._unsubscribe(str(name), wanted if names else None)
        if channel.private and not signed:
            return SubscriptionChange(UNAUTHENTICATED)
        if refusal := self._refusal(str(name)):
            return SubscriptionChange(refusal)
        change = self._subscribe(str(name), wanted)
        if not names and channel.scope == "any products" and change.error is None:
            self._whole.add(str(name))
        return change

    def listed(self, product_id: str) -> list[Pair]:
        """The pairs of the new product *product_id* that the client is subscribed to, as to all products."""
        channels = [channel for channel in self._whole if product_id not in self._held[channel]]
        for channel in channels:
            self._held[channel][product_id] = None
        return [(channel, product_id) for channel in channels]

    def _wanted(self, channel: AdvancedChannel, names: list[str]) -> list[str]:
        """The products as the market has them, each once."""
        if channel.scope == "none":
            return [EVERYTHING]
        if channel.scope == "any products" and not names:
            return list(traded(self._products))
        known = {*self._products, *traded(self._products)}
        return list(dict.fromkeys(alias_of(name) or name for name in names if name in known))

    def _subscribe(self, channel: str, wanted: list[str]) -> SubscriptionChange:
        held = self._held.get(channel, {})
        added = [name for name in wanted if name not in held]
        if channel == "level2" and len(held) + len(added) > MOST_LEVEL2:
            return SubscriptionChange(TOO_MANY)
        if added:
            self._held.setdefault(channel, {}).update(dict.fromkeys(added))
        return SubscriptionChange(added=[(channel, name) for name in added])

    def _unsubscribe(self, channel: str, wanted: list[str] | None) -> SubscriptionChange:
        held = self._held.get(channel, {})
        removed = list(held) if wanted is None else [name for name in wanted if name in held]
        for name in removed:
            del held[name]
        if not held or wanted is None:
            self._held.pop(channel, None)
            self._whole.discard(channel)
        return SubscriptionChange(removed=[(channel, name) for name in removed])
