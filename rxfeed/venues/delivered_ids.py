"""The ids of products, by those under which a venue delivers them."""

from __future__ import annotations


class DeliveredIds(dict[str, str]):
    """The id that messages get, by the id under which the venue delivers the product.

    An id that is missing stands for itself. If it is empty, all ids do.

    >>> from rxfeed.venues import DeliveredIds
    >>> ids = DeliveredIds({"BTC-USD": "BTC-USDC"})
    >>> ids["BTC-USD"], ids["ETH-USD"]
    ('BTC-USDC', 'ETH-USD')
    """

    def __missing__(self, delivered: str) -> str:
        return delivered
