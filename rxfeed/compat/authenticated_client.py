"""cbpro's `AuthenticatedClient`, which is out of scope."""

from __future__ import annotations

from rxfeed.compat.notices import Kind, note
from rxfeed.compat.public_client import PublicClient
from rxfeed.compat.types import Attribute, Given
from rxfeed.errors import ConfigError

_REASON = (
    "AuthenticatedClient: accounts and orders are out of scope of rxfeed. For orders use a trading library: "
    "coinbase-advanced-py with CDP keys, or ccxt (coinbaseexchange) with Exchange keys. PublicClient has the public "
    "calls, and WebsocketClient(auth=True, ...) the channels that need Exchange keys"
)


class _OutOfScope(type):
    def __getattr__(cls, name: str) -> Attribute:
        raise AttributeError(name if name.startswith("_") else f"{name}: {_REASON}")


class AuthenticatedClient(PublicClient, metaclass=_OutOfScope):
    """Raises `ConfigError` when it is made: its text has what to use instead. So does a call of one of its methods."""

    def __init__(self, *keys: Given, **settings: Given) -> None:
        note(Kind.UNAVAILABLE, _REASON)
        del keys, settings  # a traceback with local variables would show them
        raise ConfigError(_REASON)

    def __getattr__(self, name: str) -> Attribute:
        """For a subclass that does not call `__init__`."""
        raise AttributeError(name if name.startswith("_") else f"{name}: {_REASON}")
