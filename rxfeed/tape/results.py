"""The outputs and counters of the tape's sink."""

from __future__ import annotations

import msgspec

from rxfeed.feed import RecentRate


class TapeWrite(msgspec.Struct, frozen=True):
    """*count* messages were acknowledged; *duplicates* of them were on the tape before, such as from another publisher.

    *sequence*: the number of the newest one in the stream. *total*: acknowledged so far.
    """

    count: int
    duplicates: int
    sequence: int
    total: int


class UnpublishedCounts(msgspec.Struct, frozen=True):
    """What `close` could not publish: *unwritten* items are lost, *spilled* messages are on disk."""

    unwritten: int
    spilled: int = 0

    def __bool__(self) -> bool:
        return bool(self.unwritten or self.spilled)


class TapeStats(msgspec.Struct, frozen=True):
    """The state of a publisher. Counts are those of all its subscriptions.

    Items are messages, events and malformed frames; a frame with several messages is published once.
    """

    taken: int
    """Items received from the source."""
    published: int
    """Messages that are new on the tape, acknowledged; the publisher's own signs of life, too."""
    duplicates: int
    """Messages that the server refused, because the tape has them: from another publisher, or an earlier attempt."""
    withheld: int
    """Messages of books that another publisher has the lease of."""
    dead: int
    """Messages that the server can never take."""
    dropped: int
    """Items given up at the bound: by `drop_oldest`, or the one that made `fail` fail."""
    lost: int
    """Items that were not published when the sink failed or its time was over."""
    queued: int
    """Items in memory that wait, or are not acknowledged."""
    spilled: int
    """Messages on disk that are not acknowledged, also of an earlier run."""
    spill_bytes: int
    """Their bytes."""
    in_flight: int
    """Messages among them that were sent."""
    retries: int
    """Messages that were sent again after a lost connection."""
    lag: float
    """Seconds since the oldest message that waits for its acknowledgement was received; 0 where none waits."""
    rate: float
    """Messages a second, acknowledged over the last ten seconds."""
    problem: str | None
    """Why nothing can be published now; `None` if it can."""
    session: str
    """The id of this run on the tape."""


class TapeCounters:
    """Counters over all subscriptions of a sink."""

    def __init__(self) -> None:
        self.rate = RecentRate()
        self.taken = self.published = self.duplicates = self.withheld = self.dead = 0
        self.dropped = self.lost = self.retries = 0
        self.problem: str | None = None

    @property
    def total(self) -> int:
        return self.published + self.duplicates
