"""Messages of a publisher on disk, in their order, while the server is not available.

Rules:
- A message on disk has its session, number and count already, so that a later process publishes it as the session that
  received it. The server refuses what it has, within its duplicate window. Later than that, consumers drop it by the
  session and the count.
- A group of messages stays on disk until all of them are acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rxfeed.sinks import Spill
from rxfeed.tape.envelope import ItemKind, TapeEnvelope

log = logging.getLogger("rxfeed.tape")

_FIELDS = ("subject", "id", "received_ns", "payload", "epoch", "number", "count", "lease", "part")


class SpillSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The file of the messages on disk, the bytes that they have at most, and its permissions."""

    path: str
    most_bytes: int
    mode: int


class StoredMessages:
    """The messages of the tape *owner* that are on disk. All calls are on one thread, and `count` is for any.

    *damaged* is called with the number of messages that cannot be read.
    """

    def __init__(self, settings: SpillSettings, owner: str, damaged: Callable[[int], None]) -> None:
        def report(reason: str, count: int) -> None:
            log.error("%s: %d messages are not published", reason, count)
            damaged(count)

        self._spill = Spill(settings.path, owner, settings.most_bytes, mode=settings.mode, damaged=report)
        self._keys: list[int] = []
        self.oldest_ns = 0
        """The receipt of the first message that was on disk at the last `store` or `next`."""
        self.path = str(Path(settings.path))

    @property
    def count(self) -> int:
        """The messages on disk, with those that are in flight."""
        return self._spill.documents

    @property
    def bytes(self) -> int:
        return self._spill.bytes

    @property
    def problem(self) -> str | None:
        return self._spill.problem

    def store(self, envelopes: Sequence[TapeEnvelope], session: str) -> bool:
        """Write *envelopes* behind the others; they are on the disk at the return. False if there is no space."""
        if not self._spill.append([_encoded(each, session) for each in envelopes], envelopes[0].received_ns):
            return False
        self.oldest_ns = self.oldest_ns or envelopes[0].received_ns
        return True

    def next(self, most: int) -> list[TapeEnvelope]:
        """The first messages, at most about *most*; none if there are none. `remove` removes them."""
        self._keys, documents, self.oldest_ns = self._spill.first(most)
        envelopes = [_decoded(each) for each in documents]
        first: dict[str, int] = {}
        for each in envelopes:
            each.settled = first.setdefault(each.session, each.number)
        return envelopes

    def remove(self) -> None:
        """Remove the messages of the last `next`: they are acknowledged."""
        self._spill.remove(self._keys)
        self._keys = []

    def forked(self) -> None:
        self._spill.forked()

    def close(self) -> None:
        self._spill.close()


def _encoded(envelope: TapeEnvelope, session: str) -> bytes:
    document: dict[str, object] = {name: getattr(envelope, name) for name in _FIELDS}
    return Spill.encode({**document, "kind": envelope.kind.value, "session": envelope.session or session})


def _decoded(document: bytes) -> TapeEnvelope:
    found: dict[str, Any] = Spill.decode(document)
    return TapeEnvelope(
        **{name: found[name] for name in _FIELDS},
        kind=ItemKind(found["kind"]),
        session=found["session"],
        items=0,  # it is counted as on disk
    )
