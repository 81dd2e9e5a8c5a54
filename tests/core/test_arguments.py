"""The validators of arguments: valid values pass, and the error of any other names the argument and the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.market import EPOCH, FIRST, LAST


class NoZone(tzinfo):
    """As for a time without a zone: its offset is not known."""

    def utcoffset(self, dt: datetime | None) -> None:
        return None


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
    (arguments.aware, [5, None, datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=NoZone())]),
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
    assert arguments.moment("some", time) == arguments.aware("some", time) == time


BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York"), timezone(timedelta(hours=14))])


@given(st.datetimes(datetime(1970, 1, 3), timezones=ZONES, allow_imaginary=True))
def test_time_is_in_utc(given: datetime) -> None:
    found = arguments.aware("some", given)
    assert found.tzinfo is UTC
    assert found == arguments.moment("some", given)
    assert found - EPOCH == given.astimezone(UTC) - EPOCH


def test_hour_that_summer_time_repeats_is_an_hour() -> None:
    early, late = (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert late - early == timedelta(0)  # as Python subtracts within one zone
    assert arguments.aware("some", late) - arguments.aware("some", early) == timedelta(hours=1)


def test_time_off_the_calendar_in_utc_is_its_first_or_last() -> None:
    east, west = (timezone(timedelta(hours=hours)) for hours in (5, -5))
    assert arguments.aware("some", datetime.min.replace(tzinfo=east)) == FIRST
    assert arguments.aware("some", datetime.max.replace(tzinfo=west)) == LAST


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
