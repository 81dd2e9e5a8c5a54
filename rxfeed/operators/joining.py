"""A late subscriber of a hot source gets the newest item first, on its own thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from reactivex import abc

T = TypeVar("T")


class JoiningObserver(abc.ObserverBase[T], Generic[T]):
    """Wraps *observer*, which subscribes to a hot source while it emits; *newest*: the first items for it.

    Until `catch_up` has returned, the source's items wait here in order, and `catch_up` emits them on the subscriber's
    own thread. After that, items are emitted directly. No lock is held while the subscriber runs.
    """

    def __init__(self, observer: abc.ObserverBase[T], newest: tuple[T, ...]) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque(partial(observer.on_next, item) for item in newest)
        self._live = False

    @property
    def is_stopped(self) -> bool:
        """True if *observer* has ended, so that it ignores further items."""
        return getattr(self._observer, "is_stopped", False)

    def on_next(self, value: T) -> None:
        if self._live or not self._queued(partial(self._observer.on_next, value)):
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        if self._live or not self._queued(partial(self._observer.on_error, error)):
            self._observer.on_error(error)

    def on_completed(self) -> None:
        if self._live or not self._queued(self._observer.on_completed):
            self._observer.on_completed()

    def _queued(self, call: Callable[[], None]) -> bool:
        """True if *call* waits for `catch_up`."""
        with self._lock:
            if not self._live:
                self._waiting.append(call)
            return not self._live

    def catch_up(self) -> None:
        """Emit the waiting items until none waits. If the subscriber raises, drop them and raise its exception."""
        try:
            while True:
                with self._lock:
                    if not self._waiting:
                        self._live = True
                        return
                    call = self._waiting.popleft()
                call()
        except BaseException:
            with self._lock:
                self._waiting.clear()
                self._live = True
            raise
