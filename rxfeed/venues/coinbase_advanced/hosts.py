"""The hosts of Advanced Trade, and which one has which channels."""

from __future__ import annotations

from collections.abc import Iterable

from rxfeed.errors import ConfigError
from rxfeed.secrets import check_host, host_of, not_websocket
from rxfeed.venues.coinbase_advanced.channels import USER_ONLY

DEFAULT_URL = "wss://advanced-trade-ws.coinbase.com"
USER_URL = "wss://advanced-trade-ws-user.coinbase.com"
"""It has only the channels of one account, and heartbeats."""
HOSTS = frozenset(host_of(url) for url in (DEFAULT_URL, USER_URL))
REST_URL = "https://api.coinbase.com"


def url_for(channels: Iterable[str]) -> str:
    """Where to connect for *channels*.

    >>> from rxfeed.venues.coinbase_advanced.hosts import url_for
    >>> url_for(["level2", "user"]), url_for(["user", "heartbeats"])
    ('wss://advanced-trade-ws.coinbase.com', 'wss://advanced-trade-ws-user.coinbase.com')
    """
    names = set(channels)
    return USER_URL if names & USER_ONLY and names <= USER_ONLY | {"heartbeats"} else DEFAULT_URL


def checked_url(url: str) -> str:
    """*url* itself; raises `ConfigError` where it is no `ws://` or `wss://` URL with a host."""
    try:
        reason = not_websocket(url)
        if reason:
            raise ConfigError(f"url: {reason}")
        check_host("url", host_of(url))
        return url
    finally:
        url = ""  # it may have a password, which a traceback with local variables would show
