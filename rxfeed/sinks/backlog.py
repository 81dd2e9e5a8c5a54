"""Buffers batches between the thread that makes them and the one that writes them: one in memory, the rest on disk.

The order, oldest first: the batch in flight (being written), the ready batch, the spill, the queue of items. A new
batch is appended to the spill if the spill is not empty, if the database is unavailable or slow, or if the queue is
half full. The ready batch and the batch in flight are prepended to the spill if an attempt has failed, or has taken
`SLOW` seconds. In the second case the batch in flight is on disk too, until its attempt succeeds.

In durable mode every batch is appended to the spill, and is sent from there. If the spill is empty and refuses a batch,
the batch is sent from memory, so that a full disk does not stop the writing; the spill logs this.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
from bson.raw_bson import RawBSONDocument

from rxfeed.sinks.spill import Spill

_CHECK_EVERY = 0.05  # seconds: the queue sends no signal when it is half full
SLOW = 1.0  # seconds


class Batch(msgspec.Struct):
    """Encoded documents, the receipt of the oldest (Unix ns), and their keys in the spill if they are on disk too."""

    documents: list[RawBSONDocument]
    received_ns: int
    keys: list[int] | None = None


class Backlog:
    """The buffered batches. *queue_half_full* returns whether the queue of items is half full."""

    def __init__(
        self, spill: Spill | None, batch_size: int, queue_half_full: Callable[[], bool], *, durable: bool = False
    ) -> None:
        self.spill = spill
        self._durable = durable
        self._batch_size = batch_size
        self._queue_half_full = queue_half_full
        self._changed = threading.Condition()
        self._ready: deque[Batch] = deque()
        self._in_flight: Batch | None = None
        self._offered = 0  # documents of the batch that waits for space
        self._since = 0.0  # when it was taken
        self._unavailable = False
        self._ended = False
        self._abandoned = False
        self.lost = 0

    @property
    def queued(self) -> int:
        """Documents that are in memory only."""
        with self._changed:
            flight = self._in_flight
            in_flight = 0 if flight is None or flight.keys is not None else len(flight.documents)
            return in_flight + self._offered + sum(len(batch.documents) for batch in self._ready)

    @property
    def oldest_ns(self) -> int | None:
        """The receipt of the oldest document, Unix nanoseconds."""
        with self._changed:
            waiting = [batch for batch in (self._in_flight, *self._ready) if batch is not None]
            return waiting[0].received_ns if waiting else None

    def put(self, batch: Batch) -> bool:
        """Add *batch*, after a wait for space if necessary. True if it was written to disk."""
        with self._changed:
            self._offered = len(batch.documents)
            try:
                return self._put(batch)
            finally:
                self._offered = 0

    def _put(self, batch: Batch) -> bool:
        while True:
            if self._abandoned:
                return self._save(batch)
            if self.spill is not None and self._spills(self.spill):
                if self.spill.append(_raw(batch), batch.received_ns):
                    self._changed.notify_all()
                    return True
                # The spill is full. The batch waits, since no batch may overtake another.
                if not self.spill.documents and not self._ready:
                    break
            elif not self._ready:
                break
            self._changed.wait(None if self.spill is None else _CHECK_EVERY)
        self._ready.append(batch)
        self._changed.notify_all()
        return False

    def _spills(self, spill: Spill) -> bool:
        """True if the next batch is appended to the spill."""
        behind = bool(self._ready) and self._queue_half_full()
        return self._durable or self._unavailable or bool(spill.documents) or behind

    def take(self) -> Batch | None:
        """The oldest batch, which is in flight until `done` or `failed`; `None` at the end."""
        with self._changed:
            while True:
                self._since = time.monotonic()
                if self._ready:
                    self._in_flight = self._ready.popleft()
                    break
                if self._abandoned:
                    return None
                if self.spill is not None and self.spill.documents:
                    keys, documents, received_ns = self.spill.first(self._batch_size)
                    if not keys:  # all batches left were damaged and quarantined
                        continue
                    self._in_flight = Batch([RawBSONDocument(each) for each in documents], received_ns, keys)
                    break
                if self._ended:
                    return None
                self._changed.wait()
            self._changed.notify_all()
            return self._in_flight

    def done(self) -> None:
        """The batch in flight was acknowledged."""
        with self._changed:
            flight, self._in_flight = self._in_flight, None
            self._unavailable = False
            if flight is not None and flight.keys is not None and self.spill is not None:
                self.spill.remove(flight.keys)
            self._changed.notify_all()

    def failed(self, pending: list[RawBSONDocument]) -> tuple[int, bool]:
        """*pending* documents of the batch in flight failed. Returns the number saved, and whether it is in flight."""
        with self._changed:
            self._unavailable = True
            if self._in_flight is None:
                return 0, False
            self._in_flight.documents = pending
            if self._in_flight.keys is not None or self.spill is None:
                return 0, True
            return self._to_front(self.spill), self._in_flight is not None

    def _to_front(self, spill: Spill) -> int:
        moved = 0
        waiting = [batch for batch in (self._in_flight, *self._ready) if batch is not None and batch.keys is None]
        while waiting and spill.prepend(_raw(waiting[-1]), waiting[-1].received_ns) is not None:
            batch = waiting.pop()
            moved += len(batch.documents)
            if batch is self._in_flight:
                self._in_flight = None
            else:
                self._ready.pop()
        if moved:
            self._changed.notify_all()
        return moved

    def watch(self) -> int:
        """Wait until an attempt takes too long, and save the batches in memory. Returns the count; -1 at the end."""
        with self._changed:
            while not (self._ended and self._in_flight is None and not self._ready) and not self._abandoned:
                flight, left = self._in_flight, None
                if flight is not None and not self._unavailable and self.spill is not None:
                    left = self._since + SLOW - time.monotonic()
                    if left <= 0:
                        self._unavailable = True
                        return self._copy_to_front(self.spill, flight)
                self._changed.wait(left)
            return -1

    def _copy_to_front(self, spill: Spill, flight: Batch) -> int:
        """Save the ready batches, and a copy of the batch in flight."""
        moved = 0
        while self._ready and spill.prepend(_raw(self._ready[-1]), self._ready[-1].received_ns) is not None:
            moved += len(self._ready.pop().documents)
        if flight.keys is None and not self._ready:
            key = spill.prepend(_raw(flight), flight.received_ns)
            if key is not None:
                flight.keys = [key]
                moved += len(flight.documents)
        self._changed.notify_all()
        return moved

    def end(self) -> None:
        """No more batches will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self, *, final: bool) -> int:
        """Stop writing: save all batches, also later ones, to disk, and count as lost what cannot be saved.

        Returns the number of documents saved. Not *final*: the batch in flight may still be acknowledged.
        """
        with self._changed:
            self._abandoned = True
            moved = 0 if self.spill is None else self._to_front(self.spill)
            if final and self._in_flight is not None:
                self.lost += 0 if self._in_flight.keys is not None else len(self._in_flight.documents)
                self._in_flight = None
            self.lost += sum(len(batch.documents) for batch in self._ready)
            self._ready.clear()
            self._changed.notify_all()
            return moved

    def lose(self, count: int) -> None:
        """Count *count* items as lost that were in no batch."""
        with self._changed:
            self.lost += count

    def _save(self, batch: Batch) -> bool:
        if self.spill is not None and self.spill.append(_raw(batch), batch.received_ns):
            return True
        self.lost += len(batch.documents)
        return False


def _raw(batch: Batch) -> list[bytes]:
    return [bytes(document.raw) for document in batch.documents]
