"""Ends the sources of an operator if a subscriber on one of its threads raises `SystemExit` or `KeyboardInterrupt`.

The sources are found while the operator subscribes: each source calls `note`. There is no work for each message.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger("rxfeed.operators")


class Leavable(Protocol):
    """A source that can be ended from another thread."""

    def leave(self, error: BaseException, /) -> None:
        """End the source with *error*; from any thread."""
        ...


class _NotedSources(threading.local):
    """The lists to which the sources are added that the calling thread subscribes to."""

    def __init__(self) -> None:
        self.noting: list[list[Leavable]] = []


_thread = _NotedSources()


@contextmanager
def noting(sources: list[Leavable]) -> Generator[None]:
    """Each source that is subscribed to within this block is added to *sources*."""
    _thread.noting.append(sources)
    try:
        yield
    finally:
        _thread.noting.pop()


def note(source: Leavable) -> None:
    """Called by *source* when the calling thread subscribes to it."""
    for sources in _thread.noting:
        sources.append(source)


def leave(sources: Iterable[Leavable], error: BaseException) -> None:
    """A subscriber raised *error*, a `SystemExit` or the like, on a thread of an operator: its *sources* end."""
    found = tuple(sources)
    for source in found:
        source.leave(error)
    if not found:
        log.error("a subscriber raised %r on a thread of its own, and its subscription ends", error)
