"""A task for the guard, with few imports, since each costs seconds under valgrind."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import streams
from rxfeed.core import TumblingVolume


def steps(*machines: TumblingVolume, count: int) -> Callable[[int], None]:
    """Handles trades, each with all *machines*."""
    rest = iter(streams.trades(1, count))

    def some(count: int) -> None:
        for _ in range(count):
            trade = next(rest)
            for machine in machines:
                machine.step(trade)

    return some


TASKS = {"window_volume": lambda count: steps(TumblingVolume(60), count=count)}
