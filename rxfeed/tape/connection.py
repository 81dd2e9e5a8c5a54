"""The connection to a NATS server, on a thread with an event loop of its own.

Rules:
- nats-py does not reconnect by itself: it would send what it had buffered, without regard to acknowledgements. After a
  lost connection the owner's `session` is called with a new one, and decides what is sent again.
- The servers are tried in turn, beginning with a random one, with waits that grow up to two seconds.
- Refused credentials and an invalid certificate before the first success are errors of the configuration: they end the
  connection. Later ones may be temporary, as a changed password.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

from rxfeed.core import Backoff, Reconnect
from rxfeed.errors import (
    AuthenticationFailed,
    CertificateInvalid,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    RxfeedError,
    needs_extra,
)
from rxfeed.secrets import Secret, redacted, secret, shown_url
from rxfeed.tape.library import nats_py

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger("rxfeed.tape")

_LONGEST = 2.0  # seconds between two attempts
_WAITS = Reconnect(initial=0.2, maximum=_LONGEST)
_CONNECT = 2.0  # seconds for one attempt
_CLOSE = 1.0  # seconds for what nats-py does before it closes the socket
_PING = 2.0  # seconds between pings; without two answers the connection counts as lost
_PENDING = 8 << 20

T = TypeVar("T")


class ConnectOptions(TypedDict, total=False):
    """The arguments of nats-py that authenticate."""

    tls: ssl.SSLContext
    user_credentials: str
    token: Callable[[], str]
    user: str
    password: Callable[[], str]


class TapeAddress:
    """The servers of a tape, and what authenticates at them. No text of it shows a secret.

    *url*: one or several URLs, separated by commas, which may have `user:password@` or `token@`. *credentials*: the
    path of a `.creds` file. *token*, *user*, *password*: in place of those in the URL. *tls*: a context for servers
    with certificates of an own authority, or that require one of the client.
    """

    def __init__(
        self,
        url: str | Secret,
        *,
        credentials: str | Path | None = None,
        token: str | Secret | None = None,
        user: str | None = None,
        password: str | Secret | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        hidden: Secret | None = None
        try:
            if not isinstance(url, str | Secret):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
                raise ConfigError(f"url: a {type(url).__name__} is not a URL")
            hidden = secret(url)
            self._token = None if token is None else secret(token)
            self._password = None if password is None else secret(password)
        finally:
            url, token, password = "", None, None  # a traceback with local variables would show them
        self._servers = [Secret(each.strip()) for each in hidden.reveal().split(",") if each.strip()]
        self.user = user
        self.tls = tls
        self.credentials = None if credentials is None else Path(credentials)
        self.shown = ",".join(shown_url(each.reveal()) for each in self._servers)
        """The URLs, without their secret parts."""
        for each in self.shown.split(","):
            if each.partition("://")[0] not in ("nats", "tls", "ws", "wss"):
                raise ConfigError(f"url: {each or 'an empty text'} is not a NATS URL, such as nats://localhost:4222")
        if self.credentials is not None and not self.credentials.is_file():
            raise ConfigError(f"credentials: there is no file {self.credentials}")
        if self.credentials is not None:
            with needs_extra("nats", "a credentials file"):
                import nkeys  # type: ignore[import-not-found, unused-ignore]  # noqa: F401

    @property
    def servers(self) -> list[Secret]:
        return list(self._servers)

    @property
    def secrets(self) -> list[str]:
        """What no text may show."""
        parts = [each.reveal().partition("://")[2].rpartition("@")[0] for each in self._servers]
        split = [piece for part in parts for piece in (part, *part.split(":"))]
        return [each for each in (*split, self._given(self._token), self._given(self._password)) if each]

    @staticmethod
    def _given(text: Secret | None) -> str:
        return "" if text is None else text.reveal()

    def options(self) -> ConnectOptions:
        """The arguments of nats-py that authenticate."""
        options = ConnectOptions()
        if self.tls is not None:
            options["tls"] = self.tls
        if self.credentials is not None:
            options["user_credentials"] = str(self.credentials)
        if self._token is not None:
            options["token"] = self._token.reveal
        if self.user is not None:
            options["user"] = self.user
        if self._password is not None:
            options["password"] = self._password.reveal
        return options

    def __repr__(self) -> str:
        return f"<TapeAddress {self.shown}>"


Session = Callable[["Client", asyncio.Event], Awaitable[None]]
"""Uses a connection until its event is set, which means that the connection is lost."""


class TapeConnection:
    """Connects to *address*, and calls *session* with each connection, until *session* returns, or `stop`.

    *name*: of the connection, which the server's monitoring shows. *problem* is called with what went wrong, and with
    `None` when a session is established; *ended* at the end, with the error that no later attempt can mend.
    """

    def __init__(
        self,
        address: TapeAddress,
        name: str,
        session: Session,
        problem: Callable[[str | None], None],
        ended: Callable[[Exception | None], None],
    ) -> None:
        self._nats = nats_py()
        self._address = address
        self._name = name
        self._session = session
        self._problem = problem
        self._ended = ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._last: Exception | None = None
        self.connected_before = False
        self.thread = threading.Thread(target=self._run, name=f"rxfeed-nats-{name}", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """End soon; from any thread."""
        with self._lock:
            self._stopping = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end)

    def call(self, function: Callable[[], None]) -> None:
        """Call *function* on the loop's thread; from any thread. No effect after the end."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    # ---- on the loop's thread

    def _end(self) -> None:
        """Cancel the session, and interrupt it if that has no effect."""
        if self._main is not None:
            self._main.cancel()
            asyncio.get_running_loop().call_later(_CLOSE + 0.5, self._break)

    def _break(self) -> None:
        """nats-py takes a cancellation for its own while it waits for the socket: without that, it waits no longer."""
        if self._main is not None:
            if self._client is not None:
                _abort(self._client)
            self._end()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            asyncio.run(self._main_task())
        except asyncio.CancelledError:
            pass
        except Exception as raised:
            error = raised
        self._ended(error)

    async def _main_task(self) -> None:
        with self._lock:
            self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
            stopping = self._stopping
        try:
            if not stopping:
                await self._work()
        finally:
            with self._lock:  # before the loop is closed
                self._loop = self._main = None

    async def _work(self) -> None:
        # For failures of nats-py's own tasks after a lost connection, which is reported as a problem.
        asyncio.get_running_loop().set_exception_handler(
            lambda _, failure: log.debug("nats-py: %s", failure["message"])
        )
        backoff = Backoff(_WAITS, apart=0.05)
        servers = self._address.servers
        random.shuffle(servers)
        while not self._stopping:
            began = asyncio.get_running_loop().time()
            servers.append(servers.pop(0))
            try:
                if await self._attempt(servers[-1]):
                    return
                backoff.succeeded()
            except (AuthenticationFailed, CertificateInvalid, ConfigError) as error:
                if not self.connected_before:
                    raise
                self._problem(str(error))
            except RxfeedError as error:
                if self._stopping:
                    return
                self._problem(str(error))
            lasted = asyncio.get_running_loop().time() - began
            if lasted > _LONGEST:
                backoff.succeeded()
            await asyncio.sleep(backoff.failed(lasted) or 0.0)

    async def _attempt(self, server: Secret) -> bool:
        """Connect to *server*, and run a session. True if the session is done, and not interrupted."""
        lost = asyncio.Event()
        client = self._client = await self._connect(server, lost)
        monitor = asyncio.create_task(_closed(client, lost))
        try:
            await self._session(client, lost)
        except (TimeoutError, OSError, self._nats.errors.Error) as error:
            if isinstance(error, self._nats.js.errors.ServiceUnavailableError):
                text = "JetStream is not available: start the server with `jetstream` in its configuration (or -js)"
                raise ConnectionLost(f"{self._shown(server)}: {text}") from None
            raise ConnectionLost(f"{self._shown(server)}: {self.text_of(error)}") from None
        finally:
            closed = lost.is_set()
            monitor.cancel()
            await self._close(client)
        if closed:
            raise ConnectionLost(f"{self._shown(server)}: {self.text_of(self._last) or 'the connection was lost'}")
        return True

    async def _close(self, client: Client) -> None:
        closing = asyncio.ensure_future(client.close())
        try:
            await asyncio.wait({closing}, timeout=_CLOSE)
        finally:  # `stop` may interrupt it
            _abort(client)
        left = (asyncio.all_tasks() | {closing}) - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)  # it may be broken in any way

    async def _connect(self, server: Secret, lost: asyncio.Event) -> Client:
        self._last = None

        async def failed(error: Exception) -> None:
            self._last = error

        async def closed() -> None:
            lost.set()

        client = self._nats.NATS()  # which declares seconds as `int`, and takes fractions
        try:
            await client.connect(
                servers=[server.reveal()],
                name=self._name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0.05,
                connect_timeout=_CONNECT,
                ping_interval=_PING,
                max_outstanding_pings=2,
                error_cb=failed,
                closed_cb=closed,
                pending_size=_PENDING,
                **self._address.options(),
            )
        except asyncio.CancelledError:  # by `stop`: the socket may be open
            await self._close(client)
            raise
        except Exception as error:
            refusal = self._refusal(server, error)
        else:
            return client
        await self._close(client)
        raise refusal

    def _refusal(self, server: Secret, error: Exception) -> RxfeedError:
        unreachable = isinstance(error, self._nats.errors.NoServersError) and self._last is not None
        where, text = self._shown(server), self.text_of(self._last if unreachable else error)
        causes = [error, error.__cause__, error.__context__, self._last]
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
            return CertificateInvalid(f"{where}: the server's certificate cannot be verified: {text}; give tls=")
        if "authorization" in text.lower() or "authentication" in text.lower():
            return AuthenticationFailed(
                f"{where}: the server does not accept the credentials ({text}): check user, password, token or file"
            )
        return ConnectFailed(f"{where}: {text}")

    @staticmethod
    def _shown(server: Secret) -> str:
        return shown_url(server.reveal())

    def text_of(self, error: BaseException | None) -> str:
        """What *error* is, without secrets."""
        if error is None:
            return ""
        text = f"{error}" or type(error).__name__
        return redacted(text.encode(), self._address.secrets).decode(errors="replace")


def _abort(client: Client) -> None:
    """Close the socket at once.

    nats-py leaves that undone if the socket breaks meanwhile, and asyncio if the server does not read what is in it.
    """
    transport = getattr(client, "_transport", None)
    writer = getattr(transport, "_io_writer", None)
    with contextlib.suppress(Exception):
        if writer is not None:
            writer.transport.abort()
        elif transport is not None:  # over WebSocket
            transport.close()


async def _closed(client: Client, lost: asyncio.Event) -> None:
    """Set *lost* when *client* is not connected any more: its own callback is not called after every failure."""
    while client.is_connected:
        await asyncio.sleep(0.1)
    lost.set()


def connected(address: TapeAddress, name: str, use: Callable[[Client], Awaitable[T]], timeout: float = 10.0) -> T:
    """The result of *use* with one connection to *address*; raises what fails, also after *timeout* seconds."""
    result: list[T] = []
    problems: list[str] = []
    ended: list[Exception | None] = []

    async def session(client: Client, lost: asyncio.Event) -> None:
        result.append(await use(client))

    connection = TapeConnection(
        address, name, session, lambda text: problems.append(text) if text else None, ended.append
    )
    connection.start()
    connection.thread.join(timeout)
    if connection.thread.is_alive():
        connection.stop()
        connection.thread.join(2.0)
        raise ConnectFailed(problems[-1] if problems else f"{address.shown}: no answer within {timeout:g} s")
    if ended and ended[0] is not None:
        raise ended[0]
    return result[0]
