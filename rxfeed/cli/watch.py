"""`rxfeed watch`: prints a live feed, one line for each message."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import threading
import time
from queue import Empty, Full, Queue

from rxfeed.cli.lines import clipped, line
from rxfeed.cli.live import StatusReporter, make_feed
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import OutputClosed, flush_output, write_error, write_line
from rxfeed.cli.text import json_line
from rxfeed.feed import Feed, FeedStatus
from rxfeed.market import ErrorMessage, FrameOrigin, Malformed, Message, Subscriptions

_QUEUE = 10_000  # messages; a reader slower than the feed makes the feed wait
_POLL = 0.2  # seconds


def run(options: argparse.Namespace) -> int:
    """Print the feed until the options or the feed end it."""
    feed = make_feed(options)
    try:
        with on_signals(_interrupt):
            _Watch(feed, as_json=bool(options.json), signed=bool(options.auth)).run(options.count, options.seconds)
    except (KeyboardInterrupt, OutputClosed):  # both end the command normally
        pass
    return 0


class _Watch:
    """Prints, on the main thread, the items that the feed's thread puts into a queue."""

    def __init__(self, feed: Feed, *, as_json: bool, signed: bool) -> None:
        self._feed = feed
        self._as_json = as_json
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        self._frame: object = None  # the epochs of the last frame with several messages
        self._items: Queue[object] = Queue(_QUEUE)
        self._ended = threading.Event()
        self._reporter = StatusReporter("watch", "printing", signed=signed, venue=feed.venue)
        feed.status.subscribe(self._put)
        feed.malformed.subscribe(self._put)
        feed.subscribe(self._put, on_error=lambda error: None)  # also reported as a status

    def run(self, count: int | None, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        printed = 0
        try:
            self._feed.connect()
            while printed != count and (deadline is None or time.monotonic() < deadline):
                try:
                    item = self._items.get(timeout=_POLL if deadline is None else _left(deadline))
                except Empty:
                    item = None
                printed += self._print(item)
                if self._items.empty():
                    flush_output()
                self._reporter.check_rejection()
            flush_output()
        finally:
            self._ended.set()
            self._feed.close()

    def _put(self, item: object) -> None:
        """Put *item* into the queue, on the feed's thread; waits while the queue is full, until the command ends."""
        while not self._ended.is_set():
            with contextlib.suppress(Full):
                self._items.put(item, timeout=_POLL)
                return

    def _print(self, item: object) -> bool:
        """Print *item*; True if it was market data."""
        if isinstance(item, FeedStatus):
            self._reporter.report(item)
        elif isinstance(item, Malformed):
            named = " ".join(name for name in (item.type, item.product_id) if name is not None)
            write_error(f"malformed frame{named and f' ({named})'}: {item.reason}")
        elif isinstance(item, Message) and not isinstance(item, Subscriptions | ErrorMessage):
            if self._as_json and self._is_of_last_frame(item):
                return True
            write_line(self._line(item), flush=False)
            return True
        return False

    def _is_of_last_frame(self, message: Message) -> bool:
        """True if another message of the same frame was printed, which is printed once."""
        origin: object = message._origin
        last, self._frame = self._frame, origin.epochs if isinstance(origin, FrameOrigin) else None
        return self._frame is not None and self._frame is last

    def _line(self, message: Message) -> str:
        if self._as_json:
            return json_line(message.raw, sys.stdout.encoding or "ascii")
        return line(message) if self._width is None else clipped(line(message), self._width)


def _left(deadline: float) -> float:
    return min(_POLL, max(0.0, deadline - time.monotonic()))


def _interrupt() -> None:
    raise KeyboardInterrupt
