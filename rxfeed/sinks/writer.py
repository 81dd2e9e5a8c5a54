"""The sink's threads: one makes batches, one writes them, and one watches over the second where there is a spill."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rxfeed.errors import SinkError
from rxfeed.operators import Forked, Handover
from rxfeed.sinks.backlog import Backlog, Batch
from rxfeed.sinks.dead import DeadLetters
from rxfeed.sinks.delivery import Attempt, attempt, told
from rxfeed.sinks.encoding import Encoder
from rxfeed.sinks.patience import Patience
from rxfeed.sinks.results import Counters, DeadLetter, MongoLeft, MongoWrite
from rxfeed.sinks.settings import Settings
from rxfeed.sinks.spill import Spill

log = logging.getLogger("rxfeed.sinks")


class Writer:
    """One subscription's: the queue, the threads, and how they end.

    *emit* hears of batches and *ended* of the end, on these threads; *let_go* unsubscribes from the source.
    """

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        letters: DeadLetters,
        emit: Callable[[MongoWrite], None],
        ended: Callable[[Exception | None], None],
        let_go: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._letters = letters
        self._emit = emit
        self._tell_end = ended
        self._let_go = let_go
        self._collection = settings.collection
        self.name = settings.collection.full_name
        self.flush_seconds = settings.flush_seconds
        self._damaged: deque[tuple[str, int]] = deque()
        self._spill = None if settings.spill is None else self._open(settings.spill)
        policy = "drop_newest" if settings.at_bound == "fail" else settings.at_bound
        self._queue: Handover[Any] = Handover(settings.queue_size, policy, self._dropped)
        half = max(1, settings.queue_size // 2)
        self._backlog = Backlog(self._spill, settings.batch_size, lambda: len(self._queue) >= half)
        self._encoder = Encoder(
            settings.to_document, settings.identify, self._collection.codec_options, settings.batch_bytes
        )
        self._patience = Patience(settings.retry_seconds, settings.flush_seconds, settings.attempt_seconds)
        self._cause: Exception | None = None  # why the source, or the sink, ended
        self._last_error: Exception | None = None  # of the database
        self._overflow = self._making = 0
        self._finished = threading.Event()
        # Daemons, so that a script that forgets to close still ends; at exit they are waited for.
        self._maker = threading.Thread(target=self._make, name="rxfeed-mongo-batches", daemon=True)
        self._deliverer = threading.Thread(target=self._deliver, name="rxfeed-mongo", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="rxfeed-mongo-watch", daemon=True)

    def _open(self, path: str) -> Spill:
        settings = self._settings
        return Spill(
            path,
            self.name,
            settings.spill_bytes,
            mode=settings.spill_mode,
            damaged=lambda reason, count: self._damaged.append((reason, count)),
        )

    # ---- for the source, and for anybody

    def start(self) -> None:
        self._maker.start()
        self._deliverer.start()
        if self._spill is not None:
            self._watcher.start()

    def put(self, item: Any) -> None:
        self._counters.taken += 1
        self._queue.put(item)
        if self._overflow and not self._patience.ended and self._settings.at_bound == "fail":
            size = self._settings.queue_size
            self._fail(SinkError(f"{self.name}: the queue of {size} items is full, and at_bound is 'fail'", 0))

    def _dropped(self) -> None:
        self._counters.dropped += 1  # under the queue's lock, always
        self._overflow += 1

    def end(self, cause: Exception | None = None, deadline: float | None = None) -> None:
        """Let no more in, and write what is here, until *deadline* (monotonic) at the latest."""
        self._cause = self._cause or cause
        self._patience.end(deadline)
        self._queue.end()

    def wait(self) -> None:
        self._deliverer.join()

    @property
    def over(self) -> bool:
        return self._finished.is_set()

    def close(self, timeout: float) -> MongoLeft:
        """End; return when everything is written, or after *timeout* seconds with what then is left."""
        closing = time.monotonic() + timeout
        keeping = min(1.0, timeout / 4)  # of the time: for the spill, should the database not answer
        self.end(deadline=closing - keeping)
        self._let_go()
        if threading.current_thread() in self.threads:
            return self.left()
        if not self._finished.wait(closing - keeping / 2 - time.monotonic()):
            self._abandon(final=False)
            self._finished.wait(max(0.0, closing - time.monotonic()))
        return self.left()

    def left(self) -> MongoLeft:
        return MongoLeft(*self.remaining)

    @property
    def remaining(self) -> tuple[int, int]:
        return self.queued + self._backlog.lost + self._queue.late, self.spilled

    @property
    def full(self) -> bool:
        return self._settings.at_bound == "block" and len(self._queue) >= self._queue.size

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        return self._maker, self._deliverer, self._watcher

    def forked(self) -> None:
        self._queue = Forked()
        if self._spill is not None:
            self._spill.forked()

    @property
    def queued(self) -> int:
        return len(self._queue) + self._making + self._backlog.queued

    @property
    def spilled(self) -> int:
        return 0 if self._spill is None else self._spill.documents

    @property
    def spill_bytes(self) -> int:
        return 0 if self._spill is None else self._spill.bytes

    @property
    def lag(self) -> float:
        oldest = self._backlog.oldest_ns
        return 0.0 if oldest is None else max(0.0, (time.time_ns() - oldest) / 1e9)

    # ---- on the thread that makes batches

    def _make(self) -> None:
        size, seconds = self._settings.batch_size, self._settings.batch_seconds
        died: list[DeadLetter] = []
        try:
            while items := self._queue.take(size, size, seconds):
                self._making = len(items)
                for batch in self._encoder.encode(items, died.append):
                    self._making -= len(batch.documents)  # the backlog counts them from here on
                    if self._backlog.put(batch):
                        self._spilled(len(batch.documents))
                if died:
                    self._bury(died)
                    died = []
                self._making = 0
        except Exception as error:
            self._broken(error)
            self._backlog.lose(self._making + self._queue.clear())
        finally:
            self._making = 0
            self._backlog.end()

    def _spilled(self, count: int) -> None:
        self._counters.add(spilled_ever=count)
        self._emit(MongoWrite(0, 0.0, self._counters.total, spilled=count))

    def _bury(self, died: list[DeadLetter]) -> None:
        self._counters.add(dead=len(died))
        self._letters.add(died)
        self._emit(MongoWrite(0, 0.0, self._counters.total, dead=len(died)))

    # ---- on the thread that watches

    def _watch(self) -> None:
        while (saved := self._backlog.watch()) >= 0:
            if saved:
                log.warning("%s: the database is slow; %d documents were written to the spill", self.name, saved)
                self._spilled(saved)

    # ---- on the thread that writes

    def _report_damaged(self) -> None:
        while self._damaged:
            reason, count = self._damaged.popleft()
            self._counters.add(dead=count)
            self._letters.add([DeadLetter(reason, None)])
            self._emit(MongoWrite(0, 0.0, self._counters.total, dead=count))

    def _deliver(self) -> None:
        try:
            while batch := self._backlog.take():
                self._report_damaged()
                if not self._write(batch):
                    self._abandon(final=True)
                    break
            while not self._letters.flush(self._patience.for_attempt()) and self._patience.pause():
                pass
        except Exception as error:
            self._broken(error)
            self._abandon(final=True)
        self._finish()

    def _write(self, batch: Batch) -> bool:
        """Write *batch*, or see that it goes to the spill; `False` to give up."""
        started = time.monotonic()
        self._patience.begin()
        outcome = Attempt(pending=batch.documents)
        while True:
            self._try(outcome)
            if outcome.error is None:
                self._backlog.done()
                self._counters.problem = None if self._spill is None else self._spill.problem
                self._account(outcome, 0, started)
                self._letters.flush(self._patience.for_attempt())
                return True
            hopeless = self._note(outcome)
            moved, kept = self._backlog.failed(outcome.pending)
            self._counters.add(spilled_ever=moved)
            if not kept or hopeless:
                self._account(outcome, moved, started)
                return not hopeless and self._patience.pause()
            if not self._patience.pause():
                self._account(outcome, 0, started)
                return False

    def _try(self, outcome: Attempt) -> None:
        """Send what of *outcome* is pending, and add what comes of it."""
        pending, outcome.pending, outcome.error = outcome.pending, [], None
        outcome.add(attempt(self._collection, pending, self._patience.for_attempt()))
        if len(outcome.pending) < len(pending):
            self._patience.succeeded()

    def _note(self, outcome: Attempt) -> bool:
        """Tell of a failed attempt; whether another is hopeless."""
        assert outcome.error is not None
        self._last_error = outcome.error
        why = told(outcome.error)
        if self._counters.problem is None:
            log.warning("%s: a batch did not get through, and is tried again: %s", self.name, why)
        self._counters.problem = why
        # What was refused from the start is a mistake of the set-up; later somebody may be changing a password.
        mistaken = outcome.trouble == "refused" and not (self._counters.total or outcome.written)
        if outcome.trouble == "fatal" or mistaken:
            self._fail(SinkError(f"{self.name}: {why}", 0))
            return True
        self._counters.add(retries=1)
        return False

    def _account(self, outcome: Attempt, spilled: int, started: float) -> None:
        count = outcome.written + outcome.duplicates
        if count:
            self._counters.acknowledged(outcome.written, outcome.duplicates)
        if outcome.dead:
            self._counters.add(dead=len(outcome.dead))
            self._letters.add([DeadLetter(why, document, document.get("_id")) for document, why in outcome.dead])
        if count or outcome.dead or spilled:
            seconds, total = time.monotonic() - started, self._counters.total
            self._emit(MongoWrite(count, seconds, total, outcome.duplicates, len(outcome.dead), spilled))

    # ---- the end

    def _fail(self, error: Exception) -> None:
        self.end(error)
        self._let_go()

    def _broken(self, error: Exception) -> None:
        log.error("%s: the sink failed: %s", self.name, told(error), exc_info=error)
        self._last_error = self._last_error or error
        self._fail(SinkError(f"{self.name}: {told(error)}", 0))
        self._abandon(final=False)

    def _abandon(self, *, final: bool) -> None:
        self.end()
        self._let_go()
        moved = self._backlog.abandon(final=final)
        if moved:
            self._spilled(moved)

    def _finish(self) -> None:
        self._maker.join()
        if self._spill is not None:
            self._watcher.join()
            self._report_damaged()
        self._counters.add(lost=self._backlog.lost + self._queue.late)
        if self._spill is not None:
            if self._spill.documents:
                log.warning("%s: %d documents wait in the spill for the next start", self.name, self._spill.documents)
            self._spill.close()
        self._finished.set()
        self._tell_end(self._outcome(self._backlog.lost + self._queue.late))

    def _outcome(self, lost: int) -> Exception | None:
        """What the stream ends with."""
        cause = self._cause
        overflow = self._overflow if self._settings.at_bound == "fail" else 0
        if not lost and not isinstance(cause, SinkError):
            return cause
        reason = str(cause) if isinstance(cause, SinkError) else None
        if reason is None:
            why = "the time was over" if self._last_error is None else told(self._last_error)
            reason = f"{self.name}: {why}"
        error = SinkError(f"{lost + overflow} documents not written: {reason}", lost + overflow)
        error.__cause__ = self._last_error or cause
        return error
