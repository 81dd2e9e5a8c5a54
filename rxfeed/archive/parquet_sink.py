"""The operator that writes a stream into an archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxfeed.archive.arrow import pyarrow
from rxfeed.archive.numbers import SCALE, Numbers
from rxfeed.archive.streaming import ParquetCounters, ParquetSettings, ParquetStreamWriter, ParquetWrite
from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.feed import FeedStatus, Gap, MessageSource, Sink
from rxfeed.operators import QueueState, Root
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of


class ParquetStats(msgspec.Struct, frozen=True):
    """The state of a sink. Counts are those of all its subscriptions."""

    taken: int
    """Items that came."""
    written: int
    """Items that are in the archive: they survive the end of the process, however it ends, and a power failure."""
    skipped: int
    """Messages that no table has, such as heartbeats."""
    rows: int
    """Rows in the archive: a change of a book is one."""
    files: int
    bytes: int
    queued: int
    """Items that are not in the archive yet."""
    queue_size: int
    lag: float
    """Seconds since the oldest of them came; up to `file_seconds` is as it should be."""
    waited: float
    """Seconds that the source has waited for the full queue."""
    rate: float
    """Items a second, written over the last ten seconds."""
    unwritten: int
    """Items that will not be written, since the system refused them."""


class ParquetSink(Sink[ParquetWrite, ParquetStreamWriter]):
    """The operator that `to_parquet` returns, with `stats` and `close`."""

    name = "to_parquet"

    def __init__(self, settings: ParquetSettings, venue: Venue | None) -> None:
        super().__init__()
        self._settings = settings
        self._counters = ParquetCounters()
        self._venue = venue
        self._root: MessageSource | None = None

    @property
    def stats(self) -> ParquetStats:
        """The present state of the sink, for any thread."""
        counters, writer = self._counters, self._writer
        return ParquetStats(
            taken=counters.taken,
            written=counters.written,
            skipped=counters.skipped,
            rows=counters.rows,
            files=counters.files,
            bytes=counters.bytes,
            queued=0 if writer is None else writer.queued,
            queue_size=self._settings.queue_size,
            lag=0.0 if writer is None else writer.lag,
            waited=counters.waited,
            rate=counters.rate.per_second(),
            unwritten=counters.unwritten + (0 if writer is None else writer.late),
        )

    @property
    def queue_state(self) -> QueueState:
        writer = self._writer
        return QueueState(0 if writer is None else writer.queued, self._settings.queue_size, 0)

    def close(self, timeout: Seconds | None = None) -> int:
        """Unsubscribe from the source, and write all items. Returns the number of unwritten items.

        It waits at most *timeout* seconds. It does not wait if a subscriber of the sink calls it.
        """
        writer = self._writer
        return 0 if writer is None else writer.close(None if timeout is None else in_seconds(timeout))

    def with_root(self, root: Root, source: Observable[object]) -> Observable[ParquetWrite]:
        """The writes of *source*, a pipeline on *root*, with the venue and the gaps of *root*."""
        self._root = root if isinstance(root, MessageSource) else None
        return self(source)

    def __repr__(self) -> str:
        return f"<ParquetSink to {self._settings.folder}>"

    def _new_writer(
        self,
        source: Observable[object],
        emit: Callable[[ParquetWrite], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> ParquetStreamWriter:
        root = source if isinstance(source, MessageSource) else self._root
        venue = self._venue or (venue_of(DEFAULT_VENUE) if root is None else root.venue)
        return ParquetStreamWriter(self._settings, self._counters, venue, root is not None, emit, ended, unsubscribe)

    def _attach(
        self,
        source: Observable[object],
        writer: ParquetStreamWriter,
        end: Callable[[Exception | None], None],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        root = source if isinstance(source, MessageSource) else self._root
        attached = CompositeDisposable()
        if root is not None:

            def put_gap(status: FeedStatus) -> None:
                if isinstance(status, Gap):
                    writer.put(status)

            attached.add(root.status.subscribe(put_gap))
        attached.add(super()._attach(source, writer, end, scheduler))
        return attached


def to_parquet(
    path: str | Path,
    *,
    floats: bool = False,
    scale: int = SCALE,
    file_seconds: Seconds = 60.0,
    file_rows: int = 1_000_000,
    queue_size: int = 100_000,
    venue: str | Venue | None = None,
) -> ParquetSink:
    """Write trades, books, tickers and candles into the archive in the folder *path*; emit a `ParquetWrite` for each
    group of files that is complete.

    The files are those of `export`: `docs/how_to/parquet.md` describes them. Trades become rows of `trades`, snapshots
    and updates of a book rows of `book_updates`, tickers rows of `tickers`, and results of `candles` rows of `candles`.
    Messages of other types are skipped, and counted.

    The source's thread puts items into a queue of *queue_size*; if it is full, the source waits. Another thread writes
    them. A file gets its name when it is finished and on the disk: after *file_seconds*, or *file_rows* rows, and at
    the end. From then on its items count as `.stats.written`, and survive a `kill -9`, a power failure included. Until
    then a process that is killed loses them. Each group has a file for each table, product and date, so a longer
    *file_seconds* makes fewer and larger files.

    *floats*, *scale*: as for `export`. *venue*: of the messages; `None`: that of the source.

    When the source ends, and at the latest at the exit of the process, the rest is written; then the stream ends as the
    source did. A feed waits for this in its `run()`, `close()` and `with` block. If the system refuses to write (a full
    disk), the stream ends with a `SinkError`. If a number does not fit, it ends with a `ConfigError`.

    One subscription at a time. Raises `ConfigError` for invalid arguments, and if pyarrow is not installed.
    """
    pyarrow()
    file_seconds = arguments.above_zero("file_seconds", file_seconds)
    arguments.positive_integer("file_rows", file_rows)
    arguments.positive_integer("queue_size", queue_size)
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"path: {folder} is a file; an archive is a folder")
    settings = ParquetSettings(
        folder=folder,
        numbers=Numbers(floats, scale),
        file_seconds=file_seconds,
        file_rows=file_rows,
        queue_size=queue_size,
    )
    return ParquetSink(settings, None if venue is None else venue_of(venue))
