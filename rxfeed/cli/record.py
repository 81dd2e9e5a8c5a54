"""`rxfeed record`: records a live feed into files."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from queue import Empty, Queue
from typing import Protocol

from rxfeed.cli.live import StatusReporter, make_feed
from rxfeed.cli.progress import PlainProgress, Progress, RecordSummary
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import OutputClosed, OutputFailed, is_screen, write_error, write_line
from rxfeed.cli.text import printable
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.feed import Connected, Disconnected, Feed, FeedStatus, Reconnecting, Subscribed
from rxfeed.recording import Recorder, record

_POLL = 0.4  # seconds; drawing takes 2 ms


def run(options: argparse.Namespace) -> int:
    """Record until the options, a signal or the feed end it; returns the exit status."""
    recorder = record(
        options.to,
        segment_bytes=max(1, round(options.segment_mb * 1e6)),
        segment_seconds=options.segment_minutes * 60,
        level=options.level,
        flush_seconds=options.flush_seconds,
        mode=options.mode,
    )
    feed = make_feed(options)
    _check_folder(options.to)
    end_requested: list[bool] = []  # a signal handler must not use an object with a lock
    with on_signals(lambda: end_requested.append(True)):
        summary = _Recording(feed, recorder, signed=bool(options.auth)).run(options, lambda: bool(end_requested))
    if feed.stats.connections:
        _show(summary)
    if summary.problem is not None:
        raise RxfeedError(summary.problem)
    return summary.exit_status


def _check_folder(folder: Path) -> None:
    """Raise `ConfigError` if *folder* cannot be written, which the recorder would detect only when connected."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise ConfigError(f"--to: {folder} cannot be created: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"--to: {folder} cannot be written: {there} is not writable")


class _Recording:
    """Runs the feed and the recorder on their threads; the main thread reports and draws."""

    def __init__(self, feed: Feed, recorder: Recorder, *, signed: bool) -> None:
        self._feed = feed
        self._recorder = recorder
        self._statuses: Queue[FeedStatus] = Queue()
        self._reporter = StatusReporter("record", "recording", patient=True, signed=signed, venue=feed.venue)
        self._state = "connecting"
        self._last_failure: Exception | None = None
        self._error: Exception | None = None
        self._recorded = threading.Event()
        self._started = False
        feed.status.subscribe(self._on_status, on_completed=self._on_feed_end)

    def _on_status(self, status: FeedStatus) -> None:
        """Start the recorder with the first connection, so that failed attempts leave no segment."""
        if isinstance(status, Connected) and not self._started:
            self._started = True
            self._feed.pipe(self._recorder).subscribe(on_error=self._failed, on_completed=self._recorded.set)
        self._statuses.put(status)

    def _on_feed_end(self) -> None:
        if not self._started:
            self._recorded.set()

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._recorded.set()

    def run(self, options: argparse.Namespace, ended: Callable[[], bool]) -> RecordSummary:
        began = time.monotonic()
        problem: Exception | None = None
        try:
            self._feed.connect()
            self._watch(began, options, ended)
        except RxfeedError as error:
            problem = error
        seconds = time.monotonic() - began
        self._feed.close()
        if self._started:  # otherwise the feed's thread may still wait for the system's resolver
            self._recorded.wait()
        problem = problem or self._error
        if problem is None and not self._started:
            problem = RxfeedError(f"never connected: {self._last_failure or 'the first attempt did not end in time'}")
        return RecordSummary(
            folder=options.to,
            seconds=seconds,
            feed=self._feed.stats,
            recorder=self._recorder.stats,
            problem=None if problem is None else str(problem),
        )

    def _watch(self, began: float, options: argparse.Namespace, ended: Callable[[], bool]) -> None:
        with _Screen(_display(options)) as screen:
            while not ended() and not self._recorded.is_set():
                seconds = time.monotonic() - began
                left = _POLL if options.seconds is None else min(_POLL, options.seconds - seconds)
                if left <= 0:
                    return
                self._report(left)
                stats = self._feed.stats
                screen.show(Progress(self._state, seconds, self._recorder.stats, stats.gaps, stats.reconnects))
            self._report(0)

    def _report(self, seconds: float) -> None:
        """Report the status events of the connection, for *seconds*."""
        until = time.monotonic() + seconds
        while True:
            try:
                status = self._statuses.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            self._state = _STATES.get(type(status), self._state)
            if isinstance(status, Disconnected):
                self._last_failure = status.cause
            self._reporter.report(status)
        self._reporter.check_rejection()


_STATES: dict[type[FeedStatus], str] = {
    Connected: "connected",
    Subscribed: "recording",
    Disconnected: "not connected",
    Reconnecting: "not connected",
}


class _Display(Protocol):
    def show(self, progress: Progress) -> None: ...


class _Screen:
    """Wraps a display that may fail: then nothing more is shown, and recording continues."""

    def __init__(self, display: AbstractContextManager[_Display]) -> None:
        self._display = display
        self._shown: _Display | None = None
        self._stack = ExitStack()

    def show(self, progress: Progress) -> None:
        if self._shown is not None:
            try:
                self._shown.show(progress)
            except OutputFailed as error:
                self._disable(error)

    def __enter__(self) -> _Screen:
        try:
            self._shown = self._stack.enter_context(self._display)
        except OutputFailed as error:
            self._disable(error)
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            self._stack.close()
        except OutputFailed as error:
            self._disable(error)

    def _disable(self, error: OutputFailed) -> None:
        self._shown = None
        _report_failed_output(error)


def _display(options: argparse.Namespace) -> AbstractContextManager[_Display]:
    """A live display if the output is a terminal and rich is installed; otherwise plain lines."""
    if is_screen():
        try:
            from rxfeed.cli.record_display import RecordDisplay
        except ImportError:
            pass
        else:
            return RecordDisplay(f"{', '.join(options.products)} to {options.to}")
    return PlainProgress()


def _show(summary: RecordSummary) -> None:
    try:
        write_line("\n".join(printable(line) for line in summary.text().splitlines()))
    except OutputFailed as error:
        _report_failed_output(error)


def _report_failed_output(error: OutputFailed) -> None:
    if not isinstance(error, OutputClosed):  # a closed pipe is intended by the reader
        write_error(f"warning: {error}; nothing more is shown, and recording continues")
