"""Exports recordings into Parquet, only what is new, so that nothing is there twice and nothing is missing."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from rxfeed.archive.arrow import pyarrow, refusals
from rxfeed.archive.coverage import Coverage, batch_of_coverage
from rxfeed.archive.journal import Journal, State
from rxfeed.archive.machines import Machines, packed, unpacked
from rxfeed.archive.numbers import SCALE, Numbers
from rxfeed.archive.partitions import Partition, PartitionWriter
from rxfeed.archive.rows import Rows
from rxfeed.archive.tables import TABLES, TableName
from rxfeed.core import arguments
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.recording import Contents, Damage, Epochs, Part, Recording, TimeRange, find, ordered
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
    seconds: float = 60,
    every: float | None = 1.0,
    depth: int = 1,
    venue: str | Venue | None = None,
    progress: Callable[[ExportProgress], None] = lambda _: None,
) -> ExportSummary:
    """Export the finished files of the recordings in *source* into the folder *to*, as Parquet; see `docs/archive.md`.

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
    chosen = _chosen(tables)
    numbers = Numbers(floats, scale)
    time_range = TimeRange(products, since, until)
    arguments.above_zero("seconds", seconds)
    if every is not None:
        arguments.above_zero("every", every)
    arguments.positive_integer("depth", depth)
    options = {
        "tables": sorted(chosen),
        "products": None if time_range.products is None else sorted(time_range.products),
        "since": None if since is None else time_range.since,
        "until": None if until is None else time_range.until,
        "floats": floats,
        "scale": None if floats else scale,
        "seconds": seconds if "candles" in chosen else None,
        "every": every if "book_tops" in chosen else None,
        "depth": depth if "book_tops" in chosen else None,
    }
    paths = [source] if isinstance(source, str | PathLike) else list(source)
    given = None if venue is None else venue_of(venue)
    parts = [_absolute(part) for part in ordered(find(paths))]
    journal = Journal(Path(to))
    try:
        _check_options(journal, options)
        run = _Export(journal, options, chosen, numbers, time_range, given, progress)
        return run.run(parts)
    finally:
        journal.close()


def _chosen(tables: str | Iterable[str]) -> tuple[TableName, ...]:
    names = [tables] if isinstance(tables, str) else list(tables)
    for name in names:
        arguments.one_of("tables", name, TABLES)
    if not names:
        raise ConfigError(f"tables: none; there are {', '.join(TABLES)}")
    return tuple(name for name in TABLES if name in names)


def _absolute(part: Part) -> Part:
    """*part*, with the same name in each process if it is no segment."""
    return part._replace(session=os.path.realpath(part.path)) if part.session == part.path else part


def _check_options(journal: Journal, options: dict[str, object]) -> None:
    before = journal.state.options
    changed = [name for name in options if before and before.get(name) != options[name]]
    if changed:
        name = changed[0]
        raise ConfigError(
            f"{name}: {journal.folder} was exported with {before.get(name)!r}, and not {options[name]!r}: "
            "give the same options, or another folder"
        )


class _Export:
    """One call of `export`."""

    def __init__(
        self,
        journal: Journal,
        options: dict[str, object],
        tables: Sequence[str],
        numbers: Numbers,
        time_range: TimeRange,
        venue: Venue | None,
        progress: Callable[[ExportProgress], None],
    ) -> None:
        self._journal = journal
        self._options = options
        self._tables = tables
        self._numbers = numbers
        self._range = time_range
        self._venue = venue
        self._progress = progress
        self._depth: Any = options["depth"] or 1
        self._machines: dict[str, Machines] = {}
        self._damaged: list[Damage] = []
        self._open: list[str] = []
        self._messages = self._files = self._bytes = self._segments = 0
        self._rows: dict[str, int] = {}

    def run(self, parts: list[Part]) -> ExportSummary:
        began = time.monotonic()
        due = self._due(parts)
        self._load_machines(parts)
        batch: _Batch | None = None
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
        if batch is not None:
            self._commit(batch, last=True)
        return ExportSummary(
            segments=self._segments,
            skipped=len(parts) - len(due) - len(self._open),
            open=tuple(self._open),
            damaged=tuple(self._damaged),
            messages=self._messages,
            rows=self._rows,
            files=self._files,
            bytes=self._bytes,
            late=sum(each.late for each in self._machines.values()),
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

    def _venue_of(self, part: Part) -> Venue:
        header = part.found.header if isinstance(part.found, Recording) else None
        if header is None:
            return self._venue or venue_of(DEFAULT_VENUE)
        return venue_of(header.venue or (self._venue.name if self._venue else DEFAULT_VENUE))

    # ---- batches

    def _new_batch(self) -> _Batch:
        state = msgspec.json.decode(msgspec.json.encode(self._journal.state), type=State)
        state.options = self._options
        with refusals(self._journal.staging):
            self._journal.staging.mkdir(exist_ok=True)
        return _Batch(self._journal.staging, state)

    def _read(self, part: Part, batch: _Batch) -> None:
        venue = self._venue_of(part)
        rows = batch.rows.get(venue.name)
        if rows is None:
            machines = self._machines.setdefault(venue.name, self._new_machines())
            rows = Rows(venue, self._tables, self._numbers, machines, batch.coverage, batch.writer, self._depth)
            batch.rows[venue.name] = rows
        epochs = batch.state.epochs.setdefault(venue.name, Epochs())
        texts = machines_are_idle(rows.machines)
        damage = Contents(venue, rows, rows.kinds, self._range, epochs, texts=texts).read(part)
        rows.flush()
        if damage is not None:
            self._damage(damage)
        batch.state.add(part.session, part.number)
        batch.segments.append((part.session, part.number))

    def _damage(self, damage: RecordingDamaged) -> None:
        self._damaged.append(Damage(damage.path, damage.line, damage.offset, damage.reason))
        log.warning("export: %s; what is before is exported", damage)

    def _commit(self, batch: _Batch, *, last: bool) -> None:
        writer = batch.writer
        writer.flush()
        if "coverage" in self._tables:
            for name, rows in _by_venue(batch.coverage):
                writer.add("coverage", name, batch_of_coverage(rows))
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
        self._segments += len(batch.segments)
        self._files += len(files) + len(open_files)
        self._bytes += sum(each.path.stat().st_size for each in (*files, *open_files))
        for each in (*files, *open_files):
            self._rows[each.table] = self._rows.get(each.table, 0) + each.rows
        idle = all(machines_are_idle(each) for each in self._machines.values())
        content = b"" if idle else packed(self._machines)
        self._journal.commit(batch.state, [*files, *open_files], [each.final for each in open_files], content)

    # ---- the state of candles and books

    def _new_machines(self) -> Machines:
        seconds: Any = self._options["seconds"]
        tops = "book_tops" in self._tables
        every: Any = self._options["every"] or 0.0
        return Machines(seconds, (self._depth, every) if tops else None)

    def _load_machines(self, parts: list[Part]) -> None:
        content = self._journal.machines()
        if content is not None:
            try:
                self._machines = unpacked(content)
            except Exception as error:
                log.warning("export: the stored state of candles and books cannot be read: %r", error)
            else:
                return
        if self._journal.state.batches and not machines_are_idle(self._new_machines()):
            self._renew_machines([each for each in parts if self._journal.state.has(each.session, each.number)])

    def _renew_machines(self, exported: list[Part]) -> None:
        """Make the state of candles and books anew, from the exported files that are still there."""
        log.info("export: the state of candles and books is made anew from %s files", len(exported))
        epochs: dict[str, Epochs] = {}
        for part in exported:
            venue = self._venue_of(part)
            machines = self._machines.setdefault(venue.name, self._new_machines())
            receiver = _OnlyMachines(machines)
            known = epochs.setdefault(venue.name, Epochs())
            Contents(venue, receiver, machines.kinds, self._range, known).read(part)
            machines.late = 0


class _OnlyMachines:
    """A `Receiver` that brings *machines* to the state after the messages."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def take_messages(self, messages: list[Any]) -> None:
        self._machines.step(messages)

    def take_texts(self, lines: list[Any], base: int) -> bool:
        return False

    def take_gap(self, gap: object) -> None: ...


class _Batch:
    """The segments that are committed together."""

    def __init__(self, staging: Path, state: State) -> None:
        self.state = state
        self.name = f"{state.batches + 1:08}"
        self.segments: list[tuple[str, int]] = []
        self.coverage = Coverage(gaps=True)
        self.rows: dict[str, Rows] = {}
        self.writer = PartitionWriter(staging, self.name, metadata=self.metadata, seen=self.coverage.rows)

    def metadata(self, partition: Partition) -> str:
        """What a file of *partition* has as its own description, as JSON."""
        about = {
            "version": 1,
            "table": partition.table,
            "venue": partition.venue,
            "product": partition.product,
            "options": self.state.options,
            "segments": [f"{session}-{number:05}" for session, number in self.segments],
            "coverage": self.coverage.of(partition),
        }
        return msgspec.json.encode(about).decode()


def machines_are_idle(machines: Machines) -> bool:
    """True if no table is computed."""
    return machines.candles is None and machines.tops is None


def _by_venue(coverage: Coverage) -> Iterable[tuple[str, list[Any]]]:
    rows = coverage.all()
    for name in sorted({row.venue for row in rows}):
        yield name, [row for row in rows if row.venue == name]
