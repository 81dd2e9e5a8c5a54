"""`rxfeed watch`: a live feed, a line a message."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from queue import Empty, Full, Queue
from typing import Any

from rxfeed.cli.lines import line
from rxfeed.cli.live import StatusReporter, make_feed
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import OutputClosed, flush_output, write_error, write_line
from rxfeed.cli.text import json_line
from rxfeed.feed import Feed, FeedStatus
from rxfeed.market import ErrorMessage, Malformed, Message, Subscriptions

_QUEUE = 10_000  # messages; a reader slower than the feed makes the feed wait
_LOOK = 0.2  # seconds


def run(options: argparse.Namespace) -> int:
    """Print what the options ask for, until they or the feed end it."""
    feed = make_feed(options)
    try:
        with on_signals(_interrupt):
            _Watch(feed, as_json=bool(options.json)).run(options.count, options.seconds)
    except (KeyboardInterrupt, OutputClosed):  # both mean: enough
        pass
    return 0


class _Watch:
    """Takes what the feed's thread puts into a queue, and prints it in the main one."""

    def __init__(self, feed: Feed, *, as_json: bool) -> None:
        self._feed = feed
        self._as_json = as_json
        self._items: Queue[Any] = Queue(_QUEUE)
        self._over = threading.Event()
        self._reporter = StatusReporter("watch", "printing")
        feed.status.subscribe(self._put)
        feed.malformed.subscribe(self._put)
        feed.subscribe(self._put, on_error=lambda error: None)  # reported as a status, too

    def run(self, count: int | None, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        printed = 0
        try:
            self._feed.connect()
            while printed != count and (deadline is None or time.monotonic() < deadline):
                try:
                    item = self._items.get(timeout=_LOOK if deadline is None else _left(deadline))
                except Empty:
                    item = None
                printed += self._print(item)
                if self._items.empty():
                    flush_output()
                self._reporter.check_refusal()
            flush_output()
        finally:
            self._over.set()
            self._feed.close()

    def _put(self, item: Any) -> None:
        """On the feed's thread; waits while the queue is full, but not for a reader that is gone."""
        while not self._over.is_set():
            with contextlib.suppress(Full):
                self._items.put(item, timeout=_LOOK)
                return

    def _print(self, item: Any) -> bool:
        """Whether *item* was market data, and is printed."""
        if isinstance(item, FeedStatus):
            self._reporter.report(item)
        elif isinstance(item, Malformed):
            named = " ".join(name for name in (item.type, item.product_id) if name is not None)
            write_error(f"malformed frame{named and f' ({named})'}: {item.reason}")
        elif isinstance(item, Message) and not isinstance(item, Subscriptions | ErrorMessage):
            write_line(self._line(item), flush=False)
            return True
        return False

    def _line(self, message: Message) -> str:
        return json_line(message.raw, sys.stdout.encoding or "ascii") if self._as_json else line(message)


def _left(deadline: float) -> float:
    return min(_LOOK, max(0.0, deadline - time.monotonic()))


def _interrupt() -> None:
    raise KeyboardInterrupt
