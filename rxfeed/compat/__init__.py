"""cbpro's classic client and order book, standing on a `Feed`: `import rxfeed.compat as cbpro`."""

from rxfeed.compat.client import WebsocketClient
from rxfeed.compat.order_book import OrderBook

__all__ = ["OrderBook", "WebsocketClient"]
