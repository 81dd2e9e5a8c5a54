"""What a connection owes the other side, and may expect of it: pings, changes of the subscription, signs of life."""

from __future__ import annotations

import time

from rxfeed.core import Continuity, HeartbeatWatch, Keepalive, Watchdog
from rxfeed.errors import WentSilent
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import HeartbeatBack, HeartbeatMissing
from rxfeed.feed.wanted import Wanted
from rxfeed.messages import Heartbeat
from rxfeed.transport import Connection

# The exchange takes 8 messages a second from a client: https://docs.cdp.coinbase.com/exchange/websocket-feed/rate-limits
_SAY_EVERY = 1 / 8
# A book without sequence numbers is lost with whatever may have been missed; its snapshots are big: not too often.
_BOOKS = frozenset(("level2", "level2_batch"))
_RENEW_EVERY = 5.0
# A selector takes no endless wait as a number, and no week either.
_LONGEST_WAIT = 3600.0


class Duties:
    """Those of one connection, from the moment it is open; times are of the feed's clock.

    Most turns have nothing to do with them, and need only look: nothing is due before `alarm`, unless something is
    `pressing`.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        wanted: Wanted,
        continuity: Continuity,
        outlets: Outlets,
        lost: set[str | None],
        now: float,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._wanted = wanted
        self._continuity = continuity
        self._outlets = outlets
        self._lost = lost  # products whose book may be wrong; None: all
        self._keepalive = Keepalive(settings.ping_interval, settings.pong_timeout, now)
        self._watchdog = Watchdog(settings.stale_after, now)
        self.heard = self._watchdog.heard
        """To be called with the time when a message came that was more than an answer."""
        self._heartbeats = HeartbeatWatch(settings.heartbeat_timeout)
        self._to_say: list[str | bytes] = []
        # The subscription must arrive within five seconds: whatever the pace, this goes out at once.
        for text in wanted.opening(settings.credentials, str(time.time())):
            connection.send(text)
        self._say_at = now + _SAY_EVERY
        self._renew_at = now
        self.alarm = now
        """Before this time nothing is due by itself."""
        self._expect(now)

    @property
    def pressing(self) -> bool:
        """Something is to be said or to be asked for as soon as it may be."""
        wanted = self._wanted
        return bool(wanted.changed or wanted.asides or self._to_say or self._lost)

    # ---- what is said

    def speak(self, now: float) -> None:
        """Say what is due."""
        for payload in self._keepalive.step(now):
            self._connection.ping(payload)
            self._outlets.stats.pings += 1
        if self._lost and now >= self._renew_at:
            self._renew_at = now + _RENEW_EVERY
            for product in self._lost:
                self._wanted.renew(_BOOKS, product)
            self._lost.clear()
        if not self._to_say:
            if self._wanted.changed:
                self._to_say = [*self._wanted.changes(self._settings.credentials, str(time.time()))]
                self._expect(now)
            elif self._wanted.asides:
                self._to_say = [self._wanted.asides.popleft()]
        if self._to_say and now >= self._say_at:
            said = self._to_say.pop(0)
            if isinstance(said, str):
                self._connection.send(said)
            else:
                self._connection.ping(said)
            self._say_at = now + _SAY_EVERY
        self.alarm = now + self._remaining(now)

    def _remaining(self, now: float) -> float:
        machines = (self._keepalive, self._watchdog, self._heartbeats)
        remaining = min(_LONGEST_WAIT, *(machine.remaining(now) for machine in machines))
        if self._lost:
            remaining = min(remaining, max(0.0, self._renew_at - now))
        if self._to_say or self._wanted.asides:
            remaining = min(remaining, max(0.0, self._say_at - now))
        return remaining

    def _expect(self, now: float) -> None:
        pairs = self._wanted.pairs
        self._continuity.watch(pairs)
        beating = frozenset(product for channel, product in pairs if channel == "heartbeat" and product is not None)
        self._heartbeats.expect(beating, now)

    # ---- is anybody there

    def beat(self, heartbeat: Heartbeat, now: float) -> None:
        if self._heartbeats.beat(heartbeat.product_id, now):
            self.alarm = now  # the next one may be missing before anything else is due
            self._outlets.report(HeartbeatBack(product_id=heartbeat.product_id))

    def pong(self, payload: bytes, now: float) -> None:
        round_trip = self._keepalive.pong(payload, now)
        if round_trip is not None:
            self._outlets.pong(round_trip)

    def judge(self, now: float) -> None:
        """Raises `WentSilent` where nobody is there; for when all that had come by *now* was heard."""
        if self._keepalive.silent(now):
            raise WentSilent(f"a ping was not answered within {self._settings.pong_timeout:g} s")
        if self._watchdog.stale(now):
            raise WentSilent(f"no data for {self._settings.stale_after:g} s")
        for product in self._heartbeats.step(now):
            self._outlets.report(HeartbeatMissing(product_id=product, seconds=self._settings.heartbeat_timeout))
