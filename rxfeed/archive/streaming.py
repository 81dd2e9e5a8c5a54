"""The queue and the thread that write a stream's items into an archive.

Rules:
- Items become rows of files in a folder that readers do not see. After *file_seconds*, and at the end, the files are
  finished, are on the disk, and get their names: then they are written, and counted. They never change after that.
- A process that is killed loses the items that were not counted as written. Its unfinished files are deleted by the
  next sink for the same archive.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from rxfeed.archive.arrow import refusals, sync
from rxfeed.archive.coverage import Coverage, batch_of_coverage
from rxfeed.archive.journal import FOLDER, lock, make_folders
from rxfeed.archive.numbers import Numbers
from rxfeed.archive.partitions import Partition, PartitionWriter, StagedFile
from rxfeed.archive.tables import batch_of, batch_of_candles, table_of
from rxfeed.core import Candle
from rxfeed.errors import ConfigError
from rxfeed.feed import BlockingWriter, Gap, RecentRate
from rxfeed.market import Message
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.archive")

_TOGETHER = 5_000
_WAIT = 0.5  # seconds until waiting items become rows


class ParquetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `to_parquet`."""

    folder: Path
    numbers: Numbers
    file_seconds: float
    file_rows: int
    queue_size: int


class ParquetWrite(msgspec.Struct, frozen=True):
    """Files that are in the archive from now on: so many *items* as *rows* in *files*."""

    items: int
    rows: int
    files: tuple[Path, ...]
    bytes: int


class ParquetCounters:
    """Counters over all subscriptions of a sink."""

    def __init__(self) -> None:
        self.taken = self.written = self.rows = self.files = self.bytes = self.skipped = self.unwritten = 0
        self.waited = 0.0
        self.rate = RecentRate()


class ParquetStreamWriter(BlockingWriter[object]):
    """One subscription: see `rxfeed.feed.Sink`."""

    def __init__(
        self,
        settings: ParquetSettings,
        counters: ParquetCounters,
        venue: Venue,
        gaps: bool,
        emit: Callable[[ParquetWrite], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> None:
        super().__init__("rxfeed-parquet", log, settings.queue_size, counters, ended, unsubscribe)
        self._settings = settings
        self._counters = counters
        self._venue = venue
        self._gaps = gaps
        self._emit = emit
        self._token = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
        self._staging = settings.folder / FOLDER / f"stream-{self._token}"
        self._lock: int | None = None
        self._number = 0
        self._pending = 0  # items that are taken and not written
        self._since = 0.0  # when the first of them was taken
        self._new_batch()

    # ---- for the source and for other threads

    @property
    def queued(self) -> int:
        """Items that are not in the archive yet."""
        return len(self._queue) + self._pending

    @property
    def lag(self) -> float:
        """Seconds since the oldest item that is not in the archive was taken."""
        since = self._since
        return time.monotonic() - since if since else 0.0

    # ---- on the writer's thread

    def _write_all(self) -> None:
        self._open()
        wait = min(_WAIT, self._settings.file_seconds)
        while not self._queue.is_over:
            # Without pending items there is nothing to wait for but items.
            if items := self._queue.take(_TOGETHER, _TOGETHER, wait, idle=wait if self._pending else None):
                self._add(items)
            if self._is_due():
                self._commit()
        self._commit()

    def _open(self) -> None:
        inside = self._settings.folder / FOLDER
        with refusals(self._settings.folder):
            make_folders(inside)
            for left in inside.glob("stream-*"):
                self._remove_left(left)
            self._staging.mkdir()
            self._lock = lock(self._staging / "lock")

    @staticmethod
    def _remove_left(folder: Path) -> None:
        """Remove what a killed process left, unless it still runs."""
        with contextlib.suppress(OSError):
            number = lock(folder / "lock")
            if number is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(number)

    def _new_batch(self) -> None:
        self._number += 1
        self._coverage = Coverage(gaps=self._gaps)
        self._files = PartitionWriter(
            self._staging, f"{self._token}-{self._number:05}", metadata=self._metadata, seen=self._coverage.rows
        )

    def _metadata(self, partition: Partition) -> str:
        about = {
            "version": 1,
            "table": partition.table,
            "venue": partition.venue,
            "product": partition.product,
            "stream": self._token,
            "coverage": self._coverage.of(partition),
        }
        return msgspec.json.encode(about).decode()

    def _add(self, items: list[object]) -> None:
        if not self._pending:
            self._since = time.monotonic()
        self._pending += len(items)
        self._counters.taken += len(items)
        several: dict[str, list[Any]] = {}
        for item in items:
            if isinstance(item, Gap):
                self._coverage.gap(item, self._venue)
                self._counters.taken -= 1
                self._pending -= 1
                continue
            table = "candles" if isinstance(item, Candle) else table_of(item) if isinstance(item, Message) else None
            if table is None and not isinstance(item, Message):
                raise ConfigError(f"to_parquet: a {type(item).__name__} is neither a message nor a candle")
            if table is None:  # a message without a table, such as a heartbeat
                self._counters.skipped += 1
                self._pending -= 1
                continue
            several.setdefault(table, []).append(item)
        numbers = self._settings.numbers
        for table, chosen in several.items():
            batch = batch_of_candles(chosen, numbers) if table == "candles" else batch_of(table, chosen, numbers)
            self._files.add(table, self._venue.name, batch)

    def _is_due(self) -> bool:
        rows = sum(self._files.rows.values())
        return rows >= self._settings.file_rows or (bool(rows) and self.lag >= self._settings.file_seconds)

    def _commit(self) -> None:
        if not self._files.rows:
            self._since = 0.0
            return
        self._files.flush()
        covered = self._coverage.all()
        if covered:
            self._files.add("coverage", self._venue.name, batch_of_coverage(covered))
        staged = self._files.finish()
        folder = self._settings.folder
        with refusals(folder):
            size = sum(each.path.stat().st_size for each in staged)
            _publish(folder, staged)
        items, self._pending, self._since = self._pending, 0, 0.0
        counters = self._counters
        counters.written += items
        rows = sum(each.rows for each in staged)
        counters.rows += rows
        counters.files += len(staged)
        counters.bytes += size
        counters.rate.add(items)
        self._new_batch()
        with contextlib.suppress(Exception):  # a subscriber raised, and so did the log
            self._emit(ParquetWrite(items, rows, tuple(folder / each.final for each in staged), size))

    def _give_up(self) -> int:
        with contextlib.suppress(Exception):
            self._files.abandon()
        lost, self._pending, self._since = self._pending, 0, 0.0
        return lost

    def _release(self) -> None:
        number, self._lock = self._lock, None
        with contextlib.suppress(OSError):
            shutil.rmtree(self._staging, ignore_errors=True)
            if number is not None:
                os.close(number)


def _publish(folder: Path, staged: list[StagedFile]) -> None:
    """Give each file, which is on the disk, its name."""
    changed: set[Path] = set()
    for file in staged:
        target = folder / file.final
        changed |= make_folders(target.parent)
        file.path.replace(target)
        changed.add(target.parent)
    for each in sorted(changed):
        sync(each)
