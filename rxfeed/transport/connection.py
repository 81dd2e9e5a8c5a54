"""One WebSocket connection, which its own thread opens, reads, writes and closes."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from contextlib import suppress

import msgspec
from websocket import ABNF

from rxfeed.errors import ConnectionLost
from rxfeed.secrets import Secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.dial import dial, tls_context
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.exceptions import FAILURES, connecting, lost, running
from rxfeed.transport.handshake import upgrade
from rxfeed.transport.options import TransportOptions
from rxfeed.transport.proxy import proxy_for
from rxfeed.transport.reader import PATIENCE, BufferedWebSocket, Oversized
from rxfeed.transport.wakeup import Wakeup

_NO_CODE = 1005


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping of this client."""

    payload: bytes


class Closed(msgspec.Struct, frozen=True):
    """The server's close frame; *code* is 1005 if the frame has none."""

    code: int
    reason: str


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
        self._options = options
        self._wakeup = wakeup
        self._socket = BufferedWebSocket(options.max_size, options.send_timeout)
        self._selector: selectors.BaseSelector | None = None
        self.more = self._flowing = False
        """`more`: True if data is known to wait that was not read yet."""
        self.arriving = 0
        """The bytes that were read since the last complete frame; 0 after a read that completed one."""
        self._lock = threading.Lock()
        self._attempt: ConnectAttempt | None = None
        self._aborted = False

    @property
    def sock(self) -> socket.socket | None:
        """The socket; `None` if it is not open."""
        return self._socket.sock

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
        self._socket.attach(sock, unread)
        self.more = bool(unread)

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
        failure = self._socket.failure or self._socket.send_failure
        if failure is not None and (failure is self._socket.failure or not self._can_read_more(failure)):
            raise lost(failure) from failure
        try:
            # While messages flow, this waits on the socket alone, without the selector that also has the wake-up: the
            # selector would add 20 % to the cost of a single message. So a wake-up may be delayed by `PATIENCE`.
            if not (self.more or (self._flowing and timeout > PATIENCE) or self._readable(timeout)):
                return []
            self.more = self._socket.fill()
            self.received_ns = time.time_ns()
            taken = self._socket.take()
            self._flowing = bool(taken)
            self.arriving = 0 if taken else self.arriving + self._socket.read_size
        except FAILURES as error:
            raise lost(error) from error
        if self._socket.mixed:
            return [event for item in taken if (event := _event(item)) is not None]
        return taken  # pyright: ignore[reportReturnType]  # all items are bytes

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
        with running():
            self._socket.send_message(text)

    def ping(self, payload: bytes) -> None:
        """Send a ping; `receive` returns its pong."""
        with running():
            self._socket.ping(payload)

    @property
    def deaf(self) -> bool:
        """True after a failed send: the server receives nothing more."""
        return self._socket.send_failure is not None

    # ---- closing

    def close(self, timeout: float = 1.0) -> None:
        """Send a close frame, wait at most *timeout* seconds for the answer, and close the socket; never raises."""
        if self._selector is not None:
            if self._socket.connected:
                self._socket.send_close()
                # After a failure no frame can be trusted, not even a close frame, and a deaf server sends no answer.
                if self._socket.failure is None and not self.deaf:
                    with suppress(ConnectionLost):
                        self._await_close(time.monotonic() + timeout)
            self._selector.close()
            self._selector = None
        self._socket.shutdown()

    def _await_close(self, deadline: float) -> None:
        assert self._selector is not None
        self._selector.unregister(self._wakeup)
        with running():
            while (left := deadline - time.monotonic()) > 0 and self._selector.select(left):
                self._socket.fill()
                for item in self._socket.take():
                    if isinstance(item, ABNF) and item.opcode == ABNF.OPCODE_CLOSE:
                        return


def _event(item: bytes | Oversized | ABNF) -> TransportEvent | None:
    if not isinstance(item, ABNF):
        return item
    data = item.data.encode() if isinstance(item.data, str) else bytes(item.data)
    if item.opcode == ABNF.OPCODE_PONG:
        return Pong(data)
    if item.opcode == ABNF.OPCODE_CLOSE:
        if len(data) < 2:
            return Closed(_NO_CODE, "")
        return Closed(struct.unpack("!H", data[:2])[0], data[2:].decode(errors="replace"))
    return None  # a ping: the library has answered it
