"""Audits recordings: which messages they have, which are missing, and what is proven by numbers."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from rxfeed.audit.coverage import CoveredTimes, SessionCoverage
from rxfeed.audit.reading import read_file
from rxfeed.audit.records import FileRecord, NumberRun, PairRecord
from rxfeed.audit.result import Audit, AuditDamage, AuditRow, MissingNumbers
from rxfeed.audit.rows import SpanGrid, lost_of, pair_audits, rows_of
from rxfeed.audit.state import AuditState
from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.recording import (
    Part,
    Recording,
    TimeRange,
    find,
    mark_segments,
    marked_segments,
    moment_of,
    named_venue,
    ordered,
    unused_repairs,
    within,
)
from rxfeed.venues import Venue
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.audit")

Path_ = str | PathLike[str]
HOUR = 3600.0
_MOST_ROWS = 2_000_000
"""A row takes some 300 bytes."""
_STORED_EVERY = 30.0
_LISTED = 10
"""Products in a warning."""


def audit(
    path: Path_ | Iterable[Path_],
    *,
    every: Seconds = HOUR,
    products: str | Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    venue: str | Venue | None = None,
    store: bool = True,
) -> Audit:
    """The certificate of the recording at *path*: a folder, a file, or many of them.

        >>> from rxfeed.audit import audit
        >>> certificate = audit("recordings")                                # doctest: +SKIP
        >>> [(row.start, row.missing) for row in certificate.rows if row.state == "missing"]    # doctest: +SKIP

    Rows are made of spans of *every* seconds (at least one), from *since* to *until*: by default, all of the recording.
    *venue*: that of files that do not name one.

    Ids at the begin of the range are compared with the last ones before it, as far back as files were audited before.
    So an audit of the whole recording, once, lets later ones of a part of it find all gaps.

    Finished files are read once: what was found in a folder is stored in it (`.audit-3600`), unless *store* is False,
    and its segments are marked as audited, so that a recorder may delete them. Raises `ConfigError` for invalid
    arguments, and if *path* does not exist or has no recording.
    """
    arguments.positive_microseconds("every", every)
    every = in_seconds(every)
    span = round(every) * 10**9
    if every != round(every):
        raise ConfigError(f"every: {every!r} is not a whole number of seconds")
    chosen = TimeRange(products, since, until)
    paths = [path] if isinstance(path, str | PathLike) else [*path]
    folder = Path(paths[0]) if store and len(paths) == 1 and Path(paths[0]).is_dir() else None
    parts = ordered(find(paths))
    found = audited_venue(parts, venue)
    return _result(read_records(parts, chosen, span, folder, found), parts, chosen, span)


class AuditedFiles(NamedTuple):
    """The records of the *files* in a range of time, of which *read* were read now.

    *before*: where the files before them end, as far as those were audited; `None` if that is not known.
    """

    files: list[FileRecord]
    before: FileRecord | None
    read: int

    @property
    def all(self) -> list[FileRecord]:
        return self.files if self.before is None else [self.before, *self.files]


def read_records(
    parts: list[Part], chosen: TimeRange, every: int, folder: Path | None, venue: Venue, *, store: bool = True
) -> AuditedFiles:
    """The records of those of *parts* with lines in the *chosen* time; with *folder*, they are stored there.

    Unless *store*, nothing is written: only what was stored before is used.
    A recorder may delete old segments meanwhile: the records are those of the files that are there at the end.
    """
    state = AuditState(folder, every)
    wanted = _wanted(parts, chosen)
    records: dict[str, FileRecord] = {}
    fresh = 0
    stored = time.monotonic()
    for place, part in enumerate(parts):
        record = state.get(part, venue)
        if record is None and (part.path in wanted or part.completed is not None):
            with contextlib.suppress(FileNotFoundError):
                record = read_file(part, every, venue)
                fresh += 1
        if record is not None:
            records[part.path] = record
        if store and fresh and time.monotonic() - stored > _STORED_EVERY:
            known = (state.get(each, venue) for each in parts[place + 1 :])
            state.write([*records.values(), *filter(None, known)])
            stored = time.monotonic()
    if fresh and store:
        state.write(records.values())
    if folder is not None and store:
        _mark(folder, parts, records.values())
    unused = {part.path: reason for part, reason in unused_repairs(parts)}
    for path in sorted(unused):
        log.warning("%s: its trades are not counted, since %s", Path(path).name, unused[path])
    there = [part for part in parts if part.path not in unused and os.path.lexists(part.path)]
    files = [records[part.path] for part in there if part.path in wanted and part.path in records]
    _warn_of_others(files, chosen)
    if malformed := [record for record in files if record.malformed]:
        log.warning(
            "%d frames in %d files are no messages of %s, and are not counted; the first is in %s. If the recording is "
            "of another venue, name that as venue",
            *(sum(record.malformed for record in malformed), len(malformed), venue.name, malformed[0].name),
        )
    return AuditedFiles(files, last_of(_before(there, wanted, records)), fresh)


def _wanted(parts: Sequence[Part], chosen: TimeRange) -> set[str]:
    """The paths of the segments in the range and of one on either side of each, and of what completes these.

    Ids between two files are compared, so that those beside the range are needed.
    """
    received = [part for part in parts if part.completed is None]
    inside = {part.path for part in within(parts, chosen.since, chosen.until)}
    wanted = [
        part
        for place, part in enumerate(received)
        if any(each.path in inside for each in received[max(0, place - 1) : place + 2])
    ]
    completed = {(part.session, part.number) for part in wanted}
    return {part.path for part in wanted} | {part.path for part in parts if part.completed in completed}


def _before(parts: Sequence[Part], wanted: Container[str], records: Mapping[str, FileRecord]) -> list[FileRecord]:
    """The known records of the files before the first of the *wanted* ones, back to one that was not audited.

    A product may have its last trade before the range there, far from the first one in it.
    """
    received = [part for part in parts if part.completed is None]
    end = next((place for place, part in enumerate(received) if part.path in wanted), 0)
    begin = end
    while begin and received[begin - 1].path in records:
        begin -= 1
    places = {(part.session, part.number) for part in received[begin:end]}
    return [
        records[part.path]
        for part in parts
        if part.path in records and (part.completed or (part.session, part.number)) in places
    ]


def audited_venue(parts: Sequence[Part], given: str | Venue | None) -> Venue:
    """The venue of *parts*: the one that they name, or the *given* one.

    Raises `ConfigError` if they name another one than that, or several.
    """
    if given is None:
        return named_venue(parts)
    found = venue_of(given)
    for part in parts:
        header = part.found.header if isinstance(part.found, Recording) else None
        if header is not None and header.venue not in ("", found.name):
            raise ConfigError(f"venue: {part.path} is a recording of {header.venue}, not of {found.name}")
    return found


def _warn_of_others(files: Sequence[FileRecord], chosen: TimeRange) -> None:
    known = {pair.product for file in files for pair in file.pairs}
    known |= {product for file in files for event in file.events for _, product in event.pairs}
    for product in sorted(chosen.products or ()):
        if product not in known:
            others = ", ".join(sorted(filter(None, known))[:_LISTED]) or "no product"
            log.warning("products: the recording has nothing of %s in this time; it has %s", product, others)


def _mark(folder: Path, parts: list[Part], kept: Iterable[FileRecord]) -> None:
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


def certified(
    files: Sequence[FileRecord],
    begin: int,
    end: int,
    every: int,
    products: Container[str | None] | None = None,
    *,
    continues: bool = False,
    within: int | None = None,
) -> tuple[list[AuditRow], list[MissingNumbers]]:
    """What is proven by *files*, in spans of *every* nanoseconds from *begin* to *end*, and what is missing.

    *continues*: more files follow, in which ids may come that are named and have not come. *within*: only spans so many
    nanoseconds before or after a message.
    """
    coverage = CoveredTimes(files)
    near = None if within is None else [(ns - within, ns + within) for ns in _times_of_messages(files)]
    grid = SpanGrid(begin, end, every, coverage, near)
    gaps, lost = [gap for file in files for gap in file.gaps], lost_of(files)
    rows: list[AuditRow] = []
    missing: list[MissingNumbers] = []
    for pair in pair_audits(files, coverage) if any(file.last_ns for file in files) else ():
        if products is None or pair.product in products:
            gone = lost.get(pair.product or "", ())
            own, lacking = rows_of(pair, grid, coverage, gaps, gone, continues=continues)
            rows += own
            missing += lacking
    return rows, missing


def _times_of_messages(files: Sequence[FileRecord]) -> set[int]:
    ends = {ns for file in files if file.last_ns for ns in (file.first_ns, file.last_ns)}
    return ends | {count.ns for file in files for pair in file.pairs for count in pair.counts}


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


def _check_rows(
    files: Sequence[FileRecord], begin: int, end: int, every: int, products: Container[str | None] | None
) -> None:
    """Raise `ConfigError` for more rows than fit into memory: a wrong clock can begin a recording in 1970."""
    pairs = {(pair.channel, pair.product) for file in files for pair in file.pairs}
    pairs |= {pair for file in files for event in file.events for pair in event.pairs}
    several = sum(products is None or product in products for _, product in pairs)
    spans = (end - begin) // every + 1
    if spans * max(several, 1) > _MOST_ROWS:
        times = f"{moment_of(begin):%Y-%m-%d %H:%M} to {moment_of(end):%Y-%m-%d %H:%M}"
        raise ConfigError(
            f"every: from {times} there are {spans:,} spans of {every // 10**9} s, for {several:,} products and "
            f"channels, which is too many: take longer ones, or use since, until and products"
        )


def _result(audited: AuditedFiles, parts: list[Part], chosen: TimeRange, every: int) -> Audit:
    files = audited.files
    times = [(file.first_ns, file.last_ns) for file in files if file.last_ns]
    begin, end = (min(first for first, _ in times), max(last for _, last in times) + 1) if times else (0, 1)
    begin, end = max(begin, chosen.since), min(end, chosen.until)
    end = max(end, begin + 1)
    _check_rows(audited.all, begin, end, every, chosen.products)
    rows, missing = certified(audited.all, begin, end, every, chosen.products)
    paths = {Path(part.path).name: part.path for part in parts}
    damaged = [
        AuditDamage(paths.get(file.name, file.name), file.damage[0], file.damage[2])
        for file in files
        if file.damage is not None
    ]
    damaged += [AuditDamage(part.gap.path, 1, part.gap.reason) for part in parts if part.gap is not None]
    return Audit(
        since=moment_of(begin),
        until=moment_of(end),
        every=every / 1e9,
        files=len(files),
        read=audited.read,
        sessions=len({file.session for file in files if file.of is None}),
        rows=tuple(rows),
        missing=tuple(missing),
        damaged=tuple(damaged),
        open=tuple(paths.get(file.name, file.name) for file in files if file.open),
    )
