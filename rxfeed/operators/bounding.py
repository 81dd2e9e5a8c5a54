"""A separate thread for the slow part of a pipeline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sized
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.operators.bounded_queue import BoundedQueue, Overflow
from rxfeed.operators.graph import QueueState
from rxfeed.operators.leaving import Leavable, leave, noting
from rxfeed.operators.multicast import end_observer
from rxfeed.operators.unhandled import hand_back, log_at_end, log_unhandled

log = logging.getLogger("rxfeed.operators")
T = TypeVar("T")

_BATCH = 256


class Bounded:
    """The operator that `bounded` returns; any thread may read its counters, which count over all subscriptions."""

    name = "bounded"

    def __init__(self, size: int, overflow: Overflow) -> None:
        BoundedQueue(size, overflow)  # raises here if the arguments are invalid
        self.size = size
        self.overflow: Overflow = overflow
        self.dropped = 0
        self._queues: list[Sized] = []
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Items that are in the queue."""
        return sum(len(queue) for queue in self._queues)

    @property
    def queue_state(self) -> QueueState:
        return QueueState(self.waiting, self.size, self.dropped)

    def __call__(self, source: Observable[T]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            queue: BoundedQueue[T] = BoundedQueue(self.size, self.overflow, self._count_dropped)
            with self._lock:
                self._queues.append(queue)
            ending: list[BaseException] = []
            sources: list[Leavable] = []

            def on_error(error: Exception) -> None:
                ending.append(error)
                queue.end()

            worker = threading.Thread(
                target=self._work, args=(queue, observer, ending, sources), name="rxfeed-bounded", daemon=True
            )
            worker.start()
            with noting(sources):
                upstream = source.subscribe(queue.put, on_error, queue.end, scheduler=scheduler)

            def dispose() -> None:
                upstream.dispose()
                queue.clear()

            return Disposable(dispose)

        return Observable(subscribe)

    def _work(
        self,
        queue: BoundedQueue[T],
        observer: abc.ObserverBase[T],
        ending: list[BaseException],
        sources: list[Leavable],
    ) -> None:
        raised: Exception | None = None
        try:
            while items := queue.take(_BATCH):
                for item in items:
                    observer.on_next(item)
        except Exception as error:
            queue.clear()
            raised = error
        except BaseException as error:  # SystemExit too, or else the source would wait for this thread
            queue.clear()
            ending[:] = [error]
            leave(sources, error)
        finally:
            with self._lock:
                self._queues.remove(queue)
        if raised is not None:
            log_unhandled(hand_back(observer, raised))
            return
        try:
            end_observer(observer, ending[0] if ending else None)
        except Exception as error:
            log_at_end(error)
        except BaseException as error:
            if not ending or error is not ending[0]:
                leave(sources, error)

    def _count_dropped(self) -> None:
        with self._lock:
            self.dropped += 1


def bounded(size: int, overflow: Overflow = "block") -> Bounded:
    """Emit the items of the source on a separate thread, through a queue of at most *size* items.

    *overflow* is the policy for more: `"block"` makes the source wait, `"drop_oldest"` and `"drop_newest"` drop items,
    `"latest"` keeps only the newest item of each product. `.dropped` and `.waiting` of the operator count items:

    >>> import reactivex
    >>> from rxfeed import bounded
    >>> slow = bounded(1000, "drop_oldest")
    >>> reactivex.of(1, 2, 3).pipe(slow, reactivex.operators.sum()).run(), slow.dropped
    (6, 0)

    Without `bounded`, a pipeline runs on the feed's thread, and a slow subscriber delays the reading of the socket.
    Items that wait when the source ends are emitted before the end. A subscriber that raises gets the exception in its
    own `on_error`. A `SystemExit` or `KeyboardInterrupt` in it ends the feed, as without `bounded`.
    """
    return Bounded(size, overflow)
