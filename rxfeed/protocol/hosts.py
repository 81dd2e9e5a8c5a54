"""The hosts of the exchange, live and retired."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit, urlunsplit

from rxfeed.errors import ConfigError

DEFAULT_URL = "wss://ws-feed.exchange.coinbase.com"
SANDBOX_URL = "wss://ws-feed-public.sandbox.exchange.coinbase.com"

_LONGEST_NAME = 253

# These complete the handshake and then close with "deprecated hostname", or have no valid certificate.
_RETIRED = {
    "ws-feed.pro.coinbase.com": DEFAULT_URL,
    "ws-feed.gdax.com": DEFAULT_URL,
    "ws-feed.exchange.gdax.com": DEFAULT_URL,
    "ws-feed-public.sandbox.pro.coinbase.com": SANDBOX_URL,
    "ws-feed-public.sandbox.gdax.com": SANDBOX_URL,
}


def live_url(url: str, *, stacklevel: int = 2) -> str:
    """*url* itself; for a retired host, the URL of the live host, with a warning.

    Raises `ConfigError` where it is no `ws://` or `wss://` URL with a host.

        >>> live_url("ws://127.0.0.1:8765")
        'ws://127.0.0.1:8765'
    """
    try:
        reason = _refused(url)
        if reason:
            raise ConfigError(f"url: {reason}")
        host = urlsplit(url).hostname or ""
        check_host("url", host)
        live = _RETIRED.get(host)
        if live is None:
            return url
        warnings.warn(f"{host} is retired: connecting to {live} in its place", UserWarning, stacklevel + 1)
        return _moved(url, live)
    finally:
        url = ""  # it may have a password, which a traceback with local variables would show


def _refused(url: object) -> str:
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


def _moved(url: str, live: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(urlsplit(live)._replace(path=parts.path, query=parts.query))


def check_host(name: str, host: str) -> None:
    """Raise a `ConfigError` that names *name* if *host* is not a valid host name.

    >>> check_host("url", "example.org")
    """
    try:
        encoded = host.encode("idna")
    except UnicodeError:
        # Outside of the handler, because the codec's own error adds nothing.
        encoded = None
    if encoded is None or len(encoded) > _LONGEST_NAME:
        raise ConfigError(
            f"{name}: {host[:80]!r} is not the name of a host: each part between dots has 1 to 63 characters, "
            f"and all of it {_LONGEST_NAME} at most"
        )


def shown_url(url: str) -> str:
    """*url* without its secret parts: user, password, query.

    >>> shown_url("wss://me:secret@example.org:8443/feed?token=hidden")
    'wss://example.org:8443/feed'
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that cannot be read"
    path = parts.path if parts.netloc else parts.path.rpartition("@")[2]
    return f"{parts.scheme}://{parts.hostname or ''}{port}{path}"
