"""The snapshot of a level 3 book, its request and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from rxfeed.errors import FrameMalformed
from rxfeed.market import Time, check, check_sizes

Entry = tuple[Decimal, Decimal, str]
"""Price, size, order id."""


class Level3Snapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The response to `GET /products/<id>/book?level=3`: every order, by side, best price and oldest first."""

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
    def of(cls, answer: Level3Snapshot | bytes | str | Mapping[str, object]) -> Level3Snapshot:
        """The snapshot in *answer*, which is JSON text or Python objects. Raises `FrameMalformed`.

        >>> from rxfeed.core import Level3Snapshot
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
    """Requests a snapshot of *product_id*; the answer repeats *request*. *failures*: consecutive ones before it."""

    product_id: str
    request: int
    failures: int = 0


class SnapshotTaken(msgspec.Struct, frozen=True, gc=False):
    """The answer to `NeedSnapshot`."""

    request: int
    snapshot: Level3Snapshot


class SnapshotFailed(msgspec.Struct, frozen=True, gc=False):
    """The answer to `NeedSnapshot` if there is no snapshot, with the reason."""

    request: int
    reason: str = ""
