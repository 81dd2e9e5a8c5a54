"""A JSON array as lines: many programs store messages so, on one line or over many.

Each byte stays in its place, so that offsets are those of the file: the brackets become a space and a line end, the commas
between the items become line ends, and all other line ends become spaces. Memory is bounded by a piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rxfeed.recording.unpack import Broken, CutShort

_SPACE = b" \t\r\n"
# An array of objects or of arrays, or an empty one. What begins with `["` is a frame of level3.
_ARRAY = re.compile(rb"\s*\[\s*([^\s])", re.ASCII)
_MOST_SPACE = 1 << 16
# A whole text, or a sign. Of a text that goes on in the next piece it finds the opening quote.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},\r\n]', re.DOTALL)
_IN_TEXT = re.compile(rb'["\\]')
_BETWEEN = re.compile(rb"\s*", re.ASCII)


def as_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """*pieces*, with each item of a JSON array on a line where they are such; else as they are.

    Raises `CutShort` where an array has no end, and `Broken` where something else than another array follows it.
    """
    head = b""
    for piece in pieces:
        head += piece
        inside = head.lstrip(_SPACE)
        if (inside and inside[:1] != b"[") or len(head) > _MOST_SPACE or inside[1:].strip(_SPACE):
            break
    begin = _ARRAY.match(head)
    whole = _with(head, pieces)
    return _lines(whole) if begin is not None and begin[1] in b"[{]" else whole


def _with(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    del head  # it may be megabytes
    yield from pieces


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    array = _Array()
    for piece in pieces:
        yield array.feed(piece)
    if array.depth:
        raise CutShort("the array has no end")


class _Array:
    def __init__(self) -> None:
        self.depth = 0
        """0 between arrays, 1 between items."""
        self._in_text = False
        self._skip = 0  # bytes of the next piece that belong to an escape

    def feed(self, piece: bytes) -> bytes:
        out = bytearray(piece)
        at, self._skip = self._skip, 0
        while at < len(piece):
            if self._in_text:
                at = self._text(piece, at)
            elif not self.depth:
                at = self._between(piece, out, at)
            else:
                at = self._items(piece, out, at)
        self._skip = at - len(piece)
        return bytes(out)

    def _text(self, piece: bytes, at: int) -> int:
        found = _IN_TEXT.search(piece, at)
        if found is None:
            return len(piece)
        if found[0] == b"\\":
            return found.end() + 1
        self._in_text = False
        return found.end()

    def _between(self, piece: bytes, out: bytearray, at: int) -> int:
        space = _BETWEEN.match(piece, at)
        begin, at = at, at if space is None else space.end()
        out[begin:at] = b" " * (at - begin)
        if at < len(piece):
            if piece[at : at + 1] != b"[":
                raise Broken("something other than an array follows an array")
            out[at] = ord(" ")
            self.depth = 1
            at += 1
        return at

    def _items(self, piece: bytes, out: bytearray, at: int) -> int:
        for token in _TOKEN.finditer(piece, at):
            sign, place = token[0], token.start()
            if len(sign) > 1:
                continue
            if sign == b'"':
                self._in_text = True
                return token.end()
            if sign in b"\r\n":
                out[place] = ord(" ")
            elif sign in b"[{":
                self.depth += 1
            elif sign == b",":
                if self.depth == 1:
                    out[place] = ord("\n")
            elif self.depth > 1:
                self.depth -= 1
            elif sign == b"]":
                out[place] = ord("\n")
                self.depth = 0
                return token.end()
        return len(piece)
