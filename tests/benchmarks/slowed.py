"""The same task, with a machine that does everything twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks import streams
from benchmarks.guarded import Handle
from benchmarks.ways import feed_of, giving
from rxfeed import lift
from rxfeed.core import TumblingVolume
from rxfeed.operators import MessageFilter


class Twice:
    """Two machines that do the same work; the outputs are those of the second."""

    def __init__(self) -> None:
        self._machines = TumblingVolume(60), TumblingVolume(60)

    def step(self, item: Any) -> Sequence[Any]:
        first, second = self._machines
        first.step(item)
        return second.step(item)

    def finish(self) -> Sequence[Any]:
        return self._machines[1].finish()


def window_volume(count: int) -> Handle:
    feed = feed_of(1)
    feed.pipe(lift(Twice, MessageFilter(TumblingVolume.accepts))).subscribe(lambda output: None)
    give, rest = giving(feed), iter(streams.trades(1, count))

    def some(count: int) -> None:
        for _ in range(count):
            give(next(rest))

    return some


TASKS = {"window_volume": window_volume}
