"""The reconnect loop: one session after another."""

from __future__ import annotations

import errno
import ipaddress
import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from rxfeed.core import APART, Backoff
from rxfeed.errors import (
    AuthenticationFailed,
    CertificateInvalid,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    HandshakeRejected,
    HostRetired,
    RxfeedError,
)
from rxfeed.feed.clock import Clock
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.session import Session
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import Disconnected, Reconnecting
from rxfeed.feed.wanted import Wanted
from rxfeed.secrets import shown_url
from rxfeed.transport import Connection, Wakeup

log = logging.getLogger("rxfeed.feed")

# These end the feed: another attempt would end in the same way.
_FINAL = (AuthenticationFailed, CertificateInvalid, ConfigError, HostRetired)
# What a process or a machine may be short of for a while: the error names it, a traceback adds nothing.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_LONGEST_RETRY_AFTER = 3600.0
_APART_ON_LOOPBACK = 0.01
_APART_AFTER_DEFECT = 1.0
_SLICE = 60.0  # seconds of the wall clock: a selector takes no wait of weeks


class Line:
    """Keeps a connection until it is closed, or until an error that no attempt mends: `run()` returns that."""

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
        self._backoff = Backoff(settings.policy, uniform, seconds_apart(shown_url(settings.url.reveal())))
        self._continuity = settings.venue.gaps()
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
        """The subscription has changed; from any thread."""
        self._wakeup.set()

    def run(self) -> Exception | None:
        try:
            while True:
                began = self._clock.now()
                try:
                    session = self._new_session()
                    if session is None:
                        return None
                    session.run(self._backoff.failures + 1)
                    return None
                except Exception as error:
                    if self._closing:
                        return None
                    cause = self._mapped(error)
                if self._session is not None and self._session.heard and isinstance(cause, RxfeedError):
                    # Messages before a defect do not make the next attempt better: without this the waits grow.
                    self._backoff.succeeded()
                    self._outlets.recovered()
                asked = _retry_after(cause)
                delay = self._delay(cause, self._clock.now() - began, asked)
                again = "the feed ends" if delay is None else f"the next attempt begins in {delay:.1f} s"
                self._outlets.report(Disconnected(cause=cause), again)
                if delay is None:
                    return cause
                attempt = self._backoff.failures + 1
                self._outlets.report(Reconnecting(attempt=attempt, delay=delay, cause=cause, retry_after=asked))
                self._outlets.stats.reconnects += 1
                self._pause(delay)
        finally:
            self._wakeup.close()

    def _new_session(self) -> Session | None:
        with self._lock:
            self._session = None
            if self._closing:
                return None
            connection = Connection(self._settings.url, self._settings.transport, self._wakeup)
            self._session = Session(
                self._settings, connection, self._wanted, self._continuity, self._outlets, self._clock
            )
            return self._session

    def _mapped(self, error: Exception) -> Exception:
        """*error*, or what it means for the connection; what is not expected is logged with its traceback."""
        if isinstance(error, RxfeedError):
            return error
        if not isinstance(error, OSError):
            log.error("the session failed with an unexpected error and is retried: %r", error, exc_info=error)
            return error
        if error.errno not in _SHORTAGES:
            log.error("the system refused an operation, and it is retried: %s", error, exc_info=error)
        where = shown_url(self._settings.url.reveal())
        opened = self._session is not None and self._session.opened
        kind, what = (ConnectionLost, "the connection broke") if opened else (ConnectFailed, "no connection")
        mapped = kind(f"{where}: {what}: {error}")
        mapped.__cause__ = error
        return mapped

    def _ends(self, cause: Exception) -> bool:
        """True for a cause that another attempt would meet again."""
        if isinstance(cause, HandshakeRejected):
            # A server that has accepted this client before may refuse it for a while.
            return cause.status == 401 and not self._outlets.stats.connections
        return isinstance(cause, _FINAL)

    def _delay(self, cause: Exception, lasted: float, asked: float) -> float | None:
        """Seconds until the next attempt, `None` for no more."""
        if self._ends(cause):
            return None
        return self._backoff.failed(lasted, asked if isinstance(cause, RxfeedError) else _APART_AFTER_DEFECT)

    def _pause(self, delay: float) -> None:
        until = time.monotonic() + self._clock.real(delay)
        while not self._closing and (left := until - time.monotonic()) > 0:
            self._wakeup.wait(min(left, _SLICE))  # a nudge ends it too early


def seconds_apart(url: str) -> float:
    """The seconds between two attempts to connect to *url*, at least.

    >>> seconds_apart("wss://ws-feed.exchange.coinbase.com"), seconds_apart("ws://127.0.0.1:8765")
    (1.0, 0.01)
    """
    host = urlsplit(url).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return _APART_ON_LOOPBACK if loopback else APART


def _retry_after(cause: Exception) -> float:
    if not isinstance(cause, HandshakeRejected):
        return 0.0
    return retry_after(cause.headers.get("retry-after", ""), datetime.now(UTC))


def retry_after(header: str, now: datetime) -> float:
    """The seconds that a Retry-After header asks for: a number, or a date; 0 where it is neither, at most an hour.

    >>> retry_after("120", datetime.now(UTC)), retry_after("soon", datetime.now(UTC))
    (120.0, 0.0)
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_RETRY_AFTER)
    try:
        then = parsedate_to_datetime(text)
        seconds = ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)
