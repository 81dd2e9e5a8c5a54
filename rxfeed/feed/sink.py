"""The common part of sinks: an operator that passes the items of its input to a writer with its own threads."""

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
from rxfeed.feed.endings import SinkLeft, SourceSinks, finished, input_ended, started, subscribing
from rxfeed.operators import leave

log = logging.getLogger("rxfeed.sinks")
T = TypeVar("T")
W = TypeVar("W", bound="SinkWriter")
_RECENT = 10.0  # seconds over which the rate is measured


class SinkWriter(Protocol):
    """The writer of one subscription: accepts items until the end, and writes them on its own threads."""

    flush_seconds: float
    """The seconds that it waits at the end if the caller gives no limit."""

    def start(self) -> None: ...

    def put(self, item: Any) -> None: ...

    def end(self, cause: Exception | None = None) -> None:
        """Accept no more items, and write those in the queue; the stream then ends with *cause*."""
        ...

    def wait(self) -> None:
        """Return when all items are written."""
        ...

    def close(self, timeout: float) -> object:
        """Unsubscribe from the source, and end; return when all items are written, or after *timeout* seconds."""
        ...

    @property
    def remaining(self) -> tuple[int, int]:
        """The numbers of items that are not written: those in memory or lost, and those on disk."""
        ...

    @property
    def over(self) -> bool: ...

    @property
    def full(self) -> bool:
        """True if the queue is full."""
        ...

    @property
    def threads(self) -> tuple[threading.Thread, ...]: ...

    def forked(self) -> None:
        """Called in a forked child process: leave the parent's files and locks alone, and raise in `put`."""
        ...


class Sink(Generic[T, W]):
    """An operator that emits the writes of its items; it allows one subscription at a time.

    When the process exits, the remaining items are written. If a subscriber of the writes raises, its subscription
    ends, and the sink continues to write.
    """

    name: str

    def __init__(self) -> None:
        self._current: W | None = None
        self._starting = threading.Lock()
        self._process = os.getpid()

    @property
    def _writer(self) -> W | None:
        """The writer of the newest subscription; raises `WrongProcess` in a forked child while the parent writes."""
        writer = self._current
        if writer is not None and os.getpid() != self._process and not writer.over:
            raise WrongProcess(f"{self.name}: this sink writes in the parent process; make a new one after the fork")
        return writer

    @abstractmethod
    def _new_writer(
        self,
        source: Observable[object],
        emit: Callable[[T], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> W:
        """A writer for *source*; it calls *emit* for each write, *ended* once, and *unsubscribe* to leave *source*."""

    def _attach(
        self,
        source: Observable[object],
        writer: W,
        end: Callable[[Exception | None], None],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        """Subscribe *writer* to *source*; *end* is called when the source ends."""
        return source.subscribe(writer.put, end, lambda: end(None), scheduler=scheduler)

    def __call__(self, source: Observable[object]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            upstream = SingleAssignmentDisposable()
            subscriber = _WriteSubscriber(observer)
            try:
                run = self._start(source, subscriber, upstream.dispose)
            except Exception as error:
                observer.on_error(error)
                return Disposable()

            def dispose() -> None:
                if subscriber.may_dispose():
                    upstream.dispose()
                    run.end()

            subscriber.dispose = dispose
            try:
                with subscribing(run):
                    upstream.disposable = self._attach(source, run.writer, run.end, scheduler)
            except Exception as error:  # without input the sink would wait until the process ends
                run.end(error)
                raise
            return Disposable(dispose)

        return Observable(subscribe)

    def _start(
        self, source: Observable[object], subscriber: _WriteSubscriber[T], unsubscribe: Callable[[], None]
    ) -> _SinkRun[W]:
        def ended(error: Exception | None) -> None:
            atexit.unregister(run.at_exit)
            subscriber.end(error)
            run.finish()

        with self._starting:
            if self._writer is not None and not self._writer.over:
                raise ConfigError(
                    f"{self.name}: this sink already has a subscription; make one sink for each subscription"
                )
            writer = self._new_writer(source, subscriber.emit, ended, unsubscribe)
            self._current, self._process = writer, os.getpid()
        run = _SinkRun(self.name, writer)
        subscriber.sources = run.sources
        atexit.register(run.at_exit)
        writer.start()
        return run


class _SinkRun(Generic[W]):
    """One subscription of a sink; its sources wait for it, and the process at its exit."""

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
        """Called when all items are written or dropped, and the subscriber has received the end."""
        self.ended = True
        self._input_ended.set()
        self._finished.set()
        finished(self)

    def settle(self, seconds: float | None) -> SinkLeft:
        limit = self.writer.flush_seconds if seconds is None else seconds
        began = time.monotonic()
        if not _wait(self._input_ended, limit if seconds is None else limit / 2):
            log.warning(
                "%s: the end of the source did not reach the sink, because an operator before it does not complete. "
                "The sink is closed with a time limit",
                self._name,
            )
            self.writer.close(limit if seconds is None else limit / 2)
        elif seconds is None:
            _wait(self._finished, None)
        elif not self._finished.is_set():
            self.writer.close(max(0.0, seconds - (time.monotonic() - began)))
            # The subscriber receives the end just after the last write, so its callback gets a short time.
            _wait(self._finished, 0.2 if self.writer.over else 0.0)
        return SinkLeft(self._name, *self.writer.remaining)

    def forked(self) -> None:
        self.writer.forked()

    def at_exit(self) -> None:
        if os.getpid() == self._process:  # a forked child has no threads, and its locks may be held
            self.writer.end()
            self.writer.wait()


def _wait(event: threading.Event, seconds: float | None) -> bool:
    # Several short waits, because some systems deliver no Ctrl-C during one long wait.
    deadline = None if seconds is None else time.monotonic() + seconds
    while not event.is_set():
        rest = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
        if rest <= 0:
            return False
        event.wait(rest)
    return True


class _WriteSubscriber(Generic[T]):
    """The subscriber of the writes. If it raises, its subscription ends; the sink continues."""

    def __init__(self, observer: abc.ObserverBase[T]) -> None:
        self._observer = observer
        self._lock = threading.RLock()  # two threads may emit
        self._emitting_thread: int | None = None
        self._dispose_later = False
        self._raised = False
        self.dispose: Callable[[], None] = lambda: None
        self.sources: list[SourceSinks] = []
        """The sources of the sink."""

    def emit(self, write: T) -> None:
        with self._lock:
            if self._raised:
                return
            self._emitting_thread = threading.get_ident()
            try:
                self._observer.on_next(write)
            except Exception as error:
                # reactivex unsubscribes an observer that raises, which must not end the source.
                self._raised = True
                log.error(
                    "a subscriber of the sink raised, and was unsubscribed; the sink continues: %r",
                    error,
                    exc_info=error,
                )
            except BaseException as error:  # SystemExit or KeyboardInterrupt: the source ends, the sink writes the rest
                self._raised = True
                leave(self.sources, error)
            finally:
                self._emitting_thread = None
        if self._dispose_later and not self._raised:
            self.dispose()

    def may_dispose(self) -> bool:
        """False during a call of the subscriber, when disposal may only be the consequence of an exception in it."""
        if self._emitting_thread == threading.get_ident():
            self._dispose_later = True
            return False
        return True

    def end(self, error: Exception | None) -> None:
        try:
            if error is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(error)
        except Exception as failure:
            log.error("the sink failed, and its subscriber has no on_error: %r; give subscribe() an on_error", failure)
        except BaseException as failure:
            if failure is not error:  # without an on_error reactivex raises the cause itself, which ends the source
                leave(self.sources, failure)


class RecentRate:
    """The rate per second over the last ten seconds; any thread may add or read."""

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
