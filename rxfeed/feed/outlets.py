"""Where all that a feed yields goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from rxfeed.core import Missed
from rxfeed.feed.hub import Hub, SideStream
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import CaughtUp, FeedStatus, Gap, Idle, KeepalivePong, Lagging
from rxfeed.messages import Malformed
from rxfeed.operators.endings import SourceSinks

log = logging.getLogger("rxfeed.feed")


def _wall() -> datetime:
    return datetime.now(UTC)


class Outlets:
    """The messages, the streams beside them, and the counters; *now*: the clock that says when something happened."""

    def __init__(self, lag_threshold: float, now: Callable[[], datetime] = _wall) -> None:
        self.now = now
        self.stats = Stats()
        self.sinks = SourceSinks()
        self.hub = Hub(self.failed)
        self.status: SideStream[FeedStatus] = SideStream(self.failed, Idle(at=now()))
        self.keepalive: SideStream[KeepalivePong] = SideStream(self.failed)
        self.malformed: SideStream[Malformed] = SideStream(self.failed)
        self._lag_threshold = lag_threshold
        self._lagging = False

    def report(self, status: FeedStatus) -> None:
        log.info("%s", status)
        self.status.emit(status)

    def gap(self, missed: Missed) -> None:
        self.stats.gaps += 1
        self.stats.gapped += missed.last - missed.first + 1
        named = {"product_id": missed.product_id, "channel": missed.channel}
        self.report(Gap(at=self.now(), **named, first=missed.first, last=missed.last))

    def pong(self, round_trip: float) -> None:
        self.stats.pongs += 1
        self.keepalive.emit(KeepalivePong(round_trip=round_trip, at=self.now()))

    def unreadable(self, frame: Malformed) -> None:
        self.stats.malformed += 1
        self.malformed.emit(frame)

    def lag(self, seconds: float) -> None:
        """Messages are delivered *seconds* after they came; said once when it grows, and once when it is over."""
        stats = self.stats
        stats.lag = seconds
        if seconds > stats.max_lag:
            stats.max_lag = seconds
        if self._lagging:
            if seconds < self._lag_threshold / 2:
                self._lagging = False
                self.report(CaughtUp())
        elif seconds > self._lag_threshold:
            self._lagging = True
            self.report(Lagging(seconds=seconds))

    def end(self, cause: Exception | None) -> None:
        """End every stream; *cause* is for those who wait for messages."""
        self.hub.end(cause)
        self.malformed.end()
        self.keepalive.end()
        self.status.end()

    def failed(self) -> None:
        """A subscriber raised."""
        self.stats.subscriber_errors += 1
