"""The counters of a feed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import EllipsisType

from rxfeed.core import table
from rxfeed.market import Message

CountKey = tuple[type[Message], str | EllipsisType | None]
"""A type and a product; `None`: messages without a product, `...`: those of products without a counter of their own."""


class MessageCount:
    """The number of messages of one type and product."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageCount) and self.count == other.count

    def __hash__(self) -> int:
        raise TypeError("a counter changes, and has no hash")

    def __reduce__(self) -> tuple[object, ...]:
        return MessageCount, (self.count,)


@dataclass(slots=True)
class Stats:
    """Counters since the feed was made; any thread may read them at any time.

    *bytes*: of all *frames*; a frame can have several messages. *duplicates*: messages that came again, or too late,
    and were dropped. *gaps*: the `Gap`s. *gapped*: the sequence numbers in them. *repaired*: trades that had been
    missed. *resets*: the `SequenceReset`s.
    *unsubscribed*: messages of channels and products that were not subscribed to. *subscriber_errors*: subscribers that
    raised and were unsubscribed. *interruptions*: connections that were lost or not opened, while no other connection
    brought the same messages, and books by price that were not whole until they moved to another connection.
    """

    bytes: int = 0
    frames: int = 0
    malformed: int = 0
    duplicates: int = 0
    gaps: int = 0
    gapped: int = 0
    repaired: int = 0
    resets: int = 0
    unsubscribed: int = 0
    connections: int = 0
    reconnects: int = 0
    pings: int = 0
    pongs: int = 0
    subscriber_errors: int = 0
    counts: dict[CountKey, MessageCount] = field(default_factory=dict[CountKey, MessageCount], repr=False)
    """The delivered messages by type and product."""
    batched: int = field(default=0, repr=False)
    """The delivered messages that were not the first one of their frame."""
    interruptions: int = field(default=0, repr=False)
    skimmed: int = field(default=0, repr=False)
    """The messages of which only type, product and number were decoded, because nothing read them."""
    measured_lag: float = field(default=0.0, repr=False)
    """The lag at the end of the last delivery."""
    measured_max_lag: float = field(default=0.0, repr=False)
    oldest: float | None = field(default=None, repr=False)
    """During a delivery: the time by *clock* since which its messages may have waited."""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    def __str__(self) -> str:
        """The messages, and what is not zero of the rest."""
        others = [f"{getattr(self, each.name):,} {each.name}" for each in fields(self) if each.repr]
        shown = [text for text in others if not text.startswith("0 ")]
        return ", ".join(
            [f"{self.messages:,} messages", *shown, f"lag {self.lag:.3f} s (at most {self.max_lag:.3f} s)"]
        )

    def _repr_html_(self) -> str:
        counted = {each.name: getattr(self, each.name) for each in fields(self) if each.repr}
        by_type = {name: f"{count:,}" for name, count in self.by_type.items()}
        rows = {"messages": f"{self.messages:,}"} | by_type | {name: f"{count:,}" for name, count in counted.items()}
        return table("Stats", (rows | {"lag": f"{self.lag:.3f} s", "max_lag": f"{self.max_lag:.3f} s"}).items())

    @property
    def lag(self) -> float:
        """The most seconds between the arrival of messages and their delivery; it grows while a subscriber blocks.

        With a backlog, it is measured from the last time at which no message waited.
        """
        oldest = self.oldest
        return self.measured_lag if oldest is None else max(0.0, self.clock() - oldest)

    @property
    def max_lag(self) -> float:
        """The longest `lag` so far."""
        return max(self.measured_max_lag, self.lag)

    @property
    def messages(self) -> int:
        """Messages delivered to subscribers: all that arrived, without malformed ones and duplicates."""
        return sum(each.count for each in self.counts.copy().values())

    @property
    def types(self) -> dict[type[Message], int]:
        """`messages` by their struct."""
        types: dict[type[Message], int] = {}
        for (kind, _), each in self.counts.copy().items():
            if each.count:
                types[kind] = types.get(kind, 0) + each.count
        return types

    @property
    def by_type(self) -> dict[str, int]:
        """`messages` by the name of their struct: `{"Match": 12, "ExchangeTicker": 13}`."""
        return {kind.__name__: count for kind, count in self.types.items()}

    @property
    def by_product(self) -> dict[str | None, dict[str, int]]:
        """`by_type` of each product; `None`: messages without a product, and those that were counted by type only.

        By type only: messages outside the subscription, and what a replay skips because it has no subscriber.
        """
        products: dict[str | None, dict[str, int]] = {}
        for (kind, product), each in self.counts.copy().items():
            if each.count:
                types = products.setdefault(None if isinstance(product, EllipsisType) else product, {})
                types[kind.__name__] = types.get(kind.__name__, 0) + each.count
        return products

    def add(self, kind: type[Message], count: int) -> None:
        """Count messages of *kind* by their type only."""
        counted = self.counts.get((kind, ...))
        if counted is None:
            counted = self.counts[kind, ...] = MessageCount()
        counted.count += count
