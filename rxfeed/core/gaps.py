"""The gap detector of any venue: what was missed, and the subscriptions.

Rules:
- The epochs of products are those of `epochs.py`. All rise when the connection was interrupted. Those of one product
  rise when messages of it were missed, when its numbers restarted, and when one of its channels was unsubscribed or
  resubscribed (again at the acknowledgement, since messages before it may be of the old subscription).
- A frame that could not be decoded raises the epochs of its product and its kinds, as far as it names them (`doubt`).
- Product ids come from the server. So the number of products that are followed without a subscription is limited.
- What follows from a number is in `sequence.py`. Which messages have which numbers is the venue's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

import msgspec

from rxfeed.core.checked_frame import CheckedFrame, FrameCheck
from rxfeed.core.epochs import LEVELS, MOST_PRODUCTS, PRODUCT, ProductEpochs, kinds_of
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.findings import Awaited, Missed, RepairedNumbers, Restarted
from rxfeed.core.sequence import Sequence
from rxfeed.market import LAST, Malformed, Message, Subscriptions, moment

Pair = tuple[str, str | None]
"""A channel and one of its products; `None` for a channel that has none."""

_SECOND = 10**9
_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


class Resubscribed(msgspec.Struct, frozen=True):
    """A channel of *product_id* (`None`: not known) was unsubscribed or resubscribed, and its epoch has risen."""

    product_id: str | None


def _never(missed: Missed) -> bool:
    return False


class Holder(Protocol):
    """Holds messages until the numbers after them decide: a `Sequence`."""

    def hold(self, message: Message) -> bool: ...


class GapDetector(ProductEpochs):
    """Checks every message: `step` returns False for a duplicate, and appends gaps and restarts to `missed`.

    `step` also returns False for a message that is held, which is in `held` then. If the numbers after it show that it
    belongs to a restarted sequence, it is in `released`, to be delivered before the message that shows this. So it does
    for a message from before the subscription that had been missed: it is in `new`, to be delivered in its place.

    O(1) a message. A venue's subclass adds its rules to `checks`.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """The names that a subscription takes, by the names with which the venue acknowledges them."""
    books: ClassVar[frozenset[str]] = frozenset()
    """Channels that begin with a snapshot of their own."""
    of_all_products: ClassVar[frozenset[str]] = frozenset()
    """Channels that may have products which no subscription names."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: list[Missed | Awaited | RepairedNumbers | Restarted | Resubscribed] = []
        self.can_repair: Callable[[Missed], bool] = _never
        """Decides whether missing numbers are requested: they are `Awaited` then, and no epoch rises."""
        self.released: list[Message] = []
        """The messages to deliver before the last checked one; the caller takes them out."""
        self.held: Message | None = None
        """The last checked message, if it is held; the caller takes it out, and may give it its origin."""
        self.new: Message | None = None
        """The last checked message as a new one, for which `step` was False: it had been missed. Taken out likewise."""
        self.limit = LAST
        """The latest credible time, by the receipt of the messages (see `EventClock`)."""
        self.checks: dict[type[Message], Callable[[Any], bool]] = {}
        """By a message's own type: False for a message that came before."""
        self._limited_ns = 0
        self._runs: dict[tuple[str, str], Sequence] = {}
        self._watched: frozenset[Pair] = frozenset()
        self._left: set[Pair] = set()  # channels that were subscribed to before
        self._rejoining: set[Pair] = set()  # resubscribed, and not acknowledged yet

    def watch(self, channels: Iterable[Pair]) -> None:
        """Set the subscriptions: pairs of channel and product (`None`: all). Their numbers are checked.

        If a channel was unsubscribed or resubscribed, the epochs of its products rise.
        """
        pairs = frozenset(map(self.by_subscribed_name, channels))
        before, self._watched = self._watched, pairs
        left, rejoined = before - pairs, (pairs - before) & self._left
        self._left = (self._left | left) - pairs
        self._rejoining = (self._rejoining | rejoined) & pairs
        if len(self._left) > MOST_PRODUCTS:  # beyond the limit any pair may have been subscribed before
            self._left.clear()
            self.interrupted()
        self._products = frozenset(product for _, product in pairs)
        for channel, product in left | rejoined:
            if product is not None:
                self._runs.pop((channel, product), None)
        self._rewatched(pairs, left | rejoined)
        self._resubscribed(left | rejoined)

    def _rewatched(self, pairs: frozenset[Pair], renewed: frozenset[Pair]) -> None:
        """Called when *pairs* are subscribed to; *renewed* were unsubscribed or resubscribed. For a venue's rules."""

    def received(self, ns: int) -> None:
        """Set the receipt of the next message, Unix nanoseconds. Once a second the limit of credible times follows."""
        if not 0 <= ns - self._limited_ns < _SECOND:
            self._limited_ns = ns
            self.limit = moment((ns + _SECOND) // 1000 + _MAX_AHEAD)

    def step(self, message: Message) -> bool:
        """True for a message to deliver, False for a duplicate. A gap that it reveals is in `missed` and its epoch."""
        check = self.checks.get(type(message))
        return check is None or check(message)

    def frame(self, messages: tuple[Message, ...]) -> CheckedFrame:
        """`step` for the messages of a frame with several."""
        check = FrameCheck(self)
        for message in messages:
            check.add(message, self.step(message))
        return check.result()

    def last(self, channel: str, product_id: str) -> int:
        """The last number of *product_id* on *channel*; -1 if there was none."""
        run = self._runs.get((channel, product_id))
        return -1 if run is None else run.known

    def last_time(self, channel: str, product_id: str) -> datetime | None:
        """The time of that message; `None` if there was none."""
        run = self._runs.get((channel, product_id))
        return None if run is None else run.time

    def of_connection(self) -> GapDetector:
        """A detector of the present connection's own numbers, which this one leaves to it from now on.

        For a detector of several connections' messages, in which only the numbers of products continue.
        """
        return GapDetector()

    def rejoin(self, of_connection: GapDetector) -> None:
        """Check the numbers of the connection again that *of_connection* has checked."""

    def doubt(self, product_id: str | None, types: Iterable[type[Message]]) -> bool:
        """A frame of *product_id* with messages of *types* could not be decoded: their epochs rise.

        `None` and no types stand for all. True if a book by price may be wrong.
        """
        kinds = kinds_of(types)
        if product_id is not None:
            self.lost_of(product_id, kinds)
        elif not kinds or not self._products_are_known:
            self.interrupted()
        else:
            for product in self._products:
                if product is not None:
                    self.lost_of(product, kinds)
        return not kinds or PRODUCT in kinds or LEVELS in kinds

    @property
    def _products_are_known(self) -> bool:
        """True if the subscriptions name all products that may come."""
        if any(product is None and channel in self.of_all_products for channel, product in self._watched):
            return False
        return any(product is not None for product in self._products)

    def report(self, found: Missed | RepairedNumbers | Restarted) -> None:
        self.missed.append(found)

    def gap(self, missed: Iterable[Missed]) -> None:
        lost: set[str | None] = set()
        for each in missed:
            if each.product_id is not None and self.can_repair(each):
                after = self.last_time(each.channel, each.product_id)  # it does not continue with the next one yet
                run = self._runs.get((each.channel, each.product_id))
                before = None if run is None else run.named_at(each.last)
                self.missed.append(Awaited(each.product_id, each.channel, each.first, each.last, after, before))
            else:
                self.missed.append(each)
                lost.add(each.product_id)
        for product_id in lost:
            self.lost(product_id)

    def settled(self, channel: str, product_id: str, first: int, last: int) -> None:
        """The missing numbers *first* to *last* came in another way: a message that still comes is a duplicate."""
        run = self._runs.get((channel, product_id))
        if run is not None:
            run.settled(first, last)

    def begins_after(self, channel: str, product_id: str, number: int, time: datetime) -> None:
        """*number* is the last one of *product_id* on *channel*, of which nothing has come: what follows is checked."""
        run = self._run(channel, product_id)
        if run.last < 0:
            run.take(number, time)

    def release(self, messages: Iterable[Message]) -> None:
        self.released.extend(messages)

    def hold(self, holder: Holder, message: Message) -> bool:
        """False: *message* is not to be delivered now. If *holder* does not hold it, it is a duplicate."""
        if holder.hold(message):
            self.held = message
        return False

    def new_frame(self, raw: bytes) -> bytes:
        """The frame *raw* of a message that is in `new`, as that of a new one. For a venue's rules."""
        return raw

    def malformed(self, frame: Malformed) -> None:
        """*frame* could not be decoded. If it has a number, that is not missing. For a venue's rules."""

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
            # A level2 book begins with its own snapshot.
            self._resubscribed(pair for pair in self._rejoining & listed if pair[0] not in self.books)
            self._rejoining -= listed
        return True

    # ---- products

    def _resubscribed(self, pairs: Iterable[Pair]) -> None:
        """Raise the epochs of the products in *pairs*."""
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
            # Messages of a channel that was unsubscribed, or is not acknowledged yet, may be incomplete.
            settled = pair not in self._left and pair not in self._rejoining
            if settled and self._may_follow(product_id, len(self._runs)):
                self._runs[pair] = run
        return run

    def _may_follow(self, product_id: str, count: int) -> bool:
        return count < MOST_PRODUCTS or product_id in self._products
