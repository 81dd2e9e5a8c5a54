"""How a recording goes, and what it came to, as text."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import msgspec

from rxfeed.cli.streams import write_line
from rxfeed.feed import Stats
from rxfeed.recording import RecordStats

_PLAIN_EVERY = 10.0  # seconds


class Progress(msgspec.Struct, frozen=True):
    """A recording at one moment."""

    status: str
    seconds: float
    recorder: RecordStats
    gaps: int
    reconnects: int

    @property
    def cells(self) -> list[tuple[str, str]]:
        """What is counted, by name."""
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
    """A line now and then, without any control codes, for what is no terminal."""

    def __init__(self, every: float = _PLAIN_EVERY) -> None:
        self._every = every
        self._next = every

    def show(self, progress: Progress) -> None:
        if progress.seconds < self._next:
            return
        self._next = progress.seconds + self._every
        told = (f"{name} {value}" for name, value in progress.cells if name != "queued")
        write_line("  ".join([f"{progress.seconds:6.0f} s", *told]))

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class RecordSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording came to: what the *feed* received, and what of that the *recorder* has in files.

    *problem*: what it failed with.
    """

    folder: Path
    seconds: float
    feed: Stats
    recorder: RecordStats
    problem: str | None = None

    @property
    def received(self) -> int:
        """Frames."""
        return self.feed.messages + self.feed.malformed

    @property
    def lost(self) -> int:
        """Frames that came and are in no file."""
        return self.received - self.recorder.frames

    @property
    def missed(self) -> bool:
        """Something that the exchange had did not come, or may not have."""
        return bool(self.feed.gaps or self.feed.reconnects)

    @property
    def exit_status(self) -> int:
        if self.lost or self.problem is not None:
            return 1
        return 3 if self.missed else 0

    def text(self) -> str:
        """For people: the sums, and the verdict."""
        feed, recorder = self.feed, self.recorder
        packed, unpacked = recorder.bytes, recorder.uncompressed
        files = "1 file" if recorder.segments == 1 else f"{recorder.segments:,} files"
        rows = [
            ("messages", feed.messages, ""),
            ("malformed", feed.malformed, ""),
            ("received", self.received, ""),
            ("recorded", recorder.frames, f"in {files} of {self.folder}"),
            ("events", recorder.events, "of the connection"),
            ("bytes", packed, f"{size(packed)}, of {size(unpacked)} of lines: {ratio(unpacked, packed)}"),
            ("gaps", feed.gaps, f"{feed.gapped:,} numbers never came" if feed.gaps else ""),
            ("reconnects", feed.reconnects, ""),
            ("duplicates", feed.duplicates, "passed over" if feed.duplicates else ""),
        ]
        lines = [f"{name:<12}{number:>15,}   {more}".rstrip() for name, number, more in rows]
        lines.insert(2, "-" * 27)
        lines.append(f"{'seconds':<12}{self.seconds:>15,.1f}")
        if recorder.waited:
            lines[-1] += f"   for {recorder.waited:.1f} of them the feed had to wait for the disk"
        return "\n".join([*lines, "", self._verdict()])

    def _verdict(self) -> str:
        if self.lost:
            return f"It does not add up: {self.lost:,} of the frames received are not recorded."
        if self.problem is not None:
            return "Each frame received is recorded, but it failed."
        verdict = "It adds up: each frame received is recorded."
        return f"{verdict} Something may not have come." if self.missed else verdict


def size(count: float) -> str:
    """Bytes, for people.

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
    """How many times smaller.

    >>> ratio(1000, 125), ratio(0, 0)
    ('8.0x', '-')
    """
    return f"{unpacked / packed:.1f}x" if packed else "-"
