"""Where all that a feed yields goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from rxfeed.core import Missed, Restarted, Resubscribed
from rxfeed.feed.hub import Hub, SideStream
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import CaughtUp, FeedStatus, Gap, Idle, KeepalivePong, Lagging, SequenceReset
from rxfeed.messages import Malformed

log = logging.getLogger("rxfeed.feed")


def _wall() -> datetime:
    return datetime.now(UTC)


class Outlets:
    """The messages, the streams beside them, and the counters; *now*: the clock that says when something happened."""

    def __init__(self, lag_threshold: float, now: Callable[[], datetime] = _wall) -> None:
        self.now = now
        self.stats = Stats()
        self.hub = Hub(self.failed)
        self.status: SideStream[FeedStatus] = SideStream(self.failed, Idle(at=now()))
        self.keepalive: SideStream[KeepalivePong] = SideStream(self.failed)
        self.malformed: SideStream[Malformed] = SideStream(self.failed)
        self._lag_threshold = lag_threshold
        self._lagging = False

    def report(self, status: FeedStatus) -> None:
        log.info("%s", status)
        self.status.emit(status)

    def found(self, found: Missed | Restarted | Resubscribed) -> None:
        """Report what the numbers of the messages show."""
        if isinstance(found, Resubscribed):
            return
        named = {"product_id": found.product_id, "channel": found.channel, "first": found.first, "last": found.last}
        if isinstance(found, Missed):
            self.stats.gaps += 1
            self.stats.gapped += found.last - found.first + 1
            self.report(Gap(at=self.now(), **named))
        else:
            self.stats.resets += 1
            log.warning(
                "the numbers of %s on %s went from %d to %d, which is newer: they began anew, or one was wrong; "
                "messages are delivered, in another epoch",
                found.product_id,
                found.channel,
                found.last,
                found.first,
            )
            self.report(SequenceReset(at=self.now(), **named))

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
