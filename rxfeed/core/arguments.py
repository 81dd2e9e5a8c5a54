"""Validators of arguments. Each raises a `ConfigError` with the argument's name and value if it is not valid."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from rxfeed.errors import ConfigError

HIGHEST = 1e9
PRODUCT_ID = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")


def number(name: str, value: object, *, zero: bool = False) -> float:
    """A number above zero and up to HIGHEST; zero too, if *zero* is True."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (0 < value <= HIGHEST or (zero and value == 0))
    ):
        return float(value)
    raise ConfigError(f"{name}: {value!r} is not a number {'from' if zero else 'above'} 0, up to {HIGHEST:g}")


def optional_number(name: str, value: object) -> None:
    """A number above zero and up to HIGHEST, or `None`."""
    if value is not None:
        number(name, value)


def integer(name: str, value: object, lowest: int, highest: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    raise ConfigError(f"{name}: {value!r} is not an integer from {lowest} to {highest}")


def moment(name: str, value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None and value.year >= 1970:
        return value
    raise ConfigError(f"{name}: {value!r} is not a datetime with a time zone, since 1970")


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name}: {value!r} is none of {', '.join(map(repr, choices))}")


def product_ids(value: object) -> tuple[str, ...]:
    """Distinct ids such as `BTC-USD`, at least one."""
    ids = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    for product_id in ids:
        if not isinstance(product_id, str) or not PRODUCT_ID.fullmatch(product_id):
            raise ConfigError(f"products: {product_id!r} is not a product id such as 'BTC-USD'")
    if not ids or len(set(ids)) < len(ids):
        raise ConfigError(f"products: {value!r} is not a sequence of distinct product ids")
    return ids


def payloads(value: object) -> list[bytes]:
    """The bytes of text frames, given as str or bytes."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"frames: {value!r} is not an iterable of str and bytes")
    found = []
    for frame in value:
        if not isinstance(frame, str | bytes):
            raise ConfigError(f"frames: {frame!r} is neither str nor bytes")
        found.append(frame.encode() if isinstance(frame, str) else frame)
    return found
