"""The arguments of a feed, checked."""

from __future__ import annotations

import msgspec

from rxfeed.core import Reconnect, Repair, arguments
from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret
from rxfeed.transport import Endpoint, TransportOptions, proxy_for
from rxfeed.venues import Venue


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `Feed`, where they are described; times in seconds."""

    url: Secret
    rest_url: Secret
    transport: TransportOptions
    credentials: object
    venue: Venue
    reconnect: bool | Reconnect
    ping_interval: float | None
    pong_timeout: float
    stale_after: float | None
    heartbeat_timeout: float
    lag_threshold: float
    drop_duplicates: bool
    repair: bool | Repair = False
    backfill: float | None = None
    backfilled: set[str] = msgspec.field(default_factory=set[str])
    """The products that have had their backfill, on any connection of the feed."""

    def __post_init__(self) -> None:
        endpoint = Endpoint.of(self.url)
        if self.rest_url:
            Endpoint.of(self.rest_url, ("http", "https"), "rest_url")
        proxy_for(endpoint.host, self.transport.proxy, secure=endpoint.secure)  # raises here if the proxy is invalid
        if not isinstance(self.reconnect, bool | Reconnect):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
            raise ConfigError(f"reconnect: {self.reconnect!r} is neither True, False nor a Reconnect")
        if not isinstance(self.repair, bool | Repair):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
            raise ConfigError(f"repair: {self.repair!r} is neither True, False nor a Repair")
        if self.repair and not (self.venue.repairable and self.rest_url):
            raise ConfigError("repair: missing trades come from the venue's REST API, and there is none: give rest_url")
        if self.backfill is not None and not (self.venue.repairable and self.rest_url):
            raise ConfigError("backfill: past trades come from the venue's REST API, and there is none: give rest_url")
        for name in ("ping_interval", "pong_timeout", "stale_after", "heartbeat_timeout", "lag_threshold"):
            seconds = getattr(self, name)
            never = seconds is None and name in ("ping_interval", "stale_after")
            if not never:
                arguments.above_zero(name, seconds, "of seconds")
        arguments.optional_number("backfill", self.backfill)

    @property
    def repairs(self) -> Repair | None:
        """*repair* as a `Repair`; `None`: nothing is repaired."""
        if isinstance(self.repair, Repair):
            return self.repair
        return Repair() if self.repair else None

    @property
    def has_repairs(self) -> bool:
        """True if missed or past trades are requested."""
        return bool(self.repair) or self.backfill is not None

    @property
    def policy(self) -> Reconnect:
        """*reconnect* as a `Reconnect`; False becomes one without retries."""
        if isinstance(self.reconnect, Reconnect):
            return self.reconnect
        return Reconnect(retries=None if self.reconnect else 0)
