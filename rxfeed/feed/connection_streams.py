"""The streams of one of several connections, and the counters of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.stats import CountKey, MessageCount, Stats
from rxfeed.feed.status import FeedStatus


class ConnectionStreams(FeedStreams):
    """The streams of *whole*, with the counters of one connection, the events of which have its *number*."""

    def __init__(self, whole: FeedStreams, lag_threshold: float, number: int) -> None:
        super().__init__(lag_threshold, whole.now, venue=whole.venue)
        self._whole = whole
        self.connection = number
        self.lock = whole.lock
        self.dispatcher = whole.dispatcher
        self.renamed = whole.renamed
        self.sinks = whole.sinks
        self.router = whole.router
        self.status = whole.status
        self.keepalive = whole.keepalive
        self.malformed = whole.malformed
        self.stats.counts = whole.stats.counts

    def report(self, status: FeedStatus, note: str = "") -> None:
        """Log *status* and emit it; *note* is a part of the log line."""
        self._whole.report(self._numbered(status), note)

    def recovered(self) -> None:
        """Messages arrived after an outage, so that the next outage is logged again."""
        with self.lock:
            self._whole.recovered()

    def failed(self) -> None:
        """Count a subscriber that raised."""
        self._whole.failed()


_SUMMED = (
    "bytes",
    "frames",
    "malformed",
    "duplicates",
    "gaps",
    "gapped",
    "repaired",
    "resets",
    "unsubscribed",
    "connections",
    "reconnects",
    "pings",
    "pongs",
    "subscriber_errors",
    "batched",
    "interruptions",
    "skimmed",
)


def _sum_of(name: str) -> Any:
    return property(lambda stats: sum(getattr(each, name) for each in stats.parts()))


class SummedStats(Stats):
    """The counters of all connections together, read from those of each; *whole* has the messages by type."""

    __slots__ = ("_connections", "_whole")

    def __init__(self, whole: Stats, connections: Callable[[], Iterable[Stats]]) -> None:
        self._whole = whole
        self._connections = connections

    def parts(self) -> tuple[Stats, ...]:
        """The counters that are summed."""
        return (self._whole, *self._connections())

    bytes = _sum_of("bytes")
    frames = _sum_of("frames")
    malformed = _sum_of("malformed")
    duplicates = _sum_of("duplicates")
    gaps = _sum_of("gaps")
    gapped = _sum_of("gapped")
    repaired = _sum_of("repaired")
    resets = _sum_of("resets")
    unsubscribed = _sum_of("unsubscribed")
    connections = _sum_of("connections")
    reconnects = _sum_of("reconnects")
    pings = _sum_of("pings")
    pongs = _sum_of("pongs")
    subscriber_errors = _sum_of("subscriber_errors")
    batched = _sum_of("batched")
    interruptions = _sum_of("interruptions")
    skimmed = _sum_of("skimmed")

    @property
    def counts(self) -> dict[CountKey, MessageCount]:  # pyright: ignore[reportIncompatibleVariableOverride]  # only read
        """The delivered messages by type and product."""
        return self._whole.counts

    @property
    def lag(self) -> float:
        """The most seconds between the arrival of messages and their delivery, of all connections."""
        return max(each.lag for each in self.parts())

    @property
    def max_lag(self) -> float:
        """The longest `lag` so far."""
        return max(each.max_lag for each in self.parts())

    def __reduce__(self) -> tuple[object, ...]:
        named = {each.name: getattr(self, each.name) for each in fields(Stats) if each.name in _SUMMED}
        return _rebuilt, ({**named, "counts": self.counts, "measured_lag": self.lag, "measured_max_lag": self.max_lag},)


def _rebuilt(counted: dict[str, Any]) -> Stats:
    return Stats(**counted)
