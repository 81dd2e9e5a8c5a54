"""Validators of arguments. Each raises a `ConfigError` with the argument's name and value if it is not valid."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast

from rxfeed.errors import ConfigError
from rxfeed.market import EPOCH, check, microseconds
from rxfeed.market import moment as moment_of

HIGHEST = 1e9
LONGEST_TIMEOUT = 86_400.0
"""Seconds."""
_CALENDAR = 1e11  # seconds: more than the calendar has
T = TypeVar("T")
Seconds = float | timedelta
"""Seconds, as a number or a timedelta."""
PRODUCT_ID = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")


def number(name: str, value: object, *, zero: bool = False) -> float:
    """A number above zero and up to HIGHEST; zero too, if *zero* is True. A timedelta is its seconds."""
    value = in_seconds(value)
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (0 < value <= HIGHEST or (zero and value == 0))
    ):
        return float(value)
    raise ConfigError(f"{name}: {value!r} is not a number {'from' if zero else 'above'} 0, up to {HIGHEST:g}")


def optional_number(name: str, value: object) -> float | None:
    """A number above zero and up to HIGHEST, or `None`."""
    return None if value is None else number(name, value)


def integer(name: str, value: object, lowest: int, highest: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    raise ConfigError(f"{name}: {value!r} is not an integer from {lowest} to {highest}")


def positive_integer(name: str, value: object) -> int:
    """An integer from 1 on."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ConfigError(f"{name}: {value!r} is not a whole number from 1 on")


def above_zero(name: str, value: object, unit: str = "") -> float:
    """A number above zero, also infinity; *unit* is a part of the error, such as "of seconds".

    A timedelta is its seconds.
    """
    value = in_seconds(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return value
    raise ConfigError(f"{name}: {value!r} is not a number{unit and ' '}{unit} above 0")


# ---- decimals


def decimal(name: str, value: object) -> Decimal:
    """A finite `Decimal`, made of *value*; floats are invalid (0.1 is not one tenth)."""
    if isinstance(value, bool | float) or not isinstance(value, Decimal | str | int):
        raise ConfigError(f"{name}: {value!r} is a {type(value).__name__}; give a Decimal, a str or an int")
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise ConfigError(f"{name}: {value!r} is not a number") from None
    if not found.is_finite():
        raise ConfigError(f"{name}: {value!r} is not a finite number")
    try:
        check(found)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    return found


def positive(name: str, value: Decimal | str | int) -> Decimal:
    """As `decimal`, and above zero."""
    found = decimal(name, value)
    if found <= 0:
        raise ConfigError(f"{name}: {value!r} is not above zero")
    return found


def not_negative(name: str, value: Decimal | str | int) -> Decimal:
    """As `decimal`, and zero or above."""
    found = decimal(name, value)
    if found < 0:
        raise ConfigError(f"{name}: {value!r} is below zero")
    return found


# ---- times


def in_seconds(value: T | timedelta) -> T | float:
    """The seconds of a timedelta, and any other *value* itself."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def timeout(name: str, seconds: object) -> float:
    """A number of seconds above zero and up to a day."""
    seconds = in_seconds(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_TIMEOUT:
        raise ConfigError(f"{name}: {seconds!r} is not a number of seconds above 0 and up to {LONGEST_TIMEOUT:,.0f}")
    return seconds


def positive_microseconds(name: str, seconds: Seconds) -> int:
    """*seconds* in microseconds, 1 at least."""
    found = _microseconds(name, seconds)
    if found < 1:
        raise ConfigError(f"{name}: {seconds!r} is not a positive number of seconds")
    return found


def not_negative_microseconds(name: str, seconds: Seconds) -> int:
    """As `positive_microseconds`, but 0 is allowed."""
    found = _microseconds(name, seconds)
    if found < 0:
        raise ConfigError(f"{name}: {seconds!r} is a negative number of seconds")
    return found


def positive_span(name: str, seconds: Seconds) -> timedelta:
    """As `positive_microseconds`, as a timedelta."""
    return timedelta(microseconds=positive_microseconds(name, seconds))


def _microseconds(name: str, seconds: object) -> int:
    seconds = in_seconds(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ConfigError(f"{name}: {seconds!r} is not a number of seconds")
    if abs(seconds) > _CALENDAR:
        raise ConfigError(f"{name}: {seconds!r} is more seconds than the calendar has")
    return round(seconds * 1_000_000)


def aware(name: str, value: object) -> datetime:
    """The time of a datetime with a time zone, in UTC and within the calendar.

    Within one zone, Python compares and subtracts what the clock on the wall shows, which summer time repeats or skips.
    """
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return moment_of(microseconds(value))
    raise ConfigError(f"{name}: {value!r} is not a datetime with a time zone")


def moment(name: str, value: object) -> datetime:
    """As `aware`, since 1970."""
    found = aware(name, value)
    if found >= EPOCH:
        return found
    raise ConfigError(f"{name}: {value!r} is not since 1970")


# ---- choices, products, frames


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name}: {value!r} is none of {', '.join(map(repr, choices))}")


def product(value: object) -> str:
    """The id of a product, of any venue."""
    if isinstance(value, str) and value:
        return value
    raise ConfigError(f"product_id: {value!r} names no product")


def products(value: object) -> frozenset[str]:
    """The ids of one or many products, of any venue."""
    found = frozenset([value] if isinstance(value, str) else _items(value))
    ids = frozenset(each for each in found if isinstance(each, str) and each)
    if not ids or len(ids) < len(found):
        raise ConfigError(f"products: {value!r} is neither a product id nor many")
    return ids


def product_ids(value: object) -> tuple[str, ...]:
    """Distinct ids such as `BTC-USD`, at least one."""
    ids: list[str] = []
    for product_id in () if isinstance(value, str) else _items(value):
        if not isinstance(product_id, str) or not PRODUCT_ID.fullmatch(product_id):
            raise ConfigError(f"products: {product_id!r} is not a product id such as 'BTC-USD'")
        ids.append(product_id)
    if not ids or len(set(ids)) < len(ids):
        raise ConfigError(f"products: {value!r} is not a sequence of distinct product ids")
    return tuple(ids)


def one_or_many(name: str, given: object, kinds: type | tuple[type, ...]) -> list[Any]:
    """The list of *given*: one of *kinds*, or an iterable of them, none of which is empty."""
    if isinstance(given, kinds):
        return [given]
    try:
        items = list(cast("Iterable[object]", given))
    except TypeError:
        raise ConfigError(f"{name}: {given!r} is neither one nor a list of them") from None
    for item in items:
        if not isinstance(item, kinds) or not item:
            raise ConfigError(f"{name}: {item!r} cannot be one")
    return items


def payloads(value: object) -> list[bytes]:
    """The bytes of text frames, given as str or bytes."""
    items = _items(value)
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"frames: {value!r} is not an iterable of str and bytes")
    found: list[bytes] = []
    for frame in items:
        if not isinstance(frame, str | bytes):
            raise ConfigError(f"frames: {frame!r} is neither str nor bytes")
        found.append(frame.encode() if isinstance(frame, str) else frame)
    return found


def _items(value: object) -> tuple[object, ...]:
    """The items of *value*; none if it is not iterable."""
    return tuple(cast("Iterable[object]", value)) if isinstance(value, Iterable) else ()
