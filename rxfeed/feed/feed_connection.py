"""One of the connections of a feed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from rxfeed.core import Pair
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.reconnect_loop import ReconnectLoop
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.secrets import shown_url

if TYPE_CHECKING:
    from rxfeed.feed.connection_arbiter import ConnectionArbiter


class ConnectionInfo(NamedTuple):
    """A connection of a feed: its *number*, its *url* without secret parts, what it has, and its counters.

    *pairs*: its channels and products. *up*: it is open, and has brought data. The counters are those of `Stats`;
    `feed.stats` has their sums. What is output of several connections together is counted for the whole feed only:
    messages by type, and gaps in trades of a product with a redundancy.
    """

    number: int
    url: str
    pairs: tuple[Pair, ...]
    up: bool
    frames: int
    bytes: int
    malformed: int
    duplicates: int
    gaps: int
    gapped: int
    resets: int
    connections: int
    reconnects: int
    interruptions: int
    lag: float


class FeedConnection:
    """A connection of *shard*; *line*: its number in an `Arbitration`, which no other connection of the feed ever has.

    *replica*: its place among the connections of the shard.
    """

    def __init__(
        self,
        line: int,
        number: int,
        shard: int,
        replica: int,
        loop: ReconnectLoop,
        subscriptions: SubscriptionManager,
        streams: FeedStreams,
    ) -> None:
        self.line = line
        self.number = number
        self.shard = shard
        self.replica = replica
        self.loop = loop
        self.subscriptions = subscriptions
        self.streams = streams
        self.arbiter: ConnectionArbiter | None = None
        self.thread: threading.Thread | None = None
        self.leaving = False
        """True if it is closed while the feed runs on."""
        self.over = False
        """True if its loop has ended."""

    @property
    def highest_epoch(self) -> int:
        """The highest epoch of its messages."""
        own = self.loop.continuity.highest
        return own if self.arbiter is None else max(own, self.arbiter.machine.gaps.highest)

    @property
    def info(self) -> ConnectionInfo:
        """Its description and counters."""
        stats = self.streams.stats
        return ConnectionInfo(
            number=self.number,
            url=shown_url(self.loop.url.reveal()),
            pairs=tuple(self.subscriptions.pairs),
            up=self.loop.working,
            frames=stats.frames,
            bytes=stats.bytes,
            malformed=stats.malformed,
            duplicates=stats.duplicates,
            gaps=stats.gaps,
            gapped=stats.gapped,
            resets=stats.resets,
            connections=stats.connections,
            reconnects=stats.reconnects,
            interruptions=stats.interruptions,
            lag=stats.lag,
        )
