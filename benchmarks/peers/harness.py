"""The common part of every client: its job, its meter, its answer. It uses only the standard library.

A job comes as JSON in the last argument, the answer goes to the standard output as one line of JSON. Whatever a client
prints goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Job:
    """What to do: *url* to connect to, *count* messages of *products* to expect, where to write when they arrived."""

    def __init__(self, url: str, count: int, **more: Any) -> None:
        self.url = url
        self.count = count
        self.products: list[str] = more.pop("products", ["BTC-USD"])
        self.stamps: str | None = more.pop("stamps", None)
        self.more = more


class Meter:
    """Call `tick()` once for each message, in the user's callback: True for the last one, and then `over` is set."""

    def __init__(self, job: Job) -> None:
        self.over = threading.Event()
        self.tick: Callable[[], bool] = self._first
        self._job = job
        self._left = job.count
        self._stamps: array[int] | None = array("q", bytes(8 * job.count)) if job.stamps else None
        self._begun = self._ended = (0, 0)

    def begin(self) -> None:
        self._begun = (time.monotonic_ns(), time.process_time_ns())

    def end(self) -> None:
        self._ended = (time.monotonic_ns(), time.process_time_ns())
        self.over.set()

    def _first(self) -> bool:
        self.begin()
        self.tick = self._count if self._stamps is None else self._stamp
        return self.tick()

    def _count(self) -> bool:
        self._left -= 1
        if self._left:
            return False
        self.end()
        return True

    def _stamp(self) -> bool:
        assert self._stamps is not None
        self._stamps[-self._left] = time.monotonic_ns()
        return self._count()

    def answer(self) -> dict[str, Any]:
        """Seconds and CPU seconds from the first message to the last, and the most memory ever held, in bytes."""
        if not self.over.is_set():
            raise SystemExit(f"{self._left:,} of {self._job.count:,} messages did not come")
        if self._stamps is not None and self._job.stamps:
            Path(self._job.stamps).write_bytes(self._stamps.tobytes())
        wall, cpu = (after - before for before, after in zip(self._begun, self._ended, strict=True))
        return {"seconds": wall / 1e9, "cpu": cpu / 1e9, "peak": peak_memory()}


def peak_memory() -> int:
    """Bytes of this program alone: `getrusage` also counts the process that it was forked from."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("no VmHWM in /proc/self/status")


def memory() -> int:
    """Bytes held now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def run(*clients: Callable[[Job, Meter], dict[str, Any] | None]) -> None:
    """Do the job with the client that the first argument names; its results are a part of the answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    (client,) = (each for each in clients if each.__name__ == sys.argv[1])
    job = Job(**json.loads(sys.argv[2]))
    meter = Meter(job)
    more = client(job, meter)
    print(json.dumps({**meter.answer(), **(more or {})}), file=answers, flush=True)
    os._exit(0)  # threads of some clients would delay the exit by half a minute
