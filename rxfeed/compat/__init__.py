"""cbpro's classic clients and order book, standing on a `Feed`: `import rxfeed.compat as cbpro`."""

from rxfeed.compat.authenticated_client import AuthenticatedClient
from rxfeed.compat.cbpro_auth import CBProAuth
from rxfeed.compat.errors import BookEmpty
from rxfeed.compat.order_book import OrderBook
from rxfeed.compat.public_client import PublicClient
from rxfeed.compat.websocket_client import WebsocketClient

__all__ = ["AuthenticatedClient", "BookEmpty", "CBProAuth", "OrderBook", "PublicClient", "WebsocketClient"]
