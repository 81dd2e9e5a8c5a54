"""The validators of arguments: valid values pass, and the error of any other names the argument and the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rxfeed.core import arguments
from rxfeed.errors import ConfigError

INVALID: list[tuple[Callable[..., Any], list[Any]]] = [
    (arguments.number, [0, -1, True, "1", float("nan"), float("inf"), None]),
    (arguments.above_zero, [0, -1.5, True, "1", float("nan"), None]),
    (arguments.positive_integer, [0, -1, True, 1.0, "1", None]),
    (arguments.timeout, [0, -1, True, "5", float("inf"), float("nan"), 86_401]),
    (arguments.positive_microseconds, [0, -1, 1e-9, True, "1", float("nan"), 1e12]),
    (arguments.not_negative_microseconds, [-1, True, "1", float("inf"), 1e12]),
    (arguments.decimal, [0.1, True, "x", "NaN", None]),
    (arguments.positive, [0, "-1", 0.1]),
    (arguments.not_negative, [-1, 0.1]),
    (arguments.aware, [5, None, datetime(2026, 1, 1)]),
    (arguments.moment, [5, datetime(2026, 1, 1), datetime(1969, 1, 1, tzinfo=UTC)]),
]


@pytest.mark.parametrize(("check", "values"), INVALID, ids=[check.__name__ for check, _ in INVALID])
def test_invalid_value_is_named(check: Callable[..., Any], values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=f"^some: {re.escape(repr(value))} is "):
            check("some", value)


def test_valid_value_is_returned() -> None:
    time = datetime(2026, 1, 1, tzinfo=UTC)
    assert arguments.number("some", 0, zero=True) == 0
    assert arguments.above_zero("some", float("inf")) == float("inf")
    assert arguments.positive_integer("some", 1) == 1
    assert arguments.positive_microseconds("some", 0.5) == 500_000
    assert arguments.not_negative_microseconds("some", 0) == 0
    assert arguments.moment("some", time) is arguments.aware("some", time) is time


@pytest.mark.parametrize(("value", "ids"), [("A-B", {"A-B"}), (["A-B", "C-D"], {"A-B", "C-D"})])
def test_products_are_one_or_many(value: Any, ids: set[str]) -> None:
    assert arguments.products(value) == ids


@pytest.mark.parametrize("value", ["", [], [""], ["A-B", 5], 5, None])
def test_invalid_products_are_named(value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^products: {re.escape(repr(value))} is neither"):
        arguments.products(value)


@pytest.mark.parametrize(
    ("given", "expected"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (iter(("a",)), ["a"]), ((), [])]
)
def test_one_or_many_gives_a_list(given: object, expected: list[str]) -> None:
    assert arguments.one_or_many("products", given, str) == expected


@pytest.mark.parametrize("given", [7, None, ["a", 7], ["a", ""]])
def test_one_or_many_names_what_cannot_be_one(given: object) -> None:
    with pytest.raises(ConfigError, match=r"^products: (7|None|'') "):
        arguments.one_or_many("products", given, str)


def test_timedelta_is_its_seconds() -> None:
    minute = timedelta(minutes=1)
    assert arguments.number("some", minute) == arguments.above_zero("some", minute) == 60
    assert arguments.timeout("some", minute) == arguments.in_seconds(minute) == arguments.in_seconds(60)
    assert arguments.positive_microseconds("some", minute) == arguments.not_negative_microseconds("some", minute)
    assert arguments.positive_span("some", minute) == minute
    with pytest.raises(ConfigError):
        arguments.timeout("some", timedelta(0))
