"""Frames of which nothing reads the message: only their type, product and number are decoded.

Rules:
- The whole frame is parsed as JSON, so that one that is no JSON is never passed over.
- A frame is passed over only if its message has no observer, and has no number or the very next one. Any other frame is
  decoded in full, and gets all checks: gaps, duplicates and late messages are found as if every frame were.
- Of a message that is passed over, fields other than these are not decoded. A wrong shape of them is not noticed.
- The subscribers are looked up for every frame. So after a subscription the next frame is decoded in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rxfeed.market import Message


class UnreadRoute(Protocol):
    """Counts the messages of a type and product."""

    count: int
    receivers: tuple[Any, ...]
    """Empty if nothing reads the messages."""


class UnreadRoutes(Protocol):
    """What a skimmer uses of the router of messages."""

    @property
    def skimmed(self) -> Mapping[type[Message], Mapping[str | None, UnreadRoute] | None]:
        """By type: the routes of the products so far. `None`: all of them have observers, so that skimming is useless.

        An attribute: it is read for every frame.
        """
        ...

    def unobserved(self, kind: type[Message], product: str | None) -> UnreadRoute | None:
        """The route of a message of *kind* and *product*; `None` if it has observers."""
        ...


Skim = Callable[[bytes, UnreadRoutes], bool]
"""Counts the message in a frame and returns True, or returns False, without any effect: then the frame is to be decoded
in full."""
NOTHING_KNOWN: Mapping[str | None, UnreadRoute] = {}
"""The routes of a type of which no message has come since the last change of the subscribers."""
