"""What a feed receives, kept in files, off the feed's thread, and none of it lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxfeed.errors import ConfigError
from rxfeed.feed import FeedStatus, Idle, MessageSource
from rxfeed.operators import Sink, check_numbers
from rxfeed.recording.compression import zstd
from rxfeed.recording.lines import Lines
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.writer import Counters, Settings, Writer


class RecordStats(msgspec.Struct, frozen=True):
    """A recorder at this moment; counts are since it was made, over all its subscriptions."""

    frames: int
    """Frames that are in the files and can be read from them: messages, and what is malformed."""
    malformed: int
    """So many of these are malformed."""
    events: int
    """Items of `status` and `keepalive` that are in the files."""
    segments: int
    """Segments that were begun."""
    bytes: int
    """Bytes of the files."""
    uncompressed: int
    """Bytes of the lines in them."""
    rate: float
    """Frames a second, written over the last ten seconds."""
    lag: float
    """Seconds since the oldest item that waits was received; 0 where none waits. Up to `flush_seconds` is as it should
    be."""
    queue: int
    """Items that wait to be written."""
    queue_size: int
    """Where so many wait, the source does too."""
    waited: float
    """Seconds that the source has waited because the queue was full."""
    unwritten: int
    """Items that will not be written, because the system refused, and items of files that were deleted while they were
    being written."""
    segment: Path | None
    """The file that is being written."""


class Recorder(Sink[RecordedSegment, Writer]):
    """The operator that `record` returns: `stats` at any time, and `close`."""

    name = "record"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._counters = Counters()

    @property
    def stats(self) -> RecordStats:
        """The recorder at this moment; any thread may ask."""
        counters, writer = self._counters, self._writer
        return RecordStats(
            frames=counters.frames,
            malformed=counters.malformed,
            events=counters.events,
            segments=counters.segments,
            bytes=counters.bytes,
            uncompressed=counters.uncompressed,
            rate=counters.rate.per_second(),
            lag=0.0 if writer is None else writer.lag,
            queue=0 if writer is None else writer.queued,
            queue_size=self._settings.queue_size,
            waited=counters.waited,
            unwritten=counters.unwritten + counters.lost + (0 if writer is None else writer.late),
            segment=None if writer is None else writer.path,
        )

    def close(self, timeout: float | None = None) -> int:
        """Let the source go, write what is here, and finish the segment; how many items are not written.

        It waits for that, *timeout* seconds at most. Called by a subscriber of the recorder it does not wait.
        """
        writer = self._writer
        return 0 if writer is None else writer.close(timeout)

    def __repr__(self) -> str:
        return f"<Recorder to {self._settings.folder}>"

    def _new_writer(
        self,
        source: Observable[Any],
        emit: Callable[[RecordedSegment], None],
        ended: Callable[[Exception | None], None],
        let_go: Callable[[], None],
    ) -> Writer:
        if self._writer is not None:
            self._counters.unwritten += self._writer.late

        def about() -> dict[str, Any]:
            return {**source.about, "venue": source.venue.name} if isinstance(source, MessageSource) else {}

        return Writer(self._settings, self._counters, Lines(source), about, emit, ended, let_go)

    def _attach(
        self,
        source: Observable[Any],
        writer: Writer,
        end: Callable[[Exception | None], None],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        attached = CompositeDisposable()
        if isinstance(source, MessageSource):

            def put_status(status: FeedStatus) -> None:
                if not isinstance(status, Idle):  # that nothing has happened yet is no event
                    writer.put(status)

            attached.add(source.status.subscribe(put_status))
            attached.add(source.keepalive.subscribe(writer.put))
            attached.add(source.malformed.subscribe(writer.put))
        attached.add(super()._attach(source, writer, end, scheduler))
        return attached


def record(
    path: str | Path,
    *,
    segment_bytes: int = 64_000_000,
    segment_seconds: float = 3600.0,
    level: int = 3,
    flush_seconds: float = 1.0,
    queue_size: int = 100_000,
    mode: int = 0o600,
) -> Recorder:
    """Write every message into files in the folder *path*, and emit a `RecordedSegment` for each that is finished.

    Over a `Feed` (any `MessageSource`) also what is malformed, the items of `status`, and the pongs, each in its place
    between the messages; behind other operators the messages that come. A line has the frame byte for byte, when it was
    received, and its epoch: `docs/recording.md` describes it, `Replay` plays it.

    The source's thread only hands over: items wait in a queue of *queue_size* for a thread that compresses them (zstd,
    *level* 1 to 22) and writes them, *flush_seconds* after they came at the latest. From then on they can be read, also
    after this process is killed. Nothing is dropped: a full queue makes the source wait, which `.stats` shows.

    **Permissions**: segments are made with *mode*, by default for their owner alone, and folders that are not there so
    that the same users can read them (0600 makes 0700, 0640 makes 0750). The umask may narrow both.

    A segment is closed when its file has *segment_bytes*, and by what comes when it is *segment_seconds* old; then it
    is also safe from a power cut. A folder that is there gets further ones, one that is not is made.

    **What is secret is not kept**: nothing that is sent is recorded, and where the exchange repeats the feed's
    credentials they are blanked, and the line says so. Behind other operators errors keep none of their words.

    **The end**: when the source ends, and at the latest when the process does, what waits is written; then the stream
    ends as the source did. A feed that the recorder stands on waits for this in its `run()`, `close()` and `with`
    block. When the system refuses to write (a full disk) it ends with a `SinkError` that names the
    file and counts the items that are not written; what the segment held before can be read.

    **A file that is deleted** while it is being written, alone or with its folder, is noticed at the next write: it is
    logged at ERROR, emitted as a `RecordedSegment` that is `lost`, and counted in `.stats.unwritten`. A new segment is
    begun, in a new folder if need be. One that is moved away is closed where it is.

    One subscription at a time.

    Raises `ConfigError` for bad arguments, a *path* that is a file, and where zstandard is not installed.
    """
    check_numbers(
        segment_bytes=(segment_bytes, int),
        segment_seconds=(segment_seconds, int | float),
        level=(level, int),
        flush_seconds=(flush_seconds, int | float),
        queue_size=(queue_size, int),
    )
    if isinstance(mode, bool) or not isinstance(mode, int) or mode & ~0o666 or mode & 0o600 != 0o600:
        shown = f"{mode!r} (that is {mode:#o})" if isinstance(mode, int) else repr(mode)
        raise ConfigError(f"mode: {shown} is not from 0o600 to 0o666, with the owner reading and writing")
    if level > 22:
        raise ConfigError(f"level: {level} is above 22, zstd's highest")
    zstd()
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"path: {folder} is a file, and a recording is a folder of them")
    return Recorder(
        Settings(
            folder=folder,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
            level=level,
            flush_seconds=flush_seconds,
            queue_size=queue_size,
            mode=mode,
        )
    )
