"""Unix time: the epoch, and conversions between it and datetimes. All datetimes are in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC)
"""The first time of the calendar."""
LAST = datetime.max.replace(tzinfo=UTC)


def microseconds(time: datetime) -> int:
    """Unix microseconds, exactly.

    >>> from datetime import timedelta
    >>> from rxfeed.market import EPOCH, microseconds
    >>> microseconds(EPOCH + timedelta(seconds=1))
    1000000
    """
    return (time - EPOCH) // MICROSECOND


_FIRST, _LAST = microseconds(FIRST), microseconds(LAST)


def moment(microseconds: int) -> datetime:
    """The time at *microseconds* after 1970, limited to the first and the last time of the calendar.

    >>> from rxfeed.market import LAST, moment
    >>> moment(1), moment(10**30) == LAST
    (datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc), True)
    """
    return EPOCH + timedelta(microseconds=min(max(microseconds, _FIRST), _LAST))
