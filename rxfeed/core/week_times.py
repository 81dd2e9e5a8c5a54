"""Times of the week, such as those at which a venue restarts its servers.

Rules:
- A time is a text: days, hour and minute, and a time zone: `Mon,Wed,Thu 14:00 America/New_York`. `daily` stands for all
  days. Without a zone it is UTC.
- The zone decides which moment it is, so it moves with daylight saving time. A time that does not exist on a day comes
  an hour later; of one that comes twice, the first is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from rxfeed.errors import ConfigError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?P<days>[A-Za-z,]+) (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?: (?P<zone>[A-Za-z0-9_+/-]+))?")


class WeekTime(NamedTuple):
    """The *time* of day in *zone*, on *days* (0 is Monday).

    >>> from datetime import UTC, datetime
    >>> from rxfeed.core import WeekTime
    >>> str(WeekTime.of("renew_at", "Mon,Fri 06:30").after(datetime(2026, 1, 6, tzinfo=UTC)))
    '2026-01-09 06:30:00+00:00'
    """

    days: frozenset[int]
    time: time
    zone: tzinfo

    @classmethod
    def of(cls, name: str, text: object) -> WeekTime:
        """The time that *text* has; raises `ConfigError`, which names the argument *name*."""
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        days = () if found is None else found["days"].lower().split(",")
        if found is None or not ({*days} <= {*_DAYS} or days == ["daily"]) or found["hour"] > "23":
            raise ConfigError(f"{name}: {text!r} is not a time such as 'Mon,Wed 14:00 America/New_York'")
        if found["minute"] > "59":
            raise ConfigError(f"{name}: {text!r} has no minute of an hour")
        numbers = range(7) if days == ["daily"] else map(_DAYS.index, days)
        return cls(frozenset(numbers), time(int(found["hour"]), int(found["minute"])), _zone(name, found["zone"]))

    def after(self, moment: datetime) -> datetime:
        """The first such time after *moment*, in UTC."""
        today = moment.astimezone(self.zone).date()
        for ahead in range(9):
            day = today + timedelta(days=ahead)
            at = datetime.combine(day, self.time, self.zone).astimezone(UTC)
            if day.weekday() in self.days and at > moment:
                return at
        raise AssertionError("a week has each day")


def first_after(times: Iterable[WeekTime], moment: datetime) -> datetime:
    """The first of *times* after *moment*, in UTC."""
    return min(each.after(moment) for each in times)


def _zone(name: str, zone: str | None) -> tzinfo:
    if zone is None or zone.upper() == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{name}: no time zone {zone!r}: check its name, or if the system has no time zones, pip install tzdata"
        ) from None
