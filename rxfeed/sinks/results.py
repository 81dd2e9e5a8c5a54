"""What the Mongo sink says of itself."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from rxfeed.operators import Throughput


class MongoWrite(msgspec.Struct, frozen=True):
    """*count* documents of a batch are in the collection, acknowledged; it took *seconds*, and makes *total*.

    *duplicates* of them were there before: written by another recorder, before a reconnect, or by an attempt whose
    answer got lost. *dead* can never be stored (see `MongoSink.dead`); *spilled* went to disk, and come again in a
    later `MongoWrite` once they are in the collection.
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

    *item* is what the sink was given; where the server refused it, the document that was sent, a mapping. *id* is its
    `_id`, `None` where it did not get that far.
    """

    reason: str
    item: Any
    id: Any = None


class MongoLeft(msgspec.Struct, frozen=True):
    """What `close` left behind: *unwritten* are lost with the process, *spilled* wait on disk for the next start."""

    unwritten: int
    spilled: int

    def __bool__(self) -> bool:
        return bool(self.unwritten or self.spilled)


class MongoStats(msgspec.Struct, frozen=True):
    """The sink at this moment; counts are since the sink was made, over all its subscriptions.

    What came in is somewhere: `taken == written + duplicates + dead + dropped + lost + queued + spilled`, but for what
    an earlier run left in the spill. (While the sink works a batch may just be on its way from one to another.)
    """

    taken: int
    """Items that the source handed over."""
    written: int
    """Documents that are new in the collection, acknowledged."""
    duplicates: int
    """Documents that were in the collection already."""
    dead: int
    """Documents that can never be stored."""
    dropped: int
    """Items given up at the bound: by `drop_oldest`, or the one that made `fail` fail."""
    lost: int
    """Items that were still in memory when the sink gave up or its time was over."""
    queued: int
    """Items in memory, not yet written or spilled."""
    spilled: int
    """Documents that wait on disk."""
    spilled_ever: int
    """Documents that went to disk at some time."""
    spill_bytes: int
    """Bytes of the documents that wait on disk."""
    retries: int
    """Attempts that did not get everything through and were made, or will be made, again."""
    lag: float
    """Seconds since the oldest document that waits was received; 0 where none waits."""
    throughput: float
    """Documents a second, acknowledged over the last ten seconds."""
    problem: str | None
    """Why the last attempt failed; `None` after one that did not."""


class Counters:
    """What adds up over a sink's subscriptions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.throughput = Throughput()
        self.taken = self.written = self.duplicates = self.dead = 0
        self.dropped = self.lost = self.spilled_ever = self.retries = 0
        self.problem: str | None = None

    @property
    def total(self) -> int:
        return self.written + self.duplicates

    def acknowledged(self, written: int, duplicates: int) -> None:
        with self._lock:
            self.written += written
            self.duplicates += duplicates
        self.throughput.add(written + duplicates)

    def add(self, **counts: int) -> None:
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)
