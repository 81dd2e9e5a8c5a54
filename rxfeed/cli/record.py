"""`rxfeed record`: a live feed into files."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from queue import Empty, Queue
from typing import Any

from rxfeed.cli.live import Teller, make_feed
from rxfeed.cli.progress import PlainProgress, Progress, RecordSummary
from rxfeed.cli.streams import is_screen, on_signals, silence_stdout, write_line
from rxfeed.errors import RxfeedError
from rxfeed.feed import Connected, Disconnected, Feed, FeedStatus, Reconnecting, Subscribed
from rxfeed.recording import Recorder, record

_LOOK = 0.4  # seconds; to draw takes 2 ms


def run(options: argparse.Namespace) -> int:
    """Record what the options ask for, until they, a signal or the feed end it; what `RecordSummary` says of it."""
    recorder = record(
        options.to,
        segment_bytes=max(1, round(options.segment_mb * 1e6)),
        segment_seconds=options.segment_minutes * 60,
        level=options.level,
        flush_seconds=options.flush_seconds,
        mode=options.mode,
    )
    feed = make_feed(options)
    asked: list[bool] = []  # a signal handler may not touch what has a lock
    with on_signals(lambda: asked.append(True)):
        summary = _Recording(feed, recorder).run(options, lambda: bool(asked))
    if feed.stats.connections:
        _show(summary.text())
    if summary.problem is not None:
        raise RxfeedError(summary.problem)
    return summary.exit_status


class _Recording:
    """The feed and the recorder work on their threads; the main one looks after them."""

    def __init__(self, feed: Feed, recorder: Recorder) -> None:
        self._feed = feed
        self._recorder = recorder
        self._said: Queue[FeedStatus] = Queue()
        self._teller = Teller("record", "recording")
        self._state = "connecting"
        self._error: Exception | None = None
        self._recorded = threading.Event()
        feed.status.subscribe(self._said.put)
        feed.pipe(recorder).subscribe(on_error=self._failed, on_completed=self._recorded.set)

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._recorded.set()

    def run(self, options: argparse.Namespace, asked_to_end: Callable[[], bool]) -> RecordSummary:
        began = time.monotonic()
        problem: Exception | None = None
        try:
            self._feed.connect()
            self._watch(began, options, asked_to_end)
        except RxfeedError as error:
            problem = error
        seconds = time.monotonic() - began
        self._feed.close()
        self._recorded.wait()
        problem = problem or self._error
        return RecordSummary(
            folder=options.to,
            seconds=seconds,
            feed=self._feed.stats,
            recorder=self._recorder.stats,
            problem=None if problem is None else str(problem),
        )

    def _watch(self, began: float, options: argparse.Namespace, asked_to_end: Callable[[], bool]) -> None:
        with _screen(options) as screen:
            while not asked_to_end() and not self._recorded.is_set():
                seconds = time.monotonic() - began
                left = _LOOK if options.seconds is None else min(_LOOK, options.seconds - seconds)
                if left <= 0:
                    return
                self._tell(left)
                stats = self._feed.stats
                progress = Progress(self._state, seconds, self._recorder.stats, stats.gaps, stats.reconnects)
                try:
                    screen.show(progress)
                except BrokenPipeError:  # nobody looks any more: that is no reason to stop
                    silence_stdout()

    def _tell(self, seconds: float) -> None:
        """Say, for so long, what the connection does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                status = self._said.get(timeout=left)
            except Empty:
                break
            self._state = _STATES.get(type(status), self._state)
            self._teller.tell(status)
        self._teller.check_refusal()


_STATES: dict[type[FeedStatus], str] = {
    Connected: "connected",
    Subscribed: "recording",
    Disconnected: "connection lost",
    Reconnecting: "connection lost",
}


def _screen(options: argparse.Namespace) -> AbstractContextManager[Any]:
    """A live display where there is a terminal, and rich is installed; lines elsewhere."""
    if is_screen():
        try:
            from rxfeed.cli.record_display import RecordDisplay
        except ImportError:
            pass
        else:
            return RecordDisplay(f"{', '.join(options.product)} to {options.to}")
    return PlainProgress()


def _show(text: str) -> None:
    try:
        write_line(text)
    except BrokenPipeError:
        silence_stdout()
