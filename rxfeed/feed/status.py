"""What a connection is doing: the items of `feed.status`, one frozen value an event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from rxfeed.errors import picklable
from rxfeed.market import ChannelSubscription


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The root of them; *at* is the wall clock's UTC time of the event."""

    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def __str__(self) -> str:
        """One line for a log, which has a time of its own: `Gap product_id=BTC-USD channel=matches first=3 last=4`."""
        said = (f"{name}={getattr(self, name)}" for name in self.__struct_fields__ if name != "at")
        return " ".join((type(self).__name__, *said))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        errors = {name: picklable(value) for name, value in fields.items() if isinstance(value, BaseException)}
        return _rebuilt, (type(self), fields | errors)


def _rebuilt(kind: type[FeedStatus], fields: dict[str, Any]) -> FeedStatus:
    return kind(**fields)


# ---- the connection


class Idle(FeedStatus, frozen=True, kw_only=True):
    """Not connected yet."""


class Connecting(FeedStatus, frozen=True, kw_only=True):
    """On the way to *url*, for the *attempt*-th time since a message last came."""

    url: str
    attempt: int = 1


class Connected(FeedStatus, frozen=True, kw_only=True):
    """The connection is open and the subscription sent."""

    url: str


class Disconnected(FeedStatus, frozen=True, kw_only=True):
    """The connection could not be made, or ended, and not by us: *cause*."""

    cause: Exception


class Reconnecting(FeedStatus, frozen=True, kw_only=True):
    """The *attempt*-th try begins after *delay* seconds, because of *cause*.

    *retry_after*: the seconds that the server asked for with `Retry-After`, at most an hour; 0 where it did not.
    """

    attempt: int
    delay: float
    cause: Exception
    retry_after: float = 0.0


class Ended(FeedStatus, frozen=True, kw_only=True):
    """The feed is over: closed, or failed with *cause*; a `SystemExit` or `KeyboardInterrupt` is a subscriber's."""

    cause: BaseException | None


# ---- the subscriptions


class Subscribed(FeedStatus, frozen=True, kw_only=True):
    """The exchange says what it sends us: all of it, by its own names (`level2_batch` is `level2_50`).

    *missing*: pairs of channel and product (`None` for a channel without) that we asked for and it does not list: not
    acknowledged yet, or rejected.
    """

    channels: tuple[ChannelSubscription, ...]
    missing: tuple[tuple[str, str | None], ...] = ()


class Rejected(FeedStatus, frozen=True, kw_only=True):
    """The exchange refuses something, in its own words; what it did not name goes on."""

    message: str
    reason: str | None


# ---- the data


class Gap(FeedStatus, frozen=True, kw_only=True):
    """Numbers *first* to *last* of *product_id* on *channel* never came: sequences, or trade ids.

    *product_id* is `None` if the numbers are those of a whole connection: of any product something may be missing.
    """

    product_id: str | None
    channel: str
    first: int
    last: int


class SequenceReset(FeedStatus, frozen=True, kw_only=True):
    """The numbers of *product_id* on *channel* went back: after *last* came *first*, and it is newer.

    The exchange numbers the product anew, or *last* was wrong. Messages are delivered from *first* on, in a new epoch.
    """

    product_id: str | None
    channel: str
    last: int
    first: int


class HeartbeatMissing(FeedStatus, frozen=True, kw_only=True):
    """*product_id* has not beaten for *seconds*, though `heartbeat` is subscribed to for it."""

    product_id: str
    seconds: float


class HeartbeatBack(FeedStatus, frozen=True, kw_only=True):
    """*product_id* beats again."""

    product_id: str


class Lagging(FeedStatus, frozen=True, kw_only=True):
    """Subscribers take so long that messages are delivered *seconds* after they came: see `bounded`."""

    seconds: float


class CaughtUp(FeedStatus, frozen=True, kw_only=True):
    """Messages are delivered in time again."""


# ---- a recording


class Torn(FeedStatus, frozen=True, kw_only=True):
    """The recording at *path* ends before its end: whatever was from *line* on is lost, and why.

    *line* (the first is 1) begins at byte *offset* of the text, unpacked. The rest of the recording is still played.
    """

    path: str
    line: int
    offset: int
    reason: str


class KeepalivePong(msgspec.Struct, frozen=True, kw_only=True):
    """An item of `feed.keepalive`: a ping of ours came back after *round_trip* seconds."""

    round_trip: float
    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
