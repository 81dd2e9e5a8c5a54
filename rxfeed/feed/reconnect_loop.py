"""The reconnect loop: connects, runs a session, and connects next_step after it ends."""

from __future__ import annotations

import errno
import logging
import math
import random
import socket
import threading
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rxfeed.core import APART, Backoff, GapDetector
from rxfeed.errors import (
    AuthenticationFailed,
    CertificateInvalid,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    HandshakeRejected,
    HostRetired,
    RxfeedError,
    ServerClosed,
)
from rxfeed.feed.clock import Clock
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.product_ids import ProductIds
from rxfeed.feed.session import FeedSession
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.status import Disconnected, Reconnecting
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.secrets import Secret, host_of, is_loopback, shown_url
from rxfeed.transport import Connection, Wakeup, retry_after

if TYPE_CHECKING:
    from rxfeed.feed.connection_arbiter import MakeFrames
    from rxfeed.feed.trade_repairs import TradeRepairs

log = logging.getLogger("rxfeed.feed")

# These end the feed, because another attempt would fail in the same way.
_FINAL = (AuthenticationFailed, CertificateInvalid, ConfigError, HostRetired)
# Temporary shortages of a process or machine: the error names the resource, so no traceback is logged.
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PLANNED = (1001, 1012)  # the codes of a close before a restart of the server: another one takes over at once
_LOOPBACK_INTERVAL = 0.01
_DEFECT_INTERVAL = 1.0
_SECOND = 2  # the attempt after the first failure
_SLICE = 60.0  # seconds of the wall clock: a selector takes no wait of weeks


class ReconnectLoop:
    """Connects again and again, until it is closed, or an error that a new attempt cannot remove: `run()` returns it.

    *pace* returns the seconds until the next connection may be opened, since several have one limit. *restarting* is
    called when the server has announced that it closes. *covered* returns whether another connection brings the same.
    *accompanied* returns whether another connection with the same number is open, since one of them replaces the other:
    the loss of one is logged then, and no event.
    """

    def __init__(
        self,
        settings: FeedSettings,
        subscriptions: SubscriptionManager,
        ids: ProductIds,
        streams: FeedStreams,
        clock: Clock,
        uniform: Callable[[float, float], float] = random.uniform,
        *,
        pace: Callable[[], float] = lambda: 0.0,
        restarting: Callable[[], object] = lambda: None,
        covered: Callable[[], bool] = lambda: False,
        accompanied: Callable[[], bool] = lambda: False,
        repairs: bool = True,
    ) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._ids = ids
        self._streams = streams
        self._clock = clock
        self._apart = seconds_apart(shown_url(settings.url.reveal()))
        self._backoff = Backoff(settings.policy, uniform, self._apart)
        self._pace = pace
        self._restarting = restarting
        self._covered = covered
        self._accompanied = accompanied
        self.began = math.inf
        """The time of the present attempt's begin; infinity before the first one."""
        self.continuity = settings.venue.gaps()
        """What checks the messages; see `arbitrate`."""
        self._make_frames: MakeFrames | None = None
        self._wakeup = Wakeup()
        self._repairs: TradeRepairs | None = None
        if repairs and settings.has_repairs:
            from rxfeed.feed.make_repairs import make_repairs

            self._repairs = make_repairs(settings, streams, self.continuity, clock, self.nudge)
        self._lock = threading.Lock()
        self._session: FeedSession | None = None
        self._closing = False
        self.cause: Exception | None = None
        """What ended the loop, once it has ended; `None` if it was closed."""

    @property
    def sock(self) -> socket.socket | None:
        """The socket of the connection; `None` if none is open."""
        session = self._session
        return None if session is None else session.sock

    def arbitrate(self, make_frames: MakeFrames | None, continuity: GapDetector) -> None:
        """See `FeedSession.arbitrate`; also for the sessions to come."""
        with self._lock:
            self._make_frames, self.continuity = make_frames, continuity
            if self._session is not None:
                self._session.arbitrate(make_frames, continuity)

    def renew_book(self, product: str) -> None:
        """Request the snapshot of *product*'s book by price; from any thread."""
        session = self._session
        if session is not None:
            session.renew_book(product)
            self.nudge()

    def give_repairs(self) -> TradeRepairs | None:
        """The repairs of missed trades, which are not this loop's any more; with the lock of the streams held."""
        repairs = self._repairs
        self.take_repairs(None)
        return repairs

    def take_repairs(self, repairs: TradeRepairs | None) -> None:
        """From now on this loop has *repairs*; with the lock of the streams held."""
        with self._lock:
            self._repairs = repairs
            if repairs is not None:
                repairs.nudge_with(self.nudge)
            if self._session is not None:
                self._session.repair_with(repairs)

    @property
    def url(self) -> Secret:
        """Where it connects to."""
        return self._settings.url

    @property
    def working(self) -> bool:
        """True if the present connection has brought data."""
        session = self._session
        return session is not None and session.working

    def close(self) -> None:
        """Make `run()` return soon; from any thread."""
        with self._lock:
            self._closing = True
            if self._session is not None:
                self._session.stop()
        self._wakeup.set()

    def nudge(self) -> None:
        """Wake the loop, because the subscription has changed; from any thread."""
        self._wakeup.set()

    def run(self) -> Exception | None:
        """Run until the end; the exception that ended it, or `None` if it was closed."""
        for _ in self.steps():
            pass
        return self.cause

    def steps(self) -> Generator[None, float | None, None]:
        """As `run`, step by step as those of a session; `cause` is set at the end."""
        try:
            yield from self._connections()
            if self._repairs is not None:
                with self._streams.lock:
                    self._repairs.finish()
        finally:
            if self._repairs is not None:
                self._repairs.close()
            self._wakeup.close()

    def _connections(self) -> Generator[None, float | None, None]:
        while True:
            if paced := self._pace():
                self._pause(paced)
            self.began = self._clock.now()
            try:
                session = self._new_session()
                if session is None:
                    return
                yield from session.steps(self._backoff.failures + 1, reported=not self._accompanied())
                return
            except Exception as error:
                if self._closing:
                    return
                cause = self._mapped(error)
            if self._session is not None and self._session.data_received and isinstance(cause, RxfeedError):
                # Messages reset the back-off. After an internal defect they do not, so that the waits still grow.
                self._backoff.succeeded()
                self._streams.recovered()
            requested = _retry_after(cause)
            delay = self._delay(cause, self._clock.now() - self.began, requested)
            self._report(cause, delay, requested)
            if delay is None:
                self.cause = cause
                return
            self._streams.stats.reconnects += 1
            self._streams.stats.interruptions += not self._covered()
            if _is_planned(cause):
                self._restarting()
            self._pause(delay)

    def _report(self, cause: Exception, delay: float | None, requested: float) -> None:
        attempt, next_step = self._backoff.failures + 1, _next_step(delay)
        if self._accompanied():
            level = logging.WARNING if attempt == _SECOND else logging.INFO
            log.log(level, "renew: one of two connections is not open: %s; %s", cause, next_step)
            return
        self._streams.report(Disconnected(cause=cause), next_step)
        if delay is not None:
            self._streams.report(Reconnecting(attempt=attempt, delay=delay, cause=cause, retry_after=requested))

    def _new_session(self) -> FeedSession | None:
        with self._lock:
            self._session = None
            if self._closing:
                return None
            connection = Connection(self._settings.url, self._settings.transport, self._wakeup)
            self._session = FeedSession(
                self._settings,
                connection,
                self._subscriptions,
                self._ids,
                self.continuity,
                self._streams,
                self._clock,
                self._repairs,
                self._make_frames,
            )
            return self._session

    def _mapped(self, error: Exception) -> Exception:
        """*error*, or the `RxfeedError` for it; an unexpected error is logged with its traceback."""
        if isinstance(error, RxfeedError):
            return error
        if not isinstance(error, OSError):
            log.error("the session failed with an unexpected error, and the feed reconnects: %r", error, exc_info=error)
            return error
        if error.errno not in _SHORTAGES:
            log.error("the system refused an operation, and the feed reconnects: %s", error, exc_info=error)
        where = shown_url(self._settings.url.reveal())
        opened = self._session is not None and self._session.opened
        kind, what = (ConnectionLost, "the connection broke") if opened else (ConnectFailed, "no connection")
        mapped = kind(f"{where}: {what}: {error}")
        mapped.__cause__ = error
        return mapped

    def _ends(self, cause: Exception) -> bool:
        """True for a cause that would also end another attempt."""
        if isinstance(cause, HandshakeRejected):
            # If the server accepted this client before, the rejection may be temporary.
            return cause.status == 401 and not self._streams.stats.connections
        return isinstance(cause, _FINAL)

    def _delay(self, cause: Exception, lasted: float, requested: float) -> float | None:
        """Seconds until the next attempt; `None` if there is none."""
        if self._ends(cause):
            return None
        delay = self._backoff.failed(lasted, requested if isinstance(cause, RxfeedError) else _DEFECT_INTERVAL)
        planned = _is_planned(cause) and self._backoff.failures == 1
        return min(delay, max(0.0, self._apart - lasted, requested)) if planned and delay is not None else delay

    def _pause(self, delay: float) -> None:
        until = time.monotonic() + self._clock.real(delay)
        while not self._closing and (left := until - time.monotonic()) > 0:
            if self._repairs is not None:
                with self._streams.lock:
                    if self._subscriptions.changed:
                        self._repairs.still_subscribed(self._subscriptions.pairs)
                    self._repairs.step()
                held = self._repairs.remaining(self._clock.now())
                left = left if held is None else min(left, self._clock.real(held))
            self._wakeup.wait(min(left, _SLICE))  # `nudge` ends a wait too early


def seconds_apart(url: str) -> float:
    """The minimum seconds between two attempts to connect to *url*.

    >>> from rxfeed.feed.reconnect_loop import seconds_apart
    >>> seconds_apart("wss://ws-feed.exchange.coinbase.com"), seconds_apart("ws://127.0.0.1:8765")
    (1.0, 0.01)
    """
    return _LOOPBACK_INTERVAL if is_loopback(host_of(url)) else APART


def _is_planned(cause: Exception) -> bool:
    """True for a close that a server announces before it restarts."""
    return isinstance(cause, ServerClosed) and cause.code in _PLANNED


def _next_step(delay: float | None) -> str:
    """
    >>> from rxfeed.feed.reconnect_loop import _next_step
    >>> _next_step(None), _next_step(0.04), _next_step(1.26)
    ('the feed ends', 'the next attempt begins at once', 'the next attempt begins in 1.3 s')
    """
    if delay is None:
        return "the feed ends"
    return f"the next attempt begins {'at once' if delay < 0.05 else f'in {delay:.1f} s'}"


def _retry_after(cause: Exception) -> float:
    if not isinstance(cause, HandshakeRejected):
        return 0.0
    return retry_after(cause.headers.get("retry-after", ""), datetime.now(UTC))
