"""The queue and the thread of a sink that writes in order, and that makes its source wait while the queue is full."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from rxfeed.errors import ConfigError, SinkError
from rxfeed.operators import BoundedQueue, ForkedQueue

I = TypeVar("I")  # noqa: E741  # the items of the queue


class WriteCounters(Protocol):
    """Counters over all subscriptions of a sink."""

    waited: float
    """Seconds that the source has waited for the full queue."""
    unwritten: int


class BlockingWriter(ABC, Generic[I]):
    """One subscription of a sink, a `SinkWriter`: its queue, its thread, and their end.

    The thread *thread_name* calls `_write_all`, and then *ended* with the error, or `None`. *unsubscribe* unsubscribes
    from the source. *log* reports defects.
    """

    flush_seconds = 30.0

    def __init__(
        self,
        thread_name: str,
        log: logging.Logger,
        queue_size: int,
        counters: WriteCounters,
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> None:
        self._log = log
        self._counted = counters
        self._on_end = ended
        self._unsubscribe = unsubscribe
        self._queue: BoundedQueue[I] = BoundedQueue(queue_size, "block")
        self._lost = 0
        self._cause: Exception | None = None
        self._finished = threading.Event()
        # A daemon, so that a script without a `close` still exits; at exit the process waits for it.
        self._thread = threading.Thread(target=self._work, name=thread_name, daemon=True)

    @abstractmethod
    def _write_all(self) -> None:
        """Take items from the queue, and write them, until the queue has ended."""

    @abstractmethod
    def _give_up(self) -> int:
        """Release what is half written; returns the number of items that are lost with it."""

    def _release(self) -> None:
        """Release what the writer holds, after the last write or the failure."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """Items that are not written yet."""

    # ---- for the source and for other threads

    def start(self) -> None:
        self._thread.start()

    def put(self, item: I) -> None:
        queue = self._queue
        if len(queue) < queue.size:
            queue.put(item)
            return
        began = time.monotonic()
        queue.put(item)
        self._counted.waited += time.monotonic() - began

    def end(self, cause: Exception | None = None) -> None:
        self._cause = self._cause or cause
        self._queue.end()

    def wait(self) -> None:
        self._thread.join()

    def close(self, timeout: float | None) -> int:
        """End; wait until all is written, or *timeout* seconds. Returns the number of unwritten items."""
        self._unsubscribe()
        self.end()
        if threading.current_thread() is not self._thread:
            self._finished.wait(timeout)
        return sum(self.remaining)

    @property
    def over(self) -> bool:
        return self._finished.is_set()

    @property
    def late(self) -> int:
        """Items that came after the end."""
        return self._queue.late

    @property
    def remaining(self) -> tuple[int, int]:
        return self.queued + self.late + self._lost, 0

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._queue.size

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        return (self._thread,)

    def forked(self) -> None:
        self._queue = ForkedQueue()

    # ---- on the writer's thread

    def _work(self) -> None:
        try:
            self._write_all()
        except Exception as error:
            self._failed(error)
        finally:
            self._release()
            self._finished.set()
            self._on_end(self._cause)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, SinkError | ConfigError):
            with contextlib.suppress(Exception):  # a failing log
                self._log.exception("a defect of rxfeed, please report it")
        self._queue.end()
        self._unsubscribe()
        lost = self._give_up() + self._queue.clear()
        self._counted.unwritten += lost
        self._lost += lost
        if isinstance(error, ConfigError):
            self._cause = error
            return
        unwritten = lost + self.late
        self._cause = SinkError(f"{unwritten} items not written: {error or repr(error)}", unwritten)
        self._cause.__cause__ = error
