"""Audits recordings: which messages they have, which are missing, and what is proven by numbers."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path

from rxfeed.audit.coverage import CoveredTimes
from rxfeed.audit.range_files import AuditedFiles, audited_files
from rxfeed.audit.records import FileRecord
from rxfeed.audit.result import Audit, AuditDamage, AuditRow, MissingNumbers
from rxfeed.audit.rows import SpanGrid, lost_of, pair_audits, rows_of
from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.recording import (
    Part,
    Recording,
    TimeRange,
    find,
    moment_of,
    named_venue,
    ordered,
)
from rxfeed.venues import Venue
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.audit")

Path_ = str | PathLike[str]
HOUR = 3600.0
_MOST_ROWS = 2_000_000
"""A row takes some 300 bytes."""


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

    Ids of the range are compared with those before and after it, as far as files there were audited before. So an audit
    of the whole recording, once, lets later ones of a part of it find all gaps.

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
    return _result(audited_files(parts, chosen, span, folder, found), parts, chosen, span)


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
