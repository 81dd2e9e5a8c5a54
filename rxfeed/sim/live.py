"""Runs a market for clients: answers their requests and advances its time."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from rxfeed.core.matching import MICROSECONDS, Side
from rxfeed.sim.clients import Clients
from rxfeed.sim.connection import ClientConnection
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import VenueProtocol

SLICE = 100  # steps of the market between two writes to the sockets


class LiveMarket:
    """Drives the market of *simulation*; a venue's *protocol* makes its frames.

    *speed*: virtual seconds a second; `None`: as fast as the slowest client reads.
    """

    def __init__(
        self, simulation: Simulation, protocol: VenueProtocol, clients: Clients, *, speed: float | None, auto: bool
    ) -> None:
        self.market = market = simulation.market
        self._simulation = simulation
        self._orders = simulation.orders
        self.protocol = protocol
        self._clients = clients
        self._speed = speed
        self._auto = asyncio.Event()
        if auto:
            self._auto.set()
        self._begun = asyncio.Event()
        self._origin = (0.0, 0)  # a time of the loop's clock, and the virtual time that corresponds to it
        clients.jump = market.jump

    def receive(self, client: ClientConnection, text: str | bytes) -> None:
        """Answer a frame from *client*."""
        added = self.protocol.receive(client, text)
        client.pump()
        if added:
            client.subscribed = True
            if not self._begun.is_set():
                self._rebase()
                self._begun.set()
        self._clients.changed()

    def left(self, client: ClientConnection) -> None:
        """*client* is gone."""
        self.protocol.left(client)

    async def run(self) -> None:
        """Advance time continuously, from the first subscription on."""
        await self._begun.wait()
        while True:
            await self._auto.wait()
            if self._speed is None:
                await self._clients.until(lambda: self._clients.subscribed > 0)
                if self._auto.is_set():
                    self._slice(SLICE)
                await self._clients.until(self._clients.drained)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(self._run_to_now(self._speed))

    def _run_to_now(self, speed: float) -> float:
        """Run the due events, or a slice of them. Returns the seconds to sleep after it."""
        loop_time, micros = self._origin
        elapsed = asyncio.get_running_loop().time() - loop_time
        now = micros + int(elapsed * speed * MICROSECONDS)
        for _ in range(SLICE):
            if self.market.next_micros > now:
                break
            self.market.turn()
        self._clients.pump()
        return max(0.0, (self.market.next_micros - now) / speed / MICROSECONDS)

    async def pause(self) -> None:
        """Stop the continuous time."""
        self._auto.clear()

    async def resume(self) -> None:
        """Advance time continuously again."""
        if not self._auto.is_set():
            self._rebase()
            self._auto.set()

    async def step(self, orders: int) -> None:
        """Make *orders* order events now."""
        while orders:
            orders -= self._slice(orders)
            await self._yield_to_sockets()
        self._rebase()

    async def advance(self, seconds: float) -> None:
        """Advance virtual time by *seconds* now."""
        end = self.market.micros + round(seconds * MICROSECONDS)
        while self.market.next_micros <= end:
            self._slice(SLICE, end)
            await self._yield_to_sockets()
        self.market.wait_until(end)
        self._rebase()

    async def place(
        self, product_id: str, side: Side, size: Decimal | str, price: Decimal | str | None, client_order_id: str
    ) -> str:
        """The id of a new order."""
        order_id = self._orders.place(product_id, side, size, price, client_order_id)
        self._clients.pump()
        return order_id

    async def cancel(self, order_id: str) -> None:
        """Cancel an order of `place`."""
        self._orders.cancel(order_id)
        self._clients.pump()

    async def list_product(self, product_id: str, traded: tuple[str, ...]) -> None:
        """Clients may subscribe to *product_id*, with the data of the *traded* product."""
        for each in traded:
            self._simulation.list_product(each)
        self.protocol.listed(product_id)
        self._clients.pump()

    async def delist_product(self, product_id: str, traded: tuple[str, ...]) -> None:
        """Clients can subscribe to *product_id* no longer; the *traded* products that are its own have no events."""
        self.protocol.delisted(product_id)
        for each in traded:
            self.market.delist_product(each)
        self._clients.pump()

    def _slice(self, orders: int, end: int | None = None) -> int:
        """The number of orders made: at most *orders*, until *end*, in a limited number of steps."""
        made = 0
        for _ in range(SLICE):
            if made == orders or (end is not None and self.market.next_micros > end):
                break
            made += self.market.turn()
            if self._speed is None and self._clients.waiting() > self._clients.limit // 2:
                break
        self._clients.pump()
        return made

    async def _yield_to_sockets(self) -> None:
        """Let the sockets write, and wait for the backlog of a slow client if there is no speed."""
        if self._speed is None:
            half = self._clients.limit // 2
            await self._clients.until(lambda: self._clients.waiting() <= half)
        await asyncio.sleep(0)

    def _rebase(self) -> None:
        self._origin = (asyncio.get_running_loop().time(), self.market.micros)
