"""What a feed has counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from rxfeed.messages import Message


@dataclass(slots=True)
class Stats:
    """Counters since the feed was made, readable from any thread at any time.

    *bytes* are those of all messages' payloads. *duplicates* came again, or too late, and were dropped; *gaps* counts
    the `Gap`s, *gapped* the numbers in them, *resets* the `SequenceReset`s. *unsubscribed* counts the messages for
    channels and products that were not subscribed to. *lag* is how many seconds after they came messages are delivered
    now, *max_lag* the most so far. *subscriber_errors* counts the subscribers that raised and were cut off.
    """

    bytes: int = 0
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
    lag: float = 0.0
    max_lag: float = 0.0
    subscriber_errors: int = 0
    types: dict[type[Message], int] = field(default_factory=dict, repr=False)

    @property
    def messages(self) -> int:
        """Messages handed to subscribers: all that came, but for the malformed ones and the duplicates."""
        return sum(self.types.copy().values())

    @property
    def by_type(self) -> dict[str, int]:
        """`messages` by the struct that they became: `{"Match": 12, "Ticker": 13}`."""
        return {kind.__name__: count for kind, count in self.types.copy().items()}
