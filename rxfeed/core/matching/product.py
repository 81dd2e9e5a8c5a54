"""The constants of a product, and the text form of its prices, sizes and times.

Inside the simulation a price is a count of the product's quote increment, a size a count of 1e-8 of its
base currency, and a time Unix microseconds: integers, so that nothing is ever rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

SIZE_UNIT = 10**8
MICROSECONDS = 10**6


@dataclass(frozen=True, slots=True)
class Product:
    """A product such as `BTC-USD`; its prices have *decimals* decimal places.

    >>> from rxfeed.core.matching import Product
    >>> Product("BTC-USD").price_text(6_000_001)
    '60000.01'
    """

    product_id: str
    decimals: int = 2

    @property
    def base(self) -> str:
        return self.product_id.partition("-")[0]

    @property
    def quote(self) -> str:
        return self.product_id.partition("-")[2]

    @property
    def quote_increment(self) -> str:
        return self.price_text(1)

    def price_text(self, price: int) -> str:
        whole, part = divmod(price, 10**self.decimals)
        return f"{whole}.{part:0{self.decimals}d}"

    def price_of(self, text: str) -> int:
        """The price that `price_text` wrote."""
        return int(text.replace(".", ""))


def size_text(size: int) -> str:
    """A size with its 8 decimal places.

    >>> from rxfeed.core.matching import size_text
    >>> size_text(150_000_000)
    '1.50000000'
    """
    return f"{size // SIZE_UNIT}.{size % SIZE_UNIT:08d}"


def time_text(micros: int) -> str:
    """A time as the exchange writes it.

    >>> from rxfeed.core.matching import time_text
    >>> time_text(1_700_000_000_000_001)
    '2023-11-14T22:13:20.000001Z'
    """
    return f"{_second_text(micros // MICROSECONDS)}.{micros % MICROSECONDS:06d}Z"


@lru_cache(maxsize=16)
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
