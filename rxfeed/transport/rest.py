"""A GET request over HTTP, within one deadline."""

# The types of arguments are checked at run time too.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import ssl

from rxfeed._version import __version__
from rxfeed.errors import ConfigError, ConnectFailed
from rxfeed.secrets import Secret, secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.dial import dial, tls_context
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.exceptions import connecting
from rxfeed.transport.head import ResponseHead
from rxfeed.transport.options import check_timeout
from rxfeed.transport.proxy import proxy_for


class RestClient:
    """Requests paths below *url*, an http or https URL.

    A request takes at most *timeout* seconds, from resolving the host to the last byte, and at most *max_size* bytes.
    Redirects are not followed: the server and the encryption are those of *url*.
    """

    def __init__(
        self,
        url: str | Secret,
        *,
        timeout: float = 10.0,
        max_size: int = 64 * 1024 * 1024,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        try:
            check_timeout("timeout", timeout)
            if not isinstance(url, str | Secret):
                raise ConfigError(f"url: a {type(url).__name__} is not a URL")
            self._url = secret(url)
        finally:
            url = ""  # it may have a password, which a traceback with local variables would show
        self._timeout = timeout
        self._max_size = max_size
        self._ssl_context = ssl_context
        self._endpoint("")

    def _endpoint(self, path: str) -> Endpoint:
        """The endpoint of *path*; raises `ConfigError` if the URL is not HTTP, or the proxy is invalid."""
        endpoint = Endpoint.of(Secret(self._url.reveal().rstrip("/") + path), ("http", "https"))
        proxy_for(endpoint.host, None, secure=endpoint.secure)
        return endpoint

    def get(self, path: str) -> bytes:
        """The body of the response for *path*, a path and query as in a URL. Raises `ConnectFailed`."""
        endpoint = self._endpoint(path)
        where = endpoint.shown
        attempt = ConnectAttempt(self._timeout)
        with connecting(where, attempt, "timeout"):
            proxy = proxy_for(endpoint.host, None, secure=endpoint.secure)
            context = tls_context(self._ssl_context) if endpoint.secure else None
            sock = dial(endpoint, proxy, context, attempt)
            with sock, attempt.using(sock):
                attempt.step = "waiting for the response"
                attempt.send(sock, memoryview(_request(endpoint).reveal().encode()))
                with ResponseHead(sock, attempt) as answer:
                    if answer.status != 200:
                        remedy = ": set url to that address" if answer.redirects else ""
                        raise ConnectFailed(f"{where}: the server answered {answer}{remedy}")
                    attempt.step = "reading the response"
                    body = answer.body(self._max_size)
        if body is None:
            raise ConnectFailed(f"{where}: the response is over {self._max_size:,} bytes")
        return body


def _request(endpoint: Endpoint) -> Secret:
    login = Secret("")
    if endpoint.authorization is not None:
        login = Secret(f"Authorization: {endpoint.authorization.reveal()}\r\n")
    return Secret(
        f"GET {endpoint.resource.reveal()} HTTP/1.1\r\nHost: {endpoint.host_header}\r\n{login.reveal()}"
        f"User-Agent: rxfeed/{__version__}\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
