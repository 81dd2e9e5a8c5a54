"""One subscription to a source for all subscribers; a late subscriber gets the newest item at once."""

from __future__ import annotations

import threading
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SerialDisposable

from rxfeed.operators.joining import JoiningObserver
from rxfeed.operators.unhandled import hand_back, log_at_end, log_unhandled

T = TypeVar("T")


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

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        with self._lock:
            run = self._run
            first = run is None or run.over
            if run is None or first:
                run = self._run = _SharedRun(self._lock)
            joining = run.join(observer)
        try:
            joining.catch_up()
        except Exception as error:
            run.leave(joining)
            _end(joining, error)
        if first:
            run.upstream.disposable = self._source.subscribe(run.emit, run.fail, run.complete, scheduler=scheduler)

        def leave() -> None:
            if run.leave(joining):
                run.upstream.dispose()

        return Disposable(leave)


class _SharedRun(Generic[T]):
    """The subscribers of one subscription to the source; *lock* guards their list, and no subscriber runs with it."""

    def __init__(self, lock: Any) -> None:
        self.upstream = SerialDisposable()
        self.over = False
        self._lock = lock
        self._observers: tuple[abc.ObserverBase[T], ...] = ()
        self._newest: tuple[T, ...] = ()
        self._cause: Exception | None = None

    def join(self, observer: abc.ObserverBase[T]) -> JoiningObserver[T]:
        """An observer that emits the newest item to *observer*, and then all further items."""
        with self._lock:
            joining = JoiningObserver(observer, self._newest)
            if self.over:
                _end(joining, self._cause)
            else:
                self._observers = (*self._observers, joining)
        return joining

    def leave(self, observer: abc.ObserverBase[T]) -> bool:
        """Remove *observer*; True if no observer is left."""
        with self._lock:
            self._observers = tuple(each for each in self._observers if each is not observer)
            if not self._observers:
                self.over = True
            return self.over

    def emit(self, item: T) -> None:
        with self._lock:
            self._newest = (item,)
            observers = self._observers
        for observer in observers:
            try:
                observer.on_next(item)
            except Exception as error:
                self.leave(observer)
                log_unhandled(hand_back(observer, error))
        if self.over:
            self.upstream.dispose()

    def fail(self, error: Exception) -> None:
        self._finish(error)

    def complete(self) -> None:
        self._finish(None)

    def _finish(self, cause: Exception | None) -> None:
        with self._lock:
            observers, self._observers = self._observers, ()
            self.over, self._cause = True, cause
        for observer in observers:
            _end(observer, cause)


def _end(observer: abc.ObserverBase[T], cause: Exception | None) -> None:
    try:
        if cause is None:
            observer.on_completed()
        else:
            observer.on_error(cause)
    except Exception as error:
        log_at_end(error)
