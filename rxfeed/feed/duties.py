"""The housekeeping of a connection: pings, changes of the subscription, and the detection of silence."""

from __future__ import annotations

import time

from rxfeed.core import GapDetector, HeartbeatWatch, Keepalive, Renewals, Watchdog
from rxfeed.errors import WentSilent
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import HeartbeatBack, HeartbeatMissing
from rxfeed.feed.wanted import Wanted
from rxfeed.market import Heartbeat
from rxfeed.secrets import Secret
from rxfeed.transport import Connection

# A selector takes no endless wait as a number, and no week either.
_LONGEST_WAIT = 3600.0


class Duties:
    """The housekeeping of one connection, from the moment it is open; times are of the feed's clock.

    Most turns need only two comparisons: nothing is due before `alarm`, unless something is `pressing`.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        wanted: Wanted,
        continuity: GapDetector,
        outlets: Outlets,
        lost: set[str | None],
        now: float,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._wanted = wanted
        self._continuity = continuity
        self._outlets = outlets
        self._lost = lost  # products with a book that may be wrong; None: all
        self.idle = 0.0
        """Seconds that the connection was waited for while it was empty: silence is measured in these."""
        self._keepalive = Keepalive(settings.ping_interval, settings.pong_timeout, now)
        self._watchdog = Watchdog(settings.stale_after, self.idle)
        self.heard = self._watchdog.heard
        """To be called with the idle time when a message came that was more than an answer."""
        self._heartbeats = HeartbeatWatch(settings.heartbeat_timeout)
        self._to_say: list[str | Secret | bytes] = []
        # The subscription must arrive within five seconds: whatever the pace, this goes out at once.
        for text in wanted.opening(settings.credentials, str(time.time())):
            connection.send(text)
        self._say_every = 1 / settings.venue.requests_per_second
        self._say_at = now + self._say_every
        self._renewals = Renewals()
        self.alarm = now
        """Before this time nothing is due by itself."""
        self._expect()

    @property
    def pressing(self) -> bool:
        """A request waits to be sent as soon as the rate limit allows."""
        wanted = self._wanted
        return bool(wanted.changed or wanted.asides or self._to_say or self._lost)

    # ---- requests

    def speak(self, now: float) -> None:
        """Send the pings and requests that are due."""
        for payload in self._keepalive.step(now, self.idle):
            self._connection.ping(payload)
            self._outlets.stats.pings += 1
        while self._lost:
            self._renewals.lost(self._lost.pop(), now)
        for product in self._renewals.step(now):
            self._wanted.renew(self._settings.venue.books, product)
        if not self._to_say:
            if self._wanted.changed:
                self._to_say = [*self._wanted.changes(self._settings.credentials, str(time.time()))]
                self._expect()
            elif self._wanted.asides:
                self._to_say = [self._wanted.asides.popleft()]
        if self._to_say and now >= self._say_at:
            said = self._to_say.pop(0)
            if isinstance(said, str | Secret):
                self._connection.send(said)
            else:
                self._connection.ping(said)
        self._say_at = now + self._say_every
        self.alarm = now + self._remaining(now)

    def _remaining(self, now: float) -> float:
        # Idle time passes no faster than the clock: the alarm may come too early, never too late.
        remaining = min(
            _LONGEST_WAIT,
            self._keepalive.remaining(now, self.idle),
            self._watchdog.remaining(self.idle),
            self._heartbeats.remaining(self.idle),
        )
        renewal = self._renewals.remaining(now)
        if renewal is not None:
            remaining = min(remaining, renewal)
        if self._to_say or self._wanted.asides:
            remaining = min(remaining, max(0.0, self._say_at - now))
        return remaining

    def _expect(self) -> None:
        pairs = self._wanted.pairs
        self._continuity.watch(pairs)
        names = self._settings.venue.heartbeats
        beating = frozenset(product for channel, product in pairs if channel in names and product is not None)
        self._heartbeats.expect(beating, self.idle)

    # ---- silence

    def beat(self, heartbeat: Heartbeat, now: float) -> None:
        if self._heartbeats.beat(heartbeat.product_id, self.idle):
            self.alarm = now  # the next one may be missing before anything else is due
            self._outlets.report(HeartbeatBack(product_id=heartbeat.product_id))

    def pong(self, payload: bytes, now: float) -> None:
        round_trip = self._keepalive.pong(payload, now)
        if round_trip is not None:
            self._outlets.pong(round_trip)

    def judge(self) -> None:
        """Raise `WentSilent` if the connection is silent; to be called only when the socket was found empty."""
        if self._keepalive.silent(self.idle):
            raise WentSilent(f"a ping was not answered within {self._settings.pong_timeout:g} s")
        if self._watchdog.stale(self.idle):
            raise WentSilent(f"no data for {self._settings.stale_after:g} s")
        for product in self._heartbeats.step(self.idle):
            self._outlets.report(HeartbeatMissing(product_id=product, seconds=self._settings.heartbeat_timeout))
