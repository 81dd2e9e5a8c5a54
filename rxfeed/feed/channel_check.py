"""Finds operators that can emit nothing, since no channel has the messages that they need.

- A feed's operator is checked when the exchange acknowledges a subscription, or when it is subscribed to after that.
- What was requested counts as subscribed, acknowledged or not: what the exchange refuses is reported as `Rejected`.
- A replay's operators are checked at its end: a recording need not hold an acknowledgement.
- Each operator is reported once, and not checked again after its channel was found.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rxfeed.feed.hub import Hub
from rxfeed.feed.status import Ended, FeedStatus, Subscribed
from rxfeed.operators import Wish, at
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.feed")

_EVERY_PRODUCT = (None, "ALL")  # of a pair, for all of them


class ChannelCheck:
    """Receives the items of a source's status, and what is composed on it; *recorded*: the source is a replay.

    *closing*: True if the source is ended before its time.
    """

    def __init__(self, hub: Hub, recorded: bool, closing: Callable[[], bool], venue: Callable[[], Venue]) -> None:
        self._venue = venue
        self._hub = hub
        self._recorded = recorded
        self._closing = closing
        self._lock = threading.Lock()
        self._open: dict[Wish, str] = {}  # with the place where it was subscribed
        self._reported: set[Wish] = set()
        self._pairs: set[tuple[str, str | None]] = set()  # channels and products
        self._acknowledged = False

    def expect(self, wish: Wish, place: str) -> None:
        """An operator with *wish* was subscribed to at *place*; from any thread."""
        if not self._venue().channels_with(wish.needed):
            return
        with self._lock:
            if wish not in self._reported:
                self._open.setdefault(wish, place)
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
                    self._pairs, self._acknowledged = pairs, True
                    self._check()
        elif isinstance(status, Ended) and self._recorded and status.cause is None and not self._closing():
            with self._lock:
                self._check()

    def _check(self) -> None:
        for wish, place in self._open.items():
            lacking = [product for product in wish.products or (None,) if not self._has(wish, product)]
            if lacking:
                self._report(wish, [product for product in lacking if product is not None], place)
        self._open = {}

    def _has(self, wish: Wish, product_id: str | None) -> bool:
        """Whether messages that *wish* needs can come, of *product_id* (`None`: of any)."""
        for channel, product in self._pairs:
            brings = any(issubclass(kind, tuple(wish.needed)) for kind in self._venue().types_of(channel))
            if brings and (product_id is None or product in (product_id, *_EVERY_PRODUCT)):
                return True
        return self._recorded and self._hub.has_seen(wish.needed, product_id)

    def _report(self, wish: Wish, lacking: list[str], place: str) -> None:
        self._reported.add(wish)
        names = self._venue().channels_with(wish.needed)
        types = " or ".join(sorted(kind.__name__ for kind in wish.needed))
        products = f" of {', '.join(sorted(lacking))}" if lacking else ""
        channels = " or ".join(names)
        if self._recorded:
            log.warning(
                "%s%s had nothing to emit: the recording has no %s%s; record the channel %s too",
                *(wish.operator or "an operator", at(place), types, products, channels),
            )
        else:
            log.warning(
                "%s%s will emit nothing: no subscribed channel has %s%s; subscribe to %s too, such as with feed.add",
                *(wish.operator or "an operator", at(place), types, products, channels),
            )
