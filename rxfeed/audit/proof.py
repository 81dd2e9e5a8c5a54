"""What the ranges of numbers of all files prove together: which ids came, and which are missing.

Rules:
- The ids of a product rise by one, over all connections, segments and sessions. Ids that came in any file came.
- The ids between the last one from before the first subscription and the first one that came are missing.
- Ids between two that came are missing. So are those up to one that a later message names as the last one.
- After a restart of the numbers, ids are compared only with those after it. If the number before the restart was wrong
  (a run shorter than three, after which the run before it goes on), it is left out instead.
- A message that names the last id that came proves that none is missing until it came.
- A missing trade belongs before the first line that shows that it is missing: a trade with a later id, or a message
  that names its id or a later one that is missing too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from operator import attrgetter

import msgspec

from rxfeed.audit.records import FileRecord, Named, NumberRun, PairRecord

_SHORT = 3


class LinePlace(msgspec.Struct, frozen=True, order=True, gc=False):
    """A *line* of the file of a session with this *number*, at *ns*; *at*: the place of the file among all files."""

    at: int
    line: int
    session: str
    number: int
    ns: int


class Hole(msgspec.Struct, frozen=True, gc=False):
    """The ids *first* to *last* are missing, after what came at *after_ns*; they belong before *place*."""

    first: int
    last: int
    after_ns: int
    place: LinePlace

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class Range(msgspec.Struct, gc=False):
    """Ids that came, from *first* to *last*, from *first_ns* to *last_ns*; *place*: the first line with one of them."""

    first: int
    last: int
    first_ns: int
    last_ns: int
    place: LinePlace


_first = attrgetter("first")


class Proof:
    """The ids of one product on one channel, of *files*, in their order."""

    def __init__(self, files: Sequence[tuple[FileRecord, PairRecord]]) -> None:
        self._at = {(file.session, file.number): at for at, (file, _) in enumerate(files)}
        self._generations: list[list[Range]] = [[]]
        self._names: list[list[tuple[Named, LinePlace]]] = [[]]
        self._restarting = False
        self._waiting: list[tuple[Named, LinePlace]] = []  # names after a restart, before the first id
        repairs: list[Range] = []
        self._before: Range | None = None
        for file, pair in files:
            repairs += [self._range(file, run) for run in pair.repairs]
            before = pair.before
            if before is not None and self._before is None and not self._generations[0]:
                place = self._place(file, before.line, before.ns)
                self._before = Range(before.number, before.number, before.ns, before.ns, place)
            for each in _in_order(pair):
                if isinstance(each, NumberRun):
                    self._add_run(file, each)
                elif isinstance(each, Named):
                    names = self._waiting if self._restarting else self._names[-1]
                    names.append((each, self._place(file, each.line, each.ns)))
                else:
                    self._restarting = True
            self._confirm(pair.newest)
        for each in repairs:
            self._add(self._generation_of(each), each)

    def holes(self) -> Iterator[Hole]:
        """What is missing, in the order of the ids."""
        first = self._generations[0][0] if self._generations[0] else None
        if self._before is not None and first is not None and self._before.last + 1 < first.first:
            place = min(each.place for each in self._generations[0])
            yield from _pieces(self._before, first.first - 1, place, self._names[0])
        for ranges, names in zip(self._generations, self._names, strict=True):
            later = [*accumulate((each.place for each in reversed(ranges)), min)][::-1]
            for (before, after), place in zip(pairwise(ranges), later[1:], strict=True):
                yield from _pieces(before, after.first - 1, place, names)
            if ranges:
                beyond = [(named, mark) for named, mark in names if named.number > ranges[-1].last]
                if beyond:
                    named, mark = max(beyond, key=lambda each: each[0].number)
                    yield from _pieces(ranges[-1], named.number, mark, names)

    @property
    def end(self) -> Range | None:
        """The last ids that came, since the last restart."""
        ranges = self._generations[-1]
        return ranges[-1] if ranges else None

    def spans(self) -> list[tuple[int, int]]:
        """The times between which no id is missing."""
        return [(each.first_ns, each.last_ns) for ranges in self._generations for each in ranges]

    # ---- inside

    def _add_run(self, file: FileRecord, run: NumberRun) -> None:
        if self._restarting:
            self._restart(run)
        self._add(self._generations[-1], self._range(file, run))

    def _restart(self, run: NumberRun) -> None:
        """The numbers begin anew with *run*, or a wrong one is left out; this may be in a later file."""
        ranges, self._restarting = self._generations[-1], False
        wrong, before = (ranges[-1], ranges[-2]) if len(ranges) > 1 else (None, None)
        if wrong and before and wrong.last - wrong.first + 1 < _SHORT and run.first == before.last + 1:
            ranges.pop()
            self._names[-1] = [each for each in self._names[-1] if not wrong.first <= each[0].number <= wrong.last]
        else:
            self._generations.append([])
            self._names.append([])
        self._names[-1] += self._waiting
        self._waiting = []

    def _confirm(self, newest: Named | None) -> None:
        """The *newest* name in a file may be that of the last id."""
        end = None if self._restarting else self.end
        if newest is not None and end is not None and newest.number == end.last:
            end.last_ns = max(end.last_ns, newest.ns)

    def _place(self, file: FileRecord, line: int, ns: int) -> LinePlace:
        """That of *line* of *file*; of a repair's file, *line* is one of the segment that it completes."""
        session, number = file.of or (file.session, file.number)
        return LinePlace(self._at.get((session, number), len(self._at)), line, session, number, ns)

    def _range(self, file: FileRecord, run: NumberRun) -> Range:
        # A clock may have been set back between the two.
        first_ns, last_ns = min(run.first_ns, run.last_ns), max(run.first_ns, run.last_ns)
        return Range(run.first, run.last, first_ns, last_ns, self._place(file, run.line, run.first_ns))

    def _generation_of(self, repair: Range) -> list[Range]:
        """The ranges between which *repair* belongs."""
        for ranges in self._generations:
            if ranges and ranges[0].first <= repair.first <= ranges[-1].last + 1 and not _has(ranges, repair.first):
                return ranges
        return self._generations[-1]

    @staticmethod
    def _add(ranges: list[Range], new: Range) -> None:
        last = ranges[-1] if ranges else None
        if last is not None and new.first == last.last + 1:  # as nearly always
            last.last, last.last_ns = new.last, max(last.last_ns, new.last_ns)
            last.place = min(last.place, new.place)
            return
        at = bisect_right(ranges, new.first, key=_first)
        if at and ranges[at - 1].last >= new.first - 1:
            at -= 1
            _join(ranges[at], new)
        else:
            ranges.insert(at, new)
        while at + 1 < len(ranges) and ranges[at + 1].first <= ranges[at].last + 1:
            _join(ranges[at], ranges.pop(at + 1))


def _in_order(pair: PairRecord) -> list[NumberRun | Named | int]:
    """The runs and names of *pair*, and the lines from which on its numbers began anew, in the order of lines."""
    if not pair.resets:
        return [*pair.runs, *pair.named]
    several: list[NumberRun | Named | int] = [*pair.resets, *pair.runs, *pair.named]
    return sorted(several, key=lambda each: each if isinstance(each, int) else each.line)


def _join(known: Range, new: Range) -> None:
    known.place = min(known.place, new.place)
    known.first = min(known.first, new.first)
    known.last = max(known.last, new.last)
    known.first_ns, known.last_ns = min(known.first_ns, new.first_ns), max(known.last_ns, new.last_ns)


def _has(ranges: list[Range], number: int) -> bool:
    at = bisect_right(ranges, number, key=_first)
    return bool(at) and ranges[at - 1].last >= number


def _pieces(before: Range, last: int, place: LinePlace, names: list[tuple[Named, LinePlace]]) -> Iterator[Hole]:
    """The hole after *before*, by the places where its ids belong."""
    first = before.last + 1
    for named, mark in names:
        if first <= named.number <= last and mark < place:
            yield Hole(first, named.number, before.last_ns, mark)
            first = named.number + 1
    if first <= last:
        yield Hole(first, last, before.last_ns, place)
