"""What sinks have in common: an operator whose subscription hands items to a writer with threads of its own."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxfeed.errors import ConfigError

log = logging.getLogger("rxfeed.sinks")
T = TypeVar("T")
W = TypeVar("W", bound="SinkWriter")
_RECENT = 10.0  # seconds over which throughput is measured


class SinkWriter(Protocol):
    """One subscription's: takes items until the end, and writes them on threads of its own."""

    def start(self) -> None: ...

    def put(self, item: Any) -> None: ...

    def end(self, cause: Exception | None = None) -> None:
        """Let no more in, and write what is here; the stream then ends with *cause*."""
        ...

    def wait(self) -> None:
        """Return when everything is written."""
        ...

    @property
    def over(self) -> bool: ...


class Sink(Generic[T, W]):
    """An operator that emits what was written; one subscription at a time.

    What is left when the process ends is written then. Who watches the writes may raise, which ends its watching; the
    writes go on.
    """

    name: str

    def __init__(self) -> None:
        self._writer: W | None = None
        self._starting = threading.Lock()

    @abstractmethod
    def _new_writer(
        self,
        source: Observable[Any],
        emit: Callable[[T], None],
        ended: Callable[[Exception | None], None],
        let_go: Callable[[], None],
    ) -> W:
        """A writer of what *source* emits, which tells *emit* and, once, *ended*; *let_go* unsubscribes it."""

    def _attach(self, source: Observable[Any], writer: W, scheduler: abc.SchedulerBase | None) -> abc.DisposableBase:
        """Let *writer* have what *source* emits."""
        return source.subscribe(writer.put, writer.end, writer.end, scheduler=scheduler)

    def __call__(self, source: Observable[Any]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            upstream = SingleAssignmentDisposable()
            watcher = _Watcher(observer)
            try:
                writer = self._start(source, watcher, upstream.dispose)
            except Exception as error:
                observer.on_error(error)
                return Disposable()

            def dispose() -> None:
                if watcher.may_dispose():
                    upstream.dispose()
                    writer.end()

            watcher.dispose = dispose
            upstream.disposable = self._attach(source, writer, scheduler)
            return Disposable(dispose)

        return Observable(subscribe)

    def _start(self, source: Observable[Any], watcher: _Watcher[T], let_go: Callable[[], None]) -> W:
        def ended(error: Exception | None) -> None:
            atexit.unregister(at_exit)
            watcher.end(error)

        def at_exit() -> None:
            writer.end()
            writer.wait()

        with self._starting:
            if self._writer is not None and not self._writer.over:
                raise ConfigError(f"{self.name}: this sink is writing already; make one for each subscription")
            writer = self._new_writer(source, watcher.tell, ended, let_go)
            self._writer = writer
        atexit.register(at_exit)
        writer.start()
        return writer


class _Watcher(Generic[T]):
    """Whoever watches the writes. It may raise, which ends its watching; the writes go on."""

    def __init__(self, observer: abc.ObserverBase[T]) -> None:
        self._observer = observer
        self._lock = threading.RLock()  # two threads may tell
        self._telling: int | None = None
        self._wanted_out = False
        self._cut_off = False
        self.dispose: Callable[[], None] = lambda: None

    def tell(self, write: T) -> None:
        with self._lock:
            if self._cut_off:
                return
            self._telling = threading.get_ident()
            try:
                self._observer.on_next(write)
            except Exception as error:
                # reactivex unsubscribes who raises; that is not the source's end.
                self._cut_off = True
                log.error("a subscriber of the sink raised: %r", error, exc_info=error)
            finally:
                self._telling = None
        if self._wanted_out and not self._cut_off:
            self.dispose()

    def may_dispose(self) -> bool:
        """Whether unsubscribing is meant: not while told, where it may be the consequence of raising."""
        if self._telling == threading.get_ident():
            self._wanted_out = True
            return False
        return True

    def end(self, error: Exception | None) -> None:
        try:
            if error is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(error)
        except Exception as failure:
            log.error("nobody handled %r", failure)


class Throughput:
    """How much a second, over the last ten seconds; any thread may add or ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()
        self._started = time.monotonic()

    def add(self, count: int) -> None:
        now = time.monotonic()
        with self._lock:
            self._recent.append((now, count))
            while self._recent[0][0] < now - _RECENT:
                self._recent.popleft()

    def per_second(self) -> float:
        now = time.monotonic()
        with self._lock:
            recent = sum(count for at, count in self._recent if at >= now - _RECENT)
        return recent / max(0.001, min(_RECENT, now - self._started))


def check_numbers(**arguments: tuple[Any, Any]) -> None:
    """`ConfigError` for an argument (given with the kinds that it may be) that is not a number above 0."""
    for name, (value, kinds) in arguments.items():
        if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
            raise ConfigError(f"{name}: {value!r} is not a number above 0")
