"""Lines of a recording that are looked at together."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

# So many bytes of lines are looked at together, at most: enough to make that pay, few enough to stay in a cache.
_TOGETHER = 1 << 17


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


def whole_lines(piece: bytes, rest: bytearray) -> Iterator[bytes]:
    """Whole lines, as many as make sense at a time; what is left of *piece* stays in *rest*."""
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
