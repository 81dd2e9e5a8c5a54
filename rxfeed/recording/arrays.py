"""Turns a JSON array into lines, since many programs store messages in arrays, on one line or on many.

Every byte keeps its offset. The brackets become a space and a line end, the commas between items become line ends, and
all other line ends become spaces. Memory is bounded by a piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rxfeed.recording.unpack import Broken, CutShort

_SPACE = b" \t\r\n"
# An array of objects or of level3's arrays, or an empty one. A line that begins with `["` is a level3 frame.
_ARRAY = re.compile(rb'\s*\[\s*(?:\]|[{\[]\s*")')
_MOST_SPACE = 1 << 16
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
# Between items: a whole string, or a sign. If a string continues in the next piece, its opening quote is found.
_SIGN = re.compile(_TEXT + rb'|["\[\]{},\r\n]', re.DOTALL)
# Within an item: all that changes no depth, and flat arrays, at once; or a sign.
_FLAT = rb"(?:" + _TEXT + rb'|[^"\[\]{}\r\n]++)'
_WITHIN = re.compile(rb"(?:" + _FLAT + rb"|\[" + _FLAT + rb'*+\])++|["\[\]{}\r\n]', re.DOTALL)
_IN_TEXT = re.compile(rb'["\\]')
_BETWEEN = re.compile(rb"\s*")


def as_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """*pieces* with each item of a JSON array on a line of its own; unchanged if they are no array.

    Raises `CutShort` if an array has no end, and `Broken` if anything but another array follows it.
    """
    head = b""
    for piece in pieces:
        head += piece
        signs = head[:_MOST_SPACE].translate(None, _SPACE)
        if signs[:1] not in b"[" or len(signs) >= 3 or len(head) >= _MOST_SPACE:
            break
    whole = _with(head, pieces)
    return whole if _ARRAY.match(head[:_MOST_SPACE]) is None else _lines(whole)


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
            elif self.depth == 0:
                at = self._between(piece, out, at)
            elif self.depth == 1:
                at = self._items(piece, out, at)
            else:
                at = self._within(piece, out, at)
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
        for token in _SIGN.finditer(piece, at):
            sign, place = token[0], token.start()
            if sign == b",":
                out[place] = ord("\n")
            elif sign == b"]":
                out[place] = ord("\n")
                self.depth = 0
                return token.end()
            elif self._entered(sign, out, place):
                return token.end()
        return len(piece)

    def _within(self, piece: bytes, out: bytearray, at: int) -> int:
        for token in _WITHIN.finditer(piece, at):
            sign = token[0]
            if sign in (b"]", b"}"):
                self.depth -= 1
                if self.depth == 1:
                    return token.end()
            elif self._entered(sign, out, token.start()) and self._in_text:
                return token.end()
        return len(piece)

    def _entered(self, sign: bytes, out: bytearray, place: int) -> bool:
        """True if *sign* begins an unfinished string or a deeper level. A line end becomes a space."""
        if sign == b'"':
            self._in_text = True
        elif sign in (b"[", b"{"):
            self.depth += 1
        elif sign in (b"\r", b"\n"):
            out[place] = ord(" ")
            return False
        else:
            return False
        return True
