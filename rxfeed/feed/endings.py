"""Finds the sinks that a source waits for when it ends.

- A sink belongs to each source that is subscribed to while the sink subscribes, through any operators that subscribe
  at once.
- If the input of a sink ends on the thread of a source, the sink belongs to that source. This covers operators that
  subscribe later (`merge`, `concat`, `retry`), `by_product` and `group_by`.
- If a sink belongs to several sources, the source that ends last waits for it.

There is no work for each message.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from rxfeed.operators import note

log = logging.getLogger("rxfeed.sinks")


class SinkLeft(NamedTuple):
    """The items that a sink did not write: *unwritten* ones are lost with the process, *spilled* ones are on disk."""

    sink: str
    unwritten: int
    spilled: int = 0


class SinkRun(Protocol):
    """One subscription of a sink, as its sources use it; *sources*: those that it belongs to."""

    sources: list[SourceSinks]

    @property
    def ended(self) -> bool:
        """True if the end of its input has arrived."""
        ...

    @property
    def complete(self) -> bool:
        """True if all items are written."""
        ...

    @property
    def blocked(self) -> bool:
        """True if its queue is full, so that the source has to wait."""
        ...

    @property
    def on_own_thread(self) -> bool:
        """True if the calling thread is one of the sink's."""
        ...

    def end(self) -> None:
        """Accept no more items, and write those in the queue."""
        ...

    def settle(self, seconds: float | None) -> SinkLeft:
        """The items that are not written when all are, or after *seconds* (`None`: the sink's own limit)."""
        ...

    def forked(self) -> None:
        """Called in a forked child process."""
        ...


class SourceSinks:
    """The sinks that belong to one source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[SinkRun, None] = {}
        self.over = False
        """True if the source has ended."""
        self.leave: Callable[[BaseException], None] = lambda error: None
        """Ends the source with an exception that a subscriber raised on another thread; from any thread."""

    def add(self, run: SinkRun) -> None:
        with self._lock:
            self._runs[run] = None
            run.sources.append(self)

    def discard(self, run: SinkRun) -> None:
        with self._lock:
            self._runs.pop(run, None)

    @property
    def runs(self) -> tuple[SinkRun, ...]:
        with self._lock:
            return tuple(self._runs)

    def unblock(self) -> bool:
        """End the sinks that block the source's thread with a full queue; True if there was one."""
        blocked = [run for run in self.runs if run.blocked]
        for run in blocked:
            run.end()
        return bool(blocked)

    def flush(self, seconds: float | None) -> tuple[SinkLeft, ...]:
        """The items that each sink has not written when all sinks are done, or after *seconds* in total."""
        deadline = None if seconds is None else time.monotonic() + seconds
        runs = [run for run in self.runs if run.ended or all(each.over or each is self for each in run.sources)]
        left: list[SinkLeft] = []

        def settle(run: SinkRun) -> None:
            left.append(run.settle(None if deadline is None else max(0.0, deadline - time.monotonic())))

        # In parallel, so that each sink has the whole limit.
        others = [threading.Thread(target=settle, args=(run,), name="rxfeed-flush", daemon=True) for run in runs[1:]]
        for other in others:
            other.start()
        if runs:
            settle(runs[0])
        for other in others:
            other.join()
        remaining = tuple(each for each in left if each.unwritten or each.spilled)
        for each in (each for each in remaining if each.unwritten):  # a sink logs items on disk itself
            log.warning(
                "%s: %d items were not written before the end and are lost, %d more are on disk for the next start",
                each.sink,
                each.unwritten,
                each.spilled,
            )
        return remaining


class _ThreadState(threading.local):
    """The sinks that the calling thread subscribes, and the source that it serves."""

    def __init__(self) -> None:
        self.subscribing: list[SinkRun] = []
        self.serving: SourceSinks | None = None


_thread = _ThreadState()
_unfinished: dict[SinkRun, None] = {}  # copied in one step, so that it needs no lock, which might be held at a fork


def unfinished() -> tuple[SinkRun, ...]:
    """The runs that have not written all their items."""
    return tuple(_unfinished)


def started(run: SinkRun) -> None:
    _unfinished[run] = None


def on_sink_thread() -> bool:
    """True if the calling thread belongs to a sink, which cannot wait for itself."""
    return any(run.on_own_thread for run in unfinished())


@contextmanager
def subscribing(run: SinkRun) -> Generator[None]:
    """Within this block, *run* is added to each source that is subscribed to."""
    _thread.subscribing.append(run)
    try:
        yield
    finally:
        _thread.subscribing.pop()


def subscribed_to(source: SourceSinks) -> None:
    """Add the sinks that subscribe on the calling thread to *source*, and note it for operators with threads."""
    for run in _thread.subscribing:
        source.add(run)
    note(source)


@contextmanager
def serving(source: SourceSinks) -> Generator[None]:
    """If the input of a sink ends within this block, the sink is added to *source*."""
    before, _thread.serving = _thread.serving, source
    try:
        yield
    finally:
        _thread.serving = before


def input_ended(run: SinkRun) -> None:
    """Add *run* to the source that the calling thread serves, because its input has ended on this thread."""
    if _thread.serving is not None:
        _thread.serving.add(run)


def finished(run: SinkRun) -> None:
    """Remove *run*, which has ended. A run with unwritten items stays in its sources, which report them."""
    _unfinished.pop(run, None)
    if run.complete:
        for source in tuple(run.sources):
            source.discard(run)


def _forked() -> None:
    for run in unfinished():
        run.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
