"""The thread that does what is due of several connections: held messages, renewals, and the list of products."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

from rxfeed.feed.endings import serving

if TYPE_CHECKING:
    from rxfeed.feed.connections import Connections

log = logging.getLogger("rxfeed.feed")

_LONGEST = 60.0
_SHORTEST = 0.0005
"""Seconds for the threads of the connections, between two parts of what is due at once."""


class Task(Protocol):
    """Something that is done in steps."""

    def step(self, now: float) -> float | None:
        """Do what is due; the seconds until the next step, or `None` at the end."""
        ...


class Supervisor:
    """Runs on its own thread, once it was started, until the connections are over."""

    def __init__(self, connections: Connections) -> None:
        self.thread: threading.Thread | None = None
        self._connections = connections
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._waiting: deque[Task] = deque()  # one after another
        self._standing: list[Task] = []  # beside them

    def start(self) -> None:
        """Begin, if it has not begun."""
        with self._lock:
            if self.thread is None and not self._connections.closing:
                self.thread = threading.Thread(target=self._run, name="rxfeed-supervisor", daemon=True)
                self.thread.start()
        self.wake()

    def wake(self) -> None:
        """Make it look for what is due; from any thread."""
        self._wake.set()

    def add(self, task: Task, *, standing: bool = False) -> None:
        """Do *task* after those that were added before, or with *standing* beside them."""
        (self._standing if standing else self._waiting).append(task)

    @property
    def busy(self) -> bool:
        """True if there are tasks that are done one after another."""
        return bool(self._waiting)

    def join(self) -> None:
        """Wait for the end."""
        thread = self.thread
        if thread is not None and thread is not threading.current_thread():
            self.wake()
            thread.join()

    def _run(self) -> None:
        connections, clock = self._connections, self._connections.clock
        left = 0.0
        with serving(connections.streams.sinks):
            while not connections.closing:
                self._wake.wait(min(max(_SHORTEST, clock.real(left)), _LONGEST))
                self._wake.clear()
                try:
                    left = self._step(clock.now())
                except Exception:
                    log.exception("the supervision of the connections failed: a defect of rxfeed, please report it")
                    left = 1.0
                except BaseException as error:  # SystemExit, KeyboardInterrupt: a subscriber raised it
                    connections.streams.sinks.leave(error)
                    return

    def _step(self, now: float) -> float:
        connections = self._connections
        waits = [_LONGEST]
        with connections.streams.lock:
            for arbiter in connections.arbiters():
                if connections.closing:
                    return 0.0
                arbiter.due()
                waits += [each for each in (arbiter.remaining(), arbiter.repairs_remaining()) if each is not None]
        for task in [*self._standing]:
            left = task.step(now)
            if left is None:
                self._standing.remove(task)
            else:
                waits.append(left)
        while self._waiting:
            left = self._waiting[0].step(now)
            if left is not None:
                waits.append(left)
                break
            self._waiting.popleft()
        return min(waits)
