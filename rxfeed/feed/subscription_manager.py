"""The desired subscriptions of a connection, the requested ones, and those that the exchange acknowledged."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from rxfeed.core import Pair
from rxfeed.market import Subscriptions
from rxfeed.secrets import Secret
from rxfeed.venues import Subscription, Venue

_ALL = "ALL"  # how a channel of all products may be listed
# Signatures that are kept for redaction: at eight messages a second, an exchange repeats a request before so many.
_KEPT_SIGNATURES = 32


class _Index:
    """Pairs that are found by channel and product without a search."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._by_channel: dict[str, set[str | None]] = {}
        self._products: set[str | None] = set()
        self.update(pairs)

    def update(self, pairs: Iterable[Pair]) -> None:
        for channel, product in pairs:
            self._by_channel.setdefault(channel, set()).add(product)
            self._products.add(product)

    def names(self, product: str) -> bool:
        """True if there is a pair with *product*."""
        return product in self._products

    def has(self, channels: frozenset[str] | None, product: str | None) -> bool:
        """True if there is a pair of one of *channels* (`None`: any) with *product*, or with all products."""
        if channels is None:
            return None in self._products or product in self._products
        found = (self._by_channel[each] for each in channels if each in self._by_channel)
        return any(product is None or product in products or None in products for products in found)


class SubscriptionManager:
    """Holds what a feed is to be subscribed to, and makes the requests for it.

    Any thread may change it; the connection's thread takes the requests. Changes that cancel each other are not
    requested. Several changes are combined into one `subscribe` and one `unsubscribe`, each one message or, where the
    venue takes one channel a message, one for each channel.

    That of a feed has a part for each connection (`part`), which makes the requests, and answers for all of them.
    """

    def __init__(self, first: Subscription, venue: Venue, whole: SubscriptionManager | None = None) -> None:
        self._venue = venue
        self._whole = whole
        self._parts: tuple[SubscriptionManager, ...] = ()
        self._least_epochs: dict[str, int] = {}
        self._lock = threading.Lock()
        self._first: Subscription | None = first  # the first subscription, until something changes
        self._extras: dict[str, dict[str, object]] = {}
        self._desired: dict[Pair, None] = dict.fromkeys(self._pairs(first))
        self._ever_desired = _Index(map(self._venue.by_subscribed_name, self._desired))
        self._acknowledged = _Index(())  # the last list from the exchange
        self._requests_sent = self._accepted = False
        self._requested: dict[Pair, None] = {}
        self._unacknowledged: tuple[Pair, ...] = ()
        self._answered = False  # on the present connection
        self.reported: set[Pair] = set() if whole is None else whole.reported
        """The pairs that were reported as not acknowledged."""
        self._renewals: dict[Pair, None] = {}
        self.changed = False
        """True if `changes` may return requests; a plain attribute, because every cycle reads it."""
        self.user_requests: deque[str | Secret | bytes] = deque()
        """Requests of the user, each to be sent once: texts as they are, and payloads of pings."""
        self._signatures: deque[Secret] = deque(maxlen=_KEPT_SIGNATURES)  # the newest ones

    # ---- the parts of a feed's connections

    def part(self, pairs: Collection[Pair] | None = None) -> SubscriptionManager:
        """A new part for one connection: *pairs* of those that are desired; `None`: all of them, as they were given."""
        with self._lock:
            if pairs is None and self._first is not None:
                part = SubscriptionManager(self._first, self._venue, self)
            else:
                part = SubscriptionManager(self._selected(self._desired if pairs is None else pairs), self._venue, self)
                part._first = None
            part._extras = dict(self._extras)
            self._parts = (*self._parts, part)
        return part

    def leave(self, part: SubscriptionManager) -> None:
        """The connection of *part* is over."""
        with self._lock:
            self._parts = tuple(each for each in self._parts if each is not part)
            self._signatures.extend(part._signatures)

    def change(self, added: Collection[Pair], removed: Collection[Pair], least_epochs: Mapping[str, int]) -> None:
        """Add and remove pairs of a part. *least_epochs*: those of products that were on other connections before."""
        with self._lock:
            if self._whole is not None:
                self._extras |= self._whole._extras
            self._first = None
            self._least_epochs |= least_epochs
            self._desired = {pair: None for pair in (*self._desired, *added) if pair not in removed}
            self._ever_desired.update(map(self._venue.by_subscribed_name, added))
            self.changed = True

    def raise_epochs(self, least_epochs: Mapping[str, int]) -> None:
        """See `change`."""
        with self._lock:
            self._least_epochs |= least_epochs

    def least_epochs(self) -> dict[str, int]:
        """The epochs that products have to have at least; each is returned once."""
        with self._lock:
            found, self._least_epochs = self._least_epochs, {}
            return found

    @property
    def desired(self) -> list[Pair]:
        """All desired pairs, by the names that were given."""
        with self._lock:
            return list(self._desired)

    def pairs_of(self, subscription: Subscription) -> list[Pair]:
        """The pairs of *subscription*, by the names that were given."""
        with self._lock:
            return self._pairs(subscription)

    @property
    def requests_sent(self) -> bool:
        """True if the user has sent requests, so that only the exchange's answers show what is subscribed to."""
        return self._requests_sent if self._whole is None else self._whole.requests_sent

    @requests_sent.setter
    def requests_sent(self, sent: bool) -> None:
        self._requests_sent = sent

    @property
    def accepted(self) -> bool:
        """True once a subscription of this feed was acknowledged, so that its credentials, if any, were valid."""
        return self._accepted if self._whole is None else self._whole.accepted

    @accepted.setter
    def accepted(self, accepted: bool) -> None:
        if self._whole is None:
            self._accepted = accepted
        else:
            self._whole.accepted = accepted

    @property
    def acknowledged_pairs(self) -> list[Pair]:
        """The requested pairs that were acknowledged, by the exchange's subscribe names."""
        with self._lock:
            missing = set(self._unacknowledged)
            return [self._venue.by_subscribed_name(pair) for pair in self._requested if pair not in missing]

    @property
    def whole_is_acknowledged(self) -> bool:
        """True if everything that this part desires was requested and acknowledged."""
        with self._lock:
            return self._answered and not self.changed and not self._unacknowledged

    @property
    def settled(self) -> bool:
        """True if all that is desired was requested, and nothing of it lacks an acknowledgement."""
        return all(each.whole_is_acknowledged for each in self._parts)

    # ---- what is desired

    def add(self, more: Subscription) -> None:
        with self._lock:
            self._first = None
            pairs = self._pairs(more)
            self._desired |= dict.fromkeys(pairs)
            self._ever_desired.update(map(self._venue.by_subscribed_name, pairs))
            self.changed = True

    def remove(self, less: Subscription) -> None:
        """Remove the pairs of *less*; a channel without products is removed for all products."""
        with self._lock:
            self._first = None
            for pair in self._pairs(less):
                self._desired.pop(pair, None)
                if pair[1] is None:
                    self._desired = {each: None for each in self._desired if each[0] != pair[0]}
            self.changed = True

    def renew(self, channels: frozenset[str], product_id: str | None) -> None:
        """Resubscribe to *channels* of a product (`None`: of all), so that they begin with a snapshot again."""
        with self._lock:
            for channel, product in self._requested:
                if self._venue.aliases.get(channel, channel) in channels and product_id in (None, product):
                    self._renewals[channel, product] = None
                    self.changed = True

    @property
    def pairs(self) -> list[Pair]:
        """All desired pairs of channel and product, by the exchange's subscribe names."""
        with self._lock:
            return [(self._venue.aliases.get(channel, channel), product) for channel, product in self._desired]

    @property
    def products(self) -> dict[str, None]:
        """All desired products."""
        with self._lock:
            return {product: None for _, product in self._desired if product is not None}

    def was_desired(self, product: str) -> bool:
        """True if any channel of *product* was ever desired."""
        with self._lock:
            return self._ever_desired.names(product)

    def opening(self, credentials: object, timestamp: str) -> list[str | Secret]:
        """The requests that a new connection begins with: those for all pairs, or none if no pair is desired."""
        with self._lock:
            self._requested, self._renewals, self.changed = dict(self._desired), {}, False
            self._unacknowledged, self._answered = tuple(self._requested), not self._requested
            first = self._grouped(self._requested) if self._first is None else self._first
            return self._signed(first.requests("subscribe", credentials, timestamp)) if first.channels else []

    def changes(self, credentials: object, timestamp: str) -> list[str | Secret]:
        """The requests that bring the connection from the requested to the desired pairs; usually none.

        A pair to be renewed is unsubscribed and subscribed, because a repeated subscription brings no snapshot.
        """
        with self._lock:
            removed = {pair: None for pair in self._requested if pair not in self._desired or pair in self._renewals}
            added = {pair: None for pair in self._desired if pair not in self._requested or pair in self._renewals}
            self._requested, self._renewals, self.changed = dict(self._desired), {}, False
            self._unacknowledged = tuple(added)
            less = self._grouped(removed).requests("unsubscribe", credentials, timestamp) if removed else []
            more = self._grouped(added).requests("subscribe", credentials, timestamp) if added else []
            return self._signed([*less, *more])

    def _signed(self, requests: list[str | Secret]) -> list[str | Secret]:
        """*requests*, the signatures of which are stored for redaction."""
        for request in requests:
            signature = self._venue.signature(request) if isinstance(request, Secret) else None
            if signature is not None:
                self._signatures.append(signature)
        return requests

    def secrets(self, credentials: object) -> list[str]:
        """The secrets that the exchange received and may repeat; use them only in the call of `redacted`."""
        if credentials is None:
            return []
        signatures = [*self._signatures.copy(), *(each for part in self._parts for each in part._signatures.copy())]
        return [*self._venue.secrets(credentials), *(each.reveal() for each in signatures)]

    @property
    def requested(self) -> int:
        """The number of pairs that were requested on this connection."""
        with self._lock:
            return len(self._requested)

    def missing(self, answer: Subscriptions) -> tuple[Pair, ...]:
        """The requested pairs that *answer* does not list: not acknowledged yet, or refused."""
        listed = {
            self._venue.by_subscribed_name((channel.name, None if product == _ALL else product))
            for channel in answer.channels
            for product in channel.product_ids or (None,)
        }
        acknowledged = listed | {(channel, None) for channel, _ in listed}
        with self._lock:
            self._acknowledged, self._answered = _Index(listed), True
            names = {pair: self._venue.by_subscribed_name(pair) for pair in self._requested}
            # A channel may be listed with other ids than those of its products: with the user's, or those of aliases.
            foreign = {channel for channel, _ in listed - set(names.values())}
            missing = tuple(
                (channel, product)
                for channel, product in self._requested
                if (self._venue.aliases.get(channel, channel), product) not in acknowledged
            )
            self._unacknowledged = tuple(pair for pair in missing if names[pair][0] not in foreign)
            return missing

    @property
    def unacknowledged(self) -> tuple[Pair, ...]:
        """The requested pairs of which the exchange has acknowledged neither the channel's product nor another id."""
        return self._unacknowledged

    def has(self, channels: frozenset[str] | None, product: str | None) -> bool:
        """True if one of *channels* of *product* (`None`: any) was ever desired, or is acknowledged now."""
        with self._lock:
            if any(each.has(channels, product) for each in (self._ever_desired, self._acknowledged)):
                return True
        return any(each.has(channels, product) for each in self._parts)

    def _pairs(self, subscription: Subscription) -> list[Pair]:
        pairs: list[Pair] = []
        for channel in subscription.channels:
            named = {"name": channel} if isinstance(channel, str) else channel
            name, own = named["name"], named.get("product_ids") or ()
            extra: dict[str, object] = {
                key: value for key, value in named.items() if key not in ("name", "product_ids")
            }
            if extra:
                self._extras[name] = extra
            products = () if name in self._venue.without_products else dict.fromkeys((*subscription.products, *own))
            pairs += [(name, product) for product in products] or [(name, None)]
        return pairs

    def _selected(self, pairs: Iterable[Pair]) -> Subscription:
        return self._grouped(dict.fromkeys(pairs))

    def _grouped(self, pairs: dict[Pair, None]) -> Subscription:
        products_of: dict[str, list[str]] = {}
        for name, product in pairs:
            products = products_of.setdefault(name, [])
            if product is not None:
                products.append(product)
        return self._venue.grouped(
            tuple(
                {"name": name, **self._extras.get(name, {}), **({"product_ids": products} if products else {})}
                for name, products in products_of.items()
            )
        )
