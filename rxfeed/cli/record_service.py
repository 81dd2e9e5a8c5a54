"""Records for as long as it takes: run after run, with the disk, the service manager and the signals between them.

A run ends when the disk has no room; the next begins when it has. All else that ends a run ends the recording.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from rxfeed.cli.live import make_feed
from rxfeed.cli.notify import ServiceManager, WriterHealth
from rxfeed.cli.progress import Progress, RecordSummary, size, total
from rxfeed.cli.record_disk import RecordingDisk
from rxfeed.cli.record_mongo import MongoStore
from rxfeed.cli.record_run import POLL, Proceed, RecordingRun, RunResult
from rxfeed.cli.record_screen import RecordScreen
from rxfeed.feed import Stats
from rxfeed.metrics import MetricsServer
from rxfeed.recording import Recorder, Retention

log = logging.getLogger("rxfeed.cli")

_RETAIN_EVERY = 60.0  # seconds
_STATUS_EVERY = 10.0
NO_ROOM = "waiting for the disk"


class RecordSignals:
    """The signals that have come; handlers only append, since a handler must not use an object with a lock."""

    def __init__(self) -> None:
        self.ends: list[bool] = []
        self.rotations: list[bool] = []

    def end(self) -> None:
        self.ends.append(True)

    def rotate(self) -> None:
        self.rotations.append(True)


class RecordParts(NamedTuple):
    """What a recording consists of, beside its feeds."""

    recorder: Recorder
    mongo: MongoStore | None
    disk: RecordingDisk
    retention: Retention
    manager: ServiceManager
    metrics: MetricsServer | None = None


class RecordService:
    """Records with *parts*, until *signals* or the options end it; shows the progress on *screen*."""

    def __init__(
        self,
        options: argparse.Namespace,
        parts: RecordParts,
        signals: RecordSignals,
        screen: RecordScreen,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._recorder, self._mongo, self._disk, self._retention, self._manager, self._metrics = parts
        self._signals = signals
        self._screen = screen
        self._clock = clock
        self._began = clock()
        self._health = WriterHealth(2 * self._manager.watchdog)
        self._ended: list[Stats] = []
        self._stops = 0
        self._next_retention = self._next_status = -math.inf
        self._segments = 0
        self._state = ""

    def run(self) -> RecordSummary:
        result = RunResult(Stats(), False, None)
        self._manager.ready()
        while self._wait_for_room():
            feed = make_feed(self._options, log.log)
            if self._metrics is not None:
                self._metrics.add(feed)
            run = RecordingRun(feed, self._recorder, self._mongo, signed=bool(self._options.auth))
            result = run.run(self._proceed, self._left)
            self._ended.append(result.stats)
            if not self._ends_for_the_disk(result):
                break
            self._stops += 1
            result = result._replace(problem=None)
        self._manager.stopping()
        problem = result.problem
        if self._mongo is not None:
            problem = problem or self._mongo.problem
        return RecordSummary(
            folder=self._options.to,
            seconds=self._clock() - self._began,
            feed=total(self._ended),
            recorder=self._recorder.stats,
            stops=self._stops,
            mongo=None if self._mongo is None else self._mongo.text(),
            mongo_failed=self._mongo is not None and self._mongo.lost > 0,
            problem=None if problem is None else str(problem),
            connections=result.connections,
        )

    # ---- between two runs

    def _wait_for_room(self) -> bool:
        """Wait until the disk has room; `False` if the recording ends before."""
        while not self._disk.has_room():
            if not self._ended:  # it starts without room, which counts like a stop
                self._stops = 1
            if self._over() is not Proceed.RUN:
                return False
            self._housekeep(NO_ROOM, Stats())
            time.sleep(min(POLL, self._left()))
        return self._over() is Proceed.RUN or not self._ended

    def _ends_for_the_disk(self, result: RunResult) -> bool:
        """True if *result* is that of a run that ended because the disk has no room."""
        if self._over() is not Proceed.RUN:
            return False
        if result.problem is not None and self._disk.refused(result.problem):
            return True
        return not self._disk.has_room() and (result.problem is None or not result.started)

    # ---- during a run

    def _proceed(self, run: RecordingRun) -> Proceed:
        self._housekeep(run.state, run.stats)
        over = self._over()
        if over is Proceed.RUN and not self._disk.has_room():
            return Proceed.END
        return over

    def _over(self) -> Proceed:
        if self._signals.ends:
            return Proceed.STOP
        return Proceed.RUN if self._left() > 0 else Proceed.END

    def _left(self) -> float:
        """Seconds until the recording ends by `--seconds`."""
        seconds = self._options.seconds
        return math.inf if seconds is None else max(0.0, self._began + seconds - self._clock())

    def _housekeep(self, state: str, stats: Stats) -> None:
        """All that is done at intervals, and on SIGHUP; then the progress is shown."""
        now = self._clock()
        recorded = self._recorder.stats
        while self._signals.rotations:
            self._signals.rotations.pop()
            log.info("SIGHUP: a new file begins")
            self._recorder.rotate()
        if recorded.segments != self._segments or now >= self._next_retention:
            self._segments, self._next_retention = recorded.segments, now + _RETAIN_EVERY
            self._retention.apply()
        if self._health.is_alive(recorded.frames + recorded.events, recorded.queued, now):
            self._manager.alive()
        counted = total([*self._ended, stats])
        if now >= self._next_status or state != self._state:
            self._state, self._next_status = state, now + _STATUS_EVERY
            self._manager.status(
                f"{state}: {recorded.frames:,} frames, {size(recorded.bytes)} in {recorded.segments:,} files, "
                f"{counted.gaps:,} gaps, {counted.reconnects:,} reconnects, {size(self._disk.free)} free"
            )
        self._screen.show(Progress(state, now - self._began, recorded, counted.gaps, counted.reconnects))
