"""The HTTP client of all venues: GET requests, each within one deadline.

Rules:
- The deadline covers all of a request: the rate limit, resolving, connecting, TLS, headers, body, and the retries with
  their pauses. If the next attempt would begin after the deadline, the error of the last one is raised at once.
- Retried are: network errors, 429 and 5xx. The pauses are those of a `Backoff`, or longer if the server sends
  `Retry-After`. Then the other requests to that server wait, too.
- A server counts the requests of an address, so all clients of a server have one rate limit: those with the same *rate*
  and proxy.
- Redirects are not followed, so that the host, the encryption and the receiver of the headers are those of the URL.
- Each request has a connection of its own, or with *keep_alive* that of an earlier one, which saves resolving,
  connecting and TLS. If the server has closed that one meanwhile, the request is sent again, on a new one.
"""

# The types of arguments are checked at run time too.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from rxfeed.core import Backoff, Reconnect, Seconds, arguments
from rxfeed.errors import CertificateInvalid, ConfigError, ConnectFailed, RequestRejected
from rxfeed.secrets import Secret
from rxfeed.transport.connect_attempt import Aborted, ConnectAttempt
from rxfeed.transport.dial import dial, tls_context
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.exceptions import connecting
from rxfeed.transport.head import ResponseHead, shown
from rxfeed.transport.hidden import HiddenTexts
from rxfeed.transport.http_request import Headers, Parameters, header_lines, query, request
from rxfeed.transport.kept_connections import KeptConnections
from rxfeed.transport.options import TransportOptions
from rxfeed.transport.proxy import proxy_for
from rxfeed.transport.received_bytes import ResponseInvalid
from rxfeed.transport.retry_after import retry_after
from rxfeed.transport.shared_limit import SharedLimit

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


class _Asked(msgspec.Struct, frozen=True):
    """A request, its text, and what is hidden in errors."""

    endpoint: Endpoint
    text: Secret
    hidden: HiddenTexts


class HttpClient:
    """Sends GET requests to paths below *url*, an http or https URL; from any thread.

    - *timeout*: the seconds of a request, with its retries.
    - *rate*: requests a second, of all threads and clients of the server together.
    - *retry*: the pauses between the attempts of a request, and their number; `Reconnect(retries=0)` for one attempt.
    - *keep_alive*: True to use a connection for several requests. Call `close()` then.
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
        keep_alive: bool = False,
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
        self._kept = KeptConnections() if keep_alive else None
        self._usual_lines = self._lines(self._options.headers)
        self._timeout = timeout
        self._retry = retry
        rate = arguments.number("rate", rate)
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._running: set[ConnectAttempt] = set()
        self._closed = False
        server = self._server
        proxy_for(server.host, self._options.proxy, secure=server.secure)  # raises the ConfigError of an invalid one
        self._limit = SharedLimit.of(server.host, server.port, self._options.proxy, rate)

    def get(self, path: str, params: Parameters | None = None, headers: Headers | None = None) -> Response:
        """The response for *path*, which begins with `/`, with *params* as its query.

        *headers* are sent besides the client's, or in place of those of the same name. Raises `RequestRejected` for a
        status that is not 2xx, any other `ConnectFailed` if there is no complete response, and `ConfigError` for an
        invalid argument.
        """
        if path and not path.startswith("/"):  # or it would be a part of the host's name
            raise ConfigError(f"path: {path!r} does not begin with /")
        endpoint = self._server.below(path, query(params or {}))
        sent = _merged(self._options.headers, headers) if headers else self._options.headers
        lines = self._lines(sent) if headers else self._usual_lines
        secrets = (value for value in (params or {}).values() if isinstance(value, Secret))
        asked = _Asked(
            endpoint, request(endpoint, lines), HiddenTexts.of(self._server, sent, [endpoint.query, *secrets])
        )
        attempt = ConnectAttempt(self._timeout)
        self._begin(attempt, endpoint.shown)
        try:
            with connecting(endpoint.shown, attempt, "timeout"):
                return self._until_answered(asked, attempt)
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
        if self._kept is not None:
            self._kept.close()

    # ---- attempts

    def _lines(self, headers: Headers) -> Secret:
        return header_lines(self._server, headers, keep_alive=self._kept is not None)

    def _begin(self, attempt: ConnectAttempt, where: str) -> None:
        with self._lock:
            if self._closed:
                raise ConnectFailed(f"{where}: the client is closed")
            self._running.add(attempt)

    def _until_answered(self, asked: _Asked, attempt: ConnectAttempt) -> Response:
        backoff = Backoff(self._retry, apart=0.0)
        where = asked.endpoint.shown
        while True:
            self._await_turn(where, attempt)
            try:
                with connecting(where, attempt, "timeout"):
                    return self._attempt(asked, attempt)
            except ConnectFailed as error:
                requested = error.retry_after if isinstance(error, RequestRejected) else 0.0
                if requested:
                    self._limit.hold(min(requested, _LONGEST_HOLD))
                pause = backoff.failed(0.0, requested) if _temporary(error) and not self._closed else None
                if pause is None or not _left(attempt) > pause:
                    raise
            attempt.step = "waiting for the next attempt"
            _wait(pause, attempt)

    def _await_turn(self, where: str, attempt: ConnectAttempt) -> None:
        attempt.step = "waiting for the rate limit"
        wait = self._limit.reserve(attempt.left())
        if wait is None:
            raise ConnectFailed(f"{where}: the rate limit allows no request within the {self._timeout:g} s of timeout")
        _wait(wait, attempt)

    def _attempt(self, asked: _Asked, attempt: ConnectAttempt) -> Response:
        sock, answer = self._answer_on_kept(asked, attempt) or self._answer_on_new(asked, attempt)
        with attempt.using(sock):
            attempt.step = "reading the response"
            if not 200 <= answer.status < 300:
                raise _rejected(asked, answer)
            body = answer.body(self._options.max_size)
            attempt.done()
        if self._kept is not None and body is not None and answer.leaves_open:
            self._kept.keep(sock)
        else:
            sock.close()
        if body is None:
            raise ConnectFailed(f"{asked.endpoint.shown}: the response is over {self._options.max_size:,} bytes")
        return Response(answer.status, answer.headers, body)

    def _answer_on_kept(self, asked: _Asked, attempt: ConnectAttempt) -> tuple[socket.socket, ResponseHead] | None:
        """A kept connection with the head of its answer; `None` if there is none, or the server has closed them."""
        while self._kept is not None and (sock := self._kept.take()) is not None:
            try:
                return sock, _ask(sock, asked, attempt)
            except TimeoutError:
                self._kept.discard()
                raise
            except Aborted:
                raise
            except OSError:
                continue
        return None

    def _answer_on_new(self, asked: _Asked, attempt: ConnectAttempt) -> tuple[socket.socket, ResponseHead]:
        endpoint = asked.endpoint
        proxy = proxy_for(endpoint.host, self._options.proxy, secure=endpoint.secure)
        sock = dial(endpoint, proxy, self._tls() if endpoint.secure else None, attempt)
        return sock, _ask(sock, asked, attempt)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:  # it takes some 20 ms to make
            self._context = tls_context(self._options.ssl_context)
        return self._context


def _ask(sock: socket.socket, asked: _Asked, attempt: ConnectAttempt) -> ResponseHead:
    with attempt.using(sock):
        attempt.step = "waiting for the response"
        attempt.send(sock, memoryview(asked.text.reveal().encode()))
        return ResponseHead(sock, attempt, asked.hidden)


def _merged(headers: Headers, more: Headers) -> Headers:
    """*headers* and *more*, which replaces those of the same name."""
    checked = TransportOptions(headers=more).headers
    return dict({name.lower(): (name, value) for name, value in (*headers.items(), *checked.items())}.values())


def _rejected(asked: _Asked, answer: ResponseHead) -> RequestRejected:
    """The error for *answer*, with as much of its body as can be read, and without what is hidden."""
    body: bytes | None = b""
    with suppress(OSError, ResponseInvalid):
        body = answer.body(_LARGEST_ERROR)
    described = asked.hidden.without(body or b"")
    text = shown(described.decode(errors="replace"))
    remedy = ": set url to that address" if answer.redirects else f": {text}" if text else ""
    requested = retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC))
    what = f"{asked.endpoint.shown}: the server answered {answer}{remedy}"
    return RequestRejected(what, answer.status, answer.reason, answer.shown_headers, described, requested)


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
