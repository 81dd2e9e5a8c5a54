"""The progress and the summary of a recording, as text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import msgspec

from rxfeed.cli.streams import write_line
from rxfeed.cli.text import shortened
from rxfeed.feed import Stats
from rxfeed.recording import RecordStats

_WIDTH = 80
_PLAIN_EVERY = 10.0  # seconds
_ADDED = (
    *("bytes", "frames", "malformed", "duplicates", "gaps", "gapped", "resets", "unsubscribed", "connections"),
    *("reconnects", "pings", "pongs", "subscriber_errors", "batched", "interruptions"),
)


class Progress(msgspec.Struct, frozen=True):
    """A recording at one moment."""

    status: str
    seconds: float
    recorder: RecordStats
    gaps: int
    reconnects: int

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The counters as texts, by name."""
        stats = self.recorder
        return [
            ("messages", f"{stats.frames:,}"),
            ("rate", f"{stats.rate:,.0f}/s"),
            ("size", size(stats.bytes)),
            ("ratio", ratio(stats.uncompressed, stats.bytes)),
            ("lag", f"{stats.lag:.1f} s"),
            ("queued", f"{stats.queued:,}"),
            ("gaps", f"{self.gaps:,}"),
            ("lost", f"{stats.unwritten:,}"),
            ("files", f"{stats.segments:,}"),
        ]


class PlainProgress:
    """Prints a line at intervals, without control codes, for a terminal without rich."""

    def __init__(self, every: float = _PLAIN_EVERY) -> None:
        self._every = every
        self._next = every

    def show(self, progress: Progress) -> None:
        if progress.seconds < self._next:
            return
        self._next = progress.seconds + self._every
        cells = (f"{name} {value}" for name, value in progress.cells if name != "queued")
        write_line("  ".join([f"{progress.seconds:6.0f} s", *cells]))

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def total(parts: Iterable[Stats]) -> Stats:
    """The counters of several feeds, one after the other, as those of one."""
    result = Stats()
    for part in parts:
        for name in _ADDED:
            setattr(result, name, getattr(result, name) + getattr(part, name))
        for kind, count in part.types.items():
            result.add(kind, count)
    return result


class RecordSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a recording: counters of the *feed* and of the *recorder*.

    *connections*: the number, frames and reconnects of each, if there were several. *stops*: how often the disk had no
    room. *mongo*: the line about MongoDB, and *mongo_failed* if a message may not
    be stored there. *problem*: the error that ended it.
    """

    folder: Path
    seconds: float
    feed: Stats
    recorder: RecordStats
    stops: int = 0
    mongo: str | None = None
    mongo_failed: bool = False
    problem: str | None = None
    connections: tuple[tuple[int, int, int], ...] = ()

    @property
    def received(self) -> int:
        """The frames that the feed received and delivered, in whole or in part."""
        return self.feed.messages - self.feed.batched + self.feed.malformed

    @property
    def lost(self) -> int:
        """The received frames that are in no file."""
        return self.received - self.recorder.frames

    @property
    def missed(self) -> bool:
        """True if messages of the exchange were missed, or may have been missed."""
        return bool(self.feed.gaps or self.feed.interruptions or self.stops)

    @property
    def _interrupted(self) -> str:
        """What the reconnects interrupted, if other connections brought the same messages during some of them."""
        feed = self.feed
        if feed.interruptions == feed.reconnects:
            return ""
        return f"{feed.interruptions:,} interruptions" if feed.interruptions else "nothing was interrupted"

    @property
    def exit_status(self) -> int:
        if self.lost or self.mongo_failed or self.problem is not None:
            return 1
        return 3 if self.missed else 0

    def text(self) -> str:
        """The counts and the verdict, as a readable text."""
        feed, recorder = self.feed, self.recorder
        packed, unpacked = recorder.bytes, recorder.uncompressed
        files = "1 file" if recorder.segments == 1 else f"{recorder.segments:,} files"
        rows = [
            ("messages", feed.messages, ""),
            ("malformed", feed.malformed, ""),
            ("received", self.received, ""),
            ("recorded", recorder.frames, f"in {files} of {shortened(str(self.folder), _WIDTH - 38 - len(files))}"),
            ("events", recorder.events, "of the connection"),
            ("bytes", packed, f"{size(packed)}, of {size(unpacked)} of lines: {ratio(unpacked, packed)}"),
            ("gaps", feed.gaps, f"{feed.gapped:,} numbers missing" if feed.gaps else ""),
            ("reconnects", feed.reconnects, self._interrupted),
            ("duplicates", feed.duplicates, "dropped" if feed.duplicates else ""),
        ]
        rows += [
            (f"  of {number}", frames, f"frames of connection {number}, {reconnects:,} reconnects")
            for number, frames, reconnects in self.connections
        ]
        if self.stops:
            rows.append(("stops", self.stops, "for the disk"))
        lines = [f"{name:<12}{number:>15,}   {more}".rstrip() for name, number, more in rows]
        lines.insert(2, "-" * 27)
        lines.append(f"{'seconds':<12}{self.seconds:>15,.1f}")
        if recorder.waited:
            lines[-1] += f"   of which the feed waited {recorder.waited:.1f} for the disk"
        return "\n".join([*lines, *([] if self.mongo is None else [self.mongo]), "", self._verdict()])

    def line(self) -> str:
        """The same in one line, for a log."""
        mongo = "" if self.mongo is None else f"; {self.mongo}"
        counts = (
            f"{self.received:,} frames received, {self.recorder.frames:,} recorded in {self.recorder.segments:,} files "
            f"of {self.folder} ({size(self.recorder.bytes)}), {self.feed.gaps:,} gaps, "
            f"{self.feed.reconnects:,} reconnects, {self.stops:,} stops for the disk, {self.seconds:,.0f} seconds"
        )
        return f"{self._verdict()} {counts}{mongo}"

    def _verdict(self) -> str:
        if self.lost:
            return f"Error: {self.lost:,} received frames are not recorded."
        if self.problem is not None:
            return "All received frames are recorded, but the recording failed."
        if self.mongo_failed:
            return "All received frames are recorded, but not all messages are stored in MongoDB."
        verdict = "All received frames are recorded."
        return f"{verdict} Some data may be missing: see gaps and reconnects." if self.missed else verdict


def size(count: float) -> str:
    """*count* bytes as a readable text.

    >>> from rxfeed.cli.progress import size
    >>> size(999), size(1_234_567), size(64_000_000_000)
    ('999 B', '1.2 MB', '64.0 GB')
    """
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if count < 1000:
            break
        count, unit = count / 1000, larger
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def ratio(unpacked: int, packed: int) -> str:
    """The compression ratio as a text.

    >>> from rxfeed.cli.progress import ratio
    >>> ratio(1000, 125), ratio(0, 0)
    ('8.0x', '-')
    """
    return f"{unpacked / packed:.1f}x" if packed else "-"
