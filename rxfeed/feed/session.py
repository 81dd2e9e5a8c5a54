"""One connection's life, on the thread that owns it: connect, subscribe, deliver, keep alive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rxfeed.core import ARRIVAL_LIMIT, Arrival, GapDetector
from rxfeed.errors import AuthenticationFailed, TimestampRejected, WentSilent
from rxfeed.feed.clock import Clock
from rxfeed.feed.delivery import Delivery
from rxfeed.feed.duties import Duties
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.settings import Settings
from rxfeed.feed.status import Connected, Connecting, Rejected, Subscribed
from rxfeed.feed.wanted import Wanted
from rxfeed.market import ErrorMessage, Heartbeat, Malformed, Subscriptions
from rxfeed.secrets import redacted, shown_url
from rxfeed.transport import Closed, Connection, Oversized, Pong, Received
from rxfeed.venues import Refusal

# Messages that are delivered before the clock is asked again: no longer than these take is a ping delayed.
_AT_ONCE = 64
# Seconds; what comes within these after a busy turn may have been waiting.
_SHORT = 0.001


class Session:
    """Runs *connection* until it ends or `stop()` is called."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        wanted: Wanted,
        continuity: GapDetector,
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
        self.opened = False
        """The connection was open."""
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
            self.opened = True
            now = self._clock.now()
            self._begin(now)
            outlets.stats.connections += 1
            outlets.report(Connected(url=url))
            while not self._delivery.stopping:
                now = self._turn(now)
        except WentSilent:
            connection.close(timeout=0)  # the peer does not respond, so skip the closing handshake
            raise
        finally:
            outlets.stats.oldest = None
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
        self._arrival = Arrival()
        self._read_at = self._waiting_since = now
        self._outlets.stats.clock = self._clock.now

    def _turn(self, before: float) -> float:
        """Send what is due, deliver what has come, and detect silence.

        *before* is the clock's time now; the time at the end is returned, since asking for it costs.
        """
        connection, duties, clock = self._connection, self._duties, self._clock
        if before >= duties.alarm or duties.pressing:
            duties.speak(before)
            before = clock.now()
        # A short read does not prove that nothing waits: after a turn that took its time the socket is asked.
        busy = before - self._read_at > _SHORT
        behind = connection.ready() if busy else connection.more
        if busy and not behind:
            self._outlets.lag(0.0)
        events = connection.receive((duties.alarm - before) / clock.speed)
        now = after = clock.now()
        if not behind:
            self._waiting_since = now if busy or now - before > _SHORT else self._read_at
            if not events:
                self._outlets.lag(0.0)
        if connection.arriving or self._arrival.size:
            self._arriving(now - before, behind)
        elif not behind:
            duties.idle += now - before
        self._read_at = now
        if events:
            after = self._deliver_all(events, now)
        # While more waits to be read, an answer may be behind it.
        if after >= duties.alarm and not self._delivery.stopping and not connection.ready():
            duties.judge()
        return after

    def _arriving(self, seconds: float, behind: bool) -> None:
        """Count the *seconds* of a read after which a message is still incomplete, or was completed."""
        idle = self._arrival.step(self._connection.arriving, seconds)
        if not behind:
            self._duties.idle += idle
        if self._arrival.endless:
            raise WentSilent(f"one message has not arrived completely within {ARRIVAL_LIMIT:g} s")

    def _deliver_all(self, events: Sequence[Received], now: float) -> float:
        """Deliver what was read at *now*; pings are sent between. Returns the clock's time."""
        duties, clock, stats = self._duties, self._clock, self._outlets.stats
        after, stats.oldest = now, self._waiting_since
        for start in range(0, len(events), _AT_ONCE):
            if start and (after >= duties.alarm or duties.pressing):
                duties.speak(after)
            self._deliver(events[start : start + _AT_ONCE] if len(events) > _AT_ONCE else events)
            if self._delivery.stopping:
                break
            after = clock.now()
            self._outlets.lag(after - self._waiting_since)
        stats.oldest = None
        return after

    def _deliver(self, events: Sequence[Received]) -> None:
        try:
            self._delivery.frames(events, self._connection.received_ns)
        finally:  # a close frame after it does not make a good message undone
            if self._delivery.heard:
                self.heard = True
                self._duties.heard(self._duties.idle)

    def _beat(self, heartbeat: Heartbeat) -> bool:
        self._duties.beat(heartbeat, self._read_at)
        return True

    def _control(self, event: Oversized | Pong | Closed) -> None:
        if isinstance(event, Closed):
            raise self._settings.venue.closed(event.code, self._clean(event.reason))
        if isinstance(event, Oversized):
            reason = f"over max_size: a message of {event.size:,} bytes was passed over"
            frame = Malformed(b"", reason, 0, *self._settings.venue.names_in(event.beginning))
            self._delivery.unreadable(frame, self._connection.received_ns)
            return
        self._duties.pong(event.payload, self._read_at)

    def _subscribed(self, answer: Subscriptions) -> bool:
        missing = self._wanted.missing(answer)
        if len(missing) < self._wanted.told:
            self._wanted.accepted = True
        self._outlets.report(Subscribed(channels=answer.channels, missing=missing))
        return False

    def _rejected(self, answer: ErrorMessage) -> bool:
        message = self._clean(answer.message)
        reason = None if answer.reason is None else self._clean(answer.reason)
        rejected = Rejected(message=message, reason=reason)
        refused = (
            None if self._settings.credentials is None else self._settings.venue.refusal(answer.message, answer.reason)
        )
        if refused is None:
            self._outlets.report(rejected)
            return False
        self._outlets.status.emit(rejected)  # the log has it as the cause of the `Disconnected`
        raise self._unauthenticated(refused, message, reason)

    def _unauthenticated(self, refused: Refusal, message: str, reason: str | None) -> Exception:
        """The error for a signed request that was refused."""
        text = message if reason is None else f"{message}: {reason}"
        if refused is Refusal.TIMESTAMP or (refused is Refusal.UNSPECIFIED and self._wanted.accepted):
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            return TimestampRejected(f"{text}: compare the clock of this machine, {now}, with a time server")
        return AuthenticationFailed(f"{text}: check key, secret and passphrase")

    def _clean(self, text: str) -> str:
        """*text*, which the exchange sent, for logs and exceptions: without secrets that it may repeat."""
        return redacted(text.encode(), self._wanted.secrets(self._settings.credentials)).decode()
