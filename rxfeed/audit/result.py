"""The certificate of a recording."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

State = Literal["missing", "repaired", "verified", "unverifiable", "not subscribed", "offline"]
STATES: tuple[State, ...] = ("missing", "repaired", "verified", "unverifiable", "not subscribed", "offline")


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of *product* on *channel* from *start* to *end*, and what is proven about them.

    - `verified`: all ids or sequences are consecutive. On channels that are numbered by connection, the feed has
      detected no gap while the connection was open.
    - `repaired`: the same, with messages that had been missed and came in another way.
    - `missing`: numbers are missing; or messages of unknown number, while a connection was lost or a file is damaged.
    - `unverifiable`: the messages have no numbers, or no two of them.
    - `not subscribed`: the channel was not subscribed to for the product.
    - `offline`: there was no connection.

    *missing*: numbers of which the gap begins in this span; *lost*: those of them that the exchange no longer has.
    *offline_seconds*: seconds of the span without a connection.
    """

    product: str | None
    channel: str
    start: datetime
    end: datetime
    state: State
    messages: int = 0
    repaired: int = 0
    missing: int = 0
    lost: int = 0
    offline_seconds: float = 0.0


class MissingNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers *first* to *last* are missing; what is around them was received at *after* and *before*.

    *lost*: the exchange no longer has them.
    """

    product: str | None
    channel: str
    first: int
    last: int
    after: datetime
    before: datetime
    lost: bool = False

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class AuditDamage(msgspec.Struct, frozen=True):
    """The part of *path* that cannot be read, from *line* on, and the *reason*."""

    path: str
    line: int
    reason: str


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording has, proven by its numbers, in spans of *every* seconds from *since* to *until*.

    *files*: those of the recording, of which *read* were read now; the others had been audited before, and have not
    changed. *open*: files that are being written.
    """

    since: datetime
    until: datetime
    every: float
    files: int
    read: int
    sessions: int
    rows: tuple[AuditRow, ...]
    missing: tuple[MissingNumbers, ...] = ()
    damaged: tuple[AuditDamage, ...] = ()
    open: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The exit status: 1 if a file is damaged, 3 if messages are or may be missing, 0 if neither is known.

        It is 3 if there are no rows: of a time in which nothing was recorded, nothing is proven.
        """
        if self.damaged:
            return 1
        lacks = bool(self.missing) or any(row.state in ("missing", "offline") for row in self.rows)
        return 3 if lacks or not self.rows else 0

    def rows_of(self, product: str | None, channel: str) -> list[AuditRow]:
        """The rows of one channel and product, in order of time."""
        return [row for row in self.rows if (row.product, row.channel) == (product, channel)]
