"""A connected socket for an endpoint: resolve, connect, proxy and TLS, within one deadline."""

from __future__ import annotations

import socket
import ssl

from rxfeed.transport.connect_attempt import Aborted, ConnectAttempt
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.proxy import Proxy
from rxfeed.transport.received_bytes import ResponseInvalid
from rxfeed.transport.resolve import Address, resolve
from rxfeed.transport.tunnel import TunnelRefused, tunnel


class ProxyUnusable(Exception):
    """A connection through the proxy failed; the text names the proxy and the reason."""


def tls_context(given: ssl.SSLContext | None) -> ssl.SSLContext:
    """The TLS context: *given*, or one that verifies certificate and host and requires TLS 1.2 or later."""
    if given is not None:
        return given
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def dial(
    endpoint: Endpoint, proxy: Proxy | None, context: ssl.SSLContext | None, attempt: ConnectAttempt
) -> socket.socket:
    """A socket connected to *endpoint*, through *proxy*, encrypted with *context*; `abort()` of *attempt* closes it."""
    sock = _connect(endpoint.host, endpoint.port, attempt) if proxy is None else _through(proxy, endpoint, attempt)
    if context is None:
        return sock
    attempt.step = "setting up TLS"
    with attempt.using(sock):
        secure = context.wrap_socket(sock, server_hostname=endpoint.host, do_handshake_on_connect=False)
    with attempt.using(secure):
        secure.settimeout(attempt.left())
        secure.do_handshake()
    return secure


def _through(proxy: Proxy, endpoint: Endpoint, attempt: ConnectAttempt) -> socket.socket:
    where = f"the proxy {proxy.shown}"
    try:
        sock = _connect(proxy.host, proxy.port, attempt, "the proxy ")
        attempt.step = f"waiting for {where}"
        with attempt.using(sock):
            tunnel(sock, proxy, endpoint.host, endpoint.port, attempt)
        return sock
    except (TimeoutError, Aborted):
        raise
    except (OSError, UnicodeError, ResponseInvalid, TunnelRefused) as error:
        raise ProxyUnusable(f"{where}: {error}") from error


def _connect(host: str, port: int, attempt: ConnectAttempt, which: str = "") -> socket.socket:
    attempt.step = f"resolving {which}{host}"
    addresses = resolve(host, port, attempt)
    attempt.step = f"connecting to {which}{host}"
    failure: OSError | None = None
    for number, address in enumerate(addresses):
        try:
            # The remaining time is divided, so that an address without an answer leaves time for the others.
            return _connect_to(address, attempt, attempt.left() / (len(addresses) - number))
        except Aborted:
            raise
        except OSError as error:
            failure = error
    attempt.left()
    raise failure or OSError("the host has no address to connect to")


def _connect_to(address: Address, attempt: ConnectAttempt, timeout: float) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    with attempt.using(sock):
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.connect(place)
    return sock
