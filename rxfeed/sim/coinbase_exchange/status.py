"""The `status` message: all products and currencies."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rxfeed.core.matching import Product


def status(products: Iterable[Product], delisted: Collection[str] = ()) -> dict:
    """The message, with the keys of the documentation."""
    products = list(products)
    return {
        "type": "status",
        "products": [_product(product, state(product, delisted)) for product in products],
        "currencies": currencies(products),
    }


def currencies(products: Iterable[Product]) -> list[dict]:
    """The currencies of *products*, with the keys of the documentation."""
    names = dict.fromkeys(name for product in products for name in (product.base, product.quote))
    return [_currency(name) for name in names]


def state(product: Product, delisted: Collection[str]) -> str:
    """The status of *product*, which may be one of those that are *delisted*."""
    return "delisted" if product.product_id in delisted else "online"


def _product(product: Product, state: str) -> dict:
    return {
        "id": product.product_id,
        "base_currency": product.base,
        "quote_currency": product.quote,
        "base_increment": "0.00000001",
        "quote_increment": product.quote_increment,
        "display_name": product.product_id,
        "status": state,
        "status_message": None,
        "min_market_funds": "1",
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "fx_stablecoin": False,
    }


def _currency(name: str) -> dict:
    return {
        "id": name,
        "name": name,
        "display_name": name,
        "min_size": "0.00000001",
        "status": "online",
        "status_message": None,
        "max_precision": "0.00000001",
        "convertible_to": [],
        "details": {},
        "default_network": "",
        "supported_networks": [],
    }
