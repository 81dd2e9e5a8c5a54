"""Chunks: lines of a recording that are decoded together."""

from __future__ import annotations

from collections.abc import Iterator

# The size of a chunk at most, in bytes: large enough to be fast, small enough for a processor's cache.
_TOGETHER = 1 << 17


class Chunk:
    """Whole lines: *text* with line ends. The first has number *line*, and is at byte *offset*."""

    __slots__ = ("_count", "_lines", "line", "offset", "text")

    def __init__(self, line: int, offset: int, text: bytes) -> None:
        self.line, self.offset, self.text = line, offset, text
        self._lines: list[bytes] | None = None
        self._count = 0

    @property
    def count(self) -> int:
        """The number of lines. Counting them takes as long as decompressing: a reader that has it can set it."""
        if not self._count:
            self._count = self.text.count(b"\n")
        return self._count

    @count.setter
    def count(self, count: int) -> None:
        self._count = count

    @property
    def lines(self) -> list[bytes]:
        """The lines without line ends; not every reader needs them one by one."""
        if self._lines is None:
            self._lines = self.text.split(b"\n")
            self._lines.pop()
            self._count = len(self._lines)
        return self._lines

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
