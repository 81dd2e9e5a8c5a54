"""Selects the part of a recording that is played."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed.core import arguments
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
    return arguments.products(products)


def _ns(name: str, moment: datetime | None, otherwise: int) -> int:
    if moment is None:
        return otherwise
    return ns_of(arguments.aware(name, moment))
