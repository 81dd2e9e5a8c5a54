"""The hosts of the exchange, live and retired."""

from __future__ import annotations

import warnings

from rxfeed.errors import ConfigError
from rxfeed.secrets import check_host, host_of, moved, not_websocket

DEFAULT_URL = "wss://ws-feed.exchange.coinbase.com"
SANDBOX_URL = "wss://ws-feed-public.sandbox.exchange.coinbase.com"
REST_URL = "https://api.exchange.coinbase.com"
SANDBOX_REST_URL = "https://api-public.sandbox.exchange.coinbase.com"
BOOK_PATH = "/products/{product}/book"
"""The REST path of a product's book; its parameter `level` is 1, 2 or 3."""

HOSTS = frozenset(
    (
        "ws-feed.exchange.coinbase.com",
        "ws-direct.exchange.coinbase.com",
        "ws-feed-public.sandbox.exchange.coinbase.com",
        "ws-direct.sandbox.exchange.coinbase.com",
        "ws-us.dma.prime.coinbase.com",
        "ws-us-direct.dma.prime.coinbase.com",
        "ws-us.dma.sandbox.prime.coinbase.com",
        "ws-us-direct.dma.sandbox.prime.coinbase.com",
    )
)
"""The live hosts, and those of the sandbox."""

# These complete the handshake and then close with "deprecated hostname", or have no valid certificate.
RETIRED = {
    "ws-feed.pro.coinbase.com": DEFAULT_URL,
    "ws-feed.gdax.com": DEFAULT_URL,
    "ws-feed.exchange.gdax.com": DEFAULT_URL,
    "ws-feed-public.sandbox.pro.coinbase.com": SANDBOX_URL,
    "ws-feed-public.sandbox.gdax.com": SANDBOX_URL,
}
_RETIRED_REST = {
    "api.pro.coinbase.com": REST_URL,
    "api.gdax.com": REST_URL,
    "api.exchange.gdax.com": REST_URL,
    "api-public.sandbox.pro.coinbase.com": SANDBOX_REST_URL,
    "api-public.sandbox.gdax.com": SANDBOX_REST_URL,
}


def replacement(url: object) -> str | None:
    """The URL of the live host for *url*, of the feed or of REST; `None` if its host is not retired, or there is none.

    >>> from rxfeed.venues.coinbase_exchange import replacement
    >>> replacement("wss://ws-feed.pro.coinbase.com/"), replacement("https://api.gdax.com")
    ('wss://ws-feed.exchange.coinbase.com/', 'https://api.exchange.coinbase.com')
    """
    try:
        host = host_of(url) if isinstance(url, str) and "://" in url else ""
        live = RETIRED.get(host) or _RETIRED_REST.get(host)
        return None if live is None or not isinstance(url, str) else moved(url, live)
    except ValueError:  # not a URL
        return None
    finally:
        url = ""  # it may have a password, which a traceback with local variables would show


def live_url(url: str, *, stacklevel: int = 2) -> str:
    """*url* itself; for a retired host, the URL of the live host, with a warning.

    Raises `ConfigError` where it is no `ws://` or `wss://` URL with a host.

        >>> from rxfeed.venues.coinbase_exchange import live_url
        >>> live_url("ws://127.0.0.1:8765")
        'ws://127.0.0.1:8765'
    """
    try:
        reason = not_websocket(url)
        if reason:
            raise ConfigError(f"url: {reason}")
        host = host_of(url)
        check_host("url", host)
        live = RETIRED.get(host)
        if live is None:
            return url
        warnings.warn(f"{host} is retired: connecting to {live} in its place", UserWarning, stacklevel + 1)
        return moved(url, live)
    finally:
        url = ""  # it may have a password, which a traceback with local variables would show
