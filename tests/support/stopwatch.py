"""Bounds on time that hold on a busy machine, too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TICK = 0.01


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fails if the block takes *seconds* or more of the time that this process could run.

    The time is counted in ticks of a thread that sleeps for a hundredth of a second. While the machine runs other
    processes instead of this one, no ticks are counted, so a bound can be as narrow as on a machine without load.
    """
    ticks, over = 0, threading.Event()

    def count() -> None:
        nonlocal ticks
        while not over.wait(_TICK):
            ticks += 1

    counter = threading.Thread(target=count, name="stopwatch", daemon=True)
    counter.start()
    try:
        yield
    finally:
        over.set()
        counter.join()
    took = ticks * _TICK
    assert took < seconds, f"the block took {took:.2f} s, and not less than {seconds:g} s"
