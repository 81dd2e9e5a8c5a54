"""cbpro's classic client and order book, standing on a `Feed`: `import rxfeed.compat as cbpro`."""

from rxfeed.compat.client import WebsocketClient
from rxfeed.compat.errors import BookEmpty
from rxfeed.compat.order_book import OrderBook

__all__ = ["BookEmpty", "OrderBook", "WebsocketClient"]
