"""Runs a pipeline to its end in the calling thread: `run` and `collect`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc

from rxfeed.core import Seconds, arguments
from rxfeed.operators.source import Root
from rxfeed.operators.unhandled import noted

T = TypeVar("T")

_FLUSH = 5.0  # seconds that a pipeline has for its end after Ctrl-C, or after the given time
_TICK = 0.5  # short waits, because some systems deliver no Ctrl-C during one long wait


def run_to_end(
    stream: Observable[T],
    root: Root,
    on_next: abc.OnNext[T],
    scheduler: abc.SchedulerBase | None = None,
    seconds: Seconds | None = None,
    begin: Callable[[], object] = lambda: None,
) -> BaseException | None:
    """Subscribe to *stream*, connect *root*, and wait for the end, Ctrl-C, or *seconds*; the exception that ended it.

    *begin* is called after the subscription. If this call connects the source, it also closes it. Otherwise the time or
    Ctrl-C ends the subscription alone, and Ctrl-C is raised.
    """
    limit = None if seconds is None else arguments.above_zero("seconds", seconds, "of seconds")
    failures: list[BaseException] = []
    over = threading.Event()

    def on_error(error: Exception) -> None:
        failures.append(error)
        over.set()

    subscription = stream.subscribe(on_next, on_error, over.set, scheduler=scheduler)
    begin()
    began = not over.is_set() and root.begin()
    deadline = None if limit is None else time.monotonic() + limit
    try:
        # If a subscriber leaves the program at the end of the source, the end may not pass all operators.
        while not over.is_set() and root.leaving is None:
            left = _TICK if deadline is None else min(_TICK, deadline - time.monotonic())
            if left <= 0:
                break
            over.wait(left)
        if began and not over.is_set() and root.leaving is None:
            root.close()
            over.wait(_FLUSH)
    except KeyboardInterrupt:
        if not began:
            raise
        root.close()
        over.wait(_FLUSH)
    finally:
        subscription.dispose()
        if began:
            root.close()
    if failures:
        return noted(failures[0])
    if not over.is_set() and root.leaving is not None:
        return root.leaving.with_traceback(None)
    return None
