"""Opens a connection once to see how far it gets: the steps of `Connection.open`, each reported when it begins."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import msgspec

from rxfeed.secrets import Secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.dial import dial, tls_context
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.exceptions import connecting
from rxfeed.transport.handshake import upgrade
from rxfeed.transport.options import TransportOptions
from rxfeed.transport.proxy import proxy_for


class Probed(msgspec.Struct, frozen=True):
    """What a connection showed: its *peer* (the proxy, if there is one), *tls* version, and the header *date*."""

    peer: str
    proxy: str
    tls: str
    date: str


class _ReportedAttempt(ConnectAttempt):
    """An attempt that calls *began* with each step."""

    def __init__(self, timeout: float, began: Callable[[str], None]) -> None:
        self._began = began
        super().__init__(timeout)

    @property
    def step(self) -> str:
        return self._step

    @step.setter
    def step(self, step: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # the base sets it
        self._step = step
        self._began(step)


def probe(url: str | Secret, options: TransportOptions, began: Callable[[str], None]) -> Probed:
    """Connect to *url*, do the handshake, and close; *began* is called with the text of each step as it begins.

    Raises `ConnectFailed`; the step that failed is the last one that began.
    """
    endpoint = Endpoint.of(url)
    attempt = _ReportedAttempt(options.connect_timeout, began)
    with connecting(endpoint.shown, attempt):
        proxy = proxy_for(endpoint.host, options.proxy, secure=endpoint.secure)
        context = tls_context(options.ssl_context) if endpoint.secure else None
        sock = dial(endpoint, proxy, context, attempt)
        with sock, attempt.using(sock):
            peer, tls = _peer(sock), (sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""
            upgrade(sock, endpoint, options.headers, attempt)
    return Probed(peer, "" if proxy is None else proxy.shown, tls, attempt.server_date)


def _peer(sock: socket.socket) -> str:
    host, port, *_ = sock.getpeername()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
