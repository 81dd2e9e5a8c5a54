"""The products of Advanced Trade: those that are traded, and their aliases."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rxfeed.core.matching import MatchingEngine, Product, size_text
from rxfeed.sim.coinbase_advanced.texts import trimmed

# Quoted in USDC, but with a book of their own: the currency is not traded for USD.
OWN_BOOKS = frozenset({"EURC-USDC", "PYUSD-USDC"})


def alias_of(product_id: str) -> str:
    """The product under which a product's data are delivered; empty if that is its own.

    >>> from rxfeed.sim.coinbase_advanced.products import alias_of
    >>> alias_of("BTC-USDC"), alias_of("BTC-USD"), alias_of("EURC-USDC")
    ('BTC-USD', '', '')
    """
    return product_id.removesuffix("C") if product_id.endswith("-USDC") and product_id not in OWN_BOOKS else ""


def traded(products: Sequence[str]) -> tuple[str, ...]:
    """The products with a book of their own among *products*, and those that the others are aliases of.

    >>> from rxfeed.sim.coinbase_advanced.products import traded
    >>> traded(["BTC-USDC", "ETH-USD", "BTC-USD"])
    ('BTC-USD', 'ETH-USD')
    """
    return tuple(dict.fromkeys(alias_of(name) or name for name in products))


def status_product(product: Product, *, delisted: bool) -> dict[str, object]:
    """A product in the `status` channel."""
    return {
        "product_type": "SPOT",
        "id": product.product_id,
        "base_currency": product.base,
        "quote_currency": product.quote,
        "base_increment": size_text(1),
        "quote_increment": product.quote_increment,
        "display_name": f"{product.base}/{product.quote}",
        "status": "delisted" if delisted else "online",
        "status_message": "",
        "min_market_funds": "1",
    }


def rest_product(
    product_id: str, engine: MatchingEngine, volume: Decimal, aliases: list[str], *, delisted: bool
) -> dict[str, object]:
    """A product in the REST catalogue, with the data of *engine*, its own or that of its alias."""
    last = engine.last_match
    assert last is not None
    product = Product(product_id)
    increment = engine.product.quote_increment
    return {
        "product_id": product_id,
        "price": trimmed(last.price),
        "price_percentage_change_24h": "0",
        "volume_24h": f"{volume:f}",
        "volume_percentage_change_24h": "0",
        "base_increment": size_text(1),
        "quote_increment": increment,
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": size_text(1),
        "base_max_size": "3400",
        "base_name": product.base,
        "quote_name": product.quote,
        "watched": False,
        "is_disabled": delisted,
        "new": False,
        "status": "delisted" if delisted else "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": delisted,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": product.quote,
        "base_currency_id": product.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": alias_of(product_id),
        "alias_to": aliases,
        "base_display_symbol": product.base,
        "quote_display_symbol": product.quote.removesuffix("C") if alias_of(product_id) else product.quote,
        "view_only": False,
        "price_increment": increment,
        "display_name": f"{product.base}-{product.quote}",
        "product_venue": "CBE",
    }
