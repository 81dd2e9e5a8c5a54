"""What a `Merge` has to know of the venue that its collectors received from."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Protocol

from rxfeed.core.gaps import GapDetector, Pair
from rxfeed.market import Heartbeat, Message, PriorTrade, Trade

Stream = tuple[str, str]
"""A numbered channel, and a product of it."""


class MergeRules(Protocol):
    """The channels of a venue, as far as several collectors' messages are merged by them."""

    @property
    def not_missed(self) -> AbstractSet[str]:
        """Channels of which nothing is reported as missed: heartbeats, and the books by price, which are followed."""
        ...

    @property
    def consecutive(self) -> AbstractSet[str]:
        """Channels with numbers that rise by one for each message of a product, so that they show what is missing."""
        ...

    @property
    def rising(self) -> AbstractSet[str]:
        """Channels with numbers that rise, but not by one."""
        ...

    def types_of(self, channel: str) -> AbstractSet[type[Message]]:
        """The types of *channel*'s messages."""
        ...

    def gaps(self) -> GapDetector:
        """A gap detector for the merged stream."""
        ...

    def assumed_channels(self, message: Message) -> tuple[str, ...]:
        """The channels, one of which a collector that received *message* is subscribed to; the last one is assumed."""
        ...

    def containing(self, channel: str) -> str | None:
        """Another channel that has all of *channel* in it."""
        ...

    def place(self, message: Message, subscribed: set[Stream]) -> tuple[Stream, int] | None:
        """The stream of *message* and its number there; `None` for a message that has none.

        *subscribed*: what some collector was subscribed to; a stream that *message* shows may be added.
        """
        ...

    def named(self, heartbeat: Heartbeat) -> tuple[tuple[str, int], ...]:
        """The channels of which *heartbeat* names the last number, and that number.

        Of two heartbeats the first number decides which one is newer.
        """
        ...

    def copy_key(self, message: Message) -> bytes:
        """What is equal in the copies of *message*, which has no number: its frame, or the fields of it that are."""
        ...

    def trades(self, trade: PriorTrade) -> str:
        """The channel of the trades that continue those before *trade*."""
        ...

    def as_new(self, trade: PriorTrade) -> Trade:
        """*trade* as a new one: no connection has brought it before."""
        ...


def shows_losses(pair: Pair, rules: MergeRules, gaps: GapDetector) -> bool:
    """True if the next number of *pair* shows whether messages of it were lost since the last one."""
    channel, product = pair
    if product is None or channel not in rules.consecutive:
        return False
    containing = rules.containing(channel)
    return gaps.last(channel, product) >= 0 or (containing is not None and gaps.last(containing, product) >= 0)
