"""Connections that are renewed on a schedule: each after a time, and all at times of the week.

Rules:
- Of several connections one is renewed at a time. With a time for each, they are spread over it.
- A renewal of the schedule that is due while others are still in progress waits for them.
- If the clock was wrong, and is set back by more than an hour, the times are those after the right one.
- A connection that is not open at that time is not renewed: its loop opens it anew in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from rxfeed.core import Seconds, WeekTime, arguments, first_after, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.feed.clock import utc_now
from rxfeed.venues import Venue

if TYPE_CHECKING:
    from rxfeed.feed.connections import Connections
    from rxfeed.feed.feed_connection import FeedConnection
    from rxfeed.feed.supervisor import Task

DEPLOYMENTS = "deployments"
_CORRECTED = timedelta(hours=1)  # by less the clock may go back, and no time comes twice
_BUSY = 1.0  # seconds until the next look, while connections are being renewed or none is open


class RenewalSchedule(NamedTuple):
    """*every*: the most seconds that a connection is used. *at*: the times of the week at which all are renewed."""

    every: float | None = None
    at: tuple[WeekTime, ...] = ()

    @classmethod
    def of(cls, venue: Venue, every: Seconds | None, at: str | Iterable[str] | None) -> RenewalSchedule:
        """The schedule of the arguments of a `Feed`; raises `ConfigError`."""
        every = None if every is None else arguments.above_zero("renew_every", in_seconds(every), "of seconds")
        texts = [] if at is None else arguments.one_or_many("renew_at", at, str)
        if texts == [DEPLOYMENTS]:
            texts = [*venue.deployments]
        if at is not None and not texts:
            example = "'Mon 14:00 America/New_York'"
            raise ConfigError(f"renew_at: {venue.name} names no times of its deployments: give times such as {example}")
        if (every is not None or texts) and venue.merging is None:
            raise ConfigError(f"renew_every, renew_at: connections of {venue.name} cannot be merged: leave them out")
        return cls(every, tuple(WeekTime.of("renew_at", each) for each in texts))

    def tasks(self, connections: Connections) -> list[Task]:
        """What a supervisor of *connections* has to do."""
        found: list[Task] = []
        if self.every is not None:
            found.append(RenewalByAge(connections, self.every))
        if self.at:
            found.append(RenewalAtTimes(connections, self.at, utc_now))
        return found


class RenewalByAge:
    """Renews the oldest connection, so that none is used for more than *every* seconds."""

    def __init__(self, connections: Connections, every: float) -> None:
        self._connections = connections
        self._every = every
        self._last: float | None = None

    def step(self, now: float) -> float:
        """Do what is due; the seconds until the next step."""
        connections = self._connections
        if self._last is None:
            self._last = now
        present = _open(connections)
        if not present:
            return _BUSY
        apart = self._every / len(present)
        oldest = min(present, key=lambda each: each.loop.began)
        due = max(self._last, oldest.loop.began) + apart
        if due > now:
            return due - now
        if connections.supervisor.busy:
            return _BUSY
        connections.renew([oldest])
        self._last = now
        return apart


class RenewalAtTimes:
    """Renews all connections at *times*; *wall_clock*: returns the time in UTC."""

    def __init__(
        self, connections: Connections, times: tuple[WeekTime, ...], wall_clock: Callable[[], datetime]
    ) -> None:
        self._connections = connections
        self._times = times
        self._wall_clock = wall_clock
        self._last = wall_clock()
        self._due = first_after(times, self._last)

    def step(self, now: float) -> float:
        """Do what is due; the seconds until the next step."""
        wall, last = self._wall_clock(), self._last
        self._last = wall
        if wall < last - _CORRECTED:  # else the next renewal would be at a time after the wrong one
            self._due = first_after(self._times, wall)
        if wall >= self._due:
            self._connections.renew(_open(self._connections))
            self._due = first_after(self._times, wall)
        return (self._due - wall).total_seconds() * self._connections.clock.speed


def _open(connections: Connections) -> list[FeedConnection]:
    return [each for each in connections.present if not each.leaving and each.loop.sock is not None]
