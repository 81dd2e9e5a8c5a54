"""Chunks: lines of a recording that are decoded together."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

# The size of a chunk at most, in bytes: large enough to be fast, small enough for a processor's cache.
_TOGETHER = 1 << 17


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Whole lines: *text* with line ends, *lines* without. The first has number *line*, and is at byte *offset*."""

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
        """The number and the offset of the line at *index*."""
        return self.line + index, self.offset + sum(len(line) + 1 for line in self.lines[:index])


def whole_lines(piece: bytes, rest: bytearray) -> Iterator[bytes]:
    """Whole lines, in parts of a useful size; the rest of *piece* stays in *rest*."""
    at, last = 0, piece.rfind(b"\n") + 1
    while at < last:
        cut = last if last - at <= _TOGETHER else piece.index(b"\n", at + _TOGETHER - 1) + 1
        if rest:
            rest += piece[at:cut]
            text = bytes(rest)
            rest.clear()
        else:
            text = piece[at:cut]
        yield text
        at = cut
    rest += piece[last:]
