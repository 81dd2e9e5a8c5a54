"""One run of a recording: a feed and its sinks, from the first connection attempt to the last write."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum
from queue import Empty, Queue
from typing import NamedTuple

from rxfeed.cli.live import StatusReporter
from rxfeed.cli.record_mongo import MongoStore
from rxfeed.errors import RxfeedError
from rxfeed.feed import Connected, Disconnected, Feed, FeedStatus, Reconnecting, Stats, Subscribed
from rxfeed.recording import Recorder

log = logging.getLogger("rxfeed.cli")

POLL = 0.4  # seconds; drawing takes 2 ms
# A service manager waits a limited time: together these are below 5 seconds.
_CLOSE = 1.0
_FLUSH = 2.5


class Proceed(Enum):
    """What a run does next."""

    RUN = "run"
    END = "end"
    """End as soon as everything is written."""
    STOP = "stop"
    """As `END`, within seconds."""


class RunResult(NamedTuple):
    """The end of a run: the counters of its feed, whether it recorded anything, and the error that ended it.

    *connections*: the number, the frames and the reconnects of each, if there were several.
    """

    stats: Stats
    started: bool
    problem: Exception | None
    connections: tuple[tuple[int, int, int], ...] = ()


_STATES: dict[type[FeedStatus], str] = {
    Connected: "connected",
    Subscribed: "recording",
    Disconnected: "not connected",
    Reconnecting: "not connected",
}


class RecordingRun:
    """Runs *feed* with *recorder*, and with *mongo* if it is given; the main thread reports."""

    def __init__(self, feed: Feed, recorder: Recorder, mongo: MongoStore | None, *, signed: bool) -> None:
        self._feed = feed
        self._recorder = recorder
        self._mongo = mongo
        self._statuses: Queue[FeedStatus] = Queue()
        self._reporter = StatusReporter(
            "record", "recording", patient=True, signed=signed, venue=feed.venue, write=log.log
        )
        self.state = "connecting"
        self._last_failure: Exception | None = None
        self._error: Exception | None = None
        self._recorded = threading.Event()
        self._started = False
        feed.status.subscribe(self._on_status, on_completed=self._on_feed_end)

    @property
    def stats(self) -> Stats:
        return self._feed.stats

    def _on_status(self, status: FeedStatus) -> None:
        """Start the recorder with the first connection, so that failed attempts leave no segment."""
        if isinstance(status, Connected) and not self._started:
            self._started = True
            self._feed.pipe(self._recorder).subscribe(on_error=self._failed, on_completed=self._recorded.set)
            if self._mongo is not None:
                self._mongo.subscribe(self._feed)
        self._statuses.put(status)

    def _on_feed_end(self) -> None:
        if not self._started:
            self._recorded.set()

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._recorded.set()

    def run(self, proceed: Callable[[RecordingRun], Proceed], left: Callable[[], float]) -> RunResult:
        """Record until *proceed* or the feed ends it. *proceed* is called every `POLL` seconds, or after `left()`."""
        problem: Exception | None = None
        step = Proceed.END
        try:
            self._feed.connect()
            while (step := proceed(self)) is Proceed.RUN and not self._recorded.is_set():
                self._report(min(POLL, left()))
            self._report(0)
        except RxfeedError as error:
            problem = error
        connections = tuple((each.number, each.frames, each.reconnects) for each in self._feed.connections)
        hurried = step is Proceed.STOP
        self._feed.close(*((_CLOSE,) if hurried else ()), flush=_FLUSH if hurried else None)
        if self._started:  # otherwise the feed's thread may still wait for the system's resolver
            self._recorded.wait(POLL if hurried else None)
        problem = problem or self._error
        if problem is None and not self._started:
            problem = RxfeedError(f"never connected: {self._last_failure or 'the first attempt did not end in time'}")
        return RunResult(self._feed.stats, self._started, problem, connections if len(connections) > 1 else ())

    def _report(self, seconds: float) -> None:
        """Report the status events of the connection, for *seconds*."""
        until = time.monotonic() + seconds
        while True:
            try:
                status = self._statuses.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            self.state = _STATES.get(type(status), self.state)
            if isinstance(status, Disconnected):
                self._last_failure = status.cause
            self._reporter.report(status)
        self._reporter.check_rejection()
