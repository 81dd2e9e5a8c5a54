"""Records all that a feed receives into files, in a thread of its own, and drops nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from reactivex import Observable

from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.feed import FeedSink, MessageSource
from rxfeed.operators import QueueState
from rxfeed.recording.compression import zstd
from rxfeed.recording.format import About
from rxfeed.recording.lines import Lines
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.writer import RecorderCounters, RecorderSettings, RecordingWriter


class RecordStats(msgspec.Struct, frozen=True):
    """The state of a recorder. Counts are those of all its subscriptions."""

    frames: int
    """Frames that are in the files and can be read: messages and malformed frames."""
    malformed: int
    """Malformed frames among them."""
    events: int
    """Items of `status` and `keepalive` that are in the files."""
    segments: int
    """Segments that were created."""
    bytes: int
    """Bytes of the files."""
    uncompressed: int
    """Bytes of the lines in them."""
    rate: float
    """Frames a second, written over the last ten seconds."""
    lag: float
    """Seconds since the oldest item that waits was received; 0 where none waits. Up to `flush_seconds` is as it should
    be."""
    queued: int
    """Items that wait to be written."""
    queue_size: int
    """The capacity of the queue. If it is full, the source waits."""
    waited: float
    """Seconds that the source has waited for the full queue."""
    unwritten: int
    """Items that will not be written, since the system refused them, and items of files that were deleted while they
    were being written."""
    segment: Path | None
    """The file that is being written."""


class Recorder(FeedSink[RecordedSegment, RecordingWriter]):
    """The operator that `record` returns, with `stats` and `close`."""

    name = "record"

    def __init__(self, settings: RecorderSettings) -> None:
        super().__init__()
        self._settings = settings
        self._counters = RecorderCounters()

    @property
    def stats(self) -> RecordStats:
        """The present state of the recorder, for any thread."""
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
            queued=0 if writer is None else writer.queued,
            queue_size=self._settings.queue_size,
            waited=counters.waited,
            unwritten=counters.unwritten + counters.lost + (0 if writer is None else writer.late),
            segment=None if writer is None else writer.path,
        )

    @property
    def queue_state(self) -> QueueState:
        writer = self._writer
        return QueueState(0 if writer is None else writer.queued, self._settings.queue_size, 0)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._settings.folder

    def rotate(self) -> None:
        """Finish the segment that is being written, after the items before this call; the next item begins another.

        It takes at most `flush_seconds`. It has no effect while the segment has no items, or without a subscription.
        """
        writer = self._writer
        if writer is not None:
            writer.rotate()

    def close(self, timeout: Seconds | None = None) -> int:
        """Unsubscribe from the source, write the queue, and close the segment. Returns the number of unwritten items.

        It waits at most *timeout* seconds. It does not wait if a subscriber of the recorder calls it.
        """
        writer = self._writer
        return 0 if writer is None else writer.close(None if timeout is None else in_seconds(timeout))

    def __repr__(self) -> str:
        return f"<Recorder to {self._settings.folder}>"

    def _new_writer(
        self,
        source: Observable[object],
        emit: Callable[[RecordedSegment], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> RecordingWriter:
        if self._writer is not None:
            self._counters.unwritten += self._writer.late

        lines = Lines(source)

        def about() -> About:
            if not isinstance(source, MessageSource):
                return {}
            now: About = {**source.about, "venue": source.venue.name, "renamed": dict(lines.renamed)}
            return now if lines.renamed else {name: value for name, value in now.items() if name != "renamed"}

        return RecordingWriter(self._settings, self._counters, lines, about, emit, ended, unsubscribe)


def record(
    path: str | Path,
    *,
    segment_bytes: int = 64_000_000,
    segment_seconds: Seconds = 3600.0,
    level: int = 3,
    flush_seconds: Seconds = 1.0,
    queue_size: int = 100_000,
    mode: int = 0o600,
) -> Recorder:
    """Emit a `RecordedSegment` for each file that is finished, and write every message into files in the folder *path*.

    If the source is a `Feed` (any `MessageSource`), malformed frames, the items of `status`, and pongs are recorded
    too, in their places between the messages. Behind other operators only messages are recorded. A line contains the
    frame byte for byte, the time of its receipt, and its epoch. `Replay` plays it, and `docs/reference/recording.md`
    describes the format.

    The source's thread puts items into a queue of *queue_size*. Another thread compresses them (zstd, *level* 1 to 22)
    and writes them, at most *flush_seconds* after their receipt. From then on they can be read, also after this process
    is killed. Nothing is dropped: if the queue is full, the source waits, which `.stats` shows.

    **Permissions**: segments are created with *mode*, by default for their owner alone. New folders get permissions so
    that the same users can read them (0600 makes 0700, 0640 makes 0750). The umask may reduce both.

    A segment is closed when its file has *segment_bytes*, and by the first item after *segment_seconds*. After that it
    is also safe from a power failure. An existing folder gets more segments, a missing one is created.

    **Secrets are not recorded**: no sent frame is recorded. If the exchange repeats the feed's credentials, they are
    redacted, and the line is marked. Behind other operators all strings of error messages are redacted.

    **The end**: when the source ends, and at the latest at the exit of the process, the queue is written; then the
    stream ends as the source did. A recorded feed waits for this in its `run()`, `close()` and `with` block. If the
    system refuses to write (a full disk), the stream ends with a `SinkError` with the file's name and the number of
    unwritten items; what the segment contained before can be read.

    **A deleted file**: if a file is deleted while it is being written, alone or with its folder, the next write detects
    it. It is logged at ERROR, emitted as a `RecordedSegment` that is `lost`, and counted in `.stats.unwritten`. A new
    segment is created, with its folder if necessary. A file that is moved away is closed at its new place.

    One subscription at a time.

    Raises `ConfigError` for invalid arguments, a *path* that is a file, and if zstandard is not installed.
    """
    arguments.positive_integer("segment_bytes", segment_bytes)
    segment_seconds = arguments.above_zero("segment_seconds", segment_seconds)
    arguments.positive_integer("level", level)
    flush_seconds = arguments.above_zero("flush_seconds", flush_seconds)
    arguments.positive_integer("queue_size", queue_size)
    if isinstance(mode, bool) or not isinstance(mode, int) or mode & ~0o666 or mode & 0o600 != 0o600:
        shown = f"{mode!r} (that is {mode:#o})" if isinstance(mode, int) else repr(mode)
        raise ConfigError(f"mode: {shown} is not from 0o600 to 0o666, with the owner reading and writing")
    if level > 22:
        raise ConfigError(f"level: {level} is above 22, zstd's highest")
    zstd()
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"path: {folder} is a file; a recording is a folder")
    return Recorder(
        RecorderSettings(
            folder=folder,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
            level=level,
            flush_seconds=flush_seconds,
            queue_size=queue_size,
            mode=mode,
        )
    )
