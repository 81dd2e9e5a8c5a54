"""The hosts of the exchange, live and retired."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit, urlunsplit

from rxfeed.errors import ConfigError
from rxfeed.secrets import check_host, shown_url

DEFAULT_URL = "wss://ws-feed.exchange.coinbase.com"
SANDBOX_URL = "wss://ws-feed-public.sandbox.exchange.coinbase.com"

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
