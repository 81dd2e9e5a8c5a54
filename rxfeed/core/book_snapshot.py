"""The snapshot that a book by orders begins with, and how it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rxfeed.errors import FrameMalformed
from rxfeed.market import Time, check, check_sizes

Entry = tuple[Decimal, Decimal, str]
"""Price, size, order id."""


class Level3Snapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What `GET /products/<id>/book?level=3` answers: every order, each side best price first and then the oldest."""

    sequence: int
    bids: tuple[Entry, ...]
    asks: tuple[Entry, ...]
    auction_mode: bool = False
    time: Time | None = None

    def __post_init__(self) -> None:
        for price, size, _ in (*self.bids, *self.asks):
            check(price)
            check_sizes(size)

    @classmethod
    def of(cls, answer: Level3Snapshot | bytes | str | Mapping[str, Any]) -> Level3Snapshot:
        """The snapshot that *answer* is: its JSON, or that as Python objects. Raises `FrameMalformed`.

        >>> Level3Snapshot.of('{"sequence":3,"bids":[["9.5","1","a"]],"asks":[]}').bids
        ((Decimal('9.5'), Decimal('1'), 'a'),)
        """
        if isinstance(answer, Level3Snapshot):
            return answer
        try:
            if isinstance(answer, bytes | str):
                return msgspec.json.decode(answer, type=cls)
            return msgspec.convert(answer, cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise FrameMalformed(f"not a level 3 book: {error}") from None


class NeedSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Give a snapshot of *product_id*, and *request* with it; *failures* in a row came before, so do not hurry."""

    product_id: str
    request: int
    failures: int = 0


class SnapshotTaken(msgspec.Struct, frozen=True, gc=False):
    """The answer to `NeedSnapshot`."""

    request: int
    snapshot: Level3Snapshot


class SnapshotFailed(msgspec.Struct, frozen=True, gc=False):
    """The other answer to `NeedSnapshot`, and why."""

    request: int
    reason: str = ""
