"""Messages of products and channels that were never subscribed to."""

from __future__ import annotations

import logging

from rxfeed.feed.stats import Stats
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import Message
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.feed")

_MOST_DELIVERED = 1_000
_MOST_REPORTED = 20


class OutsideSubscription:
    """Decides about messages that are outside the subscription, before their route is stored.

    Rules:
    - A message is inside if its channel and product were ever subscribed to on this feed, or if the exchange lists
      them.
    - A message outside is counted, and reported once for each channel and product, up to a bound.
    - Pipelines keep state for each product, so the number of channels and products outside the subscription is bounded.
      Messages of any more are dropped.
    """

    def __init__(self, subscriptions: SubscriptionManager, stats: Stats, venue: Venue) -> None:
        self._venue = venue
        self._subscriptions = subscriptions
        self._stats = stats
        self._seen: set[tuple[str, str | None]] = set()
        self._full = False

    def admits(self, kind: type[Message], product: str | None) -> bool | None:
        """True for a message inside the subscription, False for a message outside, None for a message to drop."""
        channels = self._venue.channels_of(kind)
        if (channels is None and product is None) or self._subscriptions.has(channels, product):
            return True
        self._stats.unsubscribed += 1
        place = (kind.__name__ if channels is None else min(channels), product)
        if place in self._seen:
            return False
        if len(self._seen) >= _MOST_DELIVERED:
            if not self._full:
                self._full = True
                log.warning(
                    "outside the subscription: messages of more than %d channels and products. Those of any more are "
                    "dropped, and counted in stats.unsubscribed. Check what was subscribed to, and the server.",
                    _MOST_DELIVERED,
                )
            return None
        self._seen.add(place)
        self._report(kind, product)
        return False

    def _report(self, kind: type[Message], product: str | None) -> None:
        if self._subscriptions.requests_sent or len(self._seen) > _MOST_REPORTED:
            return
        log.warning(
            "outside the subscription: a message of type %s for %s. Such messages are delivered, and counted in "
            "stats.unsubscribed. Check what was subscribed to, and the server.%s",
            kind.__name__,
            product or "no product",
            " Further ones are only counted." if len(self._seen) == _MOST_REPORTED else "",
        )
