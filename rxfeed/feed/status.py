"""What a connection is doing: the items of `feed.status`, one frozen value an event."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from rxfeed.messages import ChannelSubscription


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The root of them; *at* is the wall clock's UTC time of the event."""

    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


class Idle(FeedStatus, frozen=True, kw_only=True):
    """Not connected yet."""


class Connecting(FeedStatus, frozen=True, kw_only=True):
    """On the way to *url*."""

    url: str


class Connected(FeedStatus, frozen=True, kw_only=True):
    """The connection is open and the subscription sent."""

    url: str


class Subscribed(FeedStatus, frozen=True, kw_only=True):
    """The exchange says what it sends us: all of it, by its own names."""

    channels: tuple[ChannelSubscription, ...]


class Rejected(FeedStatus, frozen=True, kw_only=True):
    """The exchange refuses something, in its own words; what it did not name goes on."""

    message: str
    reason: str | None


class Disconnected(FeedStatus, frozen=True, kw_only=True):
    """The connection could not be made, or ended, and not by us: *cause*."""

    cause: Exception


class Ended(FeedStatus, frozen=True, kw_only=True):
    """The feed is over: closed, or failed with *cause*."""

    cause: Exception | None


class KeepalivePong(msgspec.Struct, frozen=True, kw_only=True):
    """An item of `feed.keepalive`: a ping of ours came back after *round_trip* seconds."""

    round_trip: float
    at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
