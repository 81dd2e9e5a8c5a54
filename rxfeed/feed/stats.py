"""The counters of a feed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rxfeed.market import Message


@dataclass(slots=True)
class Stats:
    """Counters since the feed was made; any thread may read them at any time.

    *bytes*: of all *frames*; a frame can have several messages. *duplicates*: messages that came again, or too late,
    and were dropped. *gaps*: the `Gap`s. *gapped*: the sequence numbers in them. *repaired*: the trades of `Repaired`.
    *resets*: the `SequenceReset`s.
    *unsubscribed*: messages of channels and products that were not subscribed to. *subscriber_errors*: subscribers that
    raised and were unsubscribed.
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
    types: dict[type[Message], int] = field(default_factory=dict[type[Message], int], repr=False)
    batched: int = field(default=0, repr=False)
    """The delivered messages that were not the first one of their frame."""
    measured_lag: float = field(default=0.0, repr=False)
    """The lag at the end of the last delivery."""
    measured_max_lag: float = field(default=0.0, repr=False)
    oldest: float | None = field(default=None, repr=False)
    """During a delivery: the time by *clock* since which its messages may have waited."""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

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
        return sum(self.types.copy().values())

    @property
    def by_type(self) -> dict[str, int]:
        """`messages` by the name of their struct: `{"Match": 12, "ExchangeTicker": 13}`."""
        return {kind.__name__: count for kind, count in self.types.copy().items()}
