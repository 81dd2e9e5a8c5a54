"""Finds operators that can emit nothing, because no subscribed channel has the messages that they need.

- A feed's operator is checked when the exchange acknowledges a subscription. If the operator is subscribed to later, it
  is checked then.
- A requested channel counts as subscribed, acknowledged or not: a channel that the exchange refuses is reported as
  `Rejected`.
- A replay's operators are checked at its end, because a recording need not hold an acknowledgement.
- An operator for messages of another venue can emit nothing, too.
- Each operator is reported once. It is not checked again after its channel was found.
- A feed without any subscriber is reported when the exchange acknowledges the first subscription.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.status import Ended, FeedStatus, Subscribed
from rxfeed.operators import MessageFilter, at
from rxfeed.venues import venue_of

log = logging.getLogger("rxfeed.feed")

_MOST_NAMED = 3  # types in a warning
_EVERY_PRODUCT = (None, "ALL")  # of a pair, for all of them


class ChannelCheck:
    """Receives a source's status items and the filters of the operators on it, and logs operators without a channel.

    *recorded*: the source is a replay. *closing*: returns True if the source was closed before its end.
    """

    def __init__(self, streams: FeedStreams, recorded: bool, closing: Callable[[], bool]) -> None:
        self._streams = streams
        self._router = streams.router
        self._recorded = recorded
        self._closing = closing
        self._lock = threading.Lock()
        self._open: dict[MessageFilter, str] = {}  # filters to check, each with the place of its subscription
        self._reported: set[MessageFilter] = set()
        self._pairs: set[tuple[str, str | None]] = set()  # channels and products
        self._of_connections: dict[int, set[tuple[str, str | None]]] = {}
        self._acknowledged = False

    def expect(self, message_filter: MessageFilter, place: str) -> None:
        """Check an operator with *message_filter* that was subscribed to at *place*; from any thread."""
        elsewhere = {venue_of(kind) for kind in message_filter.needed} - {None, self._streams.venue}
        if not elsewhere and not self._streams.venue.channels_with(message_filter.needed):
            return
        with self._lock:
            if message_filter not in self._reported:
                self._open.setdefault(message_filter, place)
                if self._acknowledged:
                    self._check()

    def status(self, status: FeedStatus) -> None:
        if isinstance(status, Subscribed):
            with self._lock:
                pairs = {(channel.name, None) for channel in status.channels if channel.product_ids is None}
                pairs |= {(each.name, product) for each in status.channels for product in each.product_ids or ()}
                pairs |= set(status.missing)
                if self._recorded:
                    self._pairs |= pairs
                else:
                    if not self._of_connections and self._streams.unobserved:
                        log.warning(
                            "the feed has no subscriber, so its messages go nowhere: subscribe() to it, to a pipeline "
                            "of it or to its status, before connect() or run()"
                        )
                    self._of_connections[status.connection] = pairs
                    self._pairs = set().union(*self._of_connections.values())
                    if len(self._of_connections) >= self._streams.expected_connections:
                        self._acknowledged = True
                        self._check()
        elif isinstance(status, Ended) and self._recorded and status.cause is None and not self._closing():
            with self._lock:
                self._check()

    def _check(self) -> None:
        for message_filter, place in self._open.items():
            lacking = [
                product for product in message_filter.products or (None,) if not self._has(message_filter, product)
            ]
            if lacking:
                self._report(message_filter, [product for product in lacking if product is not None], place)
        self._open = {}

    def _has(self, message_filter: MessageFilter, product_id: str | None) -> bool:
        """True if a subscribed channel has messages that *message_filter* needs, of *product_id* (`None`: any)."""
        for channel, product in self._pairs:
            brings = any(
                issubclass(kind, tuple(message_filter.needed)) for kind in self._streams.venue.types_of(channel)
            )
            if brings and (product_id is None or product in (product_id, *_EVERY_PRODUCT)):
                return True
        return self._recorded and self._router.has_seen(message_filter.needed, product_id)

    def _report(self, message_filter: MessageFilter, lacking: list[str], place: str) -> None:
        self._reported.add(message_filter)
        names = self._streams.venue.channels_with(message_filter.needed)
        kinds = sorted(kind.__name__ for kind in message_filter.needed)
        types = " or ".join(kinds if len(kinds) <= _MOST_NAMED else [*kinds[:_MOST_NAMED], "others"])
        products = f" of {', '.join(sorted(lacking))}" if lacking else ""
        there = f" for {', '.join(map(self._named, sorted(lacking)))}" if lacking else ""
        channels = " or ".join(names)
        if not names:
            log.warning(
                "%s%s %s: %s has no %s; the operators trades, tickers, level2 and heartbeats are for every venue",
                *(message_filter.operator or "an operator", at(place)),
                *("had nothing to emit" if self._recorded else "will emit nothing", self._streams.venue.name, types),
            )
        elif self._recorded:
            log.warning(
                "%s%s had nothing to emit: the recording has no %s%s; record the channel %s too%s",
                *(message_filter.operator or "an operator", at(place), types, products, channels, there),
            )
        else:
            log.warning(
                "%s%s will emit nothing: no subscribed channel has %s%s; subscribe to %s too%s, such as with feed.add",
                *(message_filter.operator or "an operator", at(place), types, products, channels, there),
            )

    def _named(self, product_id: str) -> str:
        likely = self._streams.venue.likely_product(product_id)
        return product_id if likely is None else f"{product_id} (did you mean {likely}?)"
