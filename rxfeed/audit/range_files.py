"""The records of the files that an audit of a range of time needs: the stored ones, or read now.

Rules:
- Ids between two files are compared. So the files in the range are needed, all between them in the order of the
  recording, and one before and after: a file that is left out would make its trades missing.
- A product may have its last trade before the range further back, and its next one after it much later. What is in the
  files there is known as far as they were audited, without a break.
- A repair counts together with the segment that it completes.
- A recorder may delete old segments meanwhile: the records are those of the files that are there at the end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection, Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from rxfeed.audit.coverage import CoveredTimes, SessionCoverage
from rxfeed.audit.reading import read_file
from rxfeed.audit.records import FileRecord, NumberRun, PairRecord
from rxfeed.audit.rows import pair_audits
from rxfeed.audit.state import AuditState
from rxfeed.recording import Part, TimeRange, mark_segments, marked_segments, unused_repairs, within
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.audit")

_STORED_EVERY = 30.0
"""Seconds between two writes of what was read, in a long audit."""
_LISTED = 10
"""Products in a warning."""


class AuditedFiles(NamedTuple):
    """The records of the *files* of a range of time, of which *read* were read now.

    *before*: where the files before them end, and *after*: those behind them, as far as these were audited.
    """

    files: list[FileRecord]
    before: FileRecord | None
    after: list[FileRecord]
    read: int

    @property
    def all(self) -> list[FileRecord]:
        before = [] if self.before is None else [self.before]
        return [*before, *self.files, *self.after]


class _KnownRecords:
    """The records of *parts*; unless *store*, none is stored that is read."""

    def __init__(self, parts: Sequence[Part], every: int, folder: Path | None, venue: Venue, *, store: bool) -> None:
        self._state = AuditState(folder, every)
        self._parts, self._every, self._venue, self._store = parts, every, venue, store
        self._stored = time.monotonic()
        self.read = 0
        found = ((part.path, self._state.get(part, venue)) for part in parts)
        self.known: dict[str, FileRecord] = {path: record for path, record in found if record is not None}

    def of(self, part: Part) -> FileRecord | None:
        """The record of *part*, which is read if it is not known; `None` if it is deleted."""
        if part.path not in self.known:
            with contextlib.suppress(FileNotFoundError):
                self.known[part.path] = read_file(part, self._every, self._venue)
                self.read += 1
            if time.monotonic() - self._stored > _STORED_EVERY:
                self.store()
        return self.known.get(part.path)

    def store(self) -> None:
        """Store what is known, if something was read."""
        if self._store and self.read:
            self._state.write(self.known[part.path] for part in self._parts if part.path in self.known)
        self._stored = time.monotonic()


def audited_files(
    parts: Sequence[Part], chosen: TimeRange, every: int, folder: Path | None, venue: Venue, *, store: bool = True
) -> AuditedFiles:
    """The records of those of *parts* that are needed for the *chosen* time; with *folder*, they are stored there.

    Unless *store*, nothing is written: only what was stored before is used.
    """
    records = _KnownRecords(parts, every, folder, venue, store=store)
    received = [part for part in parts if part.completed is None]
    maybe = {part.path for part in within(received, chosen.since, chosen.until)}
    inside = (part.path in maybe and _is_inside(records.of(part), chosen) for part in received)
    places = [place for place, is_inside in enumerate(inside) if is_inside]
    begin, end = (max(0, places[0] - 1), places[-1] + 2) if places else (0, 0)
    needed = _with_repairs(parts, received[begin:end])
    for part in needed:
        records.of(part)
    records.store()
    if folder is not None and store:
        _mark(folder, parts, records.known.values())
    unused = {part.path: reason for part, reason in unused_repairs(parts)}
    for path in sorted(unused):
        log.warning("%s: its trades are not counted, since %s", Path(path).name, unused[path])

    def there(several: Iterable[Part]) -> list[FileRecord]:
        found = (part.path for part in several if part.path not in unused and os.path.lexists(part.path))
        return [records.known[path] for path in found if path in records.known]

    files = there(needed)
    _warn(files, chosen, venue)
    before = [*takewhile(lambda part: part.path in records.known, reversed(received[:begin]))]
    after = [*takewhile(lambda part: part.path in records.known, received[end:])]
    return AuditedFiles(
        files,
        last_of(there(_with_repairs(parts, before))),
        _until_all_came(there(_with_repairs(parts, after)), files),
        records.read,
    )


def _until_all_came(after: Sequence[FileRecord], files: Sequence[FileRecord]) -> list[FileRecord]:
    """Those of *after*, up to one with which there is a number of each channel and product of *files*."""
    left = {(pair.channel, pair.product) for file in files for pair in file.pairs if pair.runs}
    found: list[FileRecord] = []
    for record in after:
        if not left:
            break
        found.append(record)
        left -= {(pair.channel, pair.product) for pair in record.pairs if pair.runs}
    return found


def _is_inside(record: FileRecord | None, chosen: TimeRange) -> bool:
    """True if a file has lines in the *chosen* time, was begun in it, or may have lines that cannot be read."""
    if record is None:
        return False
    first, last = (each or record.begun_ns for each in (record.first_ns, record.last_ns))
    return record.damage is not None or record.unread or (last >= chosen.since and first < chosen.until)


def _with_repairs(parts: Sequence[Part], segments: Collection[Part]) -> list[Part]:
    """Those of *parts* that are one of *segments*, or complete one."""
    places = {(part.session, part.number) for part in segments}
    return [part for part in parts if (part.completed or (part.session, part.number)) in places]


def _warn(files: Sequence[FileRecord], chosen: TimeRange, venue: Venue) -> None:
    """Log what a user would miss without a word."""
    known = {pair.product for file in files for pair in file.pairs}
    known |= {product for file in files for event in file.events for _, product in event.pairs}
    for product in sorted(chosen.products or ()):
        if product not in known:
            others = ", ".join(sorted(filter(None, known))[:_LISTED]) or "no product"
            log.warning("products: the recording has nothing of %s in this time; it has %s", product, others)
    if malformed := [record for record in files if record.malformed]:
        log.warning(
            "%d frames in %d files are no messages of %s, and are not counted; the first is in %s. If the recording is "
            "of another venue, name that as venue",
            *(sum(record.malformed for record in malformed), len(malformed), venue.name, malformed[0].name),
        )


def _mark(folder: Path, parts: Sequence[Part], kept: Iterable[FileRecord]) -> None:
    """Mark the finished segments, after their records are on the disk."""
    sizes = {record.name: record.size for record in kept if not (record.open or record.unread)}
    names = [
        Path(part.path).name
        for part in parts
        if part.is_finished and getattr(part.found, "header", None) is not None and Path(part.path).name in sizes
    ]
    try:
        marked = marked_segments(folder, "audited")
        fresh = [name for name in names if marked.get(name) != sizes[name]]
        mark_segments(folder, "audited", fresh, missing_ok=True)
    except OSError as error:
        log.warning("%s: segments cannot be marked as audited: %s", folder, error.strerror or error)


def last_of(files: Sequence[FileRecord]) -> FileRecord | None:
    """What the certificate of later files needs of *files*: where they end. `None` if they have nothing."""
    received = [file for file in files if file.of is None and file.last_ns]
    if not received:
        return None
    last = received[-1]
    ends: list[PairRecord] = []
    for pair in pair_audits(files, CoveredTimes(files)):
        end = None if pair.proof is None else pair.proof.end
        record = PairRecord(pair.channel, pair.product)
        if end is not None:
            record.runs = [NumberRun(end.last, end.last, end.last_ns, end.last_ns, 0)]
        else:
            record.before = next((each.before for _, each in pair.files if each.before is not None), None)
        if record.runs or record.before is not None:
            ends.append(record)
    return FileRecord(
        name=last.name,
        size=0,
        modified=0,
        every=last.every,
        venue=last.venue,
        session=last.session,
        number=last.number,
        begun_ns=last.begun_ns,
        first_ns=last.last_ns,
        last_ns=last.last_ns,
        pairs=ends,
        events=SessionCoverage([file for file in received if file.session == last.session]).last,
    )
