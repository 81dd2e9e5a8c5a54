"""One subscription to a source for all subscribers; a late subscriber gets the newest item at once."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar, runtime_checkable

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SerialDisposable

from rxfeed.operators.multicast import Multicast

T = TypeVar("T")


@runtime_checkable
class SharedItems(Protocol):
    """A stream that all its subscribers share; *newest*: its newest item."""

    @property
    def newest(self) -> object: ...


class ShareLatest(Observable[T], Generic[T]):
    """Subscribes to *source* once while there are subscribers; a late subscriber gets the newest item first.

    After the source has ended, or the last subscriber has left, the next subscriber starts a new subscription. A
    subscriber that raises is unsubscribed and gets the exception in its own `on_error`; the others are not affected.
    """

    def __init__(self, source: Observable[T]) -> None:
        super().__init__()
        self._source = source
        self._run: _SharedRun[T] | None = None
        self._lock = threading.RLock()

    @property
    def newest(self) -> T | None:
        """The newest item, if there is one and the source has not ended; from any thread."""
        run = self._run
        return None if run is None or run.over else next(iter(run.newest), None)

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        with self._lock:
            run = self._run
            first = run is None or run.over
            if run is None or first:
                run = self._run = _SharedRun(self._lock)
            joining = run.join_late(observer)
        run.catch_up(joining)
        if first:
            run.upstream.disposable = self._source.subscribe(run.emit, run.end, run.end, scheduler=scheduler)
        return Disposable(lambda: run.remove(joining))


class _SharedRun(Multicast[T]):
    """One subscription to the source, which ends with it, or when the last subscriber has left."""

    def __init__(self, lock: threading.RLock) -> None:
        super().__init__(latest=True, lock=lock)
        self.upstream = SerialDisposable()
        self._left = False

    @property
    def newest(self) -> tuple[T, ...]:
        return self._newest

    @property
    def over(self) -> bool:
        """True if no further item is emitted."""
        return self._left or self._ended

    def remove(self, observer: abc.ObserverBase[T]) -> None:
        with self.lock:
            super().remove(observer)
            self._left = self._left or not self.observers
            left = self._left
        if left:
            self.upstream.dispose()
