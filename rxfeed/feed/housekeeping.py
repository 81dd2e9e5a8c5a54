"""The periodic work of a connection: pings, changes of the subscription, and the detection of silence."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from rxfeed.core import AcknowledgementWatch, GapDetector, HeartbeatWatch, Keepalive, Pair, Renewals, Watchdog
from rxfeed.errors import WentSilent
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.status import HeartbeatBack, HeartbeatMissing, Unacknowledged
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import Heartbeat
from rxfeed.secrets import Secret
from rxfeed.transport import Connection

if TYPE_CHECKING:
    from rxfeed.feed.trade_repairs import TradeRepairs

# A selector accepts neither infinity nor very long time-outs.
_LONGEST_WAIT = 3600.0
_ACKNOWLEDGED_WITHIN = 3.0  # seconds; an exchange may close an unsubscribed connection after 5


class Watcher(Protocol):
    """What depends on the subscriptions of a connection."""

    def watch(self, pairs: Collection[Pair]) -> object:
        """Set the subscriptions."""
        ...

    def at_least(self, product_id: str, least: int) -> object:
        """The epoch of the product is *least*, if it is not higher."""
        ...


class Housekeeping:
    """The periodic work of one connection, from the moment it is open; times are of the feed's clock.

    Most cycles need only two comparisons: nothing is due before `alarm`, unless `has_requests` is True.
    """

    def __init__(
        self,
        settings: FeedSettings,
        connection: Connection,
        subscriptions: SubscriptionManager,
        continuity: GapDetector,
        streams: FeedStreams,
        lost: set[str | None],
        repairs: TradeRepairs | None,
        explained: Collection[str | None],
        now: float,
        watcher: Watcher | None = None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._subscriptions = subscriptions
        self.use(continuity, watcher)
        self._streams = streams
        self._explained = explained  # products without data, of which the log has the reason
        self._lost = lost  # products with a book that may be wrong; None: all products
        self._repairs = repairs
        self.idle = 0.0
        """The seconds of waiting while the socket was empty: silence is measured in this time."""
        self._keepalive = Keepalive(settings.ping_interval, settings.pong_timeout, now)
        self._watchdog = Watchdog(settings.stale_after, self.idle)
        self.data_received = self._watchdog.heard
        """Call it with the idle time when a message arrives that is more than an answer to a request."""
        self._heartbeats = HeartbeatWatch(settings.heartbeat_timeout)
        # The venue requires a subscription within five seconds, so the first request is sent at once.
        self._requests: list[str | Secret | bytes] = [*subscriptions.opening(settings.credentials, str(time.time()))]
        if self._requests and not isinstance(first := self._requests.pop(0), bytes):
            connection.send(first)
        self._send_interval = 1 / settings.venue.limits.messages_per_second
        self._send_at = now + self._send_interval
        self._renewals = Renewals()
        self._frames = streams.stats.frames
        self.acknowledgements = AcknowledgementWatch(_ACKNOWLEDGED_WITHIN, subscriptions.reported)
        self.acknowledgements.requested(subscriptions.unacknowledged, self.idle)
        self.alarm = now
        """The time before which nothing is due."""
        self._update_channels()

    @property
    def has_requests(self) -> bool:
        """True if a request waits to be sent as soon as the rate limit allows, or held trades may be due."""
        subscriptions = self._subscriptions
        if self._repairs is not None and self._repairs.pending:
            return True
        return bool(subscriptions.changed or subscriptions.user_requests or self._requests or self._lost)

    # ---- requests

    def send_due(self, now: float) -> None:
        """Send the pings and requests that are due."""
        for payload in self._keepalive.step(now, self.idle):
            self._connection.ping(payload)
            self._streams.stats.pings += 1
        while self._lost:
            self._renewals.lost(self._lost.pop(), now)
        for product in self._renewals.step(now):
            self._subscriptions.renew(self._settings.venue.books, product)
        if not self._requests:
            if self._subscriptions.changed:
                self._requests = [*self._subscriptions.changes(self._settings.credentials, str(time.time()))]
                self.acknowledgements.requested(self._subscriptions.unacknowledged, self.idle)
                self._update_channels()
            elif self._subscriptions.user_requests:
                self._requests = [self._subscriptions.user_requests.popleft()]
        if self._requests and now >= self._send_at:
            request = self._requests.pop(0)
            if isinstance(request, str | Secret):
                self._connection.send(request)
            else:
                self._connection.ping(request)
            self._send_at = now + self._send_interval
            self.acknowledgements.sent(self.idle)
        self.alarm = now + self._remaining(now)

    def _remaining(self, now: float) -> float:
        # Idle time never passes faster than the clock, so the alarm can only be too early.
        remaining = min(
            _LONGEST_WAIT,
            self._keepalive.remaining(now, self.idle),
            self._watchdog.remaining(self.idle),
            self._heartbeats.remaining(self.idle),
            self.acknowledgements.remaining(self.idle),
        )
        renewal = self._renewals.remaining(now)
        if renewal is not None:
            remaining = min(remaining, renewal)
        held = None if self._repairs is None else self._repairs.remaining(now)
        if held is not None:
            remaining = min(remaining, held)
        if self._requests or self._subscriptions.user_requests:
            remaining = min(remaining, max(0.0, self._send_at - now))
        return remaining

    def repair_with(self, repairs: TradeRepairs | None) -> None:
        """From now on *repairs* requests missing trades."""
        self._repairs = repairs

    def use(self, continuity: GapDetector, watcher: Watcher | None = None) -> None:
        """From now on *continuity* checks this connection; *watcher* gets its pairs, `None`: the former."""
        self._continuity, self._watcher = continuity, watcher or continuity

    def _update_channels(self) -> None:
        pairs = self._subscriptions.pairs
        for product, least in self._subscriptions.least_epochs().items():
            self._watcher.at_least(product, least)
        self._watcher.watch(pairs)
        if self._repairs is not None:
            with self._streams.lock:
                self._repairs.still_subscribed(pairs)
                self._repairs.subscribed(pairs)
        names = self._settings.venue.heartbeats
        beating = frozenset(product for channel, product in pairs if channel in names and product is not None)
        self._heartbeats.expect(beating, self.idle)

    # ---- silence

    def beat(self, heartbeat: Heartbeat, now: float) -> None:
        if self._heartbeats.beat(heartbeat.product_id, self.idle):
            self.alarm = now  # the next heartbeat may be due before anything else
            self._streams.report(HeartbeatBack(product_id=heartbeat.product_id))

    def pong(self, payload: bytes, now: float) -> None:
        round_trip = self._keepalive.pong(payload, now)
        if round_trip is not None:
            self._streams.pong(round_trip)

    def check_silence(self) -> None:
        """Raise `WentSilent` if the connection is silent, and report what is missing, when the socket is empty."""
        if self._keepalive.silent(self.idle):
            raise WentSilent(f"the server did not answer a ping within {self._settings.pong_timeout:g} s")
        if self._watchdog.stale(self.idle):
            raise WentSilent(f"no data for {self._settings.stale_after:g} s")
        for product in self._heartbeats.step(self.idle):
            self._streams.report(HeartbeatMissing(product_id=product, seconds=self._settings.heartbeat_timeout))
        pairs = self.acknowledgements.step(self.idle, self._streams.stats.frames != self._frames)
        if pairs and not self._subscriptions.requests_sent:
            status = Unacknowledged(pairs=pairs, seconds=_ACKNOWLEDGED_WITHIN)
            if all(product in self._explained for _, product in pairs):
                self._streams.emit(status)  # the log has it
            else:
                self._streams.report(status)
