"""cbpro's classic client and order book, standing on a `Feed`: `import rxfeed.compat as cbpro`."""

from rxfeed.compat.order_book import OrderBook
from rxfeed.compat.websocket_client import WebsocketClient

__all__ = ["OrderBook", "WebsocketClient"]
