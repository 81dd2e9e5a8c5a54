"""Exports recordings into Parquet, only what is new, so that nothing is there twice and nothing is missing."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from os import PathLike
from pathlib import Path

import msgspec

from rxfeed.archive.arrow import pyarrow, refusals
from rxfeed.archive.export_batch import ExportBatch
from rxfeed.archive.export_machines import ExportMachines
from rxfeed.archive.journal import Journal, State
from rxfeed.archive.marking import is_complete, mark_exported
from rxfeed.archive.numbers import SCALE
from rxfeed.archive.options import ExportOptions
from rxfeed.archive.partitions import PartitionWriter
from rxfeed.archive.repairs import includes, ranges_of
from rxfeed.archive.rows import Rows
from rxfeed.archive.tables import TABLES, TableName
from rxfeed.core import Seconds
from rxfeed.errors import RecordingDamaged
from rxfeed.recording import (
    Contents,
    Damage,
    Epochs,
    Part,
    Recording,
    Repairs,
    find,
    ordered,
    without_repairs,
)
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.archive")

Source = str | PathLike[str]

_BATCH = 2_000_000
"""Rows after which a batch is committed, at the end of a segment."""


class ExportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an export has done. *rows*: by table. *segments*: files that were exported, *skipped*: those that were
    before, *open*: those that are being written. *damaged*: where files could not be read; the rest is exported.
    *late*: trades that came too late for their candle."""

    segments: int
    skipped: int
    open: tuple[str, ...]
    damaged: tuple[Damage, ...]
    messages: int
    rows: dict[str, int]
    files: int
    bytes: int
    late: int
    seconds: float


class ExportProgress(msgspec.Struct, frozen=True):
    """The state of an export: the file that was read last, of how many, and rows so far."""

    path: str
    place: int
    total: int
    rows: int


def export(
    source: Source | Iterable[Source],
    to: Source,
    *,
    tables: TableName | Iterable[TableName] = TABLES,
    products: str | Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    floats: bool = False,
    scale: int = SCALE,
    seconds: Seconds = 60,
    every: Seconds | None = 1.0,
    depth: int = 1,
    venue: str | Venue | None = None,
    progress: Callable[[ExportProgress], None] = lambda _: None,
) -> ExportSummary:
    """Export the finished files of the recordings in *source* into the folder *to*, as Parquet.

    `docs/how_to/parquet.md` describes the tables.

        >>> from rxfeed.archive import export
        >>> export("recordings", "archive").rows                             # doctest: +SKIP
        {'trades': 36, 'book_updates': 15871, 'tickers': 46, 'candles': 14, 'book_tops': 152, 'coverage': 30}

    Files that an earlier call exported into *to* are skipped, so that it can be called again and again, also after it
    was killed. It has to be called with the same options then. *tables*: one or many of `TABLES`. *products*, *since*,
    *until*: only messages of these products, received in `[since, until)`. *floats*: prices and sizes are float64, and
    not decimals with *scale* places. *seconds*: the width of candles. *every*: seconds between two rows of `book_tops`;
    `None`: a row for each change of the *depth* best levels. *venue*: that of recordings that do not name one.

    Raises `ConfigError`, also for a number that does not fit, and `SinkError` if *to* cannot be written.
    """
    pyarrow()
    options = ExportOptions.of(tables, products, since, until, floats, scale, seconds, every, depth)
    paths = [source] if isinstance(source, str | PathLike) else list(source)
    given = None if venue is None else venue_of(venue)
    parts = [_absolute(part) for part in ordered(find(paths))]
    journal = Journal(Path(to))
    try:
        options.check(journal.state.options, journal.folder)
        return _Export(journal, options, given, progress).run(parts)
    finally:
        journal.close()


def _absolute(part: Part) -> Part:
    """*part*, with the same name in each process if it is no segment."""
    return part._replace(session=os.path.realpath(part.path)) if part.session == part.path else part


class _Export:
    """One call of `export`."""

    def __init__(
        self,
        journal: Journal,
        options: ExportOptions,
        venue: Venue | None,
        progress: Callable[[ExportProgress], None],
    ) -> None:
        self._journal = journal
        self._options = options
        self._venue = venue
        self._progress = progress
        self._machines = ExportMachines(journal, options)
        self._damaged: list[Damage] = []
        self._open: list[str] = []
        self._repairs: Repairs = {}
        self._messages = self._files = self._bytes = self._segments = self._late = 0
        self._rows: dict[str, int] = {}

    def run(self, parts: list[Part]) -> ExportSummary:
        began = time.monotonic()
        count = len(parts)
        parts, self._repairs = without_repairs(parts)
        due = self._due(parts)
        late = self._late_repairs(parts)
        self._machines.load(parts, self._repairs, self._venue_of)
        self._mark([part for part in parts if self._journal.state.has(part.session, part.number)])
        batch: ExportBatch | None = None
        for place, part in enumerate(due, 1):
            batch = batch or self._new_batch()
            try:
                self._read(part, batch)
                self._progress(ExportProgress(part.path, place, len(due), sum(batch.writer.rows.values())))
                if sum(batch.writer.rows.values()) >= _BATCH and place < len(due):
                    self._commit(batch, last=False)
                    batch = None
            except BaseException:
                if batch is not None:
                    batch.writer.abandon()
                raise
        if late:
            batch = batch or self._new_batch()
            for repair in late:
                self._read_late(repair, batch)
        if batch is not None:
            self._commit(batch, last=True)
        return ExportSummary(
            segments=self._segments,
            skipped=count - self._segments - len(self._open),
            open=tuple(self._open),
            damaged=tuple(self._damaged),
            messages=self._messages,
            rows=self._rows,
            files=self._files,
            bytes=self._bytes,
            late=self._late + self._machines.late,
            seconds=time.monotonic() - began,
        )

    def _due(self, parts: list[Part]) -> list[Part]:
        due: list[Part] = []
        for part in parts:
            if self._journal.state.has(part.session, part.number):
                continue
            if not part.is_finished:
                self._open.append(part.path)
            else:
                due.append(part)
        return due

    def _late_repairs(self, parts: list[Part]) -> list[Part]:
        """The repairs of segments that were exported before, or are gone, with trades that were not exported."""
        state, present = self._journal.state, {(part.session, part.number) for part in parts}
        return [
            repair
            for place, repair in self._repairs.items()
            if (state.has(*place) or place not in present) and ranges_of(repair) != state.repaired.get(repair.session)
        ]

    def _venue_of(self, part: Part) -> Venue:
        header = part.found.header if isinstance(part.found, Recording) else None
        if header is None:
            return self._venue or venue_of(DEFAULT_VENUE)
        return venue_of(header.venue or (self._venue.name if self._venue else DEFAULT_VENUE))

    # ---- batches

    def _new_batch(self) -> ExportBatch:
        state = msgspec.json.decode(msgspec.json.encode(self._journal.state), type=State)
        state.options = self._options.stored
        with refusals(self._journal.staging):
            self._journal.staging.mkdir(exist_ok=True)
        return ExportBatch(self._journal.staging, state)

    def _read(self, part: Part, batch: ExportBatch) -> None:
        venue = self._venue_of(part)
        rows, repair = self._rows_of(venue, batch), self._repairs.get((part.session, part.number))
        before = rows.messages
        damage = self._contents(venue, rows, batch).read(part, repair)
        rows.flush()
        if rows.messages == before and isinstance(part.found, Recording) and part.found.kind != "segment":
            log.warning("export: no table has a message of %s; is %s its venue?", part.path, venue.name)
        if damage is not None:
            self._damage(damage)
        self._has_read(part, venue, batch)
        if repair is not None:
            self._has_read(repair, venue, batch)
            batch.state.repaired[repair.session] = ranges_of(repair)

    def _has_read(self, part: Part, venue: Venue, batch: ExportBatch) -> None:
        if "coverage" in self._options.tables:
            batch.certified(venue, self._options.time_range).add(part)
        batch.state.add(part.session, part.number)
        batch.parts.append(part)

    def _read_late(self, repair: Part, batch: ExportBatch) -> None:
        venue = self._venue_of(repair)
        rows, known = self._rows_of(venue, batch), batch.state.repaired.get(repair.session, {})
        late = self._contents(venue, rows, batch).late(repair, lambda product, number: includes(known, product, number))
        rows.take_late(late)
        rows.flush()
        if "coverage" in self._options.tables:
            batch.certified(venue, self._options.time_range).late(late)
        batch.state.add(repair.session, repair.number)
        batch.state.repaired[repair.session] = ranges_of(repair)
        batch.parts.append(repair)
        self._late += len(late)
        if late and "candles" in self._options.tables:
            log.warning(
                "export: %s: %d trades were repaired after their segment was exported, so that no candle has them; for "
                "these candles, export into a new folder",
                *(repair.path, len(late)),
            )

    def _rows_of(self, venue: Venue, batch: ExportBatch) -> Rows:
        rows = batch.rows.get(venue.name)
        if rows is None:
            rows = batch.rows[venue.name] = Rows(venue, self._options, self._machines.of(venue), batch.writer)
        return rows

    def _contents(self, venue: Venue, rows: Rows, batch: ExportBatch) -> Contents:
        epochs = batch.state.epochs.setdefault(venue.name, Epochs())
        return Contents(venue, rows, rows.kinds, self._options.time_range, epochs, texts=True)

    def _damage(self, damage: RecordingDamaged) -> None:
        self._damaged.append(Damage(damage.path, damage.line, damage.offset, damage.reason))
        log.warning("export: %s; what is before is exported", damage)

    def _commit(self, batch: ExportBatch, *, last: bool) -> None:
        writer = batch.writer
        batch.certify()
        writer.flush()
        if "coverage" in self._options.tables:
            batch.add_coverage()
        files = writer.finish()
        open_writer = PartitionWriter(self._journal.staging / "open", f"{batch.name}-open", metadata=batch.metadata)
        if last:
            with refusals(self._journal.staging):
                (self._journal.staging / "open").mkdir(exist_ok=True)
            for rows in batch.rows.values():
                rows.unfinished(open_writer)
        open_files = open_writer.finish()
        for rows in batch.rows.values():
            self._messages += rows.messages
        self._segments += len(batch.parts)
        self._files += len(files) + len(open_files)
        self._bytes += sum(each.path.stat().st_size for each in (*files, *open_files))
        for each in (*files, *open_files):
            self._rows[each.table] = self._rows.get(each.table, 0) + each.rows
        content = self._machines.packed()
        self._journal.commit(batch.state, [*files, *open_files], [each.final for each in open_files], content)
        self._mark(batch.parts)

    def _mark(self, parts: list[Part]) -> None:
        if is_complete(self._options.stored):
            mark_exported(parts)
