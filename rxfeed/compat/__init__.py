"""cbpro's classic clients and order book, standing on a `Feed`: `import rxfeed.compat as cbpro`."""

from rxfeed.compat.authenticated_client import AuthenticatedClient
from rxfeed.compat.cbpro_auth import CBProAuth
from rxfeed.compat.errors import BookEmpty
from rxfeed.compat.order_book import OrderBook
from rxfeed.compat.public_client import PublicClient
from rxfeed.compat.websocket_client import WebsocketClient

_ABSENT = {
    "FixClient": "FIX is out of scope of rxfeed: for orders use a trading library, coinbase-advanced-py or ccxt",
    "GdaxAuth": "it is CBProAuth since 2018: use CBProAuth",
}


def __getattr__(name: str) -> object:
    if name in _ABSENT:
        raise AttributeError(f"rxfeed.compat has no {name}: {_ABSENT[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["AuthenticatedClient", "BookEmpty", "CBProAuth", "OrderBook", "PublicClient", "WebsocketClient"]
