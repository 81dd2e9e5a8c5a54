"""The HTTP client of all venues: GET requests, each within one deadline.

Rules:
- The deadline covers all of a request: the rate limit, resolving, connecting, TLS, headers, body, and the retries with
  their pauses. If the next attempt would begin after the deadline, the error of the last one is raised at once.
- Retried are: network errors, 429 and 5xx. The pauses are those of a `Backoff`, or longer if the server sends
  `Retry-After`. Then the other requests to that server wait, too.
- A server counts the requests of an address, so all clients of a server have one rate limit: those with the same *rate*
  and proxy.
- Redirects are not followed, so that the host, the encryption and the receiver of the headers are those of the URL.
- Each request has a connection of its own.
"""

# The types of arguments are checked at run time too.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import msgspec

from rxfeed._version import __version__
from rxfeed.core import Backoff, RateLimit, Reconnect, Seconds, arguments
from rxfeed.errors import CertificateInvalid, ConfigError, ConnectFailed, RequestRejected
from rxfeed.secrets import Secret, revealed, secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.dial import dial, tls_context
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.exceptions import connecting
from rxfeed.transport.handshake import without_secrets
from rxfeed.transport.head import ResponseHead, shown
from rxfeed.transport.options import TransportOptions
from rxfeed.transport.proxy import proxy_for
from rxfeed.transport.retry_after import retry_after

Parameters = Mapping[str, str | int | Secret | Sequence[str]]
"""The parameters of a query; a sequence repeats the name. A server may repeat them in an error, but not a `Secret`."""
Headers = Mapping[str, str | Secret]

RETRY = Reconnect(initial=0.5, maximum=10.0, retries=2)
"""Three attempts at most."""
_SCHEMES = ("http", "https")
_LARGEST_ERROR = 16 * 1024  # bytes of a body that describes an error
_LONGEST_HOLD = 60.0  # seconds; a Retry-After delays the other requests for no longer
_TOO_MANY = 429


class Response(msgspec.Struct, frozen=True):
    """A response with a *status* of 200 to 299; *headers* have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class _SharedLimit:
    """The rate limit of all clients of a server."""

    _all: ClassVar[WeakValueDictionary[tuple[str, int, int | None, float], _SharedLimit]] = WeakValueDictionary()
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, rate: float) -> None:
        self._rate = RateLimit(rate)
        self._lock = threading.Lock()

    @classmethod
    def of(cls, host: str, port: int, proxy: str | Secret | None, rate: float) -> _SharedLimit:
        """That of *rate* requests a second to a server, through *proxy*, as long as a client has it."""
        key = host, port, None if proxy is None else hash(revealed(proxy)), rate
        with cls._making:
            found = cls._all.get(key)
            if found is None:
                found = cls._all[key] = _SharedLimit(rate)
            return found

    @classmethod
    def forked(cls) -> None:
        """Begin anew in a child process: another thread of the parent may have had the lock."""
        cls._making, cls._all = threading.Lock(), WeakValueDictionary()

    def reserve(self, at_most: float) -> float | None:
        with self._lock:
            return self._rate.reserve(time.monotonic(), at_most)

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._rate.hold(time.monotonic() + seconds)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SharedLimit.forked)


class HttpClient:
    """Sends GET requests to paths below *url*, an http or https URL; from any thread.

    - *timeout*: the seconds of a request, with its retries.
    - *rate*: requests a second, of all threads and clients of the server together.
    - *retry*: the pauses between the attempts of a request, and their number; `Reconnect(retries=0)` for one attempt.
    - *max_size*: the bytes of a body. *ssl_context*, *proxy* and *headers*: as in `TransportOptions`. *headers* are
      sent with each request.

    Raises `ConfigError` for invalid arguments.

        >>> from rxfeed.transport import HttpClient
        >>> client = HttpClient("http://127.0.0.1:8080", timeout=5)
    """

    def __init__(
        self,
        url: str | Secret,
        *,
        timeout: Seconds = 10.0,
        rate: float = 10.0,
        retry: Reconnect = RETRY,
        max_size: int = 64 * 1024 * 1024,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | Secret | None = None,
        headers: Headers | None = None,
    ) -> None:
        try:
            timeout = arguments.timeout("timeout", timeout)
            if not isinstance(retry, Reconnect):
                raise ConfigError(f"retry: {retry!r} is not a Reconnect")
            if not isinstance(url, str | Secret):
                raise ConfigError(f"url: a {type(url).__name__} is not a URL")
            self._options = TransportOptions(
                max_size=max_size, ssl_context=ssl_context, proxy=proxy, headers=headers or {}
            )
            self._server = Endpoint.of(url, _SCHEMES)
        finally:
            url, proxy, headers = "", None, None  # a traceback with local variables would show what is secret in them
        self._sent = {name: secret(value) for name, value in self._options.headers.items()}
        self._timeout = timeout
        self._retry = retry
        rate = arguments.number("rate", rate)
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._running: set[ConnectAttempt] = set()
        self._closed = False
        server = self._server
        proxy_for(server.host, self._options.proxy, secure=server.secure)  # raises the ConfigError of an invalid one
        self._limit = _SharedLimit.of(server.host, server.port, self._options.proxy, rate)

    def get(self, path: str, params: Parameters | None = None, headers: Headers | None = None) -> Response:
        """The response for *path*, which begins with `/`, with *params* as its query.

        *headers* are sent besides the client's, or in place of those of the same name. Raises `RequestRejected` for a
        status that is not 2xx, any other `ConnectFailed` if there is no complete response, and `ConfigError` for an
        invalid argument.
        """
        endpoint = self._endpoint(path, params)
        sent = self._headers(headers)
        hidden = [value for value in (params or {}).values() if isinstance(value, Secret)]
        attempt = ConnectAttempt(self._timeout)
        self._begin(attempt, endpoint.shown)
        try:
            with connecting(endpoint.shown, attempt, "timeout"):
                return self._until_answered(endpoint, sent, hidden, attempt)
        finally:
            with self._lock:
                self._running.discard(attempt)

    def close(self) -> None:
        """Make the running requests fail at once, and all further ones; from any thread."""
        with self._lock:
            self._closed = True
            running = [*self._running]
        for attempt in running:
            attempt.abort()

    # ---- what is sent

    def _endpoint(self, path: str, params: Parameters | None) -> Endpoint:
        """The endpoint of *path*; raises `ConfigError` if it does not begin with `/`."""
        if path and not path.startswith("/"):  # or it would be a part of the host's name
            raise ConfigError(f"path: {path!r} does not begin with /")
        return self._server.below(path, _encoded(params or {}))

    def _headers(self, more: Headers | None) -> Mapping[str, Secret]:
        if not more:
            return self._sent
        checked = TransportOptions(headers=more).headers
        both = (*self._sent.items(), *checked.items())
        named = {name.lower(): (name, secret(value)) for name, value in both}
        return dict(named.values())

    # ---- attempts

    def _begin(self, attempt: ConnectAttempt, where: str) -> None:
        with self._lock:
            if self._closed:
                raise ConnectFailed(f"{where}: the client is closed")
            self._running.add(attempt)

    def _until_answered(
        self, endpoint: Endpoint, headers: Mapping[str, Secret], hidden: list[Secret], attempt: ConnectAttempt
    ) -> Response:
        backoff = Backoff(self._retry, apart=0.0)
        while True:
            self._await_turn(endpoint, attempt)
            try:
                with connecting(endpoint.shown, attempt, "timeout"):
                    return self._attempt(endpoint, headers, hidden, attempt)
            except ConnectFailed as error:
                requested = error.retry_after if isinstance(error, RequestRejected) else 0.0
                if requested:
                    self._limit.hold(min(requested, _LONGEST_HOLD))
                pause = backoff.failed(0.0, requested) if _temporary(error) and not self._closed else None
                if pause is None or not _left(attempt) > pause:
                    raise
            attempt.step = "waiting for the next attempt"
            _wait(pause, attempt)

    def _await_turn(self, endpoint: Endpoint, attempt: ConnectAttempt) -> None:
        attempt.step = "waiting for the rate limit"
        wait = self._limit.reserve(attempt.left())
        if wait is None:
            raise ConnectFailed(
                f"{endpoint.shown}: the rate limit allows no request within the {self._timeout:g} s of timeout"
            )
        _wait(wait, attempt)

    def _attempt(
        self, endpoint: Endpoint, headers: Mapping[str, Secret], hidden: list[Secret], attempt: ConnectAttempt
    ) -> Response:
        proxy = proxy_for(endpoint.host, self._options.proxy, secure=endpoint.secure)
        sock = dial(endpoint, proxy, self._tls() if endpoint.secure else None, attempt)
        with sock, attempt.using(sock):
            attempt.step = "waiting for the response"
            attempt.send(sock, memoryview(_request(endpoint, headers).reveal().encode()))
            with ResponseHead(sock, attempt) as answer:
                attempt.step = "reading the response"
                if not 200 <= answer.status < 300:
                    raise _rejected(endpoint, [*headers.values(), *hidden], answer)
                body = answer.body(self._options.max_size)
        if body is None:
            raise ConnectFailed(f"{endpoint.shown}: the response is over {self._options.max_size:,} bytes")
        return Response(answer.status, answer.headers, body)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:  # it takes some 20 ms to make
            self._context = tls_context(self._options.ssl_context)
        return self._context


def _encoded(params: Parameters) -> Secret:
    pairs = [
        (name, each if isinstance(each, Secret) else Secret(str(each)))
        for name, value in params.items()
        for each in ([value] if isinstance(value, str | int | Secret) else value)
    ]
    return Secret(urlencode([(name, value.reveal()) for name, value in pairs]))


def _request(endpoint: Endpoint, headers: Mapping[str, Secret]) -> Secret:
    given = {name.lower() for name in headers}
    lines = [Secret(f"GET {endpoint.resource.reveal()} HTTP/1.1")]
    if "host" not in given:
        lines.append(Secret(f"Host: {endpoint.host_header}"))
    if endpoint.authorization is not None and "authorization" not in given:
        lines.append(Secret(f"Authorization: {endpoint.authorization.reveal()}"))
    if "user-agent" not in given:
        lines.append(Secret(f"User-Agent: rxfeed/{__version__}"))
    lines += [Secret(f"{name}: {revealed(value)}") for name, value in headers.items()]
    lines += [Secret("Accept-Encoding: identity"), Secret("Connection: close")]
    return Secret("\r\n".join(line.reveal() for line in (*lines, Secret(""), Secret(""))))


def _rejected(endpoint: Endpoint, hidden: list[Secret], answer: ResponseHead) -> RequestRejected:
    """The error for *answer*, with as much of its body as can be read, and without *hidden*."""
    body: bytes | None = b""
    with suppress(OSError):
        body = answer.body(_LARGEST_ERROR)
    sent = [endpoint.query, endpoint.authorization or Secret(""), *hidden]
    described = without_secrets((body or b"").decode(errors="replace"), sent)
    received = {name: without_secrets(value, sent) for name, value in answer.headers.items()}
    what = without_secrets(f"the server answered {answer}", sent)
    remedy = ": set url to that address" if answer.redirects else f": {shown(described)}" if described.strip() else ""
    requested = retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC))
    return RequestRejected(
        f"{endpoint.shown}: {what}{remedy}", answer.status, answer.reason, received, described.encode(), requested
    )


def _temporary(error: ConnectFailed) -> bool:
    """True if the same request may succeed later."""
    if isinstance(error, RequestRejected):
        return error.status == _TOO_MANY or error.status >= 500
    return isinstance(error.__cause__, OSError) and not isinstance(error, CertificateInvalid)


def _left(attempt: ConnectAttempt) -> float:
    try:
        return attempt.left()
    except OSError:  # the deadline is over, or the attempt was aborted
        return 0.0


def _wait(seconds: float, attempt: ConnectAttempt) -> None:
    """Wait; raises `TimeoutError` at the deadline, and `Aborted`."""
    until = time.monotonic() + seconds
    while (rest := until - time.monotonic()) > 0:
        attempt.signal.clear()
        attempt.signal.wait(min(rest, attempt.left()))
    attempt.left()
