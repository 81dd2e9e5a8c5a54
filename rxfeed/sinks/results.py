"""The outputs and counters of the Mongo sink."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from rxfeed.feed import RecentRate


class MongoWrite(msgspec.Struct, frozen=True):
    """*count* documents of a batch were acknowledged after *seconds*; *total* documents were so far.

    *duplicates* of them were stored before: by another recorder, before a reconnect, or by an attempt without an
    answer. *dead* ones can never be stored (see `MongoSink.dead`). *spilled* ones were written to disk; a later
    `MongoWrite` counts them when they are in the collection.
    """

    count: int
    seconds: float
    total: int
    duplicates: int = 0
    dead: int = 0
    spilled: int = 0

    @property
    def written(self) -> int:
        """Documents that are new in the collection."""
        return self.count - self.duplicates


class DeadLetter(msgspec.Struct, frozen=True):
    """A document that can never be stored, and the *reason*.

    *item*: the item that the sink received; if the server refused it, the document that was sent, a mapping. *id*: its
    `_id`, `None` if it was not encoded. *count*: the documents of a damaged batch of the spill, which has no *item*.
    """

    reason: str
    item: Any
    id: Any = None
    count: int = 1


class UnwrittenCounts(msgspec.Struct, frozen=True):
    """The documents that `close` could not write: *unwritten* ones are lost, *spilled* ones are on disk."""

    unwritten: int
    spilled: int

    def __bool__(self) -> bool:
        return bool(self.unwritten or self.spilled)


class MongoStats(msgspec.Struct, frozen=True):
    """The state of a sink. Counts are those of all its subscriptions.

    `taken == written + duplicates + dead + dropped + lost + queued + spilled`, except for documents that an earlier run
    left in the spill, and for a batch that is between two of these counters.
    """

    taken: int
    """Items received from the source."""
    written: int
    """Documents that are new in the collection, acknowledged."""
    duplicates: int
    """Documents that were in the collection already."""
    dead: int
    """Documents that can never be stored."""
    dropped: int
    """Items given up at the bound: by `drop_oldest`, or the one that made `fail` fail."""
    lost: int
    """Items that were in memory when the sink failed or its time was over."""
    queued: int
    """Items in memory, not yet written or spilled."""
    spilled: int
    """Documents on disk."""
    spilled_ever: int
    """Documents that were written to disk so far."""
    spill_bytes: int
    """Bytes of the documents on disk."""
    retries: int
    """Attempts that failed for some documents, and were or will be repeated."""
    lag: float
    """Seconds since the oldest document that waits was received; 0 where none waits."""
    rate: float
    """Documents a second, acknowledged over the last ten seconds."""
    problem: str | None
    """The error of the last attempt; `None` if it succeeded."""
    batches: int = 0
    """Batches of which the server acknowledged documents."""


class MongoCounters:
    """Counters over all subscriptions of a sink."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rate = RecentRate()
        self.taken = self.written = self.duplicates = self.dead = 0
        self.dropped = self.lost = self.spilled_ever = self.retries = self.batches = 0
        self.problem: str | None = None

    @property
    def total(self) -> int:
        return self.written + self.duplicates

    def acknowledged(self, written: int, duplicates: int) -> None:
        with self._lock:
            self.written += written
            self.duplicates += duplicates
            self.batches += 1
        self.rate.add(written + duplicates)

    def add(self, **counts: int) -> None:
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)
