"""A market that lives while clients listen: it answers their requests and lets its time pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rxfeed.core.matching import MICROSECONDS
from rxfeed.sim.clients import Clients
from rxfeed.sim.coinbase_exchange import Channels, Subscriber
from rxfeed.sim.connection import Connection
from rxfeed.sim.frames import encode, text_frame
from rxfeed.sim.market import Market
from rxfeed.venues.coinbase_exchange import Credentials

SLICE = 100  # turns of the market between two looks at the sockets


class LiveMarket:
    """Drives *market* at *speed* virtual seconds a second (`None`: as fast as the slowest client reads)."""

    def __init__(
        self,
        market: Market,
        clients: Clients,
        *,
        products: Sequence[str],
        credentials: Credentials | None,
        speed: float | None,
        auto: bool,
    ) -> None:
        self.market = market
        self._clients = clients
        self._channels = Channels(market)
        self._products = products
        self._credentials = credentials
        self._speed = speed
        self._subscribers: dict[Connection, Subscriber] = {}
        self._auto = asyncio.Event()
        if auto:
            self._auto.set()
        self._begun = asyncio.Event()
        self._origin = (0.0, 0)  # a time of the loop's clock, and the virtual one that it stands for
        clients.jump = market.jump

    def receive(self, client: Connection, text: str | bytes) -> None:
        """Answer a frame from *client*."""
        subscriber = self._subscribers.get(client)
        if subscriber is None:
            subscriber = Subscriber(self._products, self._credentials)
            self._subscribers[client] = subscriber
        answer = subscriber.receive(text)
        for reply in answer.replies:
            client.offer(text_frame(reply["type"], encode(reply)))
        self._channels.leave(answer.removed, client)
        self._channels.join(answer.added, client)
        client.pump()
        if answer.added:
            client.subscribed = True
            if not self._begun.is_set():
                self._rebase()
                self._begun.set()
        self._clients.changed()

    def left(self, client: Connection) -> None:
        """*client* is gone."""
        if subscriber := self._subscribers.pop(client, None):
            self._channels.leave(subscriber.pairs, client)

    async def run(self) -> None:
        """Let time pass by itself, from the first subscription on."""
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
        """Let happen what is due, or a slice of it; the seconds to sleep after it."""
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
        """Stop the time that passes by itself."""
        self._auto.clear()

    async def resume(self) -> None:
        """Let time pass by itself again."""
        if not self._auto.is_set():
            self._rebase()
            self._auto.set()

    async def step(self, orders: int) -> None:
        """Make *orders* order events happen now."""
        while orders:
            orders -= self._slice(orders)
            await self._breathe()
        self._rebase()

    async def advance(self, seconds: float) -> None:
        """Let *seconds* of virtual time pass now."""
        end = self.market.micros + round(seconds * MICROSECONDS)
        while self.market.next_micros <= end:
            self._slice(SLICE, end)
            await self._breathe()
        self.market.wait_until(end)
        self._rebase()

    def _slice(self, orders: int, end: int | None = None) -> int:
        """The number of orders made: at most *orders*, by *end*, and in so many turns that all stay fair."""
        made = 0
        for _ in range(SLICE):
            if made == orders or (end is not None and self.market.next_micros > end):
                break
            made += self.market.turn()
            if self._speed is None and self._clients.waiting() > self._clients.limit // 2:
                break
        self._clients.pump()
        return made

    async def _breathe(self) -> None:
        """Let the sockets have their turn, and a slow client's backlog shrink where the market can wait."""
        if self._speed is None:
            half = self._clients.limit // 2
            await self._clients.until(lambda: self._clients.waiting() <= half)
        await asyncio.sleep(0)

    def _rebase(self) -> None:
        self._origin = (asyncio.get_running_loop().time(), self.market.micros)
