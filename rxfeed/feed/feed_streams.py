"""All streams of a feed, its counters, and the log of its status."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rxfeed.core import Awaited, BackfilledTrades, Missed, RepairedNumbers, Restarted, Resubscribed
from rxfeed.feed.clock import utc_now
from rxfeed.feed.endings import SourceSinks
from rxfeed.feed.message_router import FeedStream, MessageRouter
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import (
    Backfilled,
    CaughtUp,
    Disconnected,
    FeedStatus,
    Gap,
    Idle,
    KeepalivePong,
    Lagging,
    Repaired,
    SequenceReset,
)
from rxfeed.feed.status_log import StatusLog
from rxfeed.market import Malformed
from rxfeed.venues import COINBASE_EXCHANGE, DeliveredIds, Venue

if TYPE_CHECKING:
    from rxfeed.feed.dispatcher import Dispatcher

log = logging.getLogger("rxfeed.feed")

_MOST_NAMED = 100


class FeedStreams:
    """The message router, the side streams, and the counters.

    *now*: the clock for the times of events. *status_log*: `None` logs every status at INFO, as for a recording.
    """

    def __init__(
        self,
        lag_threshold: float,
        now: Callable[[], datetime] = utc_now,
        status_log: StatusLog | None = None,
        venue: Venue = COINBASE_EXCHANGE,
    ) -> None:
        self.now = now
        self.lock = threading.RLock()
        """Held while messages and events are delivered, so that they come one at a time from several connections."""
        self.connection = 0
        """The number of the connection whose events these are; 0: the feed has only one."""
        self.expected_connections = 1
        """So many connections acknowledge the subscriptions."""
        self.venue = venue
        """Where the messages come from; a replay has it from its recordings."""
        self.renamed = DeliveredIds()
        """The ids of products, by those under which the venue delivers them, where they differ."""
        self.dispatcher: Callable[..., Dispatcher] | None = None
        """Makes the dispatcher of each connection; `None`: `Dispatcher`."""
        self.stats = Stats()
        self.sinks = SourceSinks()
        self.router = MessageRouter(self.failed, self.stats)
        self.status: FeedStream[FeedStatus] = FeedStream(self.failed, Idle(at=now()))
        self.keepalive: FeedStream[KeepalivePong] = FeedStream(self.failed)
        self.malformed: FeedStream[Malformed] = FeedStream(self.failed)
        self.status_log = status_log
        self.logged: Exception | None = None
        """The cause of the last disconnection, which the log of the status has."""
        self._logged_malformed: set[tuple[str | None, str | None]] = set()  # types and products that are in the log
        self._lag_threshold = lag_threshold
        self._lagging = False

    def report(self, status: FeedStatus, note: str = "") -> None:
        """Log *status* and emit it; *note* is a part of the log line."""
        status = self._numbered(status)
        with self.lock:
            if self.status_log is None:
                log.info("%s", status)
            else:
                self.status_log.write(status, note)
                if isinstance(status, Disconnected):
                    self.logged = status.cause
            self.status.emit(status)

    def emit(self, status: FeedStatus) -> None:
        """Emit *status*, which the log has already."""
        with self.lock:
            self.status.emit(self._numbered(status))

    def _numbered(self, status: FeedStatus) -> FeedStatus:
        return replace(status, connection=self.connection) if self.connection and not status.connection else status

    def recovered(self) -> None:
        """Messages arrived after an outage, so that the next outage is logged again."""
        if self.status_log is not None:
            self.status_log.recovered()

    def found(self, found: Missed | Awaited | RepairedNumbers | Restarted | Resubscribed) -> None:
        """Report a gap, its repair, or a reset that the sequence numbers of the messages show."""
        if isinstance(found, Resubscribed | Awaited):
            return
        product_id, channel, first, last = found.product_id, found.channel, found.first, found.last
        if isinstance(found, Missed):
            self.stats.gaps += 1
            self.stats.gapped += last - first + 1
            self.report(Gap(at=self.now(), product_id=product_id, channel=channel, first=first, last=last))
        elif isinstance(found, RepairedNumbers):
            self.stats.repaired += last - first + 1
            status = Repaired(product_id=product_id, channel=channel, first=first, last=last, seconds=found.seconds)
            self.report(replace(status, at=self.now()))
        else:
            self.stats.resets += 1
            log.warning(
                "sequence reset: the numbers of %s on %s went from %d back to %d. Either they restarted, or one was "
                "wrong. Messages are delivered in a new epoch",
                product_id,
                channel,
                last,
                first,
            )
            self.report(SequenceReset(at=self.now(), product_id=product_id, channel=channel, first=first, last=last))

    def backfilled(self, channel: str, found: BackfilledTrades) -> None:
        """Report that the trades of *found* follow."""
        status = Backfilled(product_id=found.product_id, channel=channel, first=found.first, last=found.last)
        self.report(replace(status, at=self.now(), seconds=found.seconds))

    def pong(self, round_trip: float) -> None:
        self.stats.pongs += 1
        with self.lock:
            self.keepalive.emit(KeepalivePong(round_trip=round_trip, at=self.now()))

    def report_malformed(self, frame: Malformed) -> None:
        self.stats.malformed += 1
        named = (frame.type, frame.product_id)
        if named not in self._logged_malformed and len(self._logged_malformed) < _MOST_NAMED:
            self._logged_malformed.add(named)
            log.warning(
                "malformed frame: %s; subscribe to `malformed` for the reason. Further ones are not logged",
                _named(*named),
            )
        self.malformed.emit(frame)

    def lag(self, seconds: float) -> None:
        """Store the seconds between arrival and delivery, and report when a long lag begins and ends."""
        stats = self.stats
        stats.measured_lag = seconds
        if seconds > stats.measured_max_lag:
            stats.measured_max_lag = seconds
        if self._lagging:
            if seconds < self._lag_threshold / 2:
                self._lagging = False
                self.report(CaughtUp())
        elif seconds > self._lag_threshold:
            self._lagging = True
            self.report(Lagging(seconds=seconds))

    @property
    def unobserved(self) -> bool:
        """True if no stream has an observer, except the source's own one of the status."""
        observed = len(self.status.observers) > 1 or self.keepalive.observers or self.malformed.observers
        return not observed and not self.router.observers

    def end(self, cause: BaseException | None, *, raised: bool = False) -> None:
        """End every stream; the streams of messages fail with *cause*, if there is one.

        *raised*: the caller raises *cause*, which is in the log already, so it is not logged again.
        """
        self.router.end(cause, raised=raised)
        self.malformed.end()
        self.keepalive.end()
        self.status.end()

    def failed(self) -> None:
        """Count a subscriber that raised."""
        self.stats.subscriber_errors += 1


def _named(kind: str | None, product: str | None) -> str:
    """What a malformed frame names, for the log."""
    if kind is None and product is None:
        return "it names no type and no product that can be read"
    return ", ".join(
        f"{name} {value!r:.66}" for name, value in (("type", kind), ("product", product)) if value is not None
    )
