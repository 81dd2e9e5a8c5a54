"""Plays given frames, unchanged, to each client from its first subscribe request on."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, Literal, TypeVar

from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.sim.clients import Clients
from rxfeed.sim.connection import ClientConnection
from rxfeed.sim.frames import Frame, Unnumbered, parse, text_frame, type_of

SLICE = 64  # frames between two writes to the socket

Then = Literal["hold", "close"]

log = logging.getLogger(__name__)


P = TypeVar("P")


class Paced(ABC, Generic[P]):
    """Plays the (seconds, payload) pairs of *frames* to each client, from the beginning."""

    def __init__(
        self,
        frames: Callable[[], Iterable[tuple[float, P]]],
        clients: Clients,
        *,
        speed: float | None,
        then: Then,
    ) -> None:
        self._frames = frames
        self._clients = clients
        self._speed = speed
        self._then = then
        self._playing: dict[ClientConnection, asyncio.Task[None]] = {}

    @abstractmethod
    def receive(self, client: ClientConnection, text: str | bytes) -> None:
        """Answer a frame from *client*, and begin to play with `_begin`."""

    @abstractmethod
    def _frame(self, client: ClientConnection, payload: P) -> Frame | Unnumbered | None:
        """The frame of *payload* for *client*; `None` if it gets none."""

    async def _ready(self, client: ClientConnection) -> None:
        """Wait until playing may begin."""

    def _begin(self, client: ClientConnection) -> None:
        client.subscribed = True
        self._playing[client] = asyncio.create_task(self._play(client))
        self._clients.changed()

    def left(self, client: ClientConnection) -> None:
        """*client* is gone."""
        if task := self._playing.pop(client, None):
            task.cancel()

    async def run(self) -> None:
        """Nothing: each client has its own pace."""

    async def _play(self, client: ClientConnection) -> None:
        try:
            await self._ready(client)
            await self._send_all(client)
        except (ConfigError, RecordingDamaged) as error:
            log.error("%s", error)
            # The reason in a close frame has at most 123 bytes.
            client.close_soon(1011, str(error).encode()[-123:].decode(errors="ignore"))
            return
        if self._then == "close":
            await self._clients.until(lambda: not client.backlog and not client.blocked)
            client.close_soon(1000, "")

    async def _send_all(self, client: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        first: float | None = None
        for count, (seconds, payload) in enumerate(self._frames(), 1):
            if self._speed is not None:
                first = seconds if first is None else first
                delay = begin + (seconds - first) / self._speed - loop.time()
                if delay > 0:
                    client.pump()
                    await asyncio.sleep(delay)
            frame = self._frame(client, payload)
            if frame is not None:
                client.offer(frame)
            if count % SLICE == 0:
                client.pump()
                if self._speed is None:
                    await self._clients.until(lambda: not client.backlog)
                await asyncio.sleep(0)
        client.pump()


class Playback(Paced[bytes]):
    """Plays payloads unchanged, from the client's first subscribe request on."""

    def receive(self, client: ClientConnection, text: str | bytes) -> None:
        request = parse(text)
        if not client.subscribed and isinstance(request, dict) and request.get("type") == "subscribe":
            self._begin(client)

    def _frame(self, client: ClientConnection, payload: bytes) -> Frame:
        return text_frame(type_of(payload), payload)
