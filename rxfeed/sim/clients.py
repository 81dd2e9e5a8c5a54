"""The connections of all clients, with the counters and the faults of each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from weakref import WeakSet

from rxfeed.sim.connection import ClientConnection
from rxfeed.sim.fault_injector import FaultInjector, Script
from rxfeed.sim.fault_types import Fault
from rxfeed.sim.frames import encode, text_frame
from rxfeed.sim.ledger import FrameCounters, LedgerBuilder, Log
from rxfeed.sim.second_limit import SecondLimit
from rxfeed.sim.venue import SimulatedVenue

log = logging.getLogger(__name__)


class Clients:
    """The open connections and their counters, with methods that wait for them.

    *limit*: frames of backlog each. *connection_limit*: new connections a second; `None`: any number. *clock*: seconds
    that only go up.
    """

    def __init__(
        self,
        limit: int,
        script: Script,
        venue: SimulatedVenue,
        connection_limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.allowed = SecondLimit(connection_limit, clock).takes
        """Whether one more connection is within the limit of a second; it counts then."""
        self.venue = venue
        self.slow_consumer = text_frame("error", encode(venue.slow_consumer)).wire
        self.accepted = 0
        self.known: WeakSet[ClientConnection] = WeakSet()  # also connections in their handshake
        self.half_open: set[ClientConnection] = set()  # with no other reference
        self.counters = FrameCounters()
        self.log = Log()
        self.injected: list[Fault] = []  # faults of the handshake, each for a later connection
        # What faults do to the server and to the market; these set them.
        self.refuse: Callable[[float | None], None] = lambda seconds: None
        self.listen: Callable[[], None] = lambda: None
        self.jump: Callable[[float], None] = _no_clock
        self.script = script
        self._arrived = 0
        self._members: dict[ClientConnection, None] = {}
        self._pings_of_gone = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._change: asyncio.Future[None] | None = None

    @property
    def open(self) -> list[ClientConnection]:
        return [client for client in self._members if client.is_open]

    @property
    def subscribed(self) -> int:
        return sum(client.subscribed for client in self.open)

    @property
    def pings(self) -> int:
        return self._pings_of_gone + sum(client.pings for client in self._members)

    def admit(self) -> tuple[int, FaultInjector, LedgerBuilder]:
        """The number of a new connection, its fault injector and its counters."""
        self._arrived += 1
        tally = self.counters.open(self._arrived)
        script = self.script.of(self._arrived)
        return self._arrived, FaultInjector(self._arrived, script, tally, self.log, self.venue.identify), tally

    def may_fail_handshake(self) -> bool:
        """Whether there may be a fault of the handshake for the next connection."""
        return bool(self.injected) or self.script.may_fail_handshake(self._arrived + 1)

    def claimed(self, number: int) -> list[Fault]:
        """The fault of the handshake that was injected for the next connection, if it concerns this one."""
        for fault in self.injected:
            if fault.concerns(number):
                self.injected.remove(fault)
                self.log.add(number, fault, 0)
                return [fault]
        return []

    def enter(self, client: ClientConnection) -> None:
        self.accepted += 1
        self._members[client] = None
        client.begin()
        self.changed()

    def exit(self, client: ClientConnection) -> None:
        self._pings_of_gone += client.pings
        del self._members[client]
        self.changed()

    def abort(self) -> None:
        """Abort every remaining connection."""
        for client in self.known:
            if transport := getattr(client, "transport", None):
                transport.abort()

    def abort_half_open(self) -> None:
        """Abort the half-open connections without a close frame."""
        for client in self.half_open:
            client.transport.abort()

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a reference to *task* until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def pump(self) -> None:
        """Write every backlog to its socket, as far as the socket accepts it."""
        for client in self._members:
            client.pump()

    def waiting(self) -> int:
        """The longest backlog of a client."""
        return max((len(client.backlog) for client in self.open), default=0)

    def drained(self) -> bool:
        """Whether everything is written."""
        return not any(client.backlog or client.blocked for client in self.open)

    def changed(self) -> None:
        """Wake the waiting tasks of `until`: something has changed."""
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """Return as soon as *condition* holds; `TimeoutError` after *timeout* seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                if self._change is None or self._change.done():
                    self._change = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._change)


def _no_clock(seconds: float) -> None:
    log.error("ClockJump has no effect: given frames have no clock")
