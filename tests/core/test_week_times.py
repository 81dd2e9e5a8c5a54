"""Times of the week, as texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError
from rxfeed.core import WeekTime, first_after
from rxfeed.venues import COINBASE_EXCHANGE

NEW_YORK = ZoneInfo("America/New_York")
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def at(text: str) -> WeekTime:
    return WeekTime.of("renew_at", text)


def test_time_moves_with_daylight_saving_time() -> None:
    deployment = at(*COINBASE_EXCHANGE.deployments)
    assert deployment.after(datetime(2026, 1, 5, tzinfo=UTC)) == datetime(2026, 1, 5, 19, tzinfo=UTC)
    assert deployment.after(datetime(2026, 7, 6, 18, tzinfo=UTC)) == datetime(2026, 7, 8, 18, tzinfo=UTC)


def test_time_that_a_day_lacks_comes_an_hour_later() -> None:
    assert at("Sun 02:30 America/New_York").after(datetime(2026, 3, 8, tzinfo=UTC)) == datetime(
        2026, 3, 8, 7, 30, tzinfo=UTC
    )


def test_time_that_comes_twice_is_taken_once() -> None:
    twice = at("Sun 01:30 America/New_York")
    first = twice.after(datetime(2026, 11, 1, tzinfo=UTC))
    assert first == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert twice.after(first) == datetime(2026, 11, 8, 6, 30, tzinfo=UTC)


@given(MOMENTS, st.sets(st.integers(0, 6), min_size=1), st.integers(0, 23), st.integers(0, 59))
def test_next_time_is_the_first_one_of_its_days(moment: datetime, days: set[int], hour: int, minute: int) -> None:
    found = at(f"{','.join(DAYS[day] for day in days)} {hour:02}:{minute:02}").after(moment)
    assert moment < found <= moment + timedelta(days=7)
    assert (found.weekday() in days, found.hour, found.minute, found.second) == (True, hour, minute, 0)
    between = (moment + timedelta(minutes=count) for count in range(1, int((found - moment).total_seconds() // 60), 7))
    assert not any(each.weekday() in days and (each.hour, each.minute) == (hour, minute) for each in between)


@given(MOMENTS)
def test_first_of_several_times_is_next(moment: datetime) -> None:
    times = [at("daily 06:00"), at("mon,Thu 14:00 America/New_York"), at("Fri 09:15 UTC")]
    assert first_after(times, moment) == min(each.after(moment) for each in times)
    assert first_after(times, moment) <= moment + timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "14:00",
        "Mon",
        "Mon 24:00",
        "Mon 14:60",
        "Mo 14:00",
        "Mon, 14:00",
        "Mon 14:00 Nowhere/City",
        "daily,Mon 9:00",
        7,
    ],
)
def test_text_that_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="renew_at: "):
        WeekTime.of("renew_at", text)
