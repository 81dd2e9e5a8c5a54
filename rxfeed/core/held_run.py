"""Messages in a row that do not continue their sequence, and may be a sequence that began anew."""

from __future__ import annotations

from datetime import datetime

from rxfeed.market import Message

PROVEN = 3
"""So many numbers in a row are a sequence; fewer may be wrong numbers, or late messages."""


class HeldRun:
    """Holds the first messages of a possible run, at most two, until another number decides.

    The messages of a run come one after the other, and their numbers rise. Without the run, they are late and dropped.
    """

    __slots__ = ("_place", "messages", "numbers", "open")

    def __init__(self) -> None:
        self.numbers: list[tuple[int, datetime | None]] = []
        self.messages: list[Message] = []
        """The messages of these numbers."""
        self.open = False
        """The last checked number was added, so its messages are held."""
        self._place = -1

    def add(self, number: int, time: datetime | None, place: int, proven: bool = False) -> bool:
        """Add *number*, which is not of the sequence. True if the run is complete: then call `take`.

        *place*: the count of the messages that the sequence has accepted. *proven*: *number* alone is enough.
        """
        if (number, time) in self.numbers and place == self._place:
            return False
        if place != self._place or (self.numbers and number <= self.numbers[-1][0]):
            self.take()
        self.numbers.append((number, time))
        self._place, self.open = place, not proven and len(self.numbers) < PROVEN
        return not self.open

    def ends_with(self, number: int, place: int) -> bool:
        """True if *number* is the last one of the run, and the sequence has accepted none since."""
        return self.follows(place) and self.numbers[-1][0] == number

    def follows(self, place: int) -> bool:
        """True if messages are held, and the sequence has accepted none since."""
        return bool(self.numbers) and place == self._place

    def take(self) -> tuple[list[tuple[int, datetime | None]], list[Message]]:
        """Remove the run: its numbers, and the messages that were held."""
        taken = self.numbers, self.messages
        self.numbers, self.messages, self.open = [], [], False
        return taken
