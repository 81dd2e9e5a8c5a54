"""The repaired trades of a segment, at their places between its lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from rxfeed.errors import RecordingDamaged
from rxfeed.recording.files import Repairs
from rxfeed.recording.format import Line
from rxfeed.recording.reading import Recording

log = logging.getLogger("rxfeed.recording")

REPAIRED_IDS = "repaired"
"""The key in a header's description under which it lists the ids of its trades, as ranges by product."""
_LAST = 1 << 62


class Insertions:
    """The lines of *recording*, which are in the order of their places; `None`: there is none."""

    def __init__(self, recording: Recording | None) -> None:
        self._lines = iter(()) if recording is None else _inserted(recording)
        self._next: Line | None = None
        self.place = _LAST
        """The number of the line before which the next one belongs."""
        self._advance()

    def take(self, number: int) -> list[Line]:
        """The lines that belong before the line with this *number*, and were not taken yet."""
        taken: list[Line] = []
        while self.place <= number and self._next is not None:
            taken.append(self._next)
            self._advance()
        return taken

    def _advance(self) -> None:
        try:
            self._next = next(self._lines, None)
        except RecordingDamaged as damage:
            log.warning("%s; its repaired trades from there on are not played: run rxfeed repair again", damage)
            self._next = None
        self.place = _LAST if self._next is None else self._next.before or 0


def _inserted(recording: Recording) -> Iterator[Line]:
    return (line for _, line in recording.lines() if line.before is not None)


def epoch_before(following: Line, highest: int) -> int:
    """The epoch of repaired trades before the *following* line; *highest*: that of the lines so far.

    It is that of the following line, or the highest if the line has none, since it is an event.
    """
    if not following.has_frame:
        return max(highest, 0)
    return max((epoch for epoch in following.epochs or () if epoch is not None), default=following.epoch)


class RepairedIds:
    """The ids of all repaired trades, by product, from the headers of *repairs*."""

    def __init__(self, repairs: Repairs) -> None:
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        for part in repairs.values():
            header = part.found.header if isinstance(part.found, Recording) else None
            listed = {} if header is None else header.about.get(REPAIRED_IDS)
            for product, ranges in msgspec.convert(listed or {}, dict[str, list[tuple[int, int]]]).items():
                self._ranges.setdefault(product, []).extend(ranges)
        for ranges in self._ranges.values():
            ranges.sort()

    def split(self, product: str | None, first: int, last: int) -> Iterator[tuple[int, int, bool]]:
        """The parts of *first* to *last*, in order: whether they are repaired."""
        for begin, end in self._ranges.get(product or "", ()):
            if end < first or begin > last:
                continue
            if begin > first:
                yield first, begin - 1, False
            yield max(first, begin), min(last, end), True
            first = end + 1
        if first <= last:
            yield first, last, False
