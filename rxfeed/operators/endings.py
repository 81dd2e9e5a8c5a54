"""Which sinks a source waits for when it ends.

- A sink belongs to each source that is subscribed to while the sink subscribes: through whatever operators, as long as
  these subscribe at once.
- If the input of a sink ends on the thread of a source, the sink belongs to that source. This covers operators that
  subscribe later (`merge`, `concat`, `retry`), `by_product` and `group_by`.
- A sink that stands on several sources is waited for by the last of them that ends.

Nothing is done for a message.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

log = logging.getLogger("rxfeed.sinks")


class SinkLeft(NamedTuple):
    """What a sink did not write: *unwritten* items are lost with the process, *spilled* ones are on disk."""

    sink: str
    unwritten: int
    spilled: int = 0


class SinkRun(Protocol):
    """One subscription of a sink, as a source sees it; *sources* are those that it belongs to."""

    sources: list[SourceSinks]

    @property
    def ended(self) -> bool:
        """The end of its input has arrived."""
        ...

    @property
    def complete(self) -> bool:
        """Nothing is left."""
        ...

    @property
    def blocked(self) -> bool:
        """Its queue is full, so that the source has to wait."""
        ...

    @property
    def on_own_thread(self) -> bool:
        """The calling thread is one of the sink's."""
        ...

    def end(self) -> None:
        """Accept nothing more, and write what is queued."""
        ...

    def settle(self, seconds: float | None) -> SinkLeft:
        """Return when everything is written or, after *seconds* (`None`: the sink's own limit), what is not."""
        ...

    def forked(self) -> None:
        """The calling process is a forked child."""
        ...


class SourceSinks:
    """The sinks that belong to one source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[SinkRun, None] = {}
        self.over = False
        """The source has ended."""

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
        """End the sinks that hold the source's thread with a full queue; whether there was one."""
        blocked = [run for run in self.runs if run.blocked]
        for run in blocked:
            run.end()
        return bool(blocked)

    def flush(self, seconds: float | None) -> tuple[SinkLeft, ...]:
        """Return when the sinks have written everything; after *seconds* in all, what each of them has not."""
        deadline = None if seconds is None else time.monotonic() + seconds
        runs = [run for run in self.runs if run.ended or all(each.over or each is self for each in run.sources)]
        left: list[SinkLeft] = []

        def settle(run: SinkRun) -> None:
            left.append(run.settle(None if deadline is None else max(0.0, deadline - time.monotonic())))

        # At the same time, so that each has the whole of the limit.
        others = [threading.Thread(target=settle, args=(run,), name="rxfeed-flush", daemon=True) for run in runs[1:]]
        for other in others:
            other.start()
        if runs:
            settle(runs[0])
        for other in others:
            other.join()
        remaining = tuple(each for each in left if each.unwritten or each.spilled)
        for each in (each for each in remaining if each.unwritten):  # a sink logs itself what is on disk alone
            log.warning(
                "%s: %d items not written at the end, %d more on disk for the next start",
                each.sink,
                each.unwritten,
                each.spilled,
            )
        return remaining


class _Here(threading.local):
    """What the calling thread is doing."""

    def __init__(self) -> None:
        self.subscribing: list[SinkRun] = []
        self.serving: SourceSinks | None = None


_here = _Here()
_unfinished: dict[SinkRun, None] = {}  # copied in one step, so that it needs no lock, which a fork might find held


def unfinished() -> tuple[SinkRun, ...]:
    """The runs that have not written everything."""
    return tuple(_unfinished)


def started(run: SinkRun) -> None:
    _unfinished[run] = None


def on_sink_thread() -> bool:
    """The calling thread is one of a sink, which cannot wait for itself."""
    return any(run.on_own_thread for run in unfinished())


@contextmanager
def subscribing(run: SinkRun) -> Iterator[None]:
    """Within this block *run* belongs to each source that is subscribed to."""
    _here.subscribing.append(run)
    try:
        yield
    finally:
        _here.subscribing.pop()


def subscribed_to(source: SourceSinks) -> None:
    """The calling thread subscribes to *source*: the sinks that are subscribing belong to it."""
    for run in _here.subscribing:
        source.add(run)


@contextmanager
def serving(source: SourceSinks) -> Iterator[None]:
    """If the input of a sink ends within this block, the sink belongs to *source*."""
    before, _here.serving = _here.serving, source
    try:
        yield
    finally:
        _here.serving = before


def input_ended(run: SinkRun) -> None:
    """The input of *run* has ended, on the calling thread."""
    if _here.serving is not None:
        _here.serving.add(run)


def finished(run: SinkRun) -> None:
    """*run* has ended, and no source waits for it; those that report what is left keep a run that left something."""
    _unfinished.pop(run, None)
    if run.complete:
        for source in tuple(run.sources):
            source.discard(run)


def _forked() -> None:
    for run in unfinished():
        run.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
