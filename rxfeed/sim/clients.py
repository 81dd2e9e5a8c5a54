"""The clients' connections: what waits to be sent to each, and the sending."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from websockets.asyncio.server import ServerConnection
from websockets.frames import Opcode
from websockets.protocol import Event, State

from rxfeed.sim.frames import Frame, encode, text_frame

CHUNK = 64 * 1024  # bytes that are written to a socket at once

SLOW_CONSUMER = {
    "type": "error",
    "message": "ErrSlowConsume",
    "reason": "too many backed-up messages",
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """The text frames sent to all clients so far: how many, and how many of each `type`."""

    frames: int = 0
    by_type: dict[str, int] = field(default_factory=dict)


class Connection(ServerConnection):
    """One client. Frames are offered to it one by one and pumped into its socket many at once.

    What the socket does not take stays in a backlog, until it does. A client whose backlog grows beyond
    its limit is told so and disconnected.
    """

    def __init__(self, clients: Clients, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.backlog: deque[Frame] = deque()
        self.blocked = False
        self.subscribed = False
        self.pings = 0
        self._leaving = False
        self._clients = clients
        clients.known.add(self)

    @property
    def is_open(self) -> bool:
        """Whether frames can still be sent to the client."""
        if self._leaving or self.protocol.state is not State.OPEN:
            return False
        return not self.transport.is_closing()

    def offer(self, frame: Frame) -> None:
        """Queue *frame* to be sent."""
        if not self.is_open:
            return
        self.backlog.append(frame)
        if len(self.backlog) > self._clients.limit:
            self.pump()
            if len(self.backlog) > self._clients.limit:
                self._kick()

    def pump(self) -> None:
        """Hand the backlog to the socket, as far as it takes it."""
        if not self.is_open:
            self.backlog.clear()
        while self.backlog and not self.blocked:
            chunk: list[bytes] = []
            room = CHUNK
            while self.backlog and room > 0:
                frame = self.backlog.popleft()
                self._clients.count(frame)
                chunk.append(frame.wire)
                room -= len(frame.wire)
            self.transport.write(b"".join(chunk))
        self._clients.stirred()

    def hang_up(self, code: int, reason: str) -> None:
        """Send a close frame, and end the connection soon after; what is in the backlog is not sent."""
        self._leaving = True
        self.backlog.clear()
        self._clients.keep(self.loop.create_task(self.close(code, reason)))
        self._clients.stirred()

    def _kick(self) -> None:
        frame = text_frame("error", encode(SLOW_CONSUMER))
        self._clients.count(frame)
        self.transport.write(frame.wire)
        self.hang_up(1008, "ErrSlowConsume")

    # asyncio.Protocol: the socket is full, and has room again.

    def pause_writing(self) -> None:
        super().pause_writing()
        self.blocked = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.blocked = False
        self.pump()

    def process_event(self, event: Event) -> None:
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings += 1
        super().process_event(event)


class Clients:
    """The open connections, what they were sent, and a way to wait for them. *limit*: frames of backlog each."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.accepted = 0
        self.known: WeakSet[Connection] = WeakSet()  # also those whose handshake is not over
        self._members: dict[Connection, None] = {}
        self._pings_of_gone = 0
        self._frames = 0
        self._by_type: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stir: asyncio.Future[None] | None = None

    @property
    def open(self) -> list[Connection]:
        return [client for client in self._members if client.is_open]

    @property
    def subscribed(self) -> int:
        return sum(client.subscribed for client in self.open)

    @property
    def pings(self) -> int:
        return self._pings_of_gone + sum(client.pings for client in self._members)

    @property
    def sent(self) -> Ledger:
        return Ledger(self._frames, dict(self._by_type))

    def enter(self, client: Connection) -> None:
        self.accepted += 1
        self._members[client] = None
        self.stirred()

    def exit(self, client: Connection) -> None:
        self._pings_of_gone += client.pings
        del self._members[client]
        self.stirred()

    def abort(self) -> None:
        """Cut every connection that there still is."""
        for client in self.known:
            if transport := getattr(client, "transport", None):
                transport.abort()

    def count(self, frame: Frame) -> None:
        self._frames += 1
        self._by_type[frame.type] += 1

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a reference to *task* until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def pump(self) -> None:
        """Hand every backlog to its socket, as far as that takes it."""
        for client in self._members:
            client.pump()

    def waiting(self) -> int:
        """The longest backlog of a client."""
        return max((len(client.backlog) for client in self.open), default=0)

    def drained(self) -> bool:
        """Whether everything is written."""
        return not any(client.backlog or client.blocked for client in self.open)

    def stirred(self) -> None:
        """Something changed that somebody may be waiting for."""
        if self._stir is not None and not self._stir.done():
            self._stir.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """Return as soon as *condition* holds; `TimeoutError` after *timeout* seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                if self._stir is None or self._stir.done():
                    self._stir = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._stir)
