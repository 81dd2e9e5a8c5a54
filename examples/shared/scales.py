"""What keeps pictures readable for an hour and for a month: lengths of bars, thinned lines, and labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

MOST_BARS, MOST_POINTS = 200, 2000
LENGTHS = (60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
"""Seconds of a window or candle."""
T = TypeVar("T")


def readable(by_length: Mapping[float, list[T]]) -> list[T]:
    """The items of the shortest length that has at most `MOST_BARS` of them, or of the longest length."""
    return next((items for items in by_length.values() if len(items) <= MOST_BARS), [*by_length.values()][-1])


def length_for(seconds: float) -> float:
    """The shortest of `LENGTHS` that divides *seconds* into at most `MOST_BARS`."""
    return next((length for length in LENGTHS if seconds <= length * MOST_BARS), LENGTHS[-1])


class Point(NamedTuple):
    """A value of a line at *time*; the line is interrupted before it if *broken*, and after it at *ended*."""

    time: datetime
    value: float | None
    broken: bool = False
    ended: datetime | None = None


class Points:
    """The last value of each step of time, in bounded memory: with more than *most* steps, the step is doubled."""

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most
        self._step = timedelta(seconds=1)
        self._first: datetime | None = None
        self._points: dict[int, Point] = {}

    def add(self, time: datetime, value: float | None) -> None:
        """Add a value, or with `None` an interruption, in the order of time."""
        self._first = first = self._first or time
        self._put((time - first) // self._step, Point(time, value))
        while len(self._points) > self._most:
            self._step *= 2
            points, self._points = self._points, {}
            for place, point in points.items():
                self._put(place // 2, point)

    def _put(self, place: int, point: Point) -> None:
        before = self._points.get(place)
        if before is not None and point.value is None:  # the line ends in this step
            point = before._replace(ended=point.ended or point.time)
        elif before is not None:
            broken = before.broken or before.ended is not None or before.value is None
            point = point._replace(broken=point.broken or broken)
        self._points[place] = point

    def line(self) -> tuple[list[datetime], list[float]]:
        """Times and values to draw; interruptions are NaN."""
        drawn: list[tuple[datetime, float]] = []
        for time, value, broken, ended in self._points.values():
            if drawn and (broken or value is None):
                drawn += [(time, drawn[-1][1]), (time, math.nan)] if value is None else [(time, math.nan)]
            if value is not None:
                drawn.append((time, value))
                drawn += [(ended, value), (ended, math.nan)] if ended is not None else []
        return [time for time, _ in drawn], [value for _, value in drawn]


def places_of(numbers: Iterable[float], most: int = 8) -> int:
    """The decimal places that all of *numbers* need, so that each of them is shown with as many."""
    shown = [f"{number:.{most}f}".rstrip("0").partition(".")[2] for number in numbers]
    return max(map(len, shown), default=0)


def dates_of(start: datetime, end: datetime) -> str:
    """The label of a time axis: both ends of it, and the day once if they are of one."""
    if start.date() == end.date():
        return f"{start.day} {start:%B %Y}, {start:%H:%M} to {end:%H:%M} UTC"
    return f"{start.day} {start:%B %Y %H:%M} to {end.day} {end:%B %Y %H:%M}, UTC"


def duration(seconds: float) -> str:
    """*seconds* in the largest unit that has a whole number of them."""
    units = ((86_400, "day"), (3600, "h"), (60, "min"))
    for size, unit in units:
        if not seconds % size:
            count = seconds / size
            return f"{count:g} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return f"{seconds:g} s"
