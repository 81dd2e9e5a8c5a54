"""One connection on its thread, from connecting to closing: connect, subscribe, deliver, keep alive."""

from __future__ import annotations

import socket
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rxfeed.core import ARRIVAL_LIMIT, Arrival, GapDetector
from rxfeed.errors import AuthenticationFailed, ConnectionLost, TimestampRejected, WentSilent
from rxfeed.feed.clock import Clock, utc_now
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.housekeeping import Housekeeping
from rxfeed.feed.product_ids import ProductIds
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.status import Connected, Connecting, Rejected, Subscribed
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import ErrorMessage, Heartbeat, Malformed, Subscriptions
from rxfeed.secrets import redacted, shown_url
from rxfeed.transport import Closed, Connection, Oversized, Pong, TransportEvent
from rxfeed.venues import Refusal

if TYPE_CHECKING:
    from rxfeed.feed.connection_arbiter import ArbitratedFrames, MakeFrames
    from rxfeed.feed.trade_repairs import TradeRepairs

# Messages that are delivered between two readings of the clock: they bound the delay of a ping.
_BATCH = 64
# Seconds by which the clocks of this machine and of the server may differ until that is the reason of a refusal.
_CLOCK_TOLERANCE = 10.0
# Seconds: data that arrives so soon after a cycle with deliveries may have been waiting in the socket.
_SHORT_WAIT = 0.001


class FeedSession:
    """Serves *connection*, step by step, until it ends or `stop()` is called."""

    def __init__(
        self,
        settings: FeedSettings,
        connection: Connection,
        subscriptions: SubscriptionManager,
        ids: ProductIds,
        continuity: GapDetector,
        streams: FeedStreams,
        clock: Clock,
        repairs: TradeRepairs | None = None,
        make_frames: MakeFrames | None = None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._subscriptions = subscriptions
        self._ids = ids
        self._continuity = continuity
        self._streams = streams
        self._clock = clock
        self._repairs = repairs
        self._dispatcher = (streams.dispatcher or Dispatcher)(
            streams,
            continuity,
            drop_duplicates=settings.drop_duplicates,
            other=self._control,
            after={Heartbeat: self._heartbeat_received, Subscriptions: self._subscribed, ErrorMessage: self._rejected},
            repairs=repairs,
        )
        self._arbitrated: ArbitratedFrames | None = None
        if make_frames is not None:
            self._arbitrated = make_frames(self._dispatcher, continuity)
        self._begun = False
        self._opened_at = utc_now()
        self.opened = False
        """True once the connection was open."""
        self.data_received = False
        """True once a message came that is more than an answer to a request: the connection works."""

    @property
    def sock(self) -> socket.socket | None:
        """The socket of the connection; `None` if it is not open."""
        return self._connection.sock

    @property
    def working(self) -> bool:
        """True while the connection is open, once it has brought data."""
        return self._begun and self.data_received

    def stop(self) -> None:
        """Make the steps end soon, after the current call of a subscriber; from any thread."""
        self._dispatcher.stopping = True
        self._connection.abort()

    def arbitrate(self, make_frames: MakeFrames | None, continuity: GapDetector) -> None:
        """From now on *continuity* checks this connection; *make_frames* makes what its frames go to.

        `None`: its dispatcher.

        Call it with the lock of the streams.
        """
        self._continuity = continuity
        self._dispatcher.use(continuity)
        self._arbitrated = None if make_frames is None else make_frames(self._dispatcher, continuity)
        if self._begun:
            self._housekeeping.use(continuity, self._arbitrated)
            if self._arbitrated is not None:
                self._arbitrated.seed(self._subscriptions)

    def renew_book(self, product: str) -> None:
        """Request the snapshot of *product*'s book by price soon; from any thread."""
        self._dispatcher.lost.add(product)

    def repair_with(self, repairs: TradeRepairs | None) -> None:
        """From now on *repairs* requests missed trades; `None`: they are missing."""
        self._repairs = repairs
        self._dispatcher.repair_with(repairs)
        if self._begun:
            self._housekeeping.repair_with(repairs)

    def steps(self, attempt: int, *, reported: bool = True) -> Generator[None, float | None, None]:
        """Deliver until stopped: a first step that connects, and then one for each read.

        What is sent into the generator is the most seconds that the next read may wait. *reported*: `Connecting` is
        emitted. Raises `ConnectFailed`, `ConnectionLost` or `AuthenticationFailed`.
        """
        streams, connection = self._streams, self._connection
        url = shown_url(connection.url)
        try:
            if reported:
                streams.report(Connecting(url=url, attempt=attempt))
            connection.open()
            self.opened = True
            self._ids.connected()
            self._opened_at = utc_now()
            now = self._clock.now()
            self._begin(now)
            streams.stats.connections += 1
            streams.report(Connected(url=url))
            longest = yield
            while not self._dispatcher.stopping:
                now = self._cycle(now, longest)
                longest = yield
        except WentSilent:
            connection.close(timeout=0)  # the peer does not respond, so skip the closing handshake
            raise
        finally:
            streams.stats.oldest = None
            self._begun = False
            if self._arbitrated is not None:
                with streams.lock:
                    self._arbitrated.closed()
            connection.close()

    def _begin(self, now: float) -> None:
        with self._streams.lock:
            if self._streams.stats.connections:
                self._continuity.reconnected()
            if self._arbitrated is not None:
                self._arbitrated.opened()
        self._housekeeping = Housekeeping(
            self._settings,
            self._connection,
            self._subscriptions,
            self._continuity,
            self._streams,
            self._dispatcher.lost,
            self._repairs,
            self._ids.explained,
            now,
            self._arbitrated,
        )
        self._begun = True
        self._arrival = Arrival()
        self._read_at = self._waiting_since = now
        self._streams.stats.clock = self._clock.now

    def _cycle(self, before: float, longest: float | None) -> float:
        """Send what is due, deliver what has arrived, and detect silence.

        *before* is the clock's time now; *longest*: the most seconds to wait for data. Returns the time at the end,
        because reading the clock costs.
        """
        connection, housekeeping, clock = self._connection, self._housekeeping, self._clock
        if before >= housekeeping.alarm or housekeeping.has_requests:
            self._send_due(before)
            before = clock.now()
        # A short read does not prove that the socket is empty: after a long cycle it is checked.
        busy = before - self._read_at > _SHORT_WAIT
        behind = connection.ready() if busy else connection.more
        if busy and not behind:
            self._streams.lag(0.0)
        wait = (housekeeping.alarm - before) / clock.speed
        events = connection.receive(wait if longest is None or wait < longest else longest)
        now = after = clock.now()
        if not behind:
            self._waiting_since = now if busy or now - before > _SHORT_WAIT else self._read_at
            if not events:
                self._streams.lag(0.0)
        if connection.arriving or self._arrival.size:
            self._arriving(now - before, behind)
        elif not behind:
            housekeeping.idle += now - before
        self._read_at = now
        if events:
            try:
                after = self._deliver_all(events, now)
            finally:
                events = ()  # one may repeat a signature, which a traceback with local variables would show
        # If more waits to be read, an answer may be in it, so only an empty socket counts as silent.
        if after >= housekeeping.alarm and not self._dispatcher.stopping and not connection.ready():
            housekeeping.check_silence()
        return after

    def _send_due(self, now: float) -> None:
        """Send what is due. If that fails, `receive` raises the error after the messages that had arrived before.

        Trades that were held are delivered, too.
        """
        if self._repairs is not None:
            with self._streams.lock:
                self._repairs.step()
        if self._connection.send_failed:
            return
        try:
            self._housekeeping.send_due(now)
        except ConnectionLost:
            if not self._connection.send_failed:
                raise

    def _arriving(self, seconds: float, behind: bool) -> None:
        """Count the *seconds* of a read with a part of a message, whether the message is complete now or not."""
        idle = self._arrival.step(self._connection.arriving, seconds)
        if not behind:
            self._housekeeping.idle += idle
        if self._arrival.endless:
            raise WentSilent(f"a message did not arrive completely within {ARRIVAL_LIMIT:g} s")

    def _deliver_all(self, events: Sequence[TransportEvent], now: float) -> float:
        """Deliver what was read at *now*, with pings sent in between. Returns the clock's time."""
        housekeeping, clock, stats = self._housekeeping, self._clock, self._streams.stats
        after, stats.oldest = now, self._waiting_since
        try:
            for start in range(0, len(events), _BATCH):
                if start and (after >= housekeeping.alarm or housekeeping.has_requests):
                    self._send_due(after)
                self._deliver(events[start : start + _BATCH] if len(events) > _BATCH else events)
                if self._dispatcher.stopping:
                    break
                after = clock.now()
                self._streams.lag(after - self._waiting_since)
        finally:
            events = ()
        stats.oldest = None
        return after

    def _deliver(self, events: Sequence[TransportEvent]) -> None:
        try:
            with self._streams.lock:
                deliver = self._dispatcher.frames if self._arbitrated is None else self._arbitrated.frames
                deliver(events, self._connection.received_ns)
        finally:  # a message counts even if a close frame follows it
            events = ()
            if self._dispatcher.data_received:
                self.data_received = True
                self._housekeeping.data_received(self._housekeeping.idle)

    def _heartbeat_received(self, heartbeat: Heartbeat) -> bool:
        self._housekeeping.beat(heartbeat, self._read_at)
        return True

    def _control(self, event: Oversized | Pong | Closed) -> None:
        if isinstance(event, Closed):
            raise self._settings.venue.closed(event.code, self._redacted(event.reason))
        if isinstance(event, Oversized):
            reason = f"over max_size: a message of {event.size:,} bytes was skipped"
            frame = Malformed(b"", reason, 0, *self._settings.venue.names_in(event.beginning))
            reporter = self._dispatcher if self._arbitrated is None else self._arbitrated
            reporter.report_malformed(frame, self._connection.received_ns)
            return
        self._housekeeping.pong(event.payload, self._read_at)

    def _subscribed(self, answer: Subscriptions) -> bool:
        missing = self._subscriptions.missing(answer)
        if len(missing) < self._subscriptions.requested:
            self._subscriptions.accepted = True
        self._streams.report(Subscribed(channels=answer.channels, missing=missing))
        self._ids.acknowledged(answer, missing)
        self._housekeeping.acknowledgements.acknowledged(self._subscriptions.unacknowledged)
        return False

    def _rejected(self, answer: ErrorMessage) -> bool:
        message = self._redacted(answer.message)
        reason = None if answer.reason is None else self._redacted(answer.reason)
        rejected = Rejected(message=message, reason=reason)
        self._housekeeping.acknowledgements.rejected()
        refused = (
            None if self._settings.credentials is None else self._settings.venue.refusal(answer.message, answer.reason)
        )
        if refused is None:
            self._streams.report(rejected)
            return False
        self._streams.emit(rejected)  # not logged here: the log has it as the cause of `Disconnected`
        del answer
        raise self._unauthenticated(refused, message, reason)

    def _unauthenticated(self, refused: Refusal, message: str, reason: str | None) -> Exception:
        """The error to raise for a signed request that the exchange refused."""
        text = message if reason is None else f"{message}: {reason}"
        server, unspecified = self._server_time(), refused is Refusal.UNSPECIFIED
        wrong_clock = server is not None and abs((self._opened_at - server).total_seconds()) > _CLOCK_TOLERANCE
        if refused is Refusal.TIMESTAMP or (unspecified and (wrong_clock or self._subscriptions.accepted)):
            now = f"{utc_now():%Y-%m-%d %H:%M:%S} UTC"
            text = f"{text}: compare the clock of this machine, {now}, with a time server"
            if server is not None:
                text = f"{text}; the server answered {self._connection.server_date}, at {self._opened_at:%H:%M:%S} here"
            return TimestampRejected(text)
        return AuthenticationFailed(f"{text}: {self._settings.venue.credentials_check}")

    def _server_time(self) -> datetime | None:
        """The server's time when the connection was opened; `None` if it is not known."""
        from email.utils import parsedate_to_datetime

        try:
            time = parsedate_to_datetime(self._connection.server_date)
        except (TypeError, ValueError, OverflowError, IndexError):
            return None
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)

    def _redacted(self, text: str) -> str:
        """*text* from the exchange without the secrets that it may repeat, for logs and exceptions."""
        return redacted(text.encode(), self._subscriptions.secrets(self._settings.credentials)).decode()
