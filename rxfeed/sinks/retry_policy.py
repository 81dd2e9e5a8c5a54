"""The limits of retries: the pauses, the time of an attempt, and the time in all."""

from __future__ import annotations

import math
import threading
import time

from rxfeed.core import Backoff, Reconnect

_PAUSES = Reconnect(initial=0.1, maximum=3.0)
_SHORTEST = 0.01  # so that immediate refusals make no busy loop
_LEAST = 0.05


class RetryPolicy:
    """Allows retries for *retry_seconds* without a success, *flush_seconds* after the end, and until the deadline.

    *attempt_seconds* limits one attempt.
    """

    def __init__(self, retry_seconds: float | None, flush_seconds: float, attempt_seconds: float) -> None:
        self._retry_seconds = math.inf if retry_seconds is None else retry_seconds
        self._flush_seconds = flush_seconds
        self._attempt_seconds = attempt_seconds
        self._changed = threading.Condition()
        self._since = time.monotonic()
        self._backoff = Backoff(_PAUSES, apart=0.0)
        self._ended_at: float | None = None
        self._deadline = math.inf

    @property
    def ended(self) -> bool:
        return self._ended_at is not None

    def end(self, deadline: float | None = None) -> None:
        """The source has ended; *deadline* (monotonic) is a limit from now on."""
        with self._changed:
            if self._ended_at is None:
                self._ended_at = time.monotonic()
            if deadline is not None:
                self._deadline = min(self._deadline, deadline)
            self._changed.notify_all()

    def begin(self) -> None:
        """Work begins, after a success or an idle time."""
        if not self._backoff.failures:
            self._since = time.monotonic()

    def succeeded(self) -> None:
        """Documents were acknowledged."""
        self._backoff.succeeded()
        self._since = time.monotonic()

    def left(self) -> float:
        """Seconds until the retries end without a success."""
        now = time.monotonic()
        left = min(self._since + self._retry_seconds, self._deadline) - now
        if self._ended_at is not None:
            left = min(left, max(self._since, self._ended_at) + self._flush_seconds - now)
        return left

    def for_attempt(self) -> float:
        """The time limit of the next attempt, in seconds."""
        return max(_LEAST, min(self._attempt_seconds, self.left()))

    def pause(self) -> bool:
        """Wait after a failure, with jitter below a rising limit. `False` if there is no time for another attempt.

        `end` interrupts the wait, so that the next attempt is made at once with the limits of the end.
        """
        until = time.monotonic() + (self._backoff.failed(at_least=_SHORTEST) or 0.0)
        with self._changed:
            ended, deadline = self._ended_at, self._deadline
            while (rest := min(until - time.monotonic(), self.left())) > 0:
                if (ended, deadline) != (self._ended_at, self._deadline):
                    break
                self._changed.wait(rest)
        return self.left() > 0
