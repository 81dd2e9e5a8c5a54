"""Converts between Unix nanoseconds, which recordings use, and datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST_NS, LAST_NS = (_FIRST - EPOCH) // _MICROSECOND * 1000, (_LAST - EPOCH) // _MICROSECOND * 1000 + 999
"""The calendar's first and last nanosecond, in UTC."""
Moment = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""Unix nanoseconds of the years 1678 to 2261; a line with another time is decoded by itself."""


def ns_of(moment: datetime) -> int:
    """Unix nanoseconds of *moment*, which has a timezone.

    In UTC a time of the calendar's first or last day may be off the calendar. Then the result is the calendar's first
    or last nanosecond.
    """
    return min(max((moment - EPOCH) // _MICROSECOND * 1000, FIRST_NS), LAST_NS)


def moment_of(ns: int) -> datetime:
    """*ns* as a UTC datetime, rounded down to the microsecond, and limited to the calendar."""
    try:
        return EPOCH + timedelta(microseconds=ns // 1000)
    except OverflowError:
        return _FIRST if ns < 0 else _LAST


def on_calendar(ns: int) -> int:
    """*ns*; raises `ValueError` if no datetime can represent it."""
    if not FIRST_NS <= ns <= LAST_NS:
        shown = str(ns) if abs(ns) < 1 << 90 else "a number of over 27 digits"
        raise ValueError(f"ns: {shown} is off the calendar (years 1 to 9999)")
    return ns
