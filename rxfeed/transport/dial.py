"""From a URL to a connected socket, TLS included, or to the proxy options that make the library do it."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from rxfeed.errors import ConfigError

_PROXY_TYPES = ("http", "socks4", "socks4a", "socks5", "socks5h")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class TransportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect. Sizes in bytes, times in seconds.

    *proxy*: `http://user:password@host:port`, or socks4, socks5 and their like (which take the package `python-socks`);
    `None` asks the environment (`https_proxy`, `http_proxy`, `no_proxy`), `""` goes direct whatever that says.
    *ssl_context*: in place of the default, which verifies the certificate and the host's name and takes TLS 1.2 on.
    """

    max_size: int = 64 * 1024 * 1024
    connect_timeout: float = 10.0
    send_timeout: float = 5.0
    ssl_context: ssl.SSLContext | None = None
    proxy: str | None = None
    headers: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        for name in ("max_size", "connect_timeout", "send_timeout"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: {getattr(self, name)!r} is not above 0")
        if self.proxy:
            _proxy_parts(self.proxy)


def tls_context(url: str, options: TransportOptions) -> ssl.SSLContext | None:
    """What encrypts a connection to *url*; `None` for plain `ws`."""
    if urlsplit(url).scheme == "ws":
        return None
    if options.ssl_context is not None:
        return options.ssl_context
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def dial(
    url: str,
    options: TransportOptions,
    context: ssl.SSLContext | None,
    dialed: Callable[[socket.socket | None], None],
) -> socket.socket | None:
    """A socket connected to *url*'s host, encrypted by *context* for `wss`; `None` where a proxy has to be asked.

    *dialed* hears of every socket before it may block.
    """
    if _proxy(url, options):
        return None
    parts = urlsplit(url)
    assert parts.hostname is not None
    sock = _connect(parts.hostname, parts.port or (443 if parts.scheme == "wss" else 80), options, dialed)
    if parts.scheme == "ws":
        return sock
    try:
        assert context is not None
        secure = context.wrap_socket(sock, server_hostname=parts.hostname, do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    try:
        dialed(secure)
        secure.do_handshake()
    except BaseException:
        dialed(None)
        secure.close()
        raise
    return secure


def _connect(
    host: str, port: int, options: TransportOptions, dialed: Callable[[socket.socket | None], None]
) -> socket.socket:
    failure: OSError | None = None
    for family, kind, proto, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, proto)
        try:
            sock.settimeout(options.connect_timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            dialed(sock)
            sock.connect(address)
        except BaseException as error:
            dialed(None)
            sock.close()
            if not isinstance(error, OSError) or isinstance(error, ConnectionAbortedError):
                raise
            failure = error
        else:
            return sock
    raise failure or OSError("the host has no address to connect to")


def keyword_options(url: str, options: TransportOptions) -> dict[str, Any]:
    """What websocket-client's `connect` takes: the time-out, headers, and the proxy where there is one."""
    keywords: dict[str, Any] = {
        "timeout": options.connect_timeout,
        "header": dict(options.headers),
        "suppress_origin": True,
        "redirect_limit": 0,
    }
    proxy = _proxy(url, options)
    if proxy:
        scheme, host, port, auth = _proxy_parts(proxy)
        keywords |= {
            "proxy_type": scheme,
            "http_proxy_host": host,
            "http_proxy_port": port,
            "http_proxy_auth": auth,
            "http_proxy_timeout": options.connect_timeout,
        }
    return keywords


def _proxy(url: str, options: TransportOptions) -> str | None:
    if options.proxy is not None:
        return options.proxy or None
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get("https" if parts.scheme == "wss" else "http")


def _proxy_parts(proxy: str) -> tuple[str, str, int, tuple[str, str] | None]:
    # The text may hold a password: the error does not repeat it.
    wrong = ConfigError(f"proxy: not a proxy's URL: it takes {', '.join(_PROXY_TYPES)}, a host and a port")
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.scheme not in _PROXY_TYPES:
        raise wrong
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return parts.scheme, host, port or (80 if parts.scheme == "http" else 1080), auth
