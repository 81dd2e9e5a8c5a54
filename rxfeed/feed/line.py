"""Session after session: the loop that comes back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rxfeed.core import Backoff, Continuity
from rxfeed.errors import (
    AuthenticationFailed,
    CertificateInvalid,
    ConnectFailed,
    ConnectionLost,
    HandshakeRejected,
    HostRetired,
)
from rxfeed.feed.clock import Clock
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.session import Session
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import Disconnected, Reconnecting
from rxfeed.feed.wanted import Wanted
from rxfeed.transport import Connection, Wakeup


class Line:
    """Holds a connection until it is closed, or until there is no hope: `run()` returns why."""

    def __init__(
        self,
        settings: Settings,
        wanted: Wanted,
        outlets: Outlets,
        clock: Clock,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._outlets = outlets
        self._clock = clock
        self._backoff = Backoff(settings.policy, uniform)
        self._continuity = Continuity()
        self._wakeup = Wakeup()
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._closing = False

    def close(self) -> None:
        """Make `run()` return soon; from any thread."""
        with self._lock:
            self._closing = True
            if self._session is not None:
                self._session.stop()
        self._wakeup.set()

    def nudge(self) -> None:
        """What is wanted has changed; from any thread."""
        self._wakeup.set()

    def run(self) -> Exception | None:
        try:
            while True:
                began = self._clock.now()
                session = self._new_session()
                if session is None:
                    return None
                try:
                    session.run(self._backoff.failures + 1)
                    return None
                except (ConnectFailed, ConnectionLost, AuthenticationFailed) as error:
                    if self._closing:
                        return None
                    cause = error
                self._outlets.report(Disconnected(cause=cause))
                delay = self._delay(cause, session, self._clock.now() - began)
                if delay is None:
                    return cause
                self._outlets.report(Reconnecting(attempt=self._backoff.failures + 1, delay=delay, cause=cause))
                self._outlets.stats.reconnects += 1
                self._pause(delay)
        finally:
            self._wakeup.close()

    def _new_session(self) -> Session | None:
        with self._lock:
            if self._closing:
                return None
            connection = Connection(self._settings.url, self._settings.transport, self._wakeup)
            self._session = Session(
                self._settings, connection, self._wanted, self._continuity, self._outlets, self._clock
            )
            return self._session

    def _delay(self, error: Exception, session: Session, lasted: float) -> float | None:
        """Seconds until the next attempt, `None` for no more."""
        if isinstance(error, HostRetired | CertificateInvalid | AuthenticationFailed):
            return None
        asked = 0.0
        if isinstance(error, HandshakeRejected):
            if error.status == 401:
                return None
            asked = retry_after(error.headers.get("retry-after", ""), datetime.now(UTC))
        if session.heard:
            self._backoff.succeeded()
        return self._backoff.failed(lasted, asked)

    def _pause(self, delay: float) -> None:
        until = time.monotonic() + self._clock.real(delay)
        while not self._closing and (left := until - time.monotonic()) > 0:
            self._wakeup.wait(left)  # a nudge ends it too early


def retry_after(header: str, now: datetime) -> float:
    """The seconds that a Retry-After header asks for: a number, or a date; 0 where it is neither.

    >>> retry_after("120", datetime.now(UTC)), retry_after("soon", datetime.now(UTC))
    (120.0, 0.0)
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds())
