"""One WebSocket connection, which its own thread opens, reads, writes and closes."""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from rxfeed.errors import ConnectionLost, ProtocolViolated
from rxfeed.secrets import Secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.dial import dial, tls_context
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.events import Closed, FrameEvent, Oversized, Ping, Pong, Violation
from rxfeed.transport.exceptions import connecting, lost, running
from rxfeed.transport.frame_parser import FrameParser
from rxfeed.transport.frame_socket import PATIENCE, FrameSocket
from rxfeed.transport.handshake import upgrade
from rxfeed.transport.options import TransportOptions
from rxfeed.transport.proxy import proxy_for
from rxfeed.transport.wakeup import Wakeup

TransportEvent = bytes | Oversized | Pong | Closed


class Connection:
    """A connection to *url*: `open()`, then `receive()` and `send()` from the same thread, and `close()` at the end.

    Another thread may only call `abort()`, which makes a running `open()` fail.
    """

    def __init__(self, url: str | Secret, options: TransportOptions, wakeup: Wakeup) -> None:
        self._endpoint = Endpoint.of(url)
        self.url = self._endpoint.shown
        """The URL without its secret parts."""
        self.received_ns = 0
        self.server_date = ""
        """The header `Date` of the answer to the handshake; empty if it had none."""
        self._options = options
        self._wakeup = wakeup
        self._parser = FrameParser(options.max_size)
        self._socket: FrameSocket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._violation: ProtocolViolated | None = None
        self.more = self._flowing = False
        """`more`: True if data is known to wait that was not read yet."""
        self.arriving = 0
        """The bytes that were read since the last complete frame; 0 after a read that completed one."""
        self._lock = threading.Lock()
        self._attempt: ConnectAttempt | None = None
        self._aborted = False

    # ---- opening

    def open(self) -> None:
        """Connect, verify, and do the handshake, within `connect_timeout`. Raises `ConnectFailed`."""
        endpoint, options = self._endpoint, self._options
        attempt = ConnectAttempt(options.connect_timeout)
        with self._lock:
            self._attempt = attempt
            if self._aborted:
                attempt.abort()
        with connecting(self.url, attempt):
            proxy = proxy_for(endpoint.host, options.proxy, secure=endpoint.secure)
            context = tls_context(options.ssl_context) if endpoint.secure else None
            sock = dial(endpoint, proxy, context, attempt)
            with attempt.using(sock):
                unread = upgrade(sock, endpoint, options.headers, attempt)
                attempt.step = "waiting for data"
                self._selector = selectors.DefaultSelector()
                self._selector.register(sock, selectors.EVENT_READ)
                self._selector.register(self._wakeup, selectors.EVENT_READ)
        attempt.done()
        self.server_date = attempt.server_date
        self._socket = FrameSocket(sock, unread, options.send_timeout)
        self.more = self._socket.more

    def abort(self) -> None:
        """Make `open()` raise at once; from any thread."""
        with self._lock:
            self._aborted = True
            if self._attempt is not None:
                self._attempt.abort()

    # ---- reading and writing

    def ready(self) -> bool:
        """True if `receive` would not wait."""
        assert self._selector is not None
        return self.more or bool(self._selector.select(0))

    def receive(self, timeout: float) -> list[TransportEvent]:
        """The received messages (`Oversized` for one over `max_size`), pongs, and at the end `Closed`.

        Empty after *timeout* seconds or a wake-up, and sometimes sooner. After it, `received_ns` is the time at which
        the bytes were read. Raises `ConnectionLost`; after a failed send only when all that had arrived was returned.
        """
        socket = self._socket
        assert socket is not None
        if self._violation is not None:
            raise self._violation
        failure = socket.send_failure
        if failure is not None and not self._can_read_more(failure):
            raise lost(failure) from failure
        try:
            # While messages flow, this waits on the socket alone, without the selector that also has the wake-up: the
            # selector would add 20 % to the cost of a single message. So a wake-up may be delayed by `PATIENCE`.
            if not (self.more or (self._flowing and timeout > PATIENCE) or self._readable(timeout)):
                return []
            data = socket.receive()
        except OSError as error:
            raise lost(error) from error
        self.received_ns = time.time_ns()
        self.more = socket.more
        events = self._parser.feed(data)
        self._flowing = bool(events)
        self.arriving = 0 if events else self.arriving + len(data)
        if self._parser.only_messages:
            return events  # pyright: ignore[reportReturnType]  # all items are bytes
        return self._respond(events, socket)

    def _respond(self, events: Sequence[FrameEvent], socket: FrameSocket) -> list[TransportEvent]:
        """The *events* for the caller. Pings and a close frame are answered; a violation is raised after all others."""
        kept: list[TransportEvent] = []
        for event in events:
            if isinstance(event, Ping):
                socket.send_pong(event.payload)
            elif isinstance(event, Violation):
                self._violation = ProtocolViolated(f"the server broke the WebSocket protocol: {event.reason}")
            else:
                kept.append(event)
                if isinstance(event, Closed):
                    socket.send_close()
        if self._violation is not None and not kept:
            raise self._violation
        return kept

    def _can_read_more(self, failure: Exception) -> bool:
        """True if bytes that arrived before the *failure* of a send are still unread."""
        # After a time-out the server is alive and may send without end; a lost server may not.
        return not isinstance(failure, TimeoutError) and (self.more or self._readable(0))

    def _readable(self, timeout: float | None) -> bool:
        """True if the socket has data; False after *timeout* seconds, or a wake-up."""
        assert self._selector is not None
        readable = False
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._wakeup:
                self._wakeup.clear()
            else:
                readable = True
        return readable

    def send(self, text: str | Secret) -> None:
        """Send one text message."""
        assert self._socket is not None
        with running():
            self._socket.send_message(text)

    def ping(self, payload: bytes) -> None:
        """Send a ping; `receive` returns its pong."""
        assert self._socket is not None
        with running():
            self._socket.send_ping(payload)

    @property
    def send_failed(self) -> bool:
        """True after a failed send: the server receives nothing more."""
        return self._socket is not None and self._socket.send_failure is not None

    # ---- closing

    def close(self, timeout: float = 1.0) -> None:
        """Send a close frame, wait at most *timeout* seconds for the answer, and close the socket; never raises."""
        selector, socket = self._selector, self._socket
        self._selector = None
        # After a violation no frame can be trusted, not even a close frame, so there is no wait for one.
        if selector and socket and socket.send_close() and self._violation is None:
            with suppress(ConnectionLost), running():
                self._await_close(selector, socket, time.monotonic() + timeout)
        if selector:
            selector.close()
        if socket:
            socket.close()

    def _await_close(self, selector: selectors.BaseSelector, socket: FrameSocket, deadline: float) -> None:
        """Read until the server's close frame, a violation, or the *deadline*."""
        selector.unregister(self._wakeup)
        while (left := deadline - time.monotonic()) > 0 and (socket.more or selector.select(left)):
            if any(isinstance(event, Closed | Violation) for event in self._parser.feed(socket.receive())):
                return
