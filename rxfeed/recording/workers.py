"""Collects the outputs of a pipeline over a recording with several processes, each of which plays its own products.

Rules:
- Each worker process reads the whole recording, so that epochs are those of one process, and delivers the messages of
  its own products. Messages without a product go to the first one alone.
- An output belongs to the place of the message that caused it, and outputs are merged by those places. At the end of
  the recording they are in the order in which the products' first messages came, as those of one machine are. If the
  order begins anew, or the type changes within a product, they are those of another branch of the pipeline.
- A worker is started as a new process, so the operators have to be such that another process can import them.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from itertools import chain
from multiprocessing import get_context
from typing import NamedTuple, TypedDict
from zlib import crc32

from rxfeed.core import Seconds
from rxfeed.errors import ConfigError
from rxfeed.market import Message
from rxfeed.operators import Operator
from rxfeed.venues import Venue

Place = tuple[int, ...]
"""The part, the line, and the place in it."""
Keyed = tuple[tuple[Place, int, Place, int], object]
"""An output after the key that it is merged by."""
END: Place = (1 << 62,)
_REMEDY = (
    "give functions of a module, such as `def study(source): return source.pipe(window_volume(60))`, and "
    "`replay.collect(study)`, or a `functools.partial` of one"
)


class ReplayArguments(TypedDict):
    """The arguments of the workers' replays."""

    source: list[str]
    products: list[str] | None
    since: datetime | None
    until: datetime | None
    merge: bool
    patience: Seconds
    repaired: bool
    venue: str | Venue | None


class Study(NamedTuple):
    """What the workers do: make a replay with *arguments*, and collect from it through *operators*, pickled."""

    arguments: ReplayArguments
    operators: bytes
    workers: int


class Share(NamedTuple):
    """The products of the worker *number* of *workers*."""

    number: int
    workers: int

    def has(self, product_id: str | None) -> bool:
        return (0 if product_id is None else crc32(product_id.encode()) % self.workers) == self.number


class CollectedShare(NamedTuple):
    """What one worker has collected: *outputs* with their keys, pickled, and the numbers of what it read."""

    outputs: bytes
    counts: dict[type[Message], int]
    frames: int
    bytes: int


def collected(study: Study) -> tuple[list[object], CollectedShare]:
    """All outputs, in order, and what the first worker has read; raises what the pipeline or a worker failed with."""
    parts: list[CollectedShare] = []
    try:
        with ProcessPoolExecutor(study.workers, mp_context=get_context("spawn")) as pool:
            parts += [each.result() for each in [pool.submit(_work, study, n) for n in range(study.workers)]]
    except BrokenProcessPool:
        raise ConfigError(
            'workers: a worker process ended without a result. In a script, begin with `if __name__ == "__main__":`, '
            "since each worker imports the script; its own error, if any, is above"
        ) from None
    return merged_outputs(parts), parts[0]


def merged_outputs(parts: list[CollectedShare]) -> list[object]:
    """The outputs of all *parts*, in the order of one process."""
    keyed = sorted(chain.from_iterable(pickle.loads(part.outputs) for part in parts), key=lambda each: each[0])
    return [output for _, output in keyed]


def pickled(operators: tuple[object, ...]) -> bytes:
    """*operators* for another process; raises `ConfigError`."""
    try:
        return pickle.dumps(operators)
    except Exception as error:
        raise ConfigError(f"workers: the operators cannot be sent to another process ({error}): {_REMEDY}") from None


def _work(study: Study, number: int) -> CollectedShare:
    """In a worker process: as `work`."""
    if number:  # the first worker logs what is found in the recording, and the others would repeat it
        logging.getLogger("rxfeed").setLevel(logging.CRITICAL)
    return work(study, number)


def work(study: Study, number: int) -> CollectedShare:
    """What the worker *number* collects."""
    from rxfeed.recording.replay import Replay

    try:
        operators: tuple[Operator[object, object], ...] = pickle.loads(study.operators)
    except Exception as error:
        raise ConfigError(
            f"workers: the operators cannot be imported in another process ({error}): {_REMEDY}"
        ) from None
    replay = Replay(**study.arguments)
    outputs = replay.collect_share(Share(number, study.workers), operators)
    try:
        content = pickle.dumps(outputs)
    except Exception as error:
        raise ConfigError(f"workers: an output cannot be sent to another process: {error}") from None
    counts: dict[type[Message], int] = {}
    for (kind, _), counter in replay.stats.counts.items():
        counts[kind] = counts.get(kind, 0) + counter.count
    return CollectedShare(content, counts, replay.stats.frames, replay.stats.bytes)


class KeyedOutputs:
    """Outputs with the keys by which those of all workers are merged. *place*: that of the current message.

    *firsts*: the places of the products' first messages.
    """

    def __init__(self, place: Callable[[], Place], firsts: dict[str | None, Place]) -> None:
        self._place = place
        self._firsts = firsts
        self.items: list[Keyed] = []
        self._branch = 0
        self._last: tuple[Place, type | None] = (), None

    def add(self, item: object) -> None:
        place, number = self._place(), len(self.items)
        if place != END:
            self.items.append(((place, 0, (), number), item))
            return
        first, kind = self._firsts.get(getattr(item, "product_id", None), ()), type(item)
        before, kind_before = self._last
        if first < before or (first == before and kind is not kind_before and kind_before is not None):
            self._branch += 1
        self._last = first, kind
        self.items.append(((place, self._branch, first, number), item))
