"""What a feed has counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rxfeed.market import Message


@dataclass(slots=True)
class Stats:
    """Counters since the feed was made, readable from any thread at any time.

    *bytes* are those of all *frames*; a frame can have several messages. *duplicates* came again, or too late, and were
    dropped; *gaps* counts the `Gap`s, *gapped* the numbers in them, *resets* the `SequenceReset`s. *unsubscribed*
    counts the messages for channels and products that were not subscribed to. *subscriber_errors* counts the
    subscribers that raised and were cut off.
    """

    bytes: int = 0
    frames: int = 0
    malformed: int = 0
    duplicates: int = 0
    gaps: int = 0
    gapped: int = 0
    resets: int = 0
    unsubscribed: int = 0
    connections: int = 0
    reconnects: int = 0
    pings: int = 0
    pongs: int = 0
    subscriber_errors: int = 0
    types: dict[type[Message], int] = field(default_factory=dict, repr=False)
    measured_lag: float = field(default=0.0, repr=False)
    """The lag when a delivery last ended."""
    measured_max_lag: float = field(default=0.0, repr=False)
    oldest: float | None = field(default=None, repr=False)
    """The time by *clock* since which the messages of a delivery that is under way may have waited."""
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @property
    def lag(self) -> float:
        """The seconds between the arrival of messages and their delivery, at most; it grows while a subscriber blocks.

        Under a backlog it counts from the last moment at which nothing waited.
        """
        oldest = self.oldest
        return self.measured_lag if oldest is None else max(0.0, self.clock() - oldest)

    @property
    def max_lag(self) -> float:
        """The longest `lag` so far."""
        return max(self.measured_max_lag, self.lag)

    @property
    def messages(self) -> int:
        """Messages handed to subscribers: all that came, but for the malformed ones and the duplicates."""
        return sum(self.types.copy().values())

    @property
    def by_type(self) -> dict[str, int]:
        """`messages` by the struct that they became: `{"Match": 12, "Ticker": 13}`."""
        return {kind.__name__: count for kind, count in self.types.copy().items()}
