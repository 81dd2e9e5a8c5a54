"""One file of a recording, read line by line: a segment of rxfeed's, an older recording, or plain JSON lines."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Literal

import msgspec

from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.messages import Time
from rxfeed.protocol.times import in_microseconds
from rxfeed.recording.format import VERSION, End, Header, Line, decode_header, decode_line
from rxfeed.recording.moments import ns_of
from rxfeed.recording.unpack import MOST_HELD, Broken, unpacked

Kind = Literal["segment", "older", "plain"]

# So many bytes of lines are looked at together, at most: enough to make that pay, few enough to stay in a cache.
_TOGETHER = 1 << 17
_LONGEST_LINE = 1 << 27
_BUFFER = 1 << 16
# An end line has little to say.
_LONGEST_END = 256


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Whole lines, ended in *text* and bare in *lines*: the first is the recording's *line*-th, at byte *offset*."""

    line: int
    offset: int
    text: bytes
    lines: list[bytes]

    @classmethod
    def of(cls, line: int, offset: int, text: bytes) -> Chunk:
        lines = text.split(b"\n")
        lines.pop()
        return cls(line, offset, text, lines)

    def place(self, index: int) -> tuple[int, int]:
        """Line and offset of its *index*-th line, from 0."""
        return self.line + index, self.offset + sum(len(line) + 1 for line in self.lines[:index])


class _Older(msgspec.Struct):
    """A line of an older recording: Unix seconds, the direction, and a frame's text."""

    t: float
    dir: Literal["sent", "recv"]
    data: str


class _Frame(msgspec.Struct):
    """What has to be known of a plain frame before it is decoded."""

    time: Time | None = None


_decode_older = msgspec.json.Decoder(_Older).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_any = msgspec.json.Decoder().decode


class Recording:
    """One file, known by its content, not by its name.

    *kind*: `segment` (rxfeed's own, then *header* is its first line), `older` (`{"t", "dir", "data"}`, as an exchange
    of `rxfeed.sim` plays them too) or `plain` (each line a frame); each packed with zstd, gzip, or not at all.
    *first_ns*: Unix nanoseconds at which it begins; of plain lines, the first one's own time, or 0 where it has none.

    Raises `RecordingDamaged` for a file that is empty, foreign, or damaged in its first line, and `ConfigError` for one
    that cannot be opened.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self.kind: Kind = "plain"
        self.header: Header | None = None
        self.first_ns = 0
        self.unpacked = 0
        """Bytes of text that were read so far."""
        beginning = list(itertools.islice(self._lines(), 2))
        if not beginning:
            raise self.damaged(1, 0, "it is empty")
        try:
            self.kind = self._kind(*beginning)
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damaged(1, 0, f"not a recording: {error}") from None

    def chunks(self) -> Iterator[Chunk]:
        """The lines after the header, in bounded memory; then `RecordingDamaged` where it does not end as it should.

        A segment should end with its end line, and none does while it is being written, or was left by a recorder that
        was killed: it is read to the last whole line.
        """
        ended: int | None = None
        end = 1, 0
        for chunk in self._chunks():
            if ended is not None:
                raise self.damaged(chunk.line, chunk.offset, "something comes after the end line")
            end = chunk.line + len(chunk.lines), chunk.offset + len(chunk.text)
            if self.kind == "segment":
                ended = _end(chunk.text)
                if chunk.line == 1:
                    header = len(chunk.lines[0]) + 1
                    chunk = Chunk(2, header, chunk.text[header:], chunk.lines[1:])
            yield chunk
        if self.kind == "segment" and ended is None:
            raise self.damaged(*end, "it has no end line: it is still being written, or its recorder was killed")

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
                        said = decode_line(line)
                        if said.has_frame:
                            yield said.ns, said.raw()
                    elif self.kind == "older":
                        older = _decode_older(line)
                        if older.dir == "recv":
                            yield _ns(older.t), older.data.encode()
                    elif line.strip():
                        before = _own_ns(line) or before
                        yield before, line
                except (ValueError, RecursionError) as error:
                    raise self.damaged(*chunk.place(index), str(error)) from None

    def damaged(self, line: int, offset: int, reason: str) -> RecordingDamaged:
        return RecordingDamaged(self.path, line, offset, reason)

    # ---- how

    def _lines(self) -> Iterator[bytes]:
        """The first lines, without waiting for a checksum; what is damaged is met again by whoever reads all."""
        found = 0
        try:
            for chunk in self._chunks(held=0):
                for line in chunk.lines:
                    found += 1
                    yield line
        except RecordingDamaged:
            if not found:
                raise

    def _kind(self, line: bytes, second: bytes = b"") -> Kind:
        """By the first line; raises `ValueError` for one that is of no recording."""
        content = _decode_any(line)
        if isinstance(content, dict) and "rxfeed" in content:
            if content["rxfeed"] != VERSION:
                raise ValueError(f"its format is version {content['rxfeed']}, and this rxfeed reads {VERSION}")
            self.header = header = decode_header(line)
            # What was received first waited for its segment to be begun.
            with contextlib.suppress(ValueError, RecursionError):
                self.first_ns = decode_line(second).ns
            self.first_ns = min(header.ns, self.first_ns or header.ns)
            return "segment"
        if isinstance(content, dict) and "dir" in content:
            self.first_ns = _ns(_decode_older(line).t)
            return "older"
        if not isinstance(content, list) and "type" not in content:
            raise ValueError("its first line is neither a header nor a frame")
        self.first_ns = _own_ns(line)
        return "plain"

    def _chunks(self, held: int = MOST_HELD) -> Iterator[Chunk]:
        """All whole lines."""
        number, offset, rest = 1, 0, bytearray()
        try:
            with Path(self.path).open("rb", buffering=_BUFFER) as file:
                for piece in unpacked(file, held):
                    if offset == 0 and not rest and piece[:1] not in b"{[":
                        raise self.damaged(1, 0, f"not a recording: it begins with {piece[:8]!r}")
                    for text in _together(piece, rest):
                        chunk = Chunk.of(number, offset, text)
                        self.unpacked = offset + len(text)
                        yield chunk
                        number, offset = number + len(chunk.lines), offset + len(text)
                    if len(rest) > _LONGEST_LINE:
                        raise self.damaged(number, offset, f"a line longer than {_LONGEST_LINE:,} bytes")
        except Broken as error:
            raise self.damaged(number, offset, str(error)) from None
        except OSError as error:
            raise ConfigError(f"recording {self.path}: {error.strerror or error}") from error
        if rest:
            # Only others end their last line without ending it.
            if self.kind == "segment" or not _whole(rest):
                raise self.damaged(number, offset, "it ends in the midst of a line")
            self.unpacked = offset + len(rest)
            yield Chunk.of(number, offset, bytes(rest) + b"\n")


def _together(piece: bytes, rest: bytearray) -> Iterator[bytes]:
    """Whole lines, as many as make sense at a time; what is left of *piece* stays in *rest*."""
    at, last = 0, piece.rfind(b"\n") + 1
    while at < last:
        cut = last if last - at <= _TOGETHER else piece.index(b"\n", at + _TOGETHER - 1) + 1
        text = piece[at:cut]
        if rest:
            text = bytes(rest) + text
            rest.clear()
        yield text
        at = cut
    rest += piece[last:]


def _end(text: bytes) -> int | None:
    """How many frames the last line of *text* says that there are, if it is a segment's end line."""
    begin = text.rfind(b"\n", 0, -1) + 1
    if len(text) - begin > _LONGEST_END or b'"end"' not in text[begin:]:
        return None
    try:
        end: End | None = decode_line(text[begin:]).end
    except ValueError:
        return None
    return None if end is None else end.frames


def _whole(line: bytes | bytearray) -> bool:
    try:
        _decode_any(line)
    except (ValueError, RecursionError):
        return False
    return True


def _ns(seconds: float) -> int:
    return round(seconds * 1e6) * 1000


def _own_ns(frame: bytes) -> int:
    """A frame's own time; 0 where it has none. The time of one of `level3` is its last place."""
    try:
        frame = in_microseconds(frame)
        moment = _decode_frame(frame).time if frame[:1] != b"[" else msgspec.convert(_decode_any(frame)[-1], Time)
    except (ValueError, IndexError, RecursionError):
        return 0
    return 0 if moment is None else ns_of(moment)
