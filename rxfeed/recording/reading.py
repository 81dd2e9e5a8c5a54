"""Reads one file of a recording line by line: a segment, an older recording, or plain JSON lines."""

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

# Bytes of the first piece from which the kind of file is detected.
_BEGIN = 256
# An end line is short.
_LONGEST_END = 256


class SegmentOpen(RecordingDamaged):
    """The segment is being written: what is there was read, and more will follow."""


class _Older(msgspec.Struct):
    """A line of an older recording: Unix seconds, the direction, and a frame's text."""

    t: float
    dir: Literal["sent", "recv"]
    data: str


_decode_older = msgspec.json.Decoder(_Older).decode


class Recording:
    """One file of a recording. Its kind is detected from its content, not from its name.

    *kind*: `segment` (with its first line as *header*), `older` (`{"t", "dir", "data"}`, which an exchange of
    `rxfeed.sim` plays too) or `plain` (each line a frame); each compressed with zstd, gzip, or not. The items of a JSON
    array of objects, or of level3's arrays, are read as lines.
    *first_ns*: Unix nanoseconds at which it begins; of plain lines, the time in the first frame, or 0 if it has none.

    Raises `RecordingDamaged` for a file that cannot be opened, is empty, of another format, or damaged in its first
    line.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self.kind: Kind = "plain"
        self.header: Header | None = None
        self.first_ns = 0
        self.unpacked = 0
        """Bytes of decompressed text that were read so far."""
        self._being_written = False
        beginning = list(itertools.islice(self._lines(), 2))
        if not beginning:
            raise self._cut_short(1, 0, "it is empty")
        try:
            self.kind = self._kind(*beginning)
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damaged(1, 0, f"not a recording: {error}") from None

    @property
    def being_written(self) -> bool:
        """True if a recorder held the lock of the file when it was opened last."""
        return self._being_written

    def chunks(self) -> Iterator[Chunk]:
        """The lines after the header, in bounded memory; raises `RecordingDamaged` after the last readable line.

        A segment has an end line. A segment without one is being written (`SegmentOpen`), or its recorder was killed;
        it is read to the last whole line.
        """
        ended: int | None = None
        end = 1, 0
        for chunk in self._chunks():
            if ended is not None:
                raise self.damaged(chunk.line, chunk.offset, "there is data after the end line")
            shown = chunk
            if self.kind == "segment":
                last = end_of(chunk.text)
                ended = None if last is None or last.end is None else last.end.frames
                if chunk.line == 1:
                    header = chunk.text.index(b"\n") + 1
                    shown = Chunk(2, header, chunk.text[header:])
            yield shown
            if shown is not chunk:
                chunk.count = shown.count + 1
            end = chunk.line + chunk.count, chunk.offset + len(chunk.text)
        if self.kind == "segment" and ended is None:
            raise self._cut_short(
                *end,
                "it has no end line: its recorder was killed, or it is still being written on a system without locks",
            )

    def lines(self) -> Iterator[tuple[int, Line]]:
        """The decoded lines after a segment's header, each with its number; raises as `chunks`."""
        for chunk in self.chunks():
            for index in range(len(chunk.lines)):
                yield chunk.line + index, self.line(chunk, index)

    def line(self, chunk: Chunk, index: int) -> Line:
        """The *index*-th line of a segment's *chunk*, decoded; raises `RecordingDamaged`."""
        try:
            return decode_line(chunk.lines[index])
        except (ValueError, RecursionError) as error:
            raise self.damaged(*chunk.place(index), str(error)) from None

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The received frames, each with the Unix nanoseconds of its receipt; raises as `chunks`.

        Plain frames have no receipt: their own time is used, or that of the frame before.
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

    # ---- lines

    def _cut_short(self, line: int, offset: int, reason: str) -> RecordingDamaged:
        """The error of a truncated file; a segment that is being written is not damaged."""
        if self._being_written:
            return SegmentOpen(self.path, line, offset, "it is being written: more follows")
        return self.damaged(line, offset, reason)

    def _lines(self) -> Iterator[bytes]:
        """The first lines that are not blank, before a checksum is verified. Damage after them is detected later."""
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
        """The kind of file, by its first line; raises `ValueError` if that is not a line of a recording."""
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
        # The first item was received before its segment was created.
        with contextlib.suppress(ValueError, RecursionError):
            self.first_ns = decode_line(second).ns
        self.first_ns = min(header.ns, self.first_ns or header.ns)

    def _chunks(self, held: int = MOST_HELD) -> Iterator[Chunk]:
        """All whole lines, in chunks."""
        number, offset, rest = 1, 0, bytearray()
        try:
            with open_file(self.path) as file:
                self._being_written = is_locked(file.fileno())
                for piece in as_lines(unpacked(file, held)):
                    if offset == 0 and not rest and piece[:_BEGIN].lstrip()[:1] not in b"{[":
                        raise self.damaged(1, 0, f"not a recording: it begins with {piece[:8]!r}")
                    for text in whole_lines(piece, rest):
                        chunk = Chunk(number, offset, text)
                        self.unpacked = offset + len(text)
                        yield chunk
                        number, offset = number + chunk.count, offset + len(text)
                    if len(rest) > LONGEST_LINE:
                        raise self.damaged(number, offset, f"a line longer than {LONGEST_LINE:,} bytes")
        except CutShort as error:
            raise self._cut_short(number, offset, str(error)) from None
        except Broken as error:
            raise self.damaged(number, offset, str(error)) from None
        except OSError as error:
            raise self.damaged(number, offset, error.strerror or str(error)) from error
        if rest.strip():
            # Files of other programs may have no line end after the last line.
            if self.kind == "segment" or not is_json(rest):
                raise self._cut_short(number, offset, "it ends within a line")
            self.unpacked = offset + len(rest)
            yield Chunk(number, offset, bytes(rest) + b"\n")


class _Version(msgspec.Struct):
    rxfeed: int | str | float | bool | None


_decode_version = msgspec.json.Decoder(_Version).decode


def end_of(text: bytes) -> Line | None:
    """The end line of a segment, if the last line of *text* is one."""
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
