"""One file of a recording, read line by line: a segment of rxfeed's, an older recording, or plain JSON lines."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from os import PathLike, fspath
from typing import Literal

import msgspec

from rxfeed.errors import RecordingDamaged
from rxfeed.recording.arrays import as_lines
from rxfeed.recording.chunks import Chunk, whole_lines
from rxfeed.recording.format import LONGEST_HEADER, LONGEST_LINE, VERSION, Header, Line, decode_header, decode_line
from rxfeed.recording.opening import is_locked, open_file
from rxfeed.recording.peek import first_line, is_json, own_ns
from rxfeed.recording.timestamps import on_calendar
from rxfeed.recording.unpack import MOST_HELD, Broken, CutShort, unpacked

Kind = Literal["segment", "older", "plain"]

# Of a first piece so much is looked at.
_BEGIN = 256
# An end line has little in it.
_LONGEST_END = 256


class SegmentOpen(RecordingDamaged):
    """The segment is being written: what is there was read, and its end is not there yet."""


class _Older(msgspec.Struct):
    """A line of an older recording: Unix seconds, the direction, and a frame's text."""

    t: float
    dir: Literal["sent", "recv"]
    data: str


_decode_older = msgspec.json.Decoder(_Older).decode


class Recording:
    """One file, known by its content, not by its name.

    *kind*: `segment` (rxfeed's own, then *header* is its first line), `older` (`{"t", "dir", "data"}`, as an exchange
    of `rxfeed.sim` plays them too) or `plain` (each line a frame); each packed with zstd, gzip, or not at all. A JSON
    array of objects, or of level3's arrays, is read item by item, as if each were a line.
    *first_ns*: Unix nanoseconds at which it begins; of plain lines, the first one's own time, or 0 where it has none.

    Raises `RecordingDamaged` for a file that cannot be opened, is empty, foreign, or damaged in its first line.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self.kind: Kind = "plain"
        self.header: Header | None = None
        self.first_ns = 0
        self.unpacked = 0
        """Bytes of text that were read so far."""
        self._being_written = False
        beginning = list(itertools.islice(self._lines(), 2))
        if not beginning:
            raise self._cut_short(1, 0, "it is empty")
        try:
            self.kind = self._kind(*beginning)
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damaged(1, 0, f"not a recording: {error}") from None

    def chunks(self) -> Iterator[Chunk]:
        """The lines after the header, in bounded memory; then `RecordingDamaged` where it does not end as it should.

        A segment should end with its end line. One that is being written does not (`SegmentOpen`), nor does one that
        was left by a recorder that was killed: it is read to the last whole line.
        """
        ended: int | None = None
        end = 1, 0
        for chunk in self._chunks():
            if ended is not None:
                raise self.damaged(chunk.line, chunk.offset, "something comes after the end line")
            end = chunk.line + len(chunk.lines), chunk.offset + len(chunk.text)
            if self.kind == "segment":
                last = end_of(chunk.text)
                ended = None if last is None or last.end is None else last.end.frames
                if chunk.line == 1:
                    header = len(chunk.lines[0]) + 1
                    chunk = Chunk(2, header, chunk.text[header:], chunk.lines[1:])
            yield chunk
        if self.kind == "segment" and ended is None:
            raise self._cut_short(
                *end, "it has no end line: its recorder was killed, or it is still being written where no lock is seen"
            )

    def lines(self) -> Iterator[tuple[int, Line]]:
        """What a segment's lines after the header say, each with its number; raises as `chunks`."""
        for chunk in self.chunks():
            for index in range(len(chunk.lines)):
                yield chunk.line + index, self.line(chunk, index)

    def line(self, chunk: Chunk, index: int) -> Line:
        """What the *index*-th line of a segment's *chunk* says; raises `RecordingDamaged`."""
        try:
            return decode_line(chunk.lines[index])
        except (ValueError, RecursionError) as error:
            raise self.damaged(*chunk.place(index), str(error)) from None

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The received frames, each with the Unix nanoseconds of its receipt; raises as `chunks`.

        A plain frame has its own time in place of that, or the time of the one before it.
        """
        before = 0
        for chunk in self.chunks():
            for index, line in enumerate(chunk.lines):
                try:
                    if self.kind == "segment":
                        decoded = decode_line(line)
                        if decoded.has_frame:
                            yield decoded.ns, decoded.raw()
                    elif self.kind == "older":
                        older = _decode_older(line)
                        if older.dir == "recv":
                            yield _ns(older.t), older.data.encode()
                    elif line.strip():
                        before = own_ns(line) or before
                        yield before, line
                except (ValueError, RecursionError) as error:
                    raise self.damaged(*chunk.place(index), str(error)) from None

    def damaged(self, line: int, offset: int, reason: str) -> RecordingDamaged:
        return RecordingDamaged(self.path, line, offset, reason)

    # ---- how

    def _cut_short(self, line: int, offset: int, reason: str) -> RecordingDamaged:
        """It ends before its end, which is no damage while it is being written."""
        if self._being_written:
            return SegmentOpen(self.path, line, offset, "it is being written: more follows")
        return self.damaged(line, offset, reason)

    def _lines(self) -> Iterator[bytes]:
        """The first lines that are not blank, before any checksum is seen; damage behind them is met again later."""
        found = 0
        try:
            for chunk in self._chunks(held=0):
                for line in filter(bytes.strip, chunk.lines):
                    found += 1
                    yield line
        except RecordingDamaged:
            if not found:
                raise

    def _kind(self, line: bytes, second: bytes = b"") -> Kind:
        """By the first line; raises `ValueError` for one that is of no recording."""
        match first_line(line):
            case "header":
                self._read_header(line, second)
                return "segment"
            case "older":
                self.first_ns = _ns(_decode_older(line).t)
                return "older"
            case _:
                self.first_ns = own_ns(line)
                return "plain"

    def _read_header(self, line: bytes, second: bytes) -> None:
        if len(line) > LONGEST_HEADER:
            raise ValueError(f"its header has {len(line):,} bytes, and at most {LONGEST_HEADER:,} are read")
        version = _decode_version(line).rxfeed
        if version != VERSION:
            raise ValueError(f"its format is version {version}, and this rxfeed reads {VERSION}")
        self.header = header = decode_header(line)
        # What was received first waited for its segment to be begun.
        with contextlib.suppress(ValueError, RecursionError):
            self.first_ns = decode_line(second).ns
        self.first_ns = min(header.ns, self.first_ns or header.ns)

    def _chunks(self, held: int = MOST_HELD) -> Iterator[Chunk]:
        """All whole lines."""
        number, offset, rest = 1, 0, bytearray()
        try:
            with open_file(self.path) as file:
                self._being_written = is_locked(file.fileno())
                for piece in as_lines(unpacked(file, held)):
                    if offset == 0 and not rest and piece[:_BEGIN].lstrip()[:1] not in b"{[":
                        raise self.damaged(1, 0, f"not a recording: it begins with {piece[:8]!r}")
                    for text in whole_lines(piece, rest):
                        chunk = Chunk.of(number, offset, text)
                        self.unpacked = offset + len(text)
                        yield chunk
                        number, offset = number + len(chunk.lines), offset + len(text)
                    if len(rest) > LONGEST_LINE:
                        raise self.damaged(number, offset, f"a line longer than {LONGEST_LINE:,} bytes")
        except CutShort as error:
            raise self._cut_short(number, offset, str(error)) from None
        except Broken as error:
            raise self.damaged(number, offset, str(error)) from None
        except OSError as error:
            raise self.damaged(number, offset, error.strerror or str(error)) from error
        if rest.strip():
            # Only others end their last line without ending it.
            if self.kind == "segment" or not is_json(rest):
                raise self._cut_short(number, offset, "it ends in the midst of a line")
            self.unpacked = offset + len(rest)
            yield Chunk.of(number, offset, bytes(rest) + b"\n")


class _Version(msgspec.Struct):
    rxfeed: int | str | float | bool | None


_decode_version = msgspec.json.Decoder(_Version).decode


def end_of(text: bytes) -> Line | None:
    """A segment's end line, if the last line of *text* is one."""
    begin = text.rfind(b"\n", 0, -1) + 1
    if len(text) - begin > _LONGEST_END or b'"end"' not in text[begin:]:
        return None
    try:
        line = decode_line(text[begin:])
    except (ValueError, RecursionError):
        return None
    return None if line.end is None else line


def _ns(seconds: float) -> int:
    if not math.isfinite(seconds):
        raise ValueError(f"t: {seconds} is no time")
    return on_calendar(round(seconds * 1e6) * 1000)
