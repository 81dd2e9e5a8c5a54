"""The hosts in URLs, and URLs without what may be secret in them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit, urlunsplit

from rxfeed.errors import ConfigError

_LONGEST_NAME = 253


def check_host(name: str, host: str) -> None:
    """Raise a `ConfigError` that names *name* if *host* is not a valid host name.

    >>> from rxfeed.secrets import check_host
    >>> check_host("url", "example.org")
    """
    try:
        encoded = host.encode("idna")
    except UnicodeError:
        # Raised behind the handler, because the codec's own error adds nothing.
        encoded = None
    if encoded is None or len(encoded) > _LONGEST_NAME:
        raise ConfigError(
            f"{name}: {host[:80]!r} is not the name of a host: each part between dots has 1 to 63 characters, "
            f"and all of it {_LONGEST_NAME} at most"
        )


def shown_url(url: str) -> str:
    """*url* without its secret parts: user, password, query.

    >>> from rxfeed.secrets import shown_url
    >>> shown_url("wss://me:secret@example.org:8443/feed?token=hidden")
    'wss://example.org:8443/feed'
    >>> shown_url("ws://[::1]:8765")
    'ws://[::1]:8765'
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that cannot be read"
    path = parts.path if parts.netloc else parts.path.rpartition("@")[2]
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}"


def not_websocket(url: object) -> str:
    """The reason why *url* is not a WebSocket URL, without its secret parts; empty if it is one."""
    if not isinstance(url, str):
        return f"a {type(url).__name__} is not a URL"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "not a URL that can be read"
    if parts.scheme not in ("ws", "wss") or not host:
        return f"{shown_url(url)} is not a WebSocket URL: it takes ws:// or wss:// and a host"
    return ""


def moved(url: str, live: str) -> str:
    """*url* with the scheme and the host of *live*."""
    parts = urlsplit(url)
    return urlunsplit(urlsplit(live)._replace(path=parts.path, query=parts.query))


def is_loopback(host: str) -> bool:
    """True if *host* is this machine's loopback interface.

    >>> from rxfeed.secrets import is_loopback
    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("example.org")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_http(url: str) -> str:
    """The HTTP URL of the server at *url*, if that is a WebSocket URL of a loopback address; otherwise empty.

    >>> from rxfeed.secrets import local_http
    >>> local_http("ws://me:secret@127.0.0.1:8765/feed"), local_http("wss://[::1]"), local_http("wss://example.org")
    ('http://127.0.0.1:8765', 'https://[::1]', '')
    """
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme)
    if scheme is None or not is_loopback(parts.hostname or ""):
        return ""
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}"


def host_of(url: str) -> str:
    """The host in *url*; empty where there is none."""
    return urlsplit(url).hostname or ""
