"""Unix nanoseconds, as recordings have them, and datetimes, as people and reactivex have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def ns_of(moment: datetime) -> int:
    """Unix nanoseconds of *moment*, which knows its timezone."""
    return (moment - EPOCH) // _MICROSECOND * 1000


def moment_of(ns: int) -> datetime:
    """*ns* as a UTC datetime, to the microsecond before it."""
    return EPOCH + timedelta(microseconds=ns // 1000)
