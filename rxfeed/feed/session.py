"""One connection's life, on the thread that owns it: connect, subscribe, deliver, keep alive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rxfeed.core import ARRIVAL_LIMIT, Arrival, Continuity
from rxfeed.errors import AuthenticationFailed, TimestampRejected, WentSilent
from rxfeed.feed.clock import Clock
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.housekeeping import Housekeeping
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.status import Connected, Connecting, Rejected, Subscribed
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.messages import ErrorMessage, Heartbeat, Malformed, Subscriptions
from rxfeed.protocol import Refusal, redacted, refusal, shown_url
from rxfeed.protocol.decode import names_in
from rxfeed.transport import Closed, Connection, Oversized, Pong, TransportEvent

# Messages that are delivered before the clock is asked again: no longer than these take is a ping delayed.
_AT_ONCE = 64
# Seconds; what comes within these after a busy turn may have been waiting.
_SHORT = 0.001


class FeedSession:
    """Runs *connection* until it ends or `stop()` is called."""

    def __init__(
        self,
        settings: FeedSettings,
        connection: Connection,
        subscriptions: SubscriptionManager,
        continuity: Continuity,
        streams: FeedStreams,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._subscriptions = subscriptions
        self._continuity = continuity
        self._streams = streams
        self._clock = clock
        self._dispatcher = Dispatcher(
            streams,
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
        self._dispatcher.stopping = True
        self._connection.abort()

    def run(self, attempt: int) -> None:
        """Deliver until stopped; raises a `ConnectFailed`, `ConnectionLost` or `AuthenticationFailed` before that."""
        streams, connection = self._streams, self._connection
        url = shown_url(connection.url)
        try:
            streams.report(Connecting(url=url, attempt=attempt))
            connection.open()
            self.opened = True
            now = self._clock.now()
            self._begin(now)
            streams.stats.connections += 1
            streams.report(Connected(url=url))
            while not self._dispatcher.stopping:
                now = self._turn(now)
        except WentSilent:
            connection.close(timeout=0)  # the peer does not respond, so skip the closing handshake
            raise
        finally:
            streams.stats.oldest = None
            connection.close()

    def _begin(self, now: float) -> None:
        if self._streams.stats.connections:
            self._continuity.reconnected()
        self._housekeeping = Housekeeping(
            self._settings,
            self._connection,
            self._subscriptions,
            self._continuity,
            self._streams,
            self._dispatcher.lost,
            now,
        )
        self._arrival = Arrival()
        self._read_at = self._waiting_since = now
        self._streams.stats.clock = self._clock.now

    def _turn(self, before: float) -> float:
        """Send what is due, deliver what has come, and detect silence.

        *before* is the clock's time now; the time at the end is returned, since asking for it costs.
        """
        connection, housekeeping, clock = self._connection, self._housekeeping, self._clock
        if before >= housekeeping.alarm or housekeeping.pressing:
            housekeeping.speak(before)
            before = clock.now()
        # A short read does not prove that nothing waits: after a turn that took its time the socket is asked.
        busy = before - self._read_at > _SHORT
        behind = connection.ready() if busy else connection.more
        if busy and not behind:
            self._streams.lag(0.0)
        events = connection.receive((housekeeping.alarm - before) / clock.speed)
        now = after = clock.now()
        if not behind:
            self._waiting_since = now if busy or now - before > _SHORT else self._read_at
            if not events:
                self._streams.lag(0.0)
        if connection.arriving or self._arrival.size:
            self._arriving(now - before, behind)
        elif not behind:
            housekeeping.idle += now - before
        self._read_at = now
        if events:
            after = self._deliver_all(events, now)
        # While more waits to be read, an answer may be behind it.
        if after >= housekeeping.alarm and not self._dispatcher.stopping and not connection.ready():
            housekeeping.judge()
        return after

    def _arriving(self, seconds: float, behind: bool) -> None:
        """Count the *seconds* of a read after which a message is still incomplete, or was completed."""
        idle = self._arrival.step(self._connection.arriving, seconds)
        if not behind:
            self._housekeeping.idle += idle
        if self._arrival.endless:
            raise WentSilent(f"one message has not arrived completely within {ARRIVAL_LIMIT:g} s")

    def _deliver_all(self, events: Sequence[TransportEvent], now: float) -> float:
        """Deliver what was read at *now*; pings are sent between. Returns the clock's time."""
        housekeeping, clock, stats = self._housekeeping, self._clock, self._streams.stats
        after, stats.oldest = now, self._waiting_since
        for start in range(0, len(events), _AT_ONCE):
            if start and (after >= housekeeping.alarm or housekeeping.pressing):
                housekeeping.speak(after)
            self._deliver(events[start : start + _AT_ONCE] if len(events) > _AT_ONCE else events)
            if self._dispatcher.stopping:
                break
            after = clock.now()
            self._streams.lag(after - self._waiting_since)
        stats.oldest = None
        return after

    def _deliver(self, events: Sequence[TransportEvent]) -> None:
        try:
            self._dispatcher.frames(events, self._connection.received_ns)
        finally:  # a close frame after it does not make a good message undone
            if self._dispatcher.heard:
                self.heard = True
                self._housekeeping.heard(self._housekeeping.idle)

    def _beat(self, heartbeat: Heartbeat) -> bool:
        self._housekeeping.beat(heartbeat, self._read_at)
        return True

    def _control(self, event: Oversized | Pong | Closed) -> None:
        if isinstance(event, Closed):
            raise Closed(event.code, self._clean(event.reason)).error()
        if isinstance(event, Oversized):
            reason = f"over max_size: a message of {event.size:,} bytes was passed over"
            frame = Malformed(b"", reason, 0, *names_in(event.beginning))
            self._dispatcher.unreadable(frame, self._connection.received_ns)
            return
        self._housekeeping.pong(event.payload, self._read_at)

    def _subscribed(self, answer: Subscriptions) -> bool:
        missing = self._subscriptions.missing(answer)
        if len(missing) < self._subscriptions.requested:
            self._subscriptions.accepted = True
        self._streams.report(Subscribed(channels=answer.channels, missing=missing))
        return False

    def _rejected(self, answer: ErrorMessage) -> bool:
        message = self._clean(answer.message)
        reason = None if answer.reason is None else self._clean(answer.reason)
        rejected = Rejected(message=message, reason=reason)
        refused = None if self._settings.credentials is None else refusal(answer.message, answer.reason)
        if refused is None:
            self._streams.report(rejected)
            return False
        self._streams.status.emit(rejected)  # the log has it as the cause of the `Disconnected`
        raise self._unauthenticated(refused, message, reason)

    def _unauthenticated(self, refused: Refusal, message: str, reason: str | None) -> Exception:
        """The error for a signed request that was refused."""
        text = message if reason is None else f"{message}: {reason}"
        if refused is Refusal.TIMESTAMP or (refused is Refusal.UNSPECIFIED and self._subscriptions.accepted):
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            return TimestampRejected(f"{text}: compare the clock of this machine, {now}, with a time server")
        return AuthenticationFailed(f"{text}: check key, secret and passphrase")

    def _clean(self, text: str) -> str:
        """*text*, which the exchange sent, for logs and exceptions: without secrets that it may repeat."""
        return redacted(text.encode(), self._subscriptions.secrets(self._settings.credentials)).decode()
