"""Exact decimal arithmetic that does not depend on the thread's decimal context."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, getcontext, setcontext
from functools import wraps
from typing import TypeVar

from rxfeed.errors import ConfigError
from rxfeed.market import ZERO, check

__all__ = ["EXACT", "ROUNDED", "ZERO", "decimal", "exactly", "not_negative", "positive", "quotient"]

# Every digit is kept. The numbers of messages have at most 40 digits, the first between 10**40 and 10**-40
# (rxfeed.values). A product of four of them has some 500 digits, so 1000 are enough for any sum of such products.
EXACT = Context(prec=1000, traps=[InvalidOperation, Overflow, Inexact])
ROUNDED = Context(prec=28)

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")


def exactly(method: Callable[[S, A], B]) -> Callable[[S, A], B]:
    """*method* with `EXACT` as the thread's decimal context, so that its `+` and `*` are exact.

    `EXACT.add` takes three times as long as `+`, so with more than two of them it is faster to exchange the context.
    *method* must not call users' code.
    """

    @wraps(method)
    def run(self: S, argument: A) -> B:
        theirs = getcontext()
        setcontext(EXACT)
        try:
            return method(self, argument)
        finally:
            setcontext(theirs)

    return run


def decimal(name: str, value: object) -> Decimal:
    """*value* as a finite `Decimal`; raises `ConfigError` for all else, and for floats (0.1 is not one tenth)."""
    if isinstance(value, bool | float) or not isinstance(value, Decimal | str | int):
        raise ConfigError(f"{name}: {value!r} is a {type(value).__name__}; give a Decimal, a str or an int")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ConfigError(f"{name}: {value!r} is not a number") from None
    if not number.is_finite():
        raise ConfigError(f"{name}: {value!r} is not a finite number")
    try:
        check(number)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    return number


def quotient(total: Decimal, count: Decimal) -> Decimal | None:
    """*total* divided by *count*, to 28 digits; `None` if *count* is zero."""
    return ROUNDED.divide(total, count) if count else None


def positive(name: str, value: Decimal | str | int) -> Decimal:
    """As `decimal`; also raises `ConfigError` if *value* is not above zero."""
    number = decimal(name, value)
    if number <= 0:
        raise ConfigError(f"{name}: {value!r} is not above zero")
    return number


def not_negative(name: str, value: Decimal | str | int) -> Decimal:
    """As `decimal`; also raises `ConfigError` if *value* is below zero."""
    number = decimal(name, value)
    if number < 0:
        raise ConfigError(f"{name}: {value!r} is below zero")
    return number
