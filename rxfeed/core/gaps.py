"""The gap detector of any venue: the epochs of products, and the subscriptions.

Rules:
- An epoch rises for all products when the connection was interrupted or a frame could not be decoded. It rises for one
  product when messages of it were missed, when its numbers restarted, and when one of its channels was unsubscribed or
  resubscribed (again at the acknowledgement, since messages before it may be of the old subscription).
- If only tickers of a product were missed, the epoch of its tickers alone rises. The next rise for the product is above
  both.
- Product ids come from the server. So the number of products that are followed without a subscription is limited.
- What follows from a number is in `sequence.py`. Which messages have which numbers is the venue's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

import msgspec

from rxfeed.core.checked_frame import CheckedFrame, FrameCheck
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.findings import Missed, Repaired, Restarted
from rxfeed.core.sequence import Sequence
from rxfeed.market import LAST, Malformed, Message, Subscriptions, Ticker, moment

Pair = tuple[str, str | None]
"""A channel and one of its products; `None` for a channel that has none."""

_MOST_UNWATCHED = 10_000
_SECOND = 10**9
_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


class Resubscribed(msgspec.Struct, frozen=True):
    """A channel of *product_id* (`None`: not known) was unsubscribed or resubscribed, and its epoch has risen."""

    product_id: str | None


class Holder(Protocol):
    """Holds messages until the numbers after them decide: a `Sequence`."""

    def hold(self, message: Message) -> bool: ...


class GapDetector:
    """Checks every message: `step` returns False for a duplicate, and appends gaps and restarts to `missed`.

    `step` also returns False for a message that is held, which is in `held` then. If the numbers after it show that it
    belongs to a restarted sequence, it is in `released`, to be delivered before the message that shows this.

    `epoch(product_id)` is the epoch of the next message of the product. O(1) a message. A venue's
    subclass adds its rules to `checks`.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """The names that a subscription takes, by the names with which the venue acknowledges them."""
    books: ClassVar[frozenset[str]] = frozenset()
    """Channels that begin with a snapshot of their own."""
    of_all_products: ClassVar[frozenset[str]] = frozenset()
    """Channels that may have products which no subscription names."""

    def __init__(self) -> None:
        self.missed: list[Missed | Repaired | Restarted | Resubscribed] = []
        self.released: list[Message] = []
        """The messages to deliver before the last checked one; the caller takes them out."""
        self.held: Message | None = None
        """The last checked message, if it is held; the caller takes it out, and may give it its origin."""
        self.limit = LAST
        """The latest credible time, by the receipt of the messages (see `EventClock`)."""
        self.checks: dict[type[Message], Callable[[Any], bool]] = {}
        """By a message's own type: False for a message that came before."""
        self._limited_ns = 0
        self._runs: dict[tuple[str, str], Sequence] = {}
        self._epoch = 0
        self._epochs: dict[str | None, int] = {}
        self.of_tickers: dict[str, int] = {}
        """The epochs of tickers, of products of which only tickers were missed; always the same `dict`."""
        self._watched: frozenset[Pair] = frozenset()
        self._products: frozenset[str | None] = frozenset()
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
        if len(self._left) > _MOST_UNWATCHED:  # beyond the limit any pair may have been subscribed before
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

    def epoch(self, product_id: str | None) -> int:
        return self._epochs.get(product_id, self._epoch)

    def epoch_of(self, message: Message) -> int:
        """The epoch of *message*, which is the next one of its product."""
        epoch = self.epoch(message.product_id)
        if self.of_tickers and message.product_id is not None and isinstance(message, Ticker):
            return self.of_tickers.get(message.product_id, epoch)
        return epoch

    def lost_tickers(self, product_id: str) -> None:
        """Only tickers of this product may have been missed: their epoch rises."""
        if len(self.of_tickers) >= _MOST_UNWATCHED:
            self.interrupted()
        else:
            self.of_tickers[product_id] = self.of_tickers.get(product_id, self.epoch(product_id)) + 1

    def lost(self, product_id: str | None) -> None:
        """Messages of this product may have been missed: its epoch rises."""
        if self.of_tickers and product_id in self.of_tickers:
            self._epochs[product_id] = self.of_tickers.pop(product_id)
        if product_id not in self._epochs and len(self._epochs) >= _MOST_UNWATCHED + len(self._products):
            self.interrupted()  # beyond the limit all products share an epoch
            self._epochs.clear()
        else:
            self._epochs[product_id] = self.epoch(product_id) + 1

    def report(self, found: Missed | Repaired | Restarted) -> None:
        self.missed.append(found)

    def release(self, messages: Iterable[Message]) -> None:
        self.released.extend(messages)

    def hold(self, holder: Holder, message: Message) -> bool:
        """False: *message* is not to be delivered now. If *holder* does not hold it, it is a duplicate."""
        if holder.hold(message):
            self.held = message
        return False

    def interrupted(self, least: int = 0) -> None:
        """Messages of any product may have been missed (a new connection, an undecodable frame): all epochs rise.

        Each epoch is at least *least* then.
        """
        if self.of_tickers:
            self._epochs |= self.of_tickers
            self.of_tickers.clear()
        self._epoch = max(self._epoch + 1, least)
        for product, epoch in self._epochs.items():
            self._epochs[product] = max(epoch + 1, least)

    def malformed(self, frame: Malformed) -> None:
        """*frame* could not be decoded. If it has a number, that is not missing. For a venue's rules."""

    @property
    def highest(self) -> int:
        """The highest epoch of all products."""
        return max(self._epoch, *self._epochs.values(), *self.of_tickers.values(), 0)

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
        return count < _MOST_UNWATCHED or product_id in self._products
