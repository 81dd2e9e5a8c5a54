"""One connection's life, on the thread that owns it: connect, subscribe, deliver, keep alive."""

from __future__ import annotations

from collections.abc import Sequence

from rxfeed.core import Continuity
from rxfeed.errors import AuthenticationFailed, WentSilent
from rxfeed.feed.clock import Clock
from rxfeed.feed.delivery import Delivery
from rxfeed.feed.duties import Duties
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import Connected, Connecting, Rejected, Subscribed
from rxfeed.feed.wanted import Wanted
from rxfeed.messages import ErrorMessage, Heartbeat, Malformed, Subscriptions
from rxfeed.protocol import redacted, shown_url
from rxfeed.protocol.decode import names_in
from rxfeed.transport import Closed, Connection, Oversized, Pong, Received

# Messages that are delivered before the clock is asked again: no longer than these take is a ping delayed.
_AT_ONCE = 64
# What comes within so many seconds after we were busy may have been waiting.
_SHORT = 0.001


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
        self._delivery = Delivery(
            outlets,
            continuity,
            drop_duplicates=settings.drop_duplicates,
            other=self._control,
            after={Heartbeat: self._beat, Subscriptions: self._subscribed, ErrorMessage: self._rejected},
        )
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
            now = self._clock.now()
            self._begin(now)
            outlets.stats.connections += 1
            outlets.report(Connected(url=url))
            while not self._delivery.stopping:
                now = self._turn(now)
        except WentSilent:
            connection.close(timeout=0)  # who says nothing will not say goodbye either
            raise
        finally:
            connection.close()

    def _begin(self, now: float) -> None:
        if self._outlets.stats.connections:
            self._continuity.reconnected()
        self._duties = Duties(
            self._settings,
            self._connection,
            self._wanted,
            self._continuity,
            self._outlets,
            self._delivery.lost,
            now,
        )
        self._read_at = self._waiting_since = now

    def _turn(self, before: float) -> float:
        """Say what is due, hear what has come, and judge whether the other side is still there.

        *before* is the clock's time now; the time at the end comes back, since asking costs.
        """
        connection, duties, clock = self._connection, self._duties, self._clock
        if before >= duties.alarm or duties.pressing:
            duties.speak(before)
        unread = connection.more
        # Where the last turn took its time, look whether anything has been waiting for it to end.
        idle = before - self._read_at > _SHORT and not connection.ready()
        if idle:
            self._outlets.lag(0.0)
        events = connection.receive((duties.alarm - before) / clock.speed)
        if not events:  # we had to wait, so nobody waits for us
            self._outlets.lag(0.0)
        now = after = clock.now()
        if idle or now - before > _SHORT:
            self._waiting_since = now  # this has only just come
        elif not unread:
            self._waiting_since = self._read_at  # it may have come as soon as we had read all that was before it
        self._read_at = now
        for start in range(0, len(events), _AT_ONCE):
            if start and (after >= duties.alarm or duties.pressing):
                duties.speak(after)
            self._deliver(events[start : start + _AT_ONCE] if len(events) > _AT_ONCE else events, now)
            if self._delivery.stopping:
                return after
            after = clock.now()
            self._outlets.lag(after - self._waiting_since)
        # While more is waiting to be read, an answer may be behind it.
        if now >= duties.alarm and not connection.more:
            duties.judge(now)
        return after

    def _deliver(self, events: Sequence[Received], now: float) -> None:
        try:
            self._delivery.frames(events, self._connection.received_ns)
        finally:  # a close frame after it does not make a good message undone
            if self._delivery.heard:
                self.heard = True
                self._duties.heard(now)

    def _beat(self, heartbeat: Heartbeat) -> bool:
        self._duties.beat(heartbeat, self._read_at)
        return True

    def _control(self, event: Oversized | Pong | Closed) -> None:
        if isinstance(event, Closed):
            raise Closed(event.code, self._clean(event.reason)).error()
        if isinstance(event, Oversized):
            reason = f"over max_size: a message of {event.size:,} bytes was passed over"
            frame = Malformed(b"", reason, 0, *names_in(event.beginning))
            self._delivery.unreadable(frame, self._connection.received_ns)
            return
        self._duties.pong(event.payload, self._read_at)

    def _subscribed(self, answer: Subscriptions) -> bool:
        self._outlets.report(Subscribed(channels=answer.channels, missing=self._wanted.missing(answer)))
        return False

    def _rejected(self, answer: ErrorMessage) -> bool:
        message = self._clean(answer.message)
        reason = None if answer.reason is None else self._clean(answer.reason)
        self._outlets.report(Rejected(message=message, reason=reason))
        if self._settings.credentials is not None and "authenticat" in message.lower():
            raise AuthenticationFailed(f"{message}: {reason}")
        return False

    def _clean(self, text: str) -> str:
        """What the other side says, for logs and exceptions: without our secrets, should it repeat them."""
        return redacted(text.encode(), self._wanted.secrets(self._settings.credentials)).decode()
