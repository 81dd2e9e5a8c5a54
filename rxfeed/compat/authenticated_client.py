"""cbpro's `AuthenticatedClient`, which is out of scope."""

from __future__ import annotations

from rxfeed.compat.notices import Kind, note
from rxfeed.compat.public_client import PublicClient
from rxfeed.compat.types import Given
from rxfeed.errors import ConfigError

_REASON = (
    "AuthenticatedClient: accounts and orders are out of scope of rxfeed. For orders use a trading library: "
    "coinbase-advanced-py with CDP keys, or ccxt (coinbaseexchange) with Exchange keys. PublicClient has the public "
    "calls, and WebsocketClient(auth=True, ...) the channels that need Exchange keys"
)


class AuthenticatedClient(PublicClient):
    """Raises `ConfigError` when it is made: its text has what to use instead."""

    def __init__(self, *keys: Given, **settings: Given) -> None:
        note(Kind.UNAVAILABLE, _REASON)
        del keys, settings  # a traceback with local variables would show them
        raise ConfigError(_REASON)
