"""The sink's threads: one makes batches, one writes them, and with a spill one monitors the second."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from rxfeed.errors import SinkError
from rxfeed.operators import BoundedQueue, ForkedQueue
from rxfeed.sinks.backlog import Backlog, Batch
from rxfeed.sinks.dead_letters import DeadLetters
from rxfeed.sinks.encoding import Encoder
from rxfeed.sinks.insert import InsertAttempt, attempt, error_text
from rxfeed.sinks.results import DeadLetter, MongoCounters, MongoWrite, UnwrittenCounts
from rxfeed.sinks.retry_policy import RetryPolicy
from rxfeed.sinks.settings import MongoSettings
from rxfeed.sinks.spill import Spill

log = logging.getLogger("rxfeed.sinks")


class MongoWriter:
    """The queue and the threads of one subscription, and their end.

    *emit* is called with batches and *ended* at the end, on these threads; *unsubscribe* unsubscribes from the source.
    """

    def __init__(
        self,
        settings: MongoSettings,
        counters: MongoCounters,
        letters: DeadLetters,
        emit: Callable[[MongoWrite], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._letters = letters
        self._emit = emit
        self._on_end = ended
        self._unsubscribe = unsubscribe
        self._collection = settings.collection
        self.name = settings.collection.full_name
        self.flush_seconds = settings.flush_seconds
        self._damaged: deque[tuple[str, int]] = deque()
        self._spill = None if settings.spill is None else self._open(settings.spill)
        policy = "drop_newest" if settings.overflow == "fail" else settings.overflow
        self._queue: BoundedQueue[object] = BoundedQueue(settings.queue_size, policy, self._dropped)
        half = max(1, settings.queue_size // 2)
        self._backlog = Backlog(
            self._spill, settings.batch_size, lambda: len(self._queue) >= half, durable=settings.sync is not None
        )
        self._encoder = Encoder(
            settings.to_document, settings.identify, self._collection.codec_options, settings.batch_bytes
        )
        self._retry_policy = RetryPolicy(settings.retry_seconds, settings.flush_seconds, settings.attempt_seconds)
        self._cause: Exception | None = None  # the reason of the end
        self._last_error: Exception | None = None  # of an insert
        self._overflow = self._making = 0
        self._finished = threading.Event()
        # Daemons, so that a script without a `close` still exits; at exit the process waits for them.
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
            busy=settings.sync is not None,
        )

    # ---- for the source and for other threads

    def start(self) -> None:
        self._maker.start()
        self._deliverer.start()
        if self._spill is not None:
            self._watcher.start()

    def put(self, item: object) -> None:
        self._counters.taken += 1
        self._queue.put(item)
        if self._overflow and not self._retry_policy.ended and self._settings.overflow == "fail":
            size = self._settings.queue_size
            self._fail(SinkError(f"{self.name}: the queue of {size} items is full, and overflow is 'fail'", 0))

    def _dropped(self) -> None:
        self._counters.dropped += 1  # always under the queue's lock
        self._overflow += 1

    def end(self, cause: Exception | None = None, deadline: float | None = None) -> None:
        """Accept no more items, and write all, until *deadline* (monotonic) at the latest."""
        self._cause = self._cause or cause
        self._retry_policy.end(deadline)
        self._queue.end()

    def wait(self) -> None:
        self._deliverer.join()

    @property
    def over(self) -> bool:
        return self._finished.is_set()

    def close(self, timeout: float) -> UnwrittenCounts:
        """End; wait until all is written, or *timeout* seconds. Returns the unwritten counts."""
        closing = time.monotonic() + timeout
        reserved = min(1.0, timeout / 4)  # seconds of the time, for the spill if the database does not answer
        self.end(deadline=closing - reserved)
        self._unsubscribe()
        if threading.current_thread() in self.threads:
            return self.left()
        if not self._finished.wait(closing - reserved / 2 - time.monotonic()):
            self._abandon(final=False)
            self._finished.wait(max(0.0, closing - time.monotonic()))
        return self.left()

    def left(self) -> UnwrittenCounts:
        return UnwrittenCounts(*self.remaining)

    @property
    def remaining(self) -> tuple[int, int]:
        return self.queued + self._backlog.lost + self._queue.late, self.spilled

    @property
    def full(self) -> bool:
        return self._settings.overflow == "block" and len(self._queue) >= self._queue.size

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        return self._maker, self._deliverer, self._watcher

    def forked(self) -> None:
        self._queue = ForkedQueue()
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
        size, seconds, sync = self._settings.batch_size, self._settings.batch_seconds, self._settings.sync
        if sync is not None:
            seconds = min(seconds, sync)
        died: list[DeadLetter] = []
        try:
            while items := self._queue.take(size, size, seconds):
                self._making = len(items)
                for batch in self._encoder.encode(items, died.append):
                    self._making -= len(batch.documents)  # now the backlog counts them
                    if self._backlog.put(batch):
                        self._spilled(len(batch.documents))
                if died:
                    self._add_dead(died)
                    died = []
                self._making = 0
        except Exception as error:
            self._crashed(error)
            self._backlog.lose(self._making + self._queue.clear())
        finally:
            self._making = 0
            self._backlog.end()

    def _spilled(self, count: int) -> None:
        self._counters.add(spilled_ever=count)
        self._emit(MongoWrite(0, 0.0, self._counters.total, spilled=count))

    def _add_dead(self, died: list[DeadLetter]) -> None:
        self._counters.add(dead=len(died))
        self._letters.add(died)
        self._emit(MongoWrite(0, 0.0, self._counters.total, dead=len(died)))

    # ---- on the thread that monitors

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
            self._letters.add([DeadLetter(reason, None, count=count)])
            self._emit(MongoWrite(0, 0.0, self._counters.total, dead=count))

    def _deliver(self) -> None:
        try:
            while batch := self._backlog.take():
                self._report_damaged()
                if not self._write(batch):
                    self._abandon(final=True)
                    break
            self._report_damaged()  # also those of a spill without a readable batch
            while not self._letters.flush(self._retry_policy.for_attempt()) and self._retry_policy.pause():
                pass
        except Exception as error:
            self._crashed(error)
            self._abandon(final=True)
        self._finish()

    def _write(self, batch: Batch) -> bool:
        """Write *batch*, or save it in the spill. `False` if no more attempts are made."""
        started = time.monotonic()
        self._retry_policy.begin()
        outcome = InsertAttempt(pending=batch.documents)
        while True:
            self._try(outcome)
            if outcome.error is None:
                self._backlog.done()
                self._counters.problem = None if self._spill is None else self._spill.problem
                self._account(outcome, 0, started)
                self._letters.flush(self._retry_policy.for_attempt())
                return True
            permanent = self._note(outcome)
            moved, kept = self._backlog.failed(outcome.pending)
            self._counters.add(spilled_ever=moved)
            if not kept or permanent:
                self._account(outcome, moved, started)
                return not permanent and self._retry_policy.pause()
            if not self._retry_policy.pause():
                self._account(outcome, 0, started)
                return False

    def _try(self, outcome: InsertAttempt) -> None:
        """Send the pending documents of *outcome*, and add the outcome of that."""
        pending, outcome.pending, outcome.error = outcome.pending, [], None
        outcome.add(attempt(self._collection, pending, self._retry_policy.for_attempt()))
        if len(outcome.pending) < len(pending):
            self._retry_policy.succeeded()

    def _note(self, outcome: InsertAttempt) -> bool:
        """Report a failed attempt. True if another attempt cannot succeed."""
        assert outcome.error is not None
        self._last_error = outcome.error
        why = error_text(outcome.error)
        if self._counters.problem is None:
            log.warning("%s: a batch was not inserted and is retried: %s", self.name, why)
        self._counters.problem = why
        # A refusal at the start is an error of the configuration; a later one may be temporary, as a changed password.
        mistaken = outcome.trouble == "refused" and not (self._counters.total or outcome.written)
        if outcome.trouble == "fatal" or mistaken:
            self._fail(SinkError(f"{self.name}: {why}", 0))
            return True
        self._counters.add(retries=1)
        return False

    def _account(self, outcome: InsertAttempt, spilled: int, started: float) -> None:
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
        self._unsubscribe()

    def _crashed(self, error: Exception) -> None:
        log.error("%s: the sink failed: %s", self.name, error_text(error), exc_info=error)
        self._last_error = self._last_error or error
        self._fail(SinkError(f"{self.name}: {error_text(error)}", 0))
        self._abandon(final=False)

    def _abandon(self, *, final: bool) -> None:
        self.end()
        self._unsubscribe()
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
        self._on_end(self._outcome(self._backlog.lost + self._queue.late))

    def _outcome(self, lost: int) -> Exception | None:
        """The error of the stream's end, or `None`."""
        cause = self._cause
        overflow = self._overflow if self._settings.overflow == "fail" else 0
        if not lost and not isinstance(cause, SinkError):
            return cause
        reason = str(cause) if isinstance(cause, SinkError) else None
        if reason is None:
            why = "the time was over" if self._last_error is None else error_text(self._last_error)
            reason = f"{self.name}: {why}"
        error = SinkError(f"{lost + overflow} documents not written: {reason}", lost + overflow)
        error.__cause__ = self._last_error or cause
        return error
