"""A Feed that is driven step by step, by whichever thread has the time for it.

Rules:
- `open()` connects and subscribes. Then each `step()` does one read, and delivers its messages in the calling thread.
- One thread steps at a time; another one waits for its turn.
- `close()` ends it at once if no thread steps, else after the current call of a subscriber.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Generator

from rxfeed.core import ConnectionPlan, Seconds, in_seconds
from rxfeed.errors import ConfigError, FeedClosed
from rxfeed.feed.endings import serving
from rxfeed.feed.feed import Feed
from rxfeed.feed.reconnect_loop import ReconnectLoop

log = logging.getLogger("rxfeed.feed")


class SteppedFeed(Feed):
    """A `Feed` without a thread: `open()`, then `step()` again and again, and `close()`."""

    _steps: Generator[None, float | None, None] | None = None
    _stepping: int | None = None  # the thread that steps
    _connected = False
    _loop: ReconnectLoop | None = None

    def _prepare(self) -> None:
        super()._prepare()
        if self._connections is None:
            raise ConfigError("products: a feed without threads takes no patterns")
        self._turn = threading.RLock()
        self._loop = self._connections.first.loop
        self._steps = self._loop.steps()

    def _plan(self) -> ConnectionPlan:
        if self._redundancy > 1:
            raise ConfigError("redundancy: a feed without threads has one connection")
        if self._scheduled:
            raise ConfigError("renew_every, renew_at: the connection of a feed without threads is not renewed")
        return ConnectionPlan({})  # one thread reads one connection, whatever the limits are

    def renew(self) -> None:
        """Not possible: raises `ConfigError`."""
        raise ConfigError("renew: the connection of a feed without threads is not renewed: close it, and open another")

    def open(self) -> None:
        """Connect and subscribe. Raises what refused it, and `FeedClosed` if the feed has ended."""
        if not self._begin(threading.current_thread()):
            raise FeedClosed("this feed has been opened before: make a new one")
        self.step()

    def step(self, longest: float | None = None) -> bool:
        """Wait at most *longest* seconds for data (`None`: until a ping is due), and deliver it; False at the end.

        Raises `RuntimeError` if a subscriber of this feed calls it.
        """
        steps = self._steps
        if steps is None:
            raise FeedClosed("this feed has not been opened")
        if self._stepping == threading.get_ident():
            raise RuntimeError("a subscriber of the feed cannot read from it")
        with self._turn:
            return self._advance(steps, longest)

    def drive(self) -> None:
        """Step until the end, in the calling thread."""
        if self._steps is None:
            raise FeedClosed("this feed has not been opened")
        with self._turn:
            self._advance(self._steps, None, whole=True)

    def flush(self) -> None:
        """Send what waits to be sent, unless a thread steps, which does that anyway."""
        if self._steps is not None and self._stepping is None and self._turn.acquire(blocking=False):
            try:
                self._advance(self._steps, 0.0)
            finally:
                self._turn.release()

    @property
    def over(self) -> bool:
        """True if the feed has ended."""
        return self._over.is_set()

    @property
    def cause(self) -> BaseException | None:
        """What ended the feed; `None` if it was closed, or has not ended."""
        return self._cause

    @property
    def sock(self) -> socket.socket | None:
        """The socket of the connection, for its options and addresses; `None` if none is open."""
        return None if self._loop is None else self._loop.sock

    def nudge(self) -> None:
        """Make a `step` that waits return soon; from any thread."""
        if self._loop is not None:
            self._loop.nudge()

    def close(self, timeout: Seconds = 2.0, *, flush: Seconds | None = None) -> None:
        super().close(0, flush=flush)
        timeout, flush = in_seconds(timeout), None if flush is None else in_seconds(flush)
        steps = self._steps
        if steps is None or self._stepping == threading.get_ident():
            return
        # With a timeout of 0 the end is left to the thread that steps, if there is one.
        if self._turn.acquire(timeout=timeout) if timeout else self._turn.acquire(blocking=False):
            try:
                while self._advance(steps, 0.0):
                    pass
            finally:
                self._turn.release()
        elif timeout:
            log.warning("close: a subscriber is still busy after %s s; the feed ends when it returns", timeout)
        if timeout:
            self._unwritten = self._streams.sinks.flush(flush)

    def _advance(self, steps: Generator[None, float | None, None], longest: float | None, whole: bool = False) -> bool:
        """Do one step, or with *whole* all of them; False at the end."""
        if self._over.is_set():
            return False
        assert self._loop is not None
        before, self._stepping = self._stepping, threading.get_ident()
        try:
            with serving(self._streams.sinks):
                steps.send(longest if self._connected else None)  # as a generator requires it for its first step
                self._connected = True
                if not whole:
                    return True
                for _ in steps:  # without the costs of a single step
                    pass
            self._end(self._loop.cause)
        except StopIteration:
            self._end(self._loop.cause)
        except BaseException as error:  # an exit that a subscriber raised, or a defect
            self._end(error)
            raise
        finally:
            self._stepping = before
        return False
