"""Runs a book that needs snapshots: it combines the stream of messages with requested snapshots."""

from __future__ import annotations

import logging
import threading
import time

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxfeed.core import (
    Backoff,
    FullBookView,
    Item,
    Level3Book,
    Level3Snapshot,
    NeedSnapshot,
    Reconnect,
    SnapshotFailed,
    SnapshotTaken,
    in_seconds,
)
from rxfeed.errors import ConnectFailed, RequestRejected
from rxfeed.market import Message
from rxfeed.operators.leaving import Leavable, leave, noting
from rxfeed.operators.source import SnapshotSource
from rxfeed.operators.unhandled import hand_back, log_unhandled

log = logging.getLogger("rxfeed.operators")

_REQUEST_INTERVAL = 1.0  # seconds between two requests, or the initial wait of `retry` if that is shorter


class SnapshotSync:
    """Steps *book* with messages and with the snapshots that it needs, under one lock.

    Messages arrive on the source's thread, and never wait for a request. Requests run one at a time, on a daemon thread
    that ends when no snapshot is needed.
    """

    def __init__(
        self,
        book: Level3Book,
        snapshot: SnapshotSource,
        retry: Reconnect,
        observer: abc.ObserverBase[FullBookView],
    ) -> None:
        self._book = book
        self._snapshot = snapshot
        self._observer = observer
        self._backoff = Backoff(retry)
        self._interval = min(_REQUEST_INTERVAL, in_seconds(retry.initial))
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._need: NeedSnapshot | None = None
        self._fetching = False
        self._requested_at = -_REQUEST_INTERVAL
        self._error: Exception | None = None  # of the last request
        self._sources: list[Leavable] = []

    def run(self, source: Observable[Message], scheduler: abc.SchedulerBase | None) -> abc.DisposableBase:
        with noting(self._sources):
            upstream = source.subscribe(self._step, self._end, self._end, scheduler=scheduler)
        return CompositeDisposable(Disposable(self._ended.set), upstream)

    def _step(self, item: Item) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            try:
                outputs = self._book.step(item)
            except Exception as error:
                self._end(error)
                return
            for output in outputs:
                if isinstance(output, NeedSnapshot):
                    self._fetch(output)
                else:
                    self._observer.on_next(output)

    def _end(self, cause: Exception | None = None) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
            if cause is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(cause)

    # ---- snapshots

    def _fetch(self, need: NeedSnapshot) -> None:
        retries = self._backoff.policy.retries
        if retries is not None and need.failures > retries:
            error = ConnectFailed(f"full_book: no usable snapshot of {need.product_id} in {need.failures} attempts")
            error.__cause__ = self._error
            self._end(error)
            return
        self._need = need
        if not self._fetching:
            self._fetching = True
            threading.Thread(target=self._work, name="rxfeed-book", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                need, self._need = self._need, None
                if need is None or self._ended.is_set():
                    self._fetching = False
                    return
            self._ended.wait(self._wait(need))
            if self._ended.is_set() or self._need is not None:  # this request is not needed any more
                continue
            self._requested_at = time.monotonic()
            answer = self._request(need)
            try:
                self._step(answer)
            except Exception as error:
                self._ended.set()
                log_unhandled(hand_back(self._observer, error))
            except BaseException as error:  # SystemExit or KeyboardInterrupt
                self._ended.set()
                leave(self._sources, error)

    def _wait(self, need: NeedSnapshot) -> float:
        """Seconds until *need* may be requested."""
        remaining = self._requested_at + self._interval - time.monotonic()
        if not need.failures:
            return max(0.0, remaining)
        self._backoff.failures = need.failures - 1
        requested = self._error.retry_after if isinstance(self._error, RequestRejected) else 0.0
        return max(self._backoff.failed(_REQUEST_INTERVAL, requested) or 0.0, remaining)

    def _request(self, need: NeedSnapshot) -> SnapshotTaken | SnapshotFailed:
        try:
            snapshot = Level3Snapshot.of(self._snapshot(need.product_id))
        except Exception as error:
            level = logging.WARNING if self._error is None else logging.INFO  # one warning, however long it lasts
            self._error = error
            log.log(
                level,
                "no snapshot of %s: %s: %s: without one the book emits nothing; it is asked for again, later and later",
                *(need.product_id, type(error).__name__, error),
            )
            return SnapshotFailed(need.request, repr(error))
        self._error = None
        return SnapshotTaken(need.request, snapshot)
