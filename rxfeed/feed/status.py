"""The items of `feed.status`: one frozen struct for each event of a connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from rxfeed.errors import picklable
from rxfeed.feed.clock import utc_now
from rxfeed.market import ChannelSubscription


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The base class of all status events; *at*: the wall clock's UTC time of the event.

    *connection*: the number of the connection, from 1 on; 0 if the feed has one connection, or it concerns all of them.
    """

    at: datetime = msgspec.field(default_factory=utc_now)
    connection: int = 0

    def __str__(self) -> str:
        """One line for a log, without the time: `Gap product_id=BTC-USD channel=matches first=3 last=4`."""
        fields = (f"{name}={getattr(self, name)}" for name in self.__struct_fields__ if self._is_shown(name))
        return " ".join((type(self).__name__, *fields))

    def _is_shown(self, name: str) -> bool:
        return name != "at" and (name != "connection" or self.connection != 0)

    def __reduce__(self) -> tuple[object, ...]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        errors = {name: picklable(value) for name, value in fields.items() if isinstance(value, BaseException)}
        return _rebuilt, (type(self), fields | errors)


def _rebuilt(kind: Callable[..., FeedStatus], fields: dict[str, object]) -> FeedStatus:
    return kind(**fields)


# ---- the connection


class Idle(FeedStatus, frozen=True, kw_only=True):
    """Not connected yet."""


class Connecting(FeedStatus, frozen=True, kw_only=True):
    """A connection to *url* begins: attempt number *attempt* since the last message."""

    url: str
    attempt: int = 1


class Connected(FeedStatus, frozen=True, kw_only=True):
    """The connection is open, and the subscription was sent."""

    url: str


class Disconnected(FeedStatus, frozen=True, kw_only=True):
    """The connection could not be opened, or it broke, or the server closed it: *cause*."""

    cause: Exception


class Reconnecting(FeedStatus, frozen=True, kw_only=True):
    """Attempt number *attempt* begins in *delay* seconds, because of *cause*.

    *retry_after*: the seconds that the server requested with `Retry-After`, at most an hour; 0 if it did not.
    """

    attempt: int
    delay: float
    cause: Exception
    retry_after: float = 0.0


class Renewed(FeedStatus, frozen=True, kw_only=True):
    """The connection was replaced: the new one was subscribed before the old one was closed, and nothing is missing."""


class ConnectionRemoved(FeedStatus, frozen=True, kw_only=True):
    """The feed has closed the connection, because nothing that it brought is subscribed to any more."""


class Ended(FeedStatus, frozen=True, kw_only=True):
    """The feed has ended: closed (*cause* is `None`), or failed with *cause*.

    A `SystemExit` or `KeyboardInterrupt` as *cause* was raised by a subscriber.
    """

    cause: BaseException | None


# ---- the subscriptions


class Subscribed(FeedStatus, frozen=True, kw_only=True):
    """The exchange acknowledges the subscription: *channels* lists all of it, by the exchange's own names.

    For example, it lists `level2_batch` as `level2_50`. *missing*: pairs of channel and product (`None` for a channel
    without products) that were requested and are not listed: not acknowledged yet, or rejected.
    """

    channels: tuple[ChannelSubscription, ...]
    missing: tuple[tuple[str, str | None], ...] = ()


class Rejected(FeedStatus, frozen=True, kw_only=True):
    """The exchange rejects a request, with *message* and *reason* as it sent them; other subscriptions continue."""

    message: str
    reason: str | None


class Unacknowledged(FeedStatus, frozen=True, kw_only=True):
    """The exchange has not acknowledged *pairs* within *seconds* of the request, and has not rejected them.

    Each pair of channel and product (`None` for a channel without products) is reported once in a feed.
    """

    pairs: tuple[tuple[str, str | None], ...]
    seconds: float


class ProductRenamed(FeedStatus, frozen=True, kw_only=True):
    """From here on, messages that the venue delivers as *delivered* have the id *product_id*, which was subscribed to.

    If both are the same, the id stands for itself again.
    """

    product_id: str
    delivered: str


class ProductListed(FeedStatus, frozen=True, kw_only=True):
    """The venue lists *product_id*, which a pattern of the subscription matches: it is subscribed to from now on."""

    product_id: str


class ProductDelisted(FeedStatus, frozen=True, kw_only=True):
    """The venue lists *product_id* no longer, or it cannot be traded any more: it is unsubscribed."""

    product_id: str


# ---- the data


class Gap(FeedStatus, frozen=True, kw_only=True):
    """The numbers *first* to *last* of *product_id* on *channel* did not arrive: sequence numbers, or trade ids.

    *product_id* is `None` if the numbers are those of a whole connection: of any product something may be missing.
    """

    product_id: str | None
    channel: str
    first: int
    last: int


class Repaired(FeedStatus, frozen=True, kw_only=True):
    """The trades *first* to *last* of *product_id* on *channel* were missed, and come now: in order, before newer ones.

    *seconds*: how long it took to request them; 0 if the venue sent them after an interruption.
    """

    product_id: str | None
    channel: str
    first: int
    last: int
    seconds: float = 0.0


class Backfilled(FeedStatus, frozen=True, kw_only=True):
    """The trades from *first* to *last* of *product_id* on *channel*, from before the subscription, come now, in order.

    *seconds*: how long it took until all were here.
    """

    product_id: str
    channel: str
    first: int
    last: int
    seconds: float = 0.0


class SequenceReset(FeedStatus, frozen=True, kw_only=True):
    """The sequence numbers of *product_id* on *channel* went from *last* back to *first*.

    Either the exchange restarted the numbers, or *last* was wrong. From *first* on, messages are in a new epoch.
    """

    product_id: str | None
    channel: str
    last: int
    first: int


class BookSwitched(FeedStatus, frozen=True, kw_only=True):
    """The book by price of *product_id* comes from *connection* from now on, beginning with its snapshot."""

    product_id: str


class HeartbeatMissing(FeedStatus, frozen=True, kw_only=True):
    """No heartbeat of *product_id* for *seconds*, although its `heartbeat` channel is subscribed to."""

    product_id: str
    seconds: float


class HeartbeatBack(FeedStatus, frozen=True, kw_only=True):
    """Heartbeats of *product_id* arrive again."""

    product_id: str


class Lagging(FeedStatus, frozen=True, kw_only=True):
    """Subscribers are so slow that messages are delivered *seconds* after they arrived; `bounded` can help."""

    seconds: float


class CaughtUp(FeedStatus, frozen=True, kw_only=True):
    """Messages are delivered without a long lag again."""


# ---- a recording


class RecordingTruncated(FeedStatus, frozen=True, kw_only=True):
    """The recording at *path* is truncated or damaged: nothing from *line* on can be played, for this *reason*.

    *line* (the first is 1) begins at byte *offset* of the text, unpacked. The rest of the recording is still played.
    """

    path: str
    line: int
    offset: int
    reason: str


class KeepalivePong(msgspec.Struct, frozen=True, kw_only=True):
    """An item of `feed.keepalive`: the answer to a ping of the feed arrived after *round_trip* seconds."""

    round_trip: float
    at: datetime = msgspec.field(default_factory=utc_now)
