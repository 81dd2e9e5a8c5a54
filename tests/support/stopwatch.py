"""Bounds on time that hold on a busy machine, too.

Time is counted in ticks of a thread that sleeps for a hundredth of a second. While the machine runs other processes
instead of this one, no ticks are counted, so a bound can be as narrow as on a machine without load.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TICK = 0.01


class Stopwatch:
    """Within a `with` block, `seconds` is the time that this process could run since its beginning."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._over = threading.Event()
        self._counter = threading.Thread(target=self._count, name="stopwatch", daemon=True)

    def __enter__(self) -> Stopwatch:
        self._counter.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._counter.join()

    def _count(self) -> None:
        ticks = 0
        while not self._over.wait(_TICK):
            ticks += 1
            self.seconds = ticks * _TICK


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fails if the block takes *seconds* or more of the time that this process could run."""
    with Stopwatch() as stopwatch:
        yield
    took = stopwatch.seconds
    assert took < seconds, f"the block took {took:.2f} s, and not less than {seconds:g} s"
