"""Converts between Unix nanoseconds, which recordings use, and datetimes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from rxfeed.market import FIRST, LAST, microseconds, moment

FIRST_NS, LAST_NS = microseconds(FIRST) * 1000, microseconds(LAST) * 1000 + 999
"""The calendar's first and last nanosecond, in UTC."""
Moment = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""Unix nanoseconds of the years 1678 to 2261; a line with another time is decoded by itself."""


def ns_of(time: datetime) -> int:
    """Unix nanoseconds of *time*, which has a timezone.

    In UTC a time of the calendar's first or last day may be off the calendar. Then the result is the calendar's first
    or last nanosecond.
    """
    return min(max(microseconds(time) * 1000, FIRST_NS), LAST_NS)


def moment_of(ns: int) -> datetime:
    """*ns* as a UTC datetime, rounded down to the microsecond, and limited to the calendar."""
    return moment(ns // 1000)


def on_calendar(ns: int) -> int:
    """*ns*; raises `ValueError` if no datetime can represent it."""
    if not FIRST_NS <= ns <= LAST_NS:
        shown = str(ns) if abs(ns) < 1 << 90 else "a number of over 27 digits"
        raise ValueError(f"ns: {shown} is off the calendar (years 1 to 9999)")
    return ns
