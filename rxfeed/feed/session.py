"""One connection's life, on the thread that owns it: connect, subscribe, deliver, keep alive."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rxfeed.core import Continuity, HeartbeatWatch, Keepalive, Watchdog
from rxfeed.errors import AuthenticationFailed, WentSilent
from rxfeed.feed.clock import Clock
from rxfeed.feed.delivery import Delivery
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import Connected, Connecting, HeartbeatBack, HeartbeatMissing, Rejected, Subscribed
from rxfeed.feed.wanted import Wanted
from rxfeed.messages import ErrorMessage, Heartbeat, Subscriptions
from rxfeed.protocol import shown_url
from rxfeed.transport import Closed, Connection, Oversized, Pong, Received

# The exchange takes 8 messages a second from a client: https://docs.cdp.coinbase.com/exchange/websocket-feed/rate-limits
_SAY_EVERY = 1 / 8
# Messages that are delivered before the clock is asked again: no longer than these take is a ping delayed.
_AT_ONCE = 64
# What comes within so many seconds after we were busy may have been waiting.
_SHORT = 0.001
# A book without sequence numbers is lost with whatever may have been missed; its snapshots are big: not too often.
_BOOKS = frozenset(("level2", "level2_batch"))
_RENEW_EVERY = 5.0
# A selector takes no endless wait as a number, and no week either.
_LONGEST_WAIT = 3600.0
_ANSWERS = (Subscriptions, ErrorMessage)


class Session:
    """Runs *connection* until it ends or `stop()` is called."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        wanted: Wanted,
        continuity: Continuity,
        outlets: Outlets,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._wanted = wanted
        self._continuity = continuity
        self._outlets = outlets
        self._clock = clock
        self._delivery = Delivery(outlets, continuity, drop_duplicates=settings.drop_duplicates)
        self._to_say: list[str | bytes] = []
        self.heard = False
        """A message came that was more than an answer: the connection is good."""

    def stop(self) -> None:
        """Make `run()` return soon, after the subscriber that is at work; from any thread."""
        self._delivery.stopping = True
        self._connection.abort()

    def run(self, attempt: int) -> None:
        """Deliver until stopped; raises a `ConnectFailed`, `ConnectionLost` or `AuthenticationFailed` before that."""
        outlets, connection = self._outlets, self._connection
        url = shown_url(connection.url)
        try:
            outlets.report(Connecting(url=url, attempt=attempt))
            connection.open()
            self._begin(self._clock.now())
            outlets.stats.connections += 1
            outlets.report(Connected(url=url))
            while not self._delivery.stopping:
                self._turn()
        except WentSilent:
            connection.close(timeout=0)  # who says nothing will not say goodbye either
            raise
        finally:
            connection.close()

    def _begin(self, now: float) -> None:
        settings = self._settings
        if self._outlets.stats.connections:
            self._continuity.reconnected()
        self._keepalive = Keepalive(settings.ping_interval, settings.pong_timeout, now)
        self._watchdog = Watchdog(settings.stale_after, now)
        self._heartbeats = HeartbeatWatch(settings.heartbeat_timeout)
        self._read_at = self._waiting_since = now
        # The subscription must arrive within five seconds: whatever the pace, this goes out at once.
        for text in self._wanted.opening(self._settings.credentials, str(time.time())):
            self._connection.send(text)
        self._say_at = now + _SAY_EVERY
        self._renew_at = now
        self._expect(now)

    def _turn(self) -> None:
        """Say what is due, hear what has come, and judge whether the other side is still there."""
        before = self._clock.now()
        self._speak(before)
        unread = self._connection.more
        # Where the last turn took its time, look whether anything has been waiting for it to end.
        idle = before - self._read_at > _SHORT and not self._connection.ready()
        if idle:
            self._outlets.lag(0.0)
        events = self._connection.receive(self._clock.real(self._remaining(before)))
        now = self._clock.now()
        if idle or now - before > _SHORT:
            self._waiting_since = now  # this has only just come
        elif not unread:
            self._waiting_since = self._read_at  # it may have come as soon as we had read all that was before it
        self._read_at = now
        for start in range(0, len(events), _AT_ONCE):
            if start:
                self._speak(self._clock.now())
            self._deliver(events[start : start + _AT_ONCE], now)
            if self._delivery.stopping:
                return
            self._outlets.lag(self._clock.now() - self._waiting_since)
        # While more is waiting to be read, an answer may be behind it.
        if not self._connection.more:
            self._judge(now)

    # ---- what is said

    def _remaining(self, now: float) -> float:
        machines = (self._keepalive, self._watchdog, self._heartbeats)
        remaining = min(_LONGEST_WAIT, *(machine.remaining(now) for machine in machines))
        if self._delivery.lost:
            remaining = min(remaining, max(0.0, self._renew_at - now))
        waiting = self._to_say or self._wanted.asides
        return min(remaining, max(0.0, self._say_at - now)) if waiting else remaining

    def _speak(self, now: float) -> None:
        for payload in self._keepalive.step(now):
            self._connection.ping(payload)
            self._outlets.stats.pings += 1
        lost = self._delivery.lost
        if lost and now >= self._renew_at:
            self._renew_at = now + _RENEW_EVERY
            for product in lost:
                self._wanted.renew(_BOOKS, product)
            lost.clear()
        if not self._to_say:
            if self._wanted.changed:
                self._to_say = [*self._wanted.changes(self._settings.credentials, str(time.time()))]
                self._expect(now)
            elif self._wanted.asides:
                self._to_say = [self._wanted.asides.popleft()]
            else:
                return
        if now >= self._say_at:
            said = self._to_say.pop(0)
            if isinstance(said, str):
                self._connection.send(said)
            else:
                self._connection.ping(said)
            self._say_at = now + _SAY_EVERY

    def _expect(self, now: float) -> None:
        pairs = [(channel, product) for channel, product in self._wanted.pairs if product is not None]
        self._continuity.watch(pairs)
        self._heartbeats.expect(frozenset(product for channel, product in pairs if channel == "heartbeat"), now)

    # ---- what is heard

    def _deliver(self, events: Sequence[Received], now: float) -> None:
        delivery, received_ns = self._delivery, self._connection.received_ns
        hand_on = delivery.frame
        heard = False
        try:
            for event in events:
                if isinstance(event, bytes):
                    message = hand_on(event, received_ns)
                    if isinstance(message, _ANSWERS):
                        self._answer(message)
                    else:
                        heard = heard or message is not None
                        if type(message) is Heartbeat:
                            self._beat(message, now)
                else:
                    self._control(event, now)
                if delivery.stopping:
                    return
        finally:  # a close frame after it does not make a good message undone
            if heard:
                self.heard = True
                self._watchdog.heard(now)

    def _beat(self, heartbeat: Heartbeat, now: float) -> None:
        if self._heartbeats.beat(heartbeat.product_id, now):
            self._outlets.report(HeartbeatBack(product_id=heartbeat.product_id))

    def _control(self, event: Oversized | Pong | Closed, now: float) -> None:
        if isinstance(event, Closed):
            raise event.error()
        if isinstance(event, Oversized):
            reason = f"over max_size: a message of {event.size:,} bytes was passed over"
            self._delivery.unreadable(b"", reason, self._connection.received_ns)
            return
        round_trip = self._keepalive.pong(event.payload, now)
        if round_trip is not None:
            self._outlets.pong(round_trip)

    def _answer(self, message: Subscriptions | ErrorMessage) -> None:
        if isinstance(message, Subscriptions):
            self._outlets.report(Subscribed(channels=message.channels, missing=self._wanted.missing(message)))
        else:
            self._outlets.report(Rejected(message=message.message, reason=message.reason))
            if self._settings.credentials is not None and "authenticat" in message.message.lower():
                raise AuthenticationFailed(f"{message.message}: {message.reason}")

    # ---- is anybody there

    def _judge(self, now: float) -> None:
        if self._keepalive.silent(now):
            raise WentSilent(f"a ping was not answered within {self._settings.pong_timeout:g} s")
        if self._watchdog.stale(now):
            raise WentSilent(f"no data for {self._settings.stale_after:g} s")
        for product in self._heartbeats.step(now):
            self._outlets.report(HeartbeatMissing(product_id=product, seconds=self._settings.heartbeat_timeout))
