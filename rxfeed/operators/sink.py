"""What sinks have in common: an operator whose subscription hands items to a writer with threads of its own."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxfeed.errors import ConfigError, WrongProcess
from rxfeed.operators.endings import SinkLeft, SourceSinks, finished, input_ended, started, subscribing

log = logging.getLogger("rxfeed.sinks")
T = TypeVar("T")
W = TypeVar("W", bound="SinkWriter")
_RECENT = 10.0  # seconds over which throughput is measured


class SinkWriter(Protocol):
    """Of one subscription: takes items until the end, and writes them on threads of its own."""

    flush_seconds: float
    """How long it waits at the end, where the caller gives no limit."""

    def start(self) -> None: ...

    def put(self, item: Any) -> None: ...

    def end(self, cause: Exception | None = None) -> None:
        """Accept nothing more, and write what is queued; the stream then ends with *cause*."""
        ...

    def wait(self) -> None:
        """Return when everything is written."""
        ...

    def close(self, timeout: float) -> Any:
        """Unsubscribe from the source, and end; return when everything is written, or after *timeout* seconds."""
        ...

    @property
    def remaining(self) -> tuple[int, int]:
        """Items that are not written: so many in memory or lost, so many on disk."""
        ...

    @property
    def over(self) -> bool: ...

    @property
    def full(self) -> bool:
        """The queue is full."""
        ...

    @property
    def threads(self) -> tuple[threading.Thread, ...]: ...

    def forked(self) -> None:
        """The calling process is a forked child: touch nothing of the parent's, and raise in `put`."""
        ...


class Sink(Generic[T, W]):
    """An operator that emits what was written; one subscription at a time.

    What is left when the process ends is written then. A subscriber of the writes may raise, which ends its
    subscription; the writes go on.
    """

    name: str

    def __init__(self) -> None:
        self._current: W | None = None
        self._starting = threading.Lock()
        self._process = os.getpid()

    @property
    def _writer(self) -> W | None:
        """The writer of the newest subscription. Raises `WrongProcess` in a forked child while the parent's writes."""
        writer = self._current
        if writer is not None and os.getpid() != self._process and not writer.over:
            raise WrongProcess(f"{self.name}: this sink writes in the parent process; make a new one after the fork")
        return writer

    @abstractmethod
    def _new_writer(
        self,
        source: Observable[Any],
        emit: Callable[[T], None],
        ended: Callable[[Exception | None], None],
        let_go: Callable[[], None],
    ) -> W:
        """A writer of what *source* emits, which calls *emit* and, once, *ended*; *let_go* unsubscribes it."""

    def _attach(
        self,
        source: Observable[Any],
        writer: W,
        end: Callable[[Exception | None], None],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        """Connect *writer* to what *source* emits; *end* is called when that ends."""
        return source.subscribe(writer.put, end, lambda: end(None), scheduler=scheduler)

    def __call__(self, source: Observable[Any]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            upstream = SingleAssignmentDisposable()
            watcher = _Watcher(observer)
            try:
                run = self._start(source, watcher, upstream.dispose)
            except Exception as error:
                observer.on_error(error)
                return Disposable()

            def dispose() -> None:
                if watcher.may_dispose():
                    upstream.dispose()
                    run.end()

            watcher.dispose = dispose
            try:
                with subscribing(run):
                    upstream.disposable = self._attach(source, run.writer, run.end, scheduler)
            except Exception as error:  # without its input it would wait for the end of the process
                run.end(error)
                raise
            return Disposable(dispose)

        return Observable(subscribe)

    def _start(self, source: Observable[Any], watcher: _Watcher[T], let_go: Callable[[], None]) -> _Run[W]:
        def ended(error: Exception | None) -> None:
            atexit.unregister(run.at_exit)
            watcher.end(error)
            run.finish()

        with self._starting:
            if self._writer is not None and not self._writer.over:
                raise ConfigError(f"{self.name}: this sink is writing already; make one for each subscription")
            writer = self._new_writer(source, watcher.tell, ended, let_go)
            self._current, self._process = writer, os.getpid()
        run = _Run(self.name, writer)
        atexit.register(run.at_exit)
        writer.start()
        return run


class _Run(Generic[W]):
    """One subscription of a sink: what its source waits for, and the process at its exit."""

    def __init__(self, name: str, writer: W) -> None:
        self.writer = writer
        self.sources: list[SourceSinks] = []
        self.ended = False
        self._name = name
        self._process = os.getpid()
        self._input_ended = threading.Event()
        self._finished = threading.Event()
        started(self)

    @property
    def complete(self) -> bool:
        return not any(self.writer.remaining)

    @property
    def blocked(self) -> bool:
        return self.writer.full and not self.ended

    @property
    def on_own_thread(self) -> bool:
        return threading.current_thread() in self.writer.threads

    def end(self, cause: Exception | None = None) -> None:
        if os.getpid() != self._process:
            return
        self.ended = True
        input_ended(self)
        self.writer.end(cause)
        self._input_ended.set()

    def finish(self) -> None:
        """Everything is written, or was given up, and the subscriber has received the end."""
        self.ended = True
        self._input_ended.set()
        self._finished.set()
        finished(self)

    def settle(self, seconds: float | None) -> SinkLeft:
        limit = self.writer.flush_seconds if seconds is None else seconds
        began = time.monotonic()
        if not _wait(self._input_ended, limit if seconds is None else limit / 2):
            log.warning("%s: the end of the source does not pass the operators before the sink", self._name)
            self.writer.close(limit if seconds is None else limit / 2)
        elif seconds is None:
            _wait(self._finished, None)
        elif not self._finished.is_set():
            self.writer.close(max(0.0, seconds - (time.monotonic() - began)))
            # The subscriber receives the end right after the last write; its callback has a moment for it.
            _wait(self._finished, 0.2 if self.writer.over else 0.0)
        return SinkLeft(self._name, *self.writer.remaining)

    def forked(self) -> None:
        self.writer.forked()

    def at_exit(self) -> None:
        if os.getpid() == self._process:  # in a forked child there are neither the threads nor free locks
            self.writer.end()
            self.writer.wait()


def _wait(event: threading.Event, seconds: float | None) -> bool:
    # In slices, since some systems deliver no Ctrl-C inside one long wait.
    deadline = None if seconds is None else time.monotonic() + seconds
    while not event.is_set():
        rest = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
        if rest <= 0:
            return False
        event.wait(rest)
    return True


class _Watcher(Generic[T]):
    """The subscriber of the writes. If it raises, its subscription ends; the writes go on."""

    def __init__(self, observer: abc.ObserverBase[T]) -> None:
        self._observer = observer
        self._lock = threading.RLock()  # two threads may emit
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
                # reactivex unsubscribes an observer that raises; that is not the source's end.
                self._cut_off = True
                log.error("a subscriber of the sink raised: %r", error, exc_info=error)
            finally:
                self._telling = None
        if self._wanted_out and not self._cut_off:
            self.dispose()

    def may_dispose(self) -> bool:
        """Whether unsubscribing is meant: not during a call, where it may be the consequence of raising."""
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
            log.error("the sink ended with an error, and its subscriber has no on_error: %r", failure)


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
