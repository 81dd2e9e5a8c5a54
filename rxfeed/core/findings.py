"""What the checks of numbers find: missing numbers and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from rxfeed.market import Message


class Missed(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* (sequences; trade ids on `matches`) did not come."""

    product_id: str | None
    channel: str
    first: int
    last: int


class Awaited(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* did not come, and are requested: they are no gap yet.

    *after*: the time of the message before them, *before*: that of a heartbeat that names the last of them, or a later
    one; each if it is known.
    """

    product_id: str
    channel: str
    first: int
    last: int
    after: datetime | None = None
    before: datetime | None = None


class Restarted(msgspec.Struct, frozen=True):
    """The numbers of *product_id* on *channel* restarted: after *last* came *first*, with a newer time."""

    product_id: str | None
    channel: str
    last: int
    first: int


class RepairedNumbers(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* were missed, and come now, in order, after *seconds*."""

    product_id: str | None
    channel: str
    first: int
    last: int
    seconds: float = 0.0


class Findings(Protocol):
    """Receives the reports of a `Sequence`."""

    limit: datetime
    """Later times are not credible."""

    def report(self, found: Missed | Restarted) -> None: ...

    def gap(self, missed: Sequence[Missed]) -> None:
        """Report *missed*, which did not come; the product's epochs rise, unless they can be repaired."""

    def lost(self, product_id: str | None) -> None:
        """Messages of the product may have been missed."""

    def release(self, messages: Sequence[Message]) -> None:
        """The held *messages* are to be delivered before the one that is checked."""
