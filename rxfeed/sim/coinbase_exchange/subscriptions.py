"""The subscriptions of one client, without a socket: requests in, the exchange's answers out."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from rxfeed.sim.coinbase_exchange.channels import EVERYTHING, Pair
from rxfeed.sim.frames import Json, parse
from rxfeed.venues.coinbase_exchange import Credentials, sign

EXPIRES = 30.0  # seconds by which a timestamp may be off
AUTH_FIELDS = ("signature", "key", "passphrase", "timestamp")
SECRETS = ("signature", "key", "passphrase")
AUTH_REQUIRED = (
    "level2, level3, and full channels now require authentication. "
    "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth"
)

Scope = Literal["products", "any products", "accounts", "none"]


class ExchangeChannel(NamedTuple):
    """A channel's name in an acknowledgement, and what its requests need."""

    name: str
    acknowledged: str
    scope: Scope = "products"
    refusal: str | None = None  # the reason in the answer to a request without authentication


def _private(name: str, scope: Scope = "products", refusal: str | None = None) -> ExchangeChannel:
    return ExchangeChannel(name, name, scope, refusal or f"{name} channel requires authentication")


_TICKER_BATCH = ExchangeChannel("ticker_batch", "ticker_1000")
_LEVEL2_BATCH = ExchangeChannel("level2_batch", "level2_50")
CHANNELS = {
    "heartbeat": ExchangeChannel("heartbeat", "heartbeat"),
    "status": ExchangeChannel("status", "status", "none"),
    "ticker": ExchangeChannel("ticker", "ticker"),
    "ticker_batch": _TICKER_BATCH,
    "ticker_1000": _TICKER_BATCH,
    "level2": _private("level2", refusal=AUTH_REQUIRED),
    "level2_batch": _LEVEL2_BATCH,
    "level2_50": _LEVEL2_BATCH,
    "matches": ExchangeChannel("matches", "matches"),
    "full": _private("full", refusal=AUTH_REQUIRED),
    "level3": _private("level3", refusal=AUTH_REQUIRED),
    "user": _private("user"),
    "auctionfeed": ExchangeChannel("auctionfeed", "auctionfeed"),
    "rfq_matches": _private("rfq_matches", "any products"),
    "balance": _private("balance", "accounts"),
}


class SubscriptionReplies(NamedTuple):
    """The messages to send back, and the (channel, product id) pairs that are new or gone."""

    replies: list[dict[str, Json]]
    added: list[Pair]
    removed: list[Pair]


class _Refused(Exception):
    """A request, or a part of it, that gets an `error` with this text as its reason."""


class ExchangeSubscriber:
    """The subscriptions of a client. *clock* returns Unix seconds, with which timestamps are compared.
    *products* may change.

    *refusal*: the reason for which a fault refuses the next subscription to a channel, if one does. *unchecked*: no
    channel needs authentication, and signatures are not verified.

    >>> from rxfeed.sim.coinbase_exchange import ExchangeSubscriber
    >>> subscriber = ExchangeSubscriber(["BTC-USD"])
    >>> subscriber.receive('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches"]}').added
    [('matches', 'BTC-USD')]
    """

    def __init__(
        self,
        products: Sequence[str],
        credentials: Credentials | None = None,
        clock: Callable[[], float] = time.time,
        refusal: Callable[[str], str | None] = lambda channel: None,
        *,
        unchecked: bool = False,
    ) -> None:
        self._unchecked = unchecked
        self._products = products
        self._credentials = credentials
        self._clock = clock
        self._refusal = refusal
        self._held: dict[ExchangeChannel, dict[str, None]] = {}

    @property
    def pairs(self) -> list[Pair]:
        """Every (channel, product id) that the client is subscribed to."""
        return [(channel.name, name) for channel, names in self._held.items() for name in names]

    def receive(self, text: str | bytes) -> SubscriptionReplies:
        """The answer to a frame from the client."""
        request = parse(text)
        verb = request.get("type") if isinstance(request, dict) else None
        if not isinstance(request, dict) or verb not in ("subscribe", "unsubscribe"):
            reason = "Type has to be either subscribe or unsubscribe"
            return SubscriptionReplies([_error("Failed to subscribe", reason)], [], [])
        signed = any(field in request for field in AUTH_FIELDS)
        if verb == "subscribe" and signed and not self._unchecked and (refusal := self._check(request)):
            return SubscriptionReplies([refusal], [], [])

        before = dict.fromkeys(self.pairs)
        reasons: list[str] = []
        understood = self._apply(request, str(verb), signed, reasons)
        after = dict.fromkeys(self.pairs)
        replies = [_error(f"Failed to {verb}", reason) for reason in dict.fromkeys(reasons)]
        if understood:
            replies.append(self._acknowledgement())
        added = [pair for pair in after if pair not in before]
        return SubscriptionReplies(replies, added, [pair for pair in before if pair not in after])

    def _apply(self, request: dict, verb: str, signed: bool, reasons: list[str]) -> bool:
        """Change the subscriptions; whether any part of the request was good. The rest adds its reason."""
        items = request.get("channels")
        if not isinstance(items, list) or not items:
            reasons.append("No channels provided")
            return False
        try:
            _names(request, "product_ids")
        except _Refused as refused:
            reasons.append(str(refused))
            return False
        good = 0
        for item in items:
            try:
                channel = _channel(item)
                own = item if isinstance(item, dict) else {}
                if verb == "subscribe":
                    good += self._subscribe(channel, own, request, signed, reasons)
                else:
                    self._unsubscribe(channel, own, request)
                    good += 1
            except _Refused as refused:
                reasons.append(str(refused))
        return good > 0

    def _subscribe(self, channel: ExchangeChannel, own: dict, request: dict, signed: bool, reasons: list[str]) -> bool:
        if refusal := self._refusal(channel.name):
            raise _Refused(refusal)
        if channel.refusal and not signed and not self._unchecked:
            raise _Refused(channel.refusal)
        if channel.scope == "none":
            names = [EVERYTHING]
        elif channel.scope == "accounts":
            names = _names(request, "account_ids") + _names(own, "account_ids")
        else:
            names = _names(request, "product_ids") + _names(own, "product_ids")
            if not names and channel.scope == "any products":
                names = list(self._products)
            bad = [name for name in names or [""] if name not in self._products]
            reasons.extend(f"{name} is not a valid product" for name in bad)
            names = [name for name in names if name in self._products]
            if not names:
                return False
        self._held.setdefault(channel, {}).update(dict.fromkeys(names))
        return True

    def _unsubscribe(self, channel: ExchangeChannel, own: dict, request: dict) -> None:
        held = self._held.get(channel, {})
        field = "account_ids" if channel.scope == "accounts" else "product_ids"
        names = _names(request, field) + _names(own, field)
        if channel.scope == "none" or not names:
            names = list(held)
        for name in names:
            held.pop(name, None)
        if not held:
            self._held.pop(channel, None)

    def _check(self, request: dict) -> dict | None:
        """The error that a signed request gets, if its signature is not good."""
        claimed = {field: _text(request.get(field)) for field in AUTH_FIELDS}
        if not self._credentials or not _authentic(claimed, self._credentials):
            return _error("Authentication Failed", '{"message":"Invalid API Key"}')
        try:
            off = abs(self._clock() - float(claimed["timestamp"]))
        except ValueError:
            off = EXPIRES + 1
        # Not `off > EXPIRES`: a timestamp of "nan" has expired, too.
        if not off <= EXPIRES:
            message = "Sorry, you could not be authenticated: Bad Request"
            return _error(message, "request timestamp expired")
        return None

    def _acknowledgement(self) -> dict:
        channels = []
        for channel, held in self._held.items():
            names = [name for name in held if name != EVERYTHING]
            accounts = channel.scope == "accounts"
            channels.append(
                {
                    "name": channel.acknowledged,
                    "product_ids": None if accounts else names,
                    "account_ids": names if accounts else None,
                }
            )
        return {"type": "subscriptions", "channels": channels}


def _error(message: str, reason: str) -> dict:
    return {"type": "error", "message": message, "reason": reason}


def _channel(item: object) -> ExchangeChannel:
    name = item.get("name") if isinstance(item, dict) else item
    if isinstance(name, str) and name in CHANNELS:
        return CHANNELS[name]
    raise _Refused(f"{_text(name)} is not a valid channel")


def _names(holder: dict, field: str) -> list[str]:
    """The ids under *field*; none if it is absent."""
    names = holder.get(field)
    if names is None:
        return []
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    raise _Refused("Invalid product ID provided")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _authentic(claimed: dict[str, str], credentials: Credentials) -> bool:
    expected = {
        "key": credentials.key,
        "passphrase": credentials.passphrase.reveal(),
        "signature": sign(credentials.secret, claimed["timestamp"]),
    }
    return all(hmac.compare_digest(expected[field].encode(), claimed[field].encode()) for field in expected)
