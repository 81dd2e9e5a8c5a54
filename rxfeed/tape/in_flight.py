"""The messages of a session that are not acknowledged yet, in the order of their numbers."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator

from rxfeed.tape.envelope import TapeEnvelope, parts_of


class InFlight:
    """Numbers messages, and keeps each until the server has acknowledged it."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._waiting: OrderedDict[int, TapeEnvelope] = OrderedDict()
        self._next = 1
        self._stored = 0
        self._counts: Counter[str] = Counter()
        self.items = 0
        """The items of the source in them."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[TapeEnvelope]:
        return iter(list(self._waiting.values()))

    @property
    def oldest(self) -> TapeEnvelope | None:
        return next(iter(self._waiting.values()), None)

    @property
    def settled(self) -> int:
        """The number below which every message is acknowledged."""
        return next(iter(self._waiting), self._next)

    def add(self, envelope: TapeEnvelope, most: int) -> list[TapeEnvelope]:
        """Number *envelope*; the messages to send: itself, or its parts of at most *most* bytes."""
        parts = self.numbered(envelope, most)
        for part in parts:
            self.put(part)
        return parts

    def numbered(self, envelope: TapeEnvelope, most: int) -> list[TapeEnvelope]:
        """The same, which are not in flight yet."""
        parts = parts_of(envelope, most, self._session)
        self._counts[envelope.subject] += 1
        for part in parts:
            part.number = part.key = self._next
            part.count = self._counts[envelope.subject]
            self._next += 1
        return parts

    def put(self, envelope: TapeEnvelope) -> None:
        """Add a numbered message. One from the disk gets a key of its own: its number may be of another session."""
        if envelope.session:
            self._stored -= 1
            envelope.key = self._stored
        self._waiting[envelope.key] = envelope
        self.items += envelope.items

    def clear(self) -> list[TapeEnvelope]:
        """Empty it; returns the messages that are not on disk."""
        found = [each for each in self._waiting.values() if not each.session]
        self._waiting.clear()
        self.items = 0
        return found

    def done(self, key: int) -> TapeEnvelope | None:
        """The message with this *key*, which is not in flight from now on; `None` if it was not."""
        found = self._waiting.pop(key, None)
        if found is not None:
            self.items -= found.items
        return found
