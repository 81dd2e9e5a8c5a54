"""What a gap detector of any venue has: the epochs of products, and what is subscribed to.

Rules:
- An epoch rises for all products when the connection was interrupted or a frame could not be decoded, and for one
  product when something of it was missed, when its numbers began anew, and when one of its channels was left or
  rejoined (then again when the venue acknowledges that: what came between may be of the old subscription).
- Products come from outside: of those that are not subscribed to, only so many are followed.
- What follows from a number is in `sequence.py`. Which messages have which numbers is the venue's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.sequence import Missed, Restarted, Sequence
from rxfeed.core.watched import LAST, moment
from rxfeed.market import Message, Subscriptions

Pair = tuple[str, str | None]
"""A channel and one of its products; `None` for a channel that has none."""

_MOST_UNWATCHED = 10_000
_SECOND = 10**9
_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


class Resubscribed(msgspec.Struct, frozen=True):
    """A channel of *product_id* (`None`: of products that are not known) was left or rejoined: its epoch has risen."""

    product_id: str | None


class GapDetector:
    """Steps every message: False for one that came before. `missed` has what did not come.

    `epoch(product_id)` is what the next message of the product is to be stamped with. O(1) a message. A venue's
    subclass adds its rules to `checks`.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """The names that a subscription takes, by the names with which the venue acknowledges them."""
    books: ClassVar[frozenset[str]] = frozenset()
    """Channels that begin with a snapshot of their own."""
    of_all_products: ClassVar[frozenset[str]] = frozenset()
    """Channels that may have products which no subscription names."""

    def __init__(self) -> None:
        self.missed: list[Missed | Restarted | Resubscribed] = []
        self.limit = LAST
        """Later times are not credible, by the receipt of the messages (see `EventClock`)."""
        self.checks: dict[type[Message], Callable[[Any], bool]] = {}
        """By a message's own type: False for a message that came before."""
        self._limited_ns = 0
        self._runs: dict[tuple[str, str], Sequence] = {}
        self._epoch = 0
        self._epochs: dict[str | None, int] = {}
        self._watched: frozenset[Pair] = frozenset()
        self._products: frozenset[str | None] = frozenset()
        self._left: set[Pair] = set()  # channels that were watched once
        self._rejoining: set[Pair] = set()  # not acknowledged yet

    def watch(self, channels: Iterable[Pair]) -> None:
        """What is subscribed to now: pairs of channel and product (`None`: of all); which numbers have to be unbroken.

        The products of channels that were left, or are rejoined, get another epoch.
        """
        pairs = frozenset(map(self.by_subscribed_name, channels))
        before, self._watched = self._watched, pairs
        left, rejoined = before - pairs, (pairs - before) & self._left
        self._left = (self._left | left) - pairs
        self._rejoining = (self._rejoining | rejoined) & pairs
        if len(self._left) > _MOST_UNWATCHED:  # an exchange that lists ever others: each may have been here before
            self._left.clear()
            self.interrupted()
        self._products = frozenset(product for _, product in pairs)
        for channel, product in left | rejoined:
            if product is not None:
                self._runs.pop((channel, product), None)
        self._rewatched(pairs, left | rejoined)
        self._resubscribed(left | rejoined)

    def _rewatched(self, pairs: frozenset[Pair], renewed: frozenset[Pair]) -> None:
        """*pairs* are watched now; *renewed* were left or rejoined. For the rules of a venue."""

    def received(self, ns: int) -> None:
        """What comes next was received at *ns*, Unix nanoseconds. The limit of credible times follows once a second."""
        if not 0 <= ns - self._limited_ns < _SECOND:
            self._limited_ns = ns
            self.limit = moment((ns + _SECOND) // 1000 + _MAX_AHEAD)

    def step(self, message: Message) -> bool:
        """True for a message to deliver. What it shows to be missing is in `missed` then, and in its epoch."""
        check = self.checks.get(type(message))
        return check is None or check(message)

    def last(self, channel: str, product_id: str) -> int:
        """The newest number of *product_id* on *channel*; -1 where there was none."""
        run = self._runs.get((channel, product_id))
        return -1 if run is None else run.last

    def epoch(self, product_id: str | None) -> int:
        return self._epochs.get(product_id, self._epoch)

    def lost(self, product_id: str | None) -> None:
        """Something of this product alone may have been missed."""
        if product_id not in self._epochs and len(self._epochs) >= _MOST_UNWATCHED + len(self._products):
            self.interrupted()  # of so many products none is known by its own epoch
            self._epochs.clear()
        else:
            self._epochs[product_id] = self.epoch(product_id) + 1

    def report(self, found: Missed | Restarted) -> None:
        self.missed.append(found)

    def interrupted(self, least: int = 0) -> None:
        """Anything may have been missed: a new connection, or a frame that could not be decoded.

        No epoch is below *least* then.
        """
        self._epoch = max(self._epoch + 1, least)
        for product, epoch in self._epochs.items():
            self._epochs[product] = max(epoch + 1, least)

    @property
    def highest(self) -> int:
        """No epoch is above it."""
        return max(self._epoch, *self._epochs.values()) if self._epochs else self._epoch

    def reconnected(self, least: int = 0) -> None:
        self.interrupted(least)
        self._rejoining.clear()
        for run in self._runs.values():
            run.reconnected()

    def by_subscribed_name(self, pair: Pair) -> Pair:
        """*pair* by the name that a subscription takes."""
        channel, product = pair
        return self.aliases.get(channel, channel), product

    def acknowledged(self, answer: Subscriptions) -> bool:
        if self._rejoining:
            listed = set(
                map(
                    self.by_subscribed_name,
                    (
                        (channel.name, product)
                        for channel in answer.channels
                        for product in channel.product_ids or (None,)
                    ),
                )
            )
            # A book by price begins with its own snapshot.
            self._resubscribed(pair for pair in self._rejoining & listed if pair[0] not in self.books)
            self._rejoining -= listed
        return True

    # ---- products

    def _resubscribed(self, pairs: Iterable[Pair]) -> None:
        """The epochs of what *pairs* name rise."""
        by_product: dict[str | None, set[str]] = {}
        for channel, product in pairs:
            by_product.setdefault(product, set()).add(channel)
        for product, channels in by_product.items():
            if product is None and channels & self.of_all_products:
                self.interrupted()
            else:
                self.lost(product)
            if not channels <= self.books:
                self.missed.append(Resubscribed(product))

    def _run(self, channel: str, product_id: str) -> Sequence:
        run = self._runs.get((channel, product_id))
        if run is None:
            run, pair = Sequence(product_id, channel, self), (channel, product_id)
            # What still comes of a channel that was left, or is not acknowledged again, will have a hole.
            settled = pair not in self._left and pair not in self._rejoining
            if settled and self._may_follow(product_id, len(self._runs)):
                self._runs[pair] = run
        return run

    def _may_follow(self, product_id: str, count: int) -> bool:
        return count < _MOST_UNWATCHED or product_id in self._products
