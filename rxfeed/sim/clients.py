"""The clients' connections: who they are, what they were sent, and what is to go wrong with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakSet

from rxfeed.sim.connection import Connection
from rxfeed.sim.kinds import Fault
from rxfeed.sim.ledger import Books, Log, Tally
from rxfeed.sim.sabotage import Saboteur, Script

log = logging.getLogger(__name__)


class Clients:
    """The open connections, what they were sent, and a way to wait for them. *limit*: frames of backlog each."""

    def __init__(self, limit: int, script: Script) -> None:
        self.limit = limit
        self.accepted = 0
        self.known: WeakSet[Connection] = WeakSet()  # also those whose handshake is not over
        self.half_open: set[Connection] = set()  # that nobody else may hold
        self.books = Books()
        self.log = Log()
        self.injected: list[Fault] = []  # those of the handshake, each for a connection that is yet to come
        # What faults do to the server and to the market; these set them.
        self.refuse: Callable[[float | None], None] = lambda seconds: None
        self.listen: Callable[[], None] = lambda: None
        self.jump: Callable[[float], None] = _no_clock
        self.script = script
        self._arrived = 0
        self._members: dict[Connection, None] = {}
        self._pings_of_gone = 0
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

    def admit(self) -> tuple[int, Saboteur, Tally]:
        """The number of a connection that has just come, and what belongs to it."""
        self._arrived += 1
        tally = self.books.open(self._arrived)
        return self._arrived, Saboteur(self._arrived, self.script.of(self._arrived), tally, self.log), tally

    def claimed(self, number: int) -> list[Fault]:
        """The fault of the handshake that was injected for the next connection, if it concerns this one."""
        for fault in self.injected:
            if fault.concerns(number):
                self.injected.remove(fault)
                self.log.add(number, fault, 0)
                return [fault]
        return []

    def enter(self, client: Connection) -> None:
        self.accepted += 1
        self._members[client] = None
        client.begin()
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

    def abort_half_open(self) -> None:
        """Cut those that are not to hear a word."""
        for client in self.half_open:
            client.transport.abort()

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


def _no_clock(seconds: float) -> None:
    log.error("ClockJump: given frames have no clock to move")
