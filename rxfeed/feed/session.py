"""One connection's life, on the thread that owns it: connect, subscribe, deliver, keep alive."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rxfeed.core import Keepalive
from rxfeed.feed.hub import Hub, SideStream
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import Connected, Connecting, FeedStatus, Idle, KeepalivePong, Rejected, Subscribed
from rxfeed.messages import ErrorMessage, Malformed, Message, Origin, Subscriptions, stamp
from rxfeed.protocol import Decoder, shown_url
from rxfeed.transport import Closed, Connection, Oversized, Pong

log = logging.getLogger("rxfeed.feed")


class Outlets:
    """Where all that a feed yields goes: the messages, the streams beside them, and the counters."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.hub = Hub(self._failed)
        self.status: SideStream[FeedStatus] = SideStream(self._failed, Idle())
        self.keepalive: SideStream[KeepalivePong] = SideStream(self._failed)
        self.malformed: SideStream[Malformed] = SideStream(self._failed)

    def report(self, status: FeedStatus) -> None:
        log.info("%s", status)
        self.status.emit(status)

    def end(self, cause: Exception | None) -> None:
        """End every stream; *cause* is for those who wait for messages."""
        self.hub.end(cause)
        self.malformed.end()
        self.keepalive.end()
        self.status.end()

    def _failed(self) -> None:
        self.stats.subscriber_errors += 1


class Session:
    """Runs *connection* until it ends or `stop()` is called; *subscribe* makes the first message, freshly signed."""

    def __init__(
        self,
        connection: Connection,
        subscribe: Callable[[], str],
        ping_interval: float | None,
        outlets: Outlets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._subscribe = subscribe
        self._ping_interval = ping_interval
        self._outlets = outlets
        self._clock = clock
        self._decode = Decoder().decode
        self._stopping = False

    def stop(self) -> None:
        """Make `run()` return soon, after the subscriber that is at work; from any thread, and only once."""
        self._stopping = True
        self._connection.abort()

    def run(self) -> None:
        """Deliver until stopped; raises `ConnectFailed` or `ConnectionLost` where it ends before that."""
        outlets, connection = self._outlets, self._connection
        try:
            outlets.report(Connecting(url=shown_url(connection.url)))
            connection.open()
            connection.send(self._subscribe())
            outlets.stats.connections += 1
            outlets.report(Connected(url=shown_url(connection.url)))
            self._deliver()
        finally:
            connection.close()

    def _deliver(self) -> None:
        connection, clock = self._connection, self._clock
        keepalive = Keepalive(self._ping_interval, clock())
        stats, types = self._outlets.stats, self._outlets.stats.types
        decode, emit = self._decode, self._outlets.hub.emit
        while not self._stopping:
            for payload in keepalive.step(clock()):
                connection.ping(payload)
                stats.pings += 1
            for event in connection.receive(keepalive.remaining(clock())):
                if not isinstance(event, bytes):
                    self._control(event, keepalive)
                    continue
                stats.bytes += len(event)
                message = decode(event)
                if isinstance(message, Malformed):
                    self._malformed(message)
                    continue
                kind = type(message)
                stamp(message, Origin(event, connection.received_ns, 0))
                types[kind] = types.get(kind, 0) + 1
                if kind is Subscriptions or kind is ErrorMessage:
                    self._answer(message)
                emit(message)
                if self._stopping:
                    return

    def _control(self, event: Oversized | Pong | Closed, keepalive: Keepalive) -> None:
        if isinstance(event, Closed):
            raise event.error()
        if isinstance(event, Oversized):
            self._malformed(Malformed(b"", f"over max_size: a message of {event.size:,} bytes was passed over"))
            return
        round_trip = keepalive.pong(event.payload, self._clock())
        if round_trip is not None:
            self._outlets.stats.pongs += 1
            self._outlets.keepalive.emit(KeepalivePong(round_trip=round_trip))

    def _malformed(self, frame: Malformed) -> None:
        self._outlets.stats.malformed += 1
        self._outlets.malformed.emit(frame)

    def _answer(self, message: Message) -> None:
        if isinstance(message, Subscriptions):
            self._outlets.report(Subscribed(channels=message.channels))
        elif isinstance(message, ErrorMessage):
            self._outlets.report(Rejected(message=message.message, reason=message.reason))
