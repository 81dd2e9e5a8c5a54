"""Runs a book that needs snapshots: messages from one side, snapshots from the other, one at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

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
)
from rxfeed.errors import ConnectFailed
from rxfeed.market import Message

log = logging.getLogger("rxfeed.operators")

_APART = 1.0  # seconds between two requests, unless the policy's first wait is shorter


class Splice:
    """Steps *book* with messages and with the snapshots that it needs, under one lock.

    Messages come on their own thread, and never wait for a request: those are made, one at a time, on a daemon thread
    that lives only as long as there is something to fetch.
    """

    def __init__(
        self,
        book: Level3Book,
        snapshot: Callable[[str], Any],
        retry: Reconnect,
        observer: abc.ObserverBase[FullBookView],
    ) -> None:
        self._book = book
        self._snapshot = snapshot
        self._observer = observer
        self._backoff = Backoff(retry)
        self._apart = min(_APART, retry.initial)
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._need: NeedSnapshot | None = None
        self._fetching = False
        self._asked_at = -_APART
        self._error: Exception | None = None  # that the last request failed with

    def run(self, source: Observable[Message], scheduler: abc.SchedulerBase | None) -> abc.DisposableBase:
        upstream = source.subscribe(self._step, self._end, self._end, scheduler=scheduler)
        return CompositeDisposable(Disposable(self._over.set), upstream)

    def _step(self, item: Item) -> None:
        with self._lock:
            if self._over.is_set():
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
            if self._over.is_set():
                return
            self._over.set()
            if cause is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(cause)

    # ---- snapshots

    def _fetch(self, need: NeedSnapshot) -> None:
        retries = self._backoff.policy.retries
        if retries is not None and need.failures > retries:
            error = ConnectFailed(f"no snapshot of {need.product_id} in {need.failures} attempts that fits")
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
                if need is None or self._over.is_set():
                    self._fetching = False
                    return
            self._over.wait(self._wait(need))
            if self._over.is_set() or self._need is not None:  # not asked for any more
                continue
            self._asked_at = time.monotonic()
            self._step(self._ask(need))

    def _wait(self, need: NeedSnapshot) -> float:
        """Seconds until *need* may be asked for."""
        apart = self._asked_at + self._apart - time.monotonic()
        if not need.failures:
            return max(0.0, apart)
        self._backoff.failures = need.failures - 1
        return max(self._backoff.failed(lasted=_APART) or 0.0, apart)

    def _ask(self, need: NeedSnapshot) -> SnapshotTaken | SnapshotFailed:
        try:
            snapshot = Level3Snapshot.of(self._snapshot(need.product_id))
        except Exception as error:
            self._error = error
            log.warning("no snapshot of %s: %s: %s", need.product_id, type(error).__name__, error)
            return SnapshotFailed(need.request, repr(error))
        self._error = None
        return SnapshotTaken(need.request, snapshot)
