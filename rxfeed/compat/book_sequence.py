"""Where a classic book stands: what it is made of, its sequence, and the messages that wait for a snapshot.

Rules:
- A book is made of orders (the channel `full`, on a level 3 snapshot) or of whole levels (`level2`, `level2_batch`).
  Messages decide: one of an order makes it a book of orders for good, since `full` has more.
- While there is no exact book of orders, its messages are held, as copies, and replayed on the next snapshot.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from rxfeed.compat.types import Content


class BookContent(Enum):
    """What the book is made of."""

    UNDECIDED = auto()
    """No message has shown it; a snapshot of the REST API may be loaded."""
    ORDERS = auto()
    LEVELS = auto()


class Seen(Enum):
    """What a message is about."""

    ORDER = auto()
    LEVEL = auto()


TRANSITIONS = {
    (BookContent.UNDECIDED, Seen.ORDER): BookContent.ORDERS,
    (BookContent.UNDECIDED, Seen.LEVEL): BookContent.LEVELS,
    (BookContent.LEVELS, Seen.ORDER): BookContent.ORDERS,
    (BookContent.LEVELS, Seen.LEVEL): BookContent.LEVELS,
    (BookContent.ORDERS, Seen.ORDER): BookContent.ORDERS,
    (BookContent.ORDERS, Seen.LEVEL): BookContent.ORDERS,
}

SEEN = {
    **dict.fromkeys(("received", "open", "done", "change", "activate"), Seen.ORDER),
    **dict.fromkeys(("snapshot", "l2update"), Seen.LEVEL),
}
"""What a message of these types shows; a match is on several channels."""

_UNNUMBERED = frozenset({"heartbeat", "ticker", "last_match", "auction", "snapshot", "l2update", "subscriptions"})
"""These repeat a sequence number, or have none."""


def numbered(message: Content) -> bool:
    """True for a message that counts in the product's sequence."""
    sequence = message.get("sequence")
    return message.get("type") not in _UNNUMBERED and isinstance(sequence, int) and not isinstance(sequence, bool)


def is_ahead(message: Content, sequence: int) -> bool:
    """True for a message of any type that names a later number than *sequence*."""
    number = message.get("sequence")
    return isinstance(number, int) and number > sequence


class Step(Enum):
    """What to do with a numbered message."""

    APPLY = auto()
    HELD = auto()
    OLD = auto()
    GAP = auto()


class BookSequence:
    """The source and the sequence of one book.

    *most*: messages that are held; with more of them the oldest go, and the snapshot has to be newer.
    """

    def __init__(self, most: int = 500_000) -> None:
        self.source = BookContent.UNDECIDED
        self.sequence = -1
        self.ready = False
        self._held: deque[Content] = deque(maxlen=most)

    def see(self, message: Content) -> bool:
        """Decide on the source by *message*; True if that made the book of levels one of orders."""
        seen = SEEN.get(str(message.get("type")))
        if seen is None:
            return False
        before, self.source = self.source, TRANSITIONS[self.source, seen]
        return before is BookContent.LEVELS and self.source is BookContent.ORDERS

    def step(self, message: Content) -> Step:
        """What to do with a numbered *message*; it is held where that is needed."""
        if not self.ready:
            self._held.append(dict(message))
            return Step.HELD
        if message["sequence"] <= self.sequence:
            return Step.OLD
        return Step.APPLY if message["sequence"] == self.sequence + 1 else Step.GAP

    def lose(self, message: Content | None = None) -> None:
        """Mark the book as not exact until the next snapshot; *message* is the first one after it."""
        self.ready = False
        if message is not None:
            self._held.append(dict(message))

    @property
    def held(self) -> int:
        """The number of messages that wait for a snapshot."""
        return len(self._held)

    def begin(self, sequence: int) -> list[Content]:
        """Begin anew at *sequence*; the messages to replay: those held, in order, up to the first gap.

        The book is `ready` then. If there is a gap, `lose` follows the replay, as `held` shows.
        """
        self.sequence = sequence
        waiting = sorted(self._held, key=lambda message: message["sequence"])
        self._held.clear()
        replayed: list[Content] = []
        self.ready = True
        for index, message in enumerate(waiting):
            if message["sequence"] <= sequence:
                continue
            if message["sequence"] > sequence + 1:
                self._held.extend(waiting[index:])
                break
            replayed.append(message)
            sequence = message["sequence"]
        return replayed
