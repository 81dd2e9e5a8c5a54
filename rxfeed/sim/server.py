"""The server that clients connect to, and its thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl as tls
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, cast

from rxfeed.core import in_seconds
from rxfeed.errors import ConfigError, RxfeedError, needs_extra
from rxfeed.sim.arrival import IDLE, PATIENCE, FirstRequestReader
from rxfeed.sim.clients import Clients
from rxfeed.sim.connection import CLOSING, ClientConnection
from rxfeed.sim.fault_types import ClockJump, Fault, Recover, Refuse
from rxfeed.sim.frames import Json, parse, without
from rxfeed.sim.rest import Rest
from rxfeed.sim.rest_faults import OfRequests

with needs_extra("sim", "rxfeed.sim"):
    from websockets.asyncio.server import Server as WebSocketServer
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.datastructures import Headers
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response

HOST = "127.0.0.1"
ENDING = 0.5  # seconds that all connections have to close when the server closes

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # at DEBUG websockets logs what a client sends, with the secrets in its headers and its URL
T = TypeVar("T")


class ServedFrames(Protocol):
    """The source of the clients' frames."""

    def receive(self, client: ClientConnection, text: str | bytes) -> None: ...
    def left(self, client: ClientConnection) -> None: ...
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
        rest: Rest,
    ) -> None:
        self.port = port
        self.rest = rest
        self.requests: list[Json] = []
        self._source: ServedFrames
        self._clients = clients
        self._arrivals: set[FirstRequestReader] = set()
        self._subscribe_timeout = subscribe_timeout
        self._ssl = ssl
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # while calls are taken
        self._stop = asyncio.Event()
        self._servers: list[WebSocketServer] = []  # the last one may be listening
        self._reserved: socket.socket | None = None  # keeps the port while it is closed
        self._reopening: asyncio.TimerHandle | None = None
        self._opening = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._address("ws", "url")

    @property
    def rest_url(self) -> str:
        return self._address("http", "rest_url")

    def _address(self, scheme: str, what: str) -> str:
        if self._thread is None:
            raise RxfeedError(f"this exchange has no {what} before it is started")
        return f"{scheme if self._ssl is None else scheme + 's'}://{HOST}:{self.port}"

    def start(self, source: ServedFrames) -> None:
        """Begin to listen."""
        self._source = source
        listening: Future[int] = Future()
        run = partial(asyncio.run, self._main(listening))
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
        """The result of *function* in the server's thread, or in this one if that does not run."""

        async def call() -> T:
            return function()

        with self._lock:
            future = asyncio.run_coroutine_threadsafe(call(), self._loop) if self._loop else None
        return function() if future is None else _result(future)

    def wait(self, coroutine: Coroutine[object, object, T]) -> T:
        """The result of *coroutine* in the server's thread."""
        with self._lock:
            if self._loop is None:
                coroutine.close()
                raise RxfeedError("this exchange is not running")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return _result(future)

    # In the thread

    async def _main(self, listening: Future[int]) -> None:
        try:
            await self._listen(host=HOST, port=self.port)
        except OSError as error:
            listening.set_exception(ConfigError(f"port: {self.port}: {error.strerror}"))
            return
        self._clients.refuse = self._refuse
        self._clients.listen = lambda: self._clients.keep(asyncio.create_task(self._listen_again()))
        with self._lock:
            self._loop = asyncio.get_running_loop()
        running = asyncio.create_task(self._source.run())
        listening.set_result(self.port)
        await self._stop.wait()
        running.cancel()
        async with self._opening:
            if self._reserved is not None:
                self._reserved.close()
                self._reserved = None
        self._clients.abort_half_open()
        for server in self._servers:
            server.close()
        for _ in range(2):
            for arrival in list(self._arrivals):  # also those that were accepted meanwhile
                arrival.abort()
            await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                everything = asyncio.gather(*(server.wait_closed() for server in self._servers))
                await asyncio.wait_for(everything, ENDING)
            self._clients.abort()

    async def _listen(self, **where: Any) -> None:
        # A factory, although websockets' types require a class.
        connect = cast("type[ServerConnection]", self._arrival)
        server = await serve(
            self._serve,
            **where,
            ssl=self._ssl,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSING,
            # So that a connection is blocked whenever the kernel has not accepted all bytes.
            write_limit=(1, 0),
            process_request=_rejection,
            create_connection=connect,
            logger=log,
        )
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]

    def _arrival(self, *args: Any, **options: Any) -> FirstRequestReader:
        connection = ClientConnection(self._clients, *args, **options)
        patience = IDLE if self._clients.may_fail_handshake() else PATIENCE
        return FirstRequestReader(connection, self.rest.respond, self._arrivals, patience)

    def _refuse(self, seconds: float | None) -> None:
        """Stop listening, for *seconds* or until `_listen_again`; connections continue, and the port stays reserved."""
        if self._stop.is_set():
            return
        if self._reserved is None:
            # Only the listening socket; the server continues with its connections.
            self._servers[-1].server.close()
            self._reserved = socket.socket()
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind((HOST, self.port))
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        if seconds is not None:
            self._reopening = asyncio.get_running_loop().call_later(seconds, self._clients.listen)

    async def _listen_again(self) -> None:
        async with self._opening:
            reserved, self._reserved = self._reserved, None
            if reserved is not None:
                await self._listen(sock=reserved)

    async def inject(self, fault: Fault) -> None:
        """Apply *fault* to the connections that it concerns."""
        clients = self._clients
        everywhere = fault.after is None and fault.connection is None
        if isinstance(fault, OfRequests):
            self.rest.inject(fault)
        elif fault.at_handshake:
            clients.injected.append(fault)
        elif everywhere and isinstance(fault, Refuse | ClockJump):
            clients.log.add(0, fault, 0)
            if isinstance(fault, Refuse):
                self._refuse(in_seconds(fault.seconds))
            else:
                clients.jump(in_seconds(fault.seconds))
        else:
            for client in clients.open:
                if fault.concerns(client.number):
                    client.inject(fault)
            if everywhere and isinstance(fault, Recover):
                await self._listen_again()

    async def _serve(self, connection: ServerConnection) -> None:
        client = cast("ClientConnection", connection)
        self._clients.enter(client)
        deadline = None
        if self._subscribe_timeout is not None:
            deadline = client.loop.call_later(self._subscribe_timeout, self._too_late, client)
        try:
            async for text in client:
                self.requests.append(without(parse(text), self._clients.venue.secrets))
                self._source.receive(client, text)
        except ConnectionClosed:
            pass
        finally:
            if deadline is not None:
                deadline.cancel()
            self._source.left(client)
            self._clients.exit(client)

    def _too_late(self, client: ClientConnection) -> None:
        if not client.subscribed:
            client.close_soon(1008, f"no subscribe within {self._subscribe_timeout:g} s")


def _rejection(connection: ServerConnection, request: Request) -> Response | None:
    """The response in place of an upgrade, if a fault rejects the handshake."""
    fault = cast("ClientConnection", connection).rejection
    if fault is None:
        return None
    body = fault.body.encode()
    headers = {"Date": formatdate(usegmt=True), "Connection": "close", "Content-Length": str(len(body))}
    if isinstance(fault.retry_after, datetime):
        headers["Retry-After"] = format_datetime(fault.retry_after.astimezone(UTC), usegmt=True)
    elif fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    phrase = HTTPStatus(fault.code).phrase if fault.code in list(HTTPStatus) else "Unknown"
    return Response(fault.code, phrase, Headers(headers | dict(fault.headers)), body)


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except CancelledError:
        raise RxfeedError("this exchange was closed during the call") from None
