"""Selects the part of a recording that is played."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed.errors import ConfigError
from rxfeed.recording.timestamps import FIRST_NS, LAST_NS, ns_of


class TimeRange:
    """Selects items of *products* (`None`: all), and items without a product, received in `[since, until)`.

    Raises `ConfigError` for invalid arguments.
    """

    def __init__(self, products: str | Iterable[str] | None, since: datetime | None, until: datetime | None) -> None:
        self.products = _products(products)
        self.since = _ns("since", since, FIRST_NS)
        self.until = _ns("until", until, LAST_NS + 1)
        if self.since >= self.until:
            raise ConfigError(f"until: {until} is not after since, {since}")
        self.everything = products is None and since is None and until is None

    def takes(self, ns: int, product_id: str | None) -> bool:
        return self.since <= ns < self.until and (
            self.products is None or product_id is None or product_id in self.products
        )


def _products(products: str | Iterable[str] | None) -> frozenset[str] | None:
    if products is None:
        return None
    try:
        chosen = frozenset([products] if isinstance(products, str) else products)
    except TypeError:
        raise ConfigError(f"products: {products!r} is neither a product id nor many") from None
    if not chosen or not all(isinstance(each, str) and each for each in chosen):
        raise ConfigError(f"products: {products!r} has no product id")
    return chosen


def _ns(name: str, moment: datetime | None, otherwise: int) -> int:
    if moment is None:
        return otherwise
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigError(f"{name}: {moment!r} is not a datetime with a timezone")
    return ns_of(moment)
