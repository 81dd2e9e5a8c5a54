"""The names of channels and products, and suggestions for wrong ones."""

from __future__ import annotations

import re

from rxfeed.venues.coinbase_exchange.channels import COMMON, NAMES
from rxfeed.venues.suggestions import similar_channel, similar_product

# Names that other exchanges use, or the types of a channel's messages.
_OTHER_NAMES = {
    "auction": "auctionfeed",
    "l2update": "level2_batch",
    "last_match": "matches",
    "orderbook": "level2_batch",
    "order_book": "level2_batch",
    "snapshot": "level2_batch",
    "trade": "matches",
}
_QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "BTC", "ETH")
_PRODUCT = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)+|ALL")  # ALL: every product of `rfq_matches`


def likely_channel(name: str) -> str | None:
    """The channel that *name* may mean; `None` if no name is similar.

    >>> from rxfeed.venues.coinbase_exchange.names import likely_channel
    >>> likely_channel("trade"), likely_channel("heartbeats"), likely_channel("candles")
    ('matches', 'heartbeat', None)
    """
    return similar_channel(name, (*NAMES, *COMMON), _OTHER_NAMES)


def can_be_product(product: str) -> bool:
    """True if *product* has the form of a product's id: `BTC-USD`."""
    return _PRODUCT.fullmatch(product) is not None


def likely_product(product: str) -> str | None:
    """The id that *product* may mean; `None` if none is likely.

    >>> from rxfeed.venues.coinbase_exchange.names import likely_product
    >>> likely_product("btc-usd"), likely_product("ETH/EUR"), likely_product("btcusdt"), likely_product("?")
    ('BTC-USD', 'ETH-EUR', 'BTC-USDT', None)
    """
    return similar_product(product, _PRODUCT, _QUOTES)
