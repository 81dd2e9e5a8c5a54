"""What faults have in common: when they fire, on which connections, for which frames and how long."""

from __future__ import annotations

from collections.abc import Collection, Container
from dataclasses import dataclass

from rxfeed.core import Seconds, arguments
from rxfeed.errors import ConfigError

MOST = 2**62


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What all faults have: when they fire, and on which connections."""

    after: int | None = None
    connection: int | Container[int] | None = None

    def __post_init__(self) -> None:
        if self.after is not None:
            arguments.integer("after", self.after, 0, MOST)
        if isinstance(self.connection, str) or not isinstance(self.connection, Container | None):
            arguments.integer("connection", self.connection, 1, MOST)
        if self.after and self.at_handshake:
            raise ConfigError(f"after: {self.after} frames, for a fault that comes before all frames")

    @property
    def at_handshake(self) -> bool:
        """Whether it happens before the connection is open."""
        return False

    def concerns(self, number: int) -> bool:
        """Whether it fires on that connection."""
        connection = self.connection
        return number in connection if isinstance(connection, Container) else connection in (None, number)


@dataclass(frozen=True, kw_only=True)
class Anywhere(Fault):
    before_handshake: bool = False

    @property
    def at_handshake(self) -> bool:
        return self.before_handshake


@dataclass(frozen=True, kw_only=True)
class AtHandshake(Fault):
    @property
    def at_handshake(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class OfFrames(Fault):
    """A fault of frames: of those with a `type` (or channel) in *types* and of *product_id* (`None`: of any)."""

    types: Collection[str] | None = None
    product_id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.types is not None and (isinstance(self.types, str) or not isinstance(self.types, Collection)):
            raise ConfigError(f"types: {self.types!r} is not a collection of types, such as {{'match'}}")


@dataclass(frozen=True)
class Counted(OfFrames):
    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class ForAWhile(Fault):
    seconds: Seconds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "seconds", arguments.optional_number("seconds", self.seconds))
