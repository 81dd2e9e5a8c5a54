"""The types of faults of HTTP requests, as values only. Import them from `rxfeed.sim.faults`."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from rxfeed.core import Seconds, arguments
from rxfeed.errors import ConfigError
from rxfeed.sim.fault_types import MOST, Fault


@dataclass(frozen=True, kw_only=True)
class OfRequests(Fault):
    """A fault of HTTP requests: of *count* of them (`None`: of all) with *path* in their path, *after* so many others.

    It concerns no connection.
    """

    path: str = ""
    count: int | None = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.connection is not None:
            raise ConfigError(f"connection: {self.connection!r}, for a fault of HTTP requests")
        if self.count is not None:
            arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class RestStatus(OfRequests):
    """An answer with the status *code* and *body*, in place of the data. *retry_after*: seconds, for `Retry-After`."""

    code: int = 429
    retry_after: int | None = None
    body: str = '{"message":"Public rate limit exceeded"}'

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("code", self.code, 200, 999)
        if self.retry_after is not None:
            arguments.integer("retry_after", self.retry_after, 0, MOST)


@dataclass(frozen=True)
class RestLatency(OfRequests):
    """The answer comes *seconds* later, as it was at the request."""

    seconds: Seconds

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "seconds", arguments.number("seconds", self.seconds))


@dataclass(frozen=True)
class RestHole(OfRequests):
    """The answers lack the trades with an id in *trade_ids*, such as `range(100, 110)`."""

    trade_ids: Container[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.trade_ids, str) or not isinstance(self.trade_ids, Container):
            raise ConfigError(f"trade_ids: {self.trade_ids!r} is not a container of ids")


@dataclass(frozen=True)
class RestGarbage(OfRequests):
    """The body of an answer with status 200 is *payload*: by default JSON that is cut off."""

    payload: str | bytes = '{"trades":[{"trade_id":"12'

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.payloads([self.payload])
