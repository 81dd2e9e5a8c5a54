"""The socket that clients connect to, and the thread it lives in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl as tls
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.sim.clients import Clients, Connection
from rxfeed.sim.subscriptions import parse, without_secrets

HOST = "127.0.0.1"
CLOSING = 10.0  # seconds that a client has to read up to a close frame and answer it
ENDING = 0.5  # seconds that all of them have for it when the server closes

log = logging.getLogger(__name__)
T = TypeVar("T")


class Source(Protocol):
    """What the clients' frames come from."""

    def receive(self, client: Connection, text: str | bytes) -> None: ...
    def left(self, client: Connection) -> None: ...
    async def run(self) -> None: ...


class Server:
    """Connects clients to a source, on an event loop in a thread of its own."""

    def __init__(
        self,
        clients: Clients,
        *,
        subscribe_timeout: float | None,
        ssl: tls.SSLContext | None,
        port: int,
    ) -> None:
        self.port = port
        self.requests: list[Any] = []
        self._clients = clients
        self._subscribe_timeout = subscribe_timeout
        self._ssl = ssl
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # while calls are taken
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        if self._thread is None:
            raise RxfeedError("this exchange has no url before it is started")
        return f"{'ws' if self._ssl is None else 'wss'}://{HOST}:{self.port}"

    def start(self, source: Source) -> None:
        """Begin to listen."""
        listening: Future[int] = Future()
        run = partial(asyncio.run, self._main(source, listening))
        self._thread = threading.Thread(target=run, name="rxfeed-exchange", daemon=True)
        self._thread.start()
        self.port = listening.result()

    def close(self) -> None:
        """Close every connection with 1001 and stop listening; at once if that is done already."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    def read(self, function: Callable[[], T]) -> T:
        """What *function* returns in the server's thread; or here, where that does not run."""

        async def call() -> T:
            return function()

        with self._lock:
            future = asyncio.run_coroutine_threadsafe(call(), self._loop) if self._loop else None
        return function() if future is None else _result(future)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What *coroutine* returns in the server's thread."""
        with self._lock:
            if self._loop is None:
                coroutine.close()
                raise RxfeedError("this exchange is not running")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return _result(future)

    # In the thread

    async def _main(self, source: Source, listening: Future[int]) -> None:
        # A factory where websockets' types ask for a class.
        connect = cast("type[ServerConnection]", partial(Connection, self._clients))
        try:
            server = await serve(
                partial(self._serve, source),
                HOST,
                self.port,
                ssl=self._ssl,
                compression=None,
                ping_interval=None,
                close_timeout=CLOSING,
                # So that a connection is blocked whenever the kernel has not taken all.
                write_limit=(1, 0),
                create_connection=connect,
                logger=log,
            )
        except OSError as error:
            listening.set_exception(ConfigError(f"port: {self.port}: {error.strerror}"))
            return
        with self._lock:
            self._loop = asyncio.get_running_loop()
        running = asyncio.create_task(source.run())
        listening.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        running.cancel()
        server.close()
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), ENDING)
            self._clients.abort()

    async def _serve(self, source: Source, connection: ServerConnection) -> None:
        client = cast("Connection", connection)
        self._clients.enter(client)
        deadline = None
        if self._subscribe_timeout is not None:
            deadline = client.loop.call_later(self._subscribe_timeout, self._too_late, client)
        try:
            async for text in client:
                self.requests.append(without_secrets(parse(text)))
                source.receive(client, text)
        except ConnectionClosed:
            pass
        finally:
            if deadline is not None:
                deadline.cancel()
            source.left(client)
            self._clients.exit(client)

    def _too_late(self, client: Connection) -> None:
        if not client.subscribed:
            client.hang_up(1008, f"no subscribe within {self._subscribe_timeout:g} s")


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except CancelledError:
        raise RxfeedError("this exchange was closed meanwhile") from None
