"""What a connection should be subscribed to, what it was requested, and what the exchange says of it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rxfeed.core import ALIASES, CHANNELS_OF, Pair, by_subscribed_name
from rxfeed.messages import Subscriptions
from rxfeed.protocol import Credentials, Secret, Subscription
from rxfeed.protocol.auth import sign

_WITHOUT_PRODUCTS = ("status", "balance")
_KNOWN = frozenset[str]().union(*CHANNELS_OF.values())
_ALL = "ALL"  # how `rfq_matches` lists all products
# At eight messages a second: an exchange that repeats what it was requested does so before that.
_ECHOED = 32


class SubscriptionManager:
    """Changes may come from any thread; the connection's own asks what is to be said.

    Changes that cancel one another are never said, and those that gather are said in one message each way.
    """

    def __init__(self, first: Subscription) -> None:
        self._lock = threading.Lock()
        self._first: Subscription | None = first  # as long as it says all there is
        self._extras: dict[str, dict[str, Any]] = {}
        self._desired: dict[Pair, None] = dict.fromkeys(self._pairs(first))
        self._ever_desired: set[Pair] = set(map(by_subscribed_name, self._desired))
        self._acknowledged: set[Pair] = set()  # by the exchange, last
        self.requests_sent = False
        """The user has sent requests, so that only the exchange's answers tell what is subscribed to."""
        self._requested: dict[Pair, None] = {}
        self._renewals: dict[Pair, None] = {}
        self.changed = False
        """`changes` may have something to say; looked at at every turn, so that asking costs nothing."""
        self.accepted = False
        """A subscription of this feed was acknowledged, so that its credentials, if any, were good."""
        self.user_requests: deque[str | Secret | bytes] = deque()
        """What is to be said besides, each once: texts as they are, and payloads of pings."""
        self._signatures: deque[Secret] = deque(maxlen=_ECHOED)  # those that were sent last

    def add(self, more: Subscription) -> None:
        with self._lock:
            self._first = None
            pairs = self._pairs(more)
            self._desired |= dict.fromkeys(pairs)
            self._ever_desired.update(map(by_subscribed_name, pairs))
            self.changed = True

    def remove(self, less: Subscription) -> None:
        """Without products the whole channel goes."""
        with self._lock:
            self._first = None
            for pair in self._pairs(less):
                self._desired.pop(pair, None)
                if pair[1] is None:
                    self._desired = {each: None for each in self._desired if each[0] != pair[0]}
            self.changed = True

    def renew(self, channels: frozenset[str], product_id: str | None) -> None:
        """Say *channels* of a product (`None`: of all) anew on this connection: they begin with a snapshot again."""
        with self._lock:
            for channel, product in self._requested:
                if ALIASES.get(channel, channel) in channels and product_id in (None, product):
                    self._renewals[channel, product] = None
                    self.changed = True

    @property
    def pairs(self) -> list[Pair]:
        """All that is wanted, by the exchange's subscribe names."""
        with self._lock:
            return [(ALIASES.get(channel, channel), product) for channel, product in self._desired]

    def opening(self, credentials: Credentials | None, timestamp: str) -> list[str | Secret]:
        """The messages that a new connection begins with: one for all, unless nothing is wanted any more."""
        with self._lock:
            self._requested, self._renewals, self.changed = dict(self._desired), {}, False
            self._sign(credentials, timestamp)
            if self._first is not None:
                return [self._first.request("subscribe", credentials, timestamp)]
            wanted = self._grouped(self._requested)
            return [wanted.request("subscribe", credentials, timestamp)] if wanted.channels else []

    def changes(self, credentials: Credentials | None, timestamp: str) -> list[str | Secret]:
        """The messages that make of what the connection was requested what is wanted now; usually none."""
        with self._lock:
            gone = {pair: None for pair in self._requested if pair not in self._desired or pair in self._renewals}
            new = {pair: None for pair in self._desired if pair not in self._requested or pair in self._renewals}
            self._requested, self._renewals, self.changed = dict(self._desired), {}, False
            self._sign(credentials, timestamp)
            texts = [self._grouped(gone).request("unsubscribe", credentials, timestamp)] if gone else []
            return texts + ([self._grouped(new).request("subscribe", credentials, timestamp)] if new else [])

    def _sign(self, credentials: Credentials | None, timestamp: str) -> None:
        if credentials is not None:
            self._signatures.append(Secret(sign(credentials.secret, timestamp)))

    def secrets(self, credentials: Credentials | None) -> list[str]:
        """What the exchange received and may repeat; for use inside the expression that calls `redacted`."""
        if credentials is None:
            return []
        signatures = self._signatures.copy()
        return [
            credentials.key,
            credentials.secret.reveal(),
            credentials.passphrase.reveal(),
            *(each.reveal() for each in signatures),
        ]

    @property
    def requested(self) -> int:
        """The number of pairs that the connection was asked for."""
        with self._lock:
            return len(self._requested)

    def missing(self, answer: Subscriptions) -> tuple[Pair, ...]:
        """What the connection was requested and *answer* does not list: not acknowledged yet, or refused."""
        listed = {
            by_subscribed_name((channel.name, None if product == _ALL else product))
            for channel in answer.channels
            for product in channel.product_ids or (None,)
        }
        held = listed | {(channel, None) for channel, _ in listed}
        with self._lock:
            self._acknowledged = listed
            return tuple(
                (channel, product)
                for channel, product in self._requested
                if (ALIASES.get(channel, channel), product) not in held
            )

    def has(self, channels: frozenset[str] | None, product: str | None) -> bool:
        """Whether one of *channels* (`None`: any) of *product* (`None`: of any) was ever wanted, or is listed now.

        A channel that is not known here may bring any type: it counts as one of *channels*.
        """
        with self._lock:
            if channels is not None:
                channels |= {channel for channel, _ in self._ever_desired} - _KNOWN
            for pairs in (self._ever_desired, self._acknowledged):
                if channels is None:
                    found = any(each is None or each == product for _, each in pairs)
                elif product is None:
                    found = any(channel in channels for channel, _ in pairs)
                else:
                    found = any((each, product) in pairs or (each, None) in pairs for each in channels)
                if found:
                    return True
            return False

    def _pairs(self, subscription: Subscription) -> list[Pair]:
        pairs: list[Pair] = []
        for channel in subscription.channels:
            named: dict[str, Any] = {"name": channel} if isinstance(channel, str) else channel
            name, own = named["name"], named.get("product_ids") or ()
            extra = {key: value for key, value in named.items() if key not in ("name", "product_ids")}
            if extra:
                self._extras[name] = extra
            products = () if name in _WITHOUT_PRODUCTS else dict.fromkeys((*subscription.products, *own))
            pairs += [(name, product) for product in products] or [(name, None)]
        return pairs

    def _grouped(self, pairs: dict[Pair, None]) -> Subscription:
        channels: dict[str, dict[str, Any]] = {}
        for name, product in pairs:
            channel = channels.setdefault(name, {"name": name, **self._extras.get(name, {})})
            if product is not None:
                channel.setdefault("product_ids", []).append(product)
        return Subscription((), tuple(channels.values()))
