"""The arguments of REST requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice

from rxfeed.core.matching import SIDES, MatchingEngine, RestingOrders, size_text


class BadArgument(Exception):
    """A query argument cannot be read; its name."""


def whole(query: Mapping[str, str], name: str, default: int | None = None) -> int | None:
    """A query argument that is an integer, or *default* where it is absent or empty."""
    text = query.get(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        raise BadArgument(name) from None


def seconds(query: Mapping[str, str], name: str) -> int | None:
    """A query argument that is a time: Unix seconds or ISO 8601."""
    text = query.get(name, "")
    try:
        return int(text) if text.lstrip("-").isdigit() else _iso(text)
    except ValueError:
        raise BadArgument(name) from None


def _iso(text: str) -> int | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def levels(engine: MatchingEngine, most: int | None = None) -> Iterable[list[tuple[str, str]]]:
    """The bids and the asks, at most so many of each: (price, size), best first."""
    price_text = engine.product.price_text
    for side in SIDES:
        book: RestingOrders = engine.sides[side]
        yield [(price_text(price), size_text(size)) for price, size in islice(book, most)]
