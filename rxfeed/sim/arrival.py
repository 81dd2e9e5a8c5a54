"""A new TCP connection, until its first request shows whether it is a WebSocket's or HTTP's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from rxfeed.sim.connection import ClientConnection
from rxfeed.sim.rest import RestReply

IDLE = 0.05  # seconds without a byte after which it is a WebSocket's, if a fault may come before its request
LONGEST = 16 * 1024  # bytes of a request's head
PATIENCE = 5.0  # seconds that a client has to send the head, and to read the answer


class FirstRequestReader(asyncio.Protocol):
    """Reads the head of the first request. An HTTP request is answered by *respond*, and the connection ends.

    Otherwise *connection* takes over, with the bytes that were read. *arrivals* holds those that are undecided.
    *patience*: seconds to wait for the first byte.
    """

    def __init__(
        self,
        connection: ClientConnection,
        respond: Callable[[bytes], RestReply],
        arrivals: set[FirstRequestReader],
        patience: float = PATIENCE,
    ) -> None:
        self._connection = connection
        self._respond = respond
        self._arrivals = arrivals
        self._patience = patience
        self._head = b""
        self._timer: asyncio.TimerHandle | None = None
        self._answered = False

    def abort(self) -> None:
        """End the connection."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._arrivals.add(self)
        self._timer = self._loop.call_later(self._patience, self._hand_over)

    def data_received(self, data: bytes) -> None:
        if self._answered:
            return
        self._head += data
        self._restart(PATIENCE, self._hand_over)
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= LONGEST:
            return
        if end < 0 or _is_websockets(self._head[:end]):
            self._hand_over()
        else:
            response = self._respond(self._head[: end + 4])
            self._answered = True
            self._restart(response.delay, lambda: self._answer(response.wire))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._arrivals.discard(self)

    def _answer(self, wire: bytes) -> None:
        self._transport.write(wire)
        self._transport.close()
        self._restart(PATIENCE, self._transport.abort)

    def _restart(self, seconds: float, call: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, call)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._arrivals.discard(self)
        self._transport.set_protocol(self._connection)
        self._connection.connection_made(self._transport)
        if self._head and not self._transport.is_closing():
            self._connection.early_data(self._head)


def _is_websockets(head: bytes) -> bool:
    """Whether a request has an `Upgrade`, or the path of the feed, where it lacks one by mistake."""
    target = head.split(b" ", 2)[1:2]
    return target == [b"/"] or b"\r\nupgrade:" in head.lower()
