"""The request of an order book's snapshot, and the times at which one may be made."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rxfeed.compat.types import Json
from rxfeed.core import Backoff, Reconnect, longest


class Fetch:
    """A call on a thread of its own: `done` is set when `result` or `error` is available."""

    def __init__(self, call: Callable[[], Json]) -> None:
        self._call = call
        self.done = threading.Event()
        self.result: Json = None
        self.error: Exception | None = None
        # A daemon, so that a response that never arrives does not keep a process alive.
        thread = threading.Thread(target=self._run, name="rxfeed-snapshot", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # from Python 3.12 on, once the main thread has ended
            self._run()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.error = error
        finally:
            self.done.set()


class Pace:
    """Computes when the next snapshot may be requested: a few at once, then with pauses that double.

    Times in seconds, of any clock that only moves forward.
    """

    BURST = 3
    LONGEST = 60.0

    def __init__(self) -> None:
        self._backoff = Backoff(Reconnect(initial=1.0, maximum=self.LONGEST), longest, apart=0.0)
        self._pause = 0.0
        self._tries = 0
        self._last = float("-inf")

    def due(self, now: float) -> bool:
        """True if a snapshot may be requested at *now*."""
        return now - self._last >= self._pause

    def tried(self, now: float) -> None:
        """A snapshot was requested at *now*."""
        if now - self._last > 2 * self.LONGEST:
            self._tries = 0
            self._backoff.succeeded()
        self._tries += 1
        self._last = now
        self._pause = 0.0 if self._tries < self.BURST else self._backoff.failed() or 0.0
