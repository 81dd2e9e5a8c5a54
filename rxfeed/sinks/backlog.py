"""The batches between the thread that makes them and the one that writes them: one in memory, the rest on disk.

Oldest first, there are: the batch in batch_in_flight (being written), the one that is ready, the spill, then the queue of items.
A batch goes to the back of the spill when the spill is not empty, when the database is away or slow, or when the queue
behind is half full. In batch_in_flight and ready it goes to the front of the spill when an attempt has failed, or has taken
`SLOW` seconds: then the batch in batch_in_flight is on disk too, until its attempt succeeds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
from bson.raw_bson import RawBSONDocument

from rxfeed.sinks.spill import Spill

_LOOK_AGAIN = 0.05  # seconds: the queue fills without a signal
SLOW = 1.0  # seconds


class Batch(msgspec.Struct):
    """Encoded documents, the receipt of the oldest (Unix ns), and the spill's keys of those that are on disk too."""

    documents: list[RawBSONDocument]
    received_ns: int
    keys: list[int] | None = None


class Backlog:
    """*queue_half_full* says whether the queue behind is half full."""

    def __init__(self, spill: Spill | None, batch_size: int, queue_half_full: Callable[[], bool]) -> None:
        self.spill = spill
        self._batch_size = batch_size
        self._queue_half_full = queue_half_full
        self._changed = threading.Condition()
        self._ready: deque[Batch] = deque()
        self._in_flight: Batch | None = None
        self._since = 0.0  # when it was taken in batch_in_flight
        self._unavailable = False
        self._ended = False
        self._abandoned = False
        self.lost = 0

    @property
    def queued(self) -> int:
        """Documents in memory alone."""
        with self._changed:
            batch_in_flight = self._in_flight
            in_flight = (
                0 if batch_in_flight is None or batch_in_flight.keys is not None else len(batch_in_flight.documents)
            )
            return in_flight + sum(len(batch.documents) for batch in self._ready)

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest document here was received."""
        with self._changed:
            waiting = [batch for batch in (self._in_flight, *self._ready) if batch is not None]
            return waiting[0].received_ns if waiting else None

    def put(self, batch: Batch) -> bool:
        """Wait until there is room for *batch*; whether it went to disk."""
        with self._changed:
            while True:
                if self._abandoned:
                    return self._save(batch)
                if self.spill is not None and (self._unavailable or self.spill.documents or self._behind()):
                    if self.spill.append(_raw(batch), batch.received_ns):
                        self._changed.notify_all()
                        return True
                    # No room: nothing may overtake what is there, and so it waits.
                    if not self.spill.documents and not self._ready:
                        break
                elif not self._ready:
                    break
                self._changed.wait(None if self.spill is None else _LOOK_AGAIN)
            self._ready.append(batch)
            self._changed.notify_all()
        return False

    def _behind(self) -> bool:
        return bool(self._ready) and self._queue_half_full()

    def take(self) -> Batch | None:
        """The oldest batch, in batch_in_flight until `done` or `failed`; `None` at the end."""
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
                    if not keys:  # all that was left is damaged, and set aside
                        continue
                    self._in_flight = Batch([RawBSONDocument(each) for each in documents], received_ns, keys)
                    break
                if self._ended:
                    return None
                self._changed.wait()
            self._changed.notify_all()
            return self._in_flight

    def done(self) -> None:
        """The batch in batch_in_flight is safe."""
        with self._changed:
            batch_in_flight, self._in_flight = self._in_flight, None
            self._unavailable = False
            if batch_in_flight is not None and batch_in_flight.keys is not None and self.spill is not None:
                self.spill.remove(batch_in_flight.keys)
            self._changed.notify_all()

    def failed(self, pending: list[RawBSONDocument]) -> tuple[int, bool]:
        """Of the batch in batch_in_flight *pending* are not safe: how many went to disk, and whether it is in batch_in_flight yet."""
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
        """Wait until an attempt takes too long, then save what is in memory: so many documents; -1 at the end."""
        with self._changed:
            while not (self._ended and self._in_flight is None and not self._ready) and not self._abandoned:
                batch_in_flight, left = self._in_flight, None
                if batch_in_flight is not None and not self._unavailable and self.spill is not None:
                    left = self._since + SLOW - time.monotonic()
                    if left <= 0:
                        self._unavailable = True
                        return self._copy_to_front(self.spill, batch_in_flight)
                self._changed.wait(left)
            return -1

    def _copy_to_front(self, spill: Spill, batch_in_flight: Batch) -> int:
        """Save the batches that are ready, and a copy of the one in batch_in_flight, which is being written."""
        moved = 0
        while self._ready and spill.prepend(_raw(self._ready[-1]), self._ready[-1].received_ns) is not None:
            moved += len(self._ready.pop().documents)
        if batch_in_flight.keys is None and not self._ready:
            key = spill.prepend(_raw(batch_in_flight), batch_in_flight.received_ns)
            if key is not None:
                batch_in_flight.keys = [key]
                moved += len(batch_in_flight.documents)
        self._changed.notify_all()
        return moved

    def end(self) -> None:
        """No more will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self, *, final: bool) -> int:
        """Give up: to disk with what there is and what still comes, and count what cannot; so many went to disk.

        Not *final*: the batch in batch_in_flight may still get through.
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
        """Count what never became a batch."""
        with self._changed:
            self.lost += count

    def _save(self, batch: Batch) -> bool:
        if self.spill is not None and self.spill.append(_raw(batch), batch.received_ns):
            return True
        self.lost += len(batch.documents)
        return False


def _raw(batch: Batch) -> list[bytes]:
    return [bytes(document.raw) for document in batch.documents]
