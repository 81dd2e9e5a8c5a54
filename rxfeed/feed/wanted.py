"""What a connection should be subscribed to, what it was told, and what the exchange says of it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rxfeed.core import Pair
from rxfeed.market import Subscriptions
from rxfeed.secrets import Secret
from rxfeed.venues import Subscription, Venue

_ALL = "ALL"  # how a channel of all products may be listed
# At eight messages a second: an exchange that repeats what it was told does so before that.
_ECHOED = 32


class Wanted:
    """Changes may come from any thread; the connection's own asks what is to be said.

    Changes that cancel one another are never said, and those that gather are said in one message each way.
    """

    def __init__(self, first: Subscription, venue: Venue) -> None:
        self._venue = venue
        self._known = frozenset(each.name for each in venue.channels)
        self._lock = threading.Lock()
        self._first: Subscription | None = first  # as long as it says all there is
        self._extras: dict[str, dict[str, Any]] = {}
        self._wanted: dict[Pair, None] = dict.fromkeys(self._pairs(first))
        self._ever: set[Pair] = set(map(self._venue.by_subscribed_name, self._wanted))
        self._listed: set[Pair] = set()  # by the exchange, last
        self.by_hand = False
        """The user has sent requests, so that only the exchange's answers tell what is subscribed to."""
        self._told: dict[Pair, None] = {}
        self._renewed: dict[Pair, None] = {}
        self.changed = False
        """`changes` may have something to say; looked at at every turn, so that asking costs nothing."""
        self.accepted = False
        """A subscription of this feed was acknowledged, so that its credentials, if any, were good."""
        self.asides: deque[str | Secret | bytes] = deque()
        """What is to be said besides, each once: texts as they are, and payloads of pings."""
        self._signatures: deque[Secret] = deque(maxlen=_ECHOED)  # those that were sent last

    def add(self, more: Subscription) -> None:
        with self._lock:
            self._first = None
            pairs = self._pairs(more)
            self._wanted |= dict.fromkeys(pairs)
            self._ever.update(map(self._venue.by_subscribed_name, pairs))
            self.changed = True

    def remove(self, less: Subscription) -> None:
        """Without products the whole channel goes."""
        with self._lock:
            self._first = None
            for pair in self._pairs(less):
                self._wanted.pop(pair, None)
                if pair[1] is None:
                    self._wanted = {each: None for each in self._wanted if each[0] != pair[0]}
            self.changed = True

    def renew(self, channels: frozenset[str], product_id: str | None) -> None:
        """Say *channels* of a product (`None`: of all) anew on this connection: they begin with a snapshot again."""
        with self._lock:
            for channel, product in self._told:
                if self._venue.aliases.get(channel, channel) in channels and product_id in (None, product):
                    self._renewed[channel, product] = None
                    self.changed = True

    @property
    def pairs(self) -> list[Pair]:
        """All that is wanted, by the exchange's subscribe names."""
        with self._lock:
            return [(self._venue.aliases.get(channel, channel), product) for channel, product in self._wanted]

    def opening(self, credentials: object, timestamp: str) -> list[str | Secret]:
        """The messages that a new connection begins with: one for all, unless nothing is wanted any more."""
        with self._lock:
            self._told, self._renewed, self.changed = dict(self._wanted), {}, False
            self._sign(credentials, timestamp)
            if self._first is not None:
                return [self._first.request("subscribe", credentials, timestamp)]
            wanted = self._grouped(self._told)
            return [wanted.request("subscribe", credentials, timestamp)] if wanted.channels else []

    def changes(self, credentials: object, timestamp: str) -> list[str | Secret]:
        """The messages that make of what the connection was told what is wanted now; usually none."""
        with self._lock:
            gone = {pair: None for pair in self._told if pair not in self._wanted or pair in self._renewed}
            new = {pair: None for pair in self._wanted if pair not in self._told or pair in self._renewed}
            self._told, self._renewed, self.changed = dict(self._wanted), {}, False
            self._sign(credentials, timestamp)
            texts = [self._grouped(gone).request("unsubscribe", credentials, timestamp)] if gone else []
            return texts + ([self._grouped(new).request("subscribe", credentials, timestamp)] if new else [])

    def _sign(self, credentials: object, timestamp: str) -> None:
        signature = None if credentials is None else self._venue.signature(credentials, timestamp)
        if signature is not None:
            self._signatures.append(signature)

    def secrets(self, credentials: object) -> list[str]:
        """What the exchange received and may repeat; for use inside the expression that calls `redacted`."""
        if credentials is None:
            return []
        signatures = self._signatures.copy()
        return [*self._venue.secrets(credentials), *(each.reveal() for each in signatures)]

    @property
    def told(self) -> int:
        """The number of pairs that the connection was asked for."""
        with self._lock:
            return len(self._told)

    def missing(self, answer: Subscriptions) -> tuple[Pair, ...]:
        """What the connection was told and *answer* does not list: not acknowledged yet, or refused."""
        listed = {
            self._venue.by_subscribed_name((channel.name, None if product == _ALL else product))
            for channel in answer.channels
            for product in channel.product_ids or (None,)
        }
        held = listed | {(channel, None) for channel, _ in listed}
        with self._lock:
            self._listed = listed
            return tuple(
                (channel, product)
                for channel, product in self._told
                if (self._venue.aliases.get(channel, channel), product) not in held
            )

    def has(self, channels: frozenset[str] | None, product: str | None) -> bool:
        """Whether one of *channels* (`None`: any) of *product* (`None`: of any) was ever wanted, or is listed now.

        A channel that is not known here may bring any type: it counts as one of *channels*.
        """
        with self._lock:
            if channels is not None:
                channels |= {channel for channel, _ in self._ever} - self._known
            for pairs in (self._ever, self._listed):
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
            products = () if name in self._venue.without_products else dict.fromkeys((*subscription.products, *own))
            pairs += [(name, product) for product in products] or [(name, None)]
        return pairs

    def _grouped(self, pairs: dict[Pair, None]) -> Subscription:
        channels: dict[str, dict[str, Any]] = {}
        for name, product in pairs:
            channel = channels.setdefault(name, {"name": name, **self._extras.get(name, {})})
            if product is not None:
                channel.setdefault("product_ids", []).append(product)
        return self._venue.grouped(tuple(channels.values()))
