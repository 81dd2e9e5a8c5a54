"""Where the exchange is, and where it used to be."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit, urlunsplit

from rxfeed.errors import ConfigError

DEFAULT_URL = "wss://ws-feed.exchange.coinbase.com"
SANDBOX_URL = "wss://ws-feed-public.sandbox.exchange.coinbase.com"

# These complete the handshake and then close with "deprecated hostname", or have no certificate any more.
_RETIRED = {
    "ws-feed.pro.coinbase.com": DEFAULT_URL,
    "ws-feed.gdax.com": DEFAULT_URL,
    "ws-feed.exchange.gdax.com": DEFAULT_URL,
    "ws-feed-public.sandbox.pro.coinbase.com": SANDBOX_URL,
    "ws-feed-public.sandbox.gdax.com": SANDBOX_URL,
}


def live_url(url: str, *, stacklevel: int = 2) -> str:
    """*url* itself, or the live host's in place of a retired one, with a warning.

    Raises `ConfigError` where it is no `ws://` or `wss://` URL with a host.

        >>> live_url("ws://127.0.0.1:8765")
        'ws://127.0.0.1:8765'
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, AttributeError, TypeError):
        raise ConfigError("url: not a URL that can be read") from None
    if parts.scheme not in ("ws", "wss") or not host:
        raise ConfigError(f"url: {shown_url(url)} is not a WebSocket URL: it takes ws:// or wss:// and a host")
    live = _RETIRED.get(host)
    if live is None:
        return url
    warnings.warn(f"{host} is retired: connecting to {live} in its place", UserWarning, stacklevel + 1)
    return urlunsplit(urlsplit(live)._replace(path=parts.path, query=parts.query))


def shown_url(url: str) -> str:
    """*url* without what may be secret in it: user, password, query.

    >>> shown_url("wss://me:secret@example.org:8443/feed?token=hidden")
    'wss://example.org:8443/feed'
    """
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
