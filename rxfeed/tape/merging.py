"""Merges what several publishers put on one tape: each message once, and a gap only where none has the message.

Rules:
- The rules are those of `rxfeed.core.Merge`, each session being a collector; the server has refused most copies before.
- The result depends on the items and their order alone. Time is that of receipts and signs of life on the tape.
- A sign of life has the receipt of the publisher's newest message. It shows what the publisher was receiving while the
  server refused its copies. A publisher that is alive and receives nothing covers nothing.
- A book is published by the session with its lease; its messages have the revision of the lease. A message with a
  lower revision than one before is from a publisher that has lost the lease: it is dropped.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from rxfeed.core import BookOwnerChanged, ConnectionChange, Merge, MergedItem, ReceivedItem
from rxfeed.errors import ConfigError
from rxfeed.recording import Line, decode_line, doubted_kinds, merged_statuses, received_frame, received_line
from rxfeed.tape.envelope import ItemKind, TapeItem
from rxfeed.venues import Decoded, DeliveredIds, Venue

_REMEMBERED = 20_000  # numbers of a session's last messages


class _Publisher:
    """One session, as a collector of the `Merge`."""

    def __init__(self, number: int, venue: Venue) -> None:
        self.number = number
        self.name = ""
        self.ids = DeliveredIds()
        self.decode: Callable[[bytes], Decoded] = venue.decoder(stored=True, renamed=self.ids).decode
        self.up: dict[int, None] = {}  # the numbers of its open connections
        self._seen: set[tuple[int, int]] = set()
        self._order: deque[tuple[int, int]] = deque()

    def first(self, item: TapeItem) -> bool:
        """False for a message that the session has sent twice, when the stream did not refuse it."""
        key = item.number, item.part
        if key in self._seen:
            return False
        self._seen.add(key)
        self._order.append(key)
        if len(self._order) > _REMEMBERED:
            self._seen.discard(self._order.popleft())
        return True


class TapeMerge:
    """Outputs the merged items of a tape; its inputs are the whole items of all sessions."""

    def __init__(self, venue: Venue, patience: float) -> None:
        if venue.merging is None:
            raise ConfigError(f"a tape of several publishers: messages of {venue.name} cannot be merged")
        self._venue = venue
        self._merge = Merge(venue.merging, patience, partial(doubted_kinds, venue), eager=True)
        self._publishers: dict[str, _Publisher] = {}
        self._missing: set[str] = set()
        self._leases: dict[str, tuple[int, str]] = {}

    def describe(self, item: TapeItem, publisher: str, renamed: dict[str, str]) -> Iterator[MergedItem]:
        """A session has begun, or describes itself again; an earlier one of the same publisher is over."""
        mine = self._publisher(item.session)
        mine.name = publisher
        mine.ids.clear()
        mine.ids.update(renamed)
        over = [
            name for name, each in self._publishers.items() if publisher and each.name == publisher and each is not mine
        ]
        for name in over:
            yield from self._over(name, item.received_ns)

    def step(self, item: TapeItem) -> Iterator[MergedItem]:
        publisher = self._publisher(item.session)
        if not publisher.first(item):
            return
        if item.kind is ItemKind.END:
            yield from self._over(item.session, item.received_ns)
            return
        if item.lease and not self._has_lease(item, publisher):
            return
        if item.kind is ItemKind.ALIVE:
            yield from self._alive(item, publisher)
            return
        for received in self._received(item, publisher):
            yield from merged_statuses(self._merge.step(received), self._missing)

    def finish(self) -> Iterator[MergedItem]:
        yield from merged_statuses(self._merge.finish(), self._missing)

    def _publisher(self, session: str) -> _Publisher:
        found = self._publishers.get(session)
        if found is None:
            found = self._publishers[session] = _Publisher(len(self._publishers), self._venue)
        return found

    def _over(self, session: str, ns: int) -> Iterator[MergedItem]:
        publisher = self._publishers[session]
        publisher.name = ""
        change = ReceivedItem(publisher.number, ns, ConnectionChange(up=False, over=True))
        yield from merged_statuses(self._merge.step(change), self._missing)

    def _alive(self, item: TapeItem, publisher: _Publisher) -> Iterator[MergedItem]:
        """Time has passed. What the publisher has received until then may have been refused as copies."""
        with contextlib.suppress(ValueError):
            self._merge.received_until(publisher.number, int(item.payload or b"0"))
        yield from merged_statuses(self._merge.passed(item.received_ns), self._missing)

    def _received(self, item: TapeItem, publisher: _Publisher) -> Iterator[ReceivedItem]:
        number = publisher.number
        if item.kind is ItemKind.FRAME:
            line = Line(ns=item.received_ns, epoch=item.epoch, epochs=item.epochs, repaired=item.repaired)
            yield from received_frame(number, publisher.decode, self._venue, item.payload, line)
        elif item.kind is ItemKind.LINE:
            line = decode_line(item.payload)
            yield from received_line(number, publisher.decode, self._venue, publisher.ids, line, publisher.up)

    def _has_lease(self, item: TapeItem, publisher: _Publisher) -> bool:
        """False for a book's message of a publisher that has lost the lease; follows a lease that has moved."""
        lease, session = self._leases.get(item.subject, (0, ""))
        if item.lease < lease:
            return False
        if item.lease > lease:
            self._leases[item.subject] = item.lease, item.session
            decoded = publisher.decode(item.payload)
            product = getattr(decoded[0] if isinstance(decoded, tuple) else decoded, "product_id", None)
            if product is not None and session not in ("", item.session):
                self._merge.step(ReceivedItem(publisher.number, item.received_ns, BookOwnerChanged(product)))
        return True
