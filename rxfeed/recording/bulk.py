"""Decodes many lines of a segment at once, completely or only as far as needed to skip them.

Decoding lines one by one takes more than twice as long. Skimming a line takes a third of decoding it.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from operator import attrgetter, methodcaller
from typing import Any, TypeVar

import msgspec

from rxfeed.market import LONG, UNDECODED, Message, finer
from rxfeed.recording.timestamps import Moment
from rxfeed.venues import Venue, tag_of

T = TypeVar("T")

NO_FRAME = ""
"""The type of a line without a frame; such lines are always decoded."""
NOT_CHOSEN = None
"""In place of a type: the line is not selected, and not counted."""

_FRAME = b'"frame":'
REPAIRED = b'"repaired":'
"""What is in a line with repaired trades, which is decoded by itself."""


class _FrameFields(msgspec.Struct, frozen=True, gc=False):
    """The fields of a frame by which it is selected."""

    type: str
    product_id: str | None = None


class Skimmed(msgspec.Struct, gc=False):
    """A skimmed line: its time, its epoch, and its frame's type and product."""

    ns: Moment
    epoch: int = 0
    frame: _FrameFields = _FrameFields(NO_FRAME)


class Typed(msgspec.Struct, gc=False):
    """A line, and its message; `None` if it has none, or one of more than one line."""

    ns: Moment
    epoch: int = 0
    frame: Message | None = None
    connection: int = 0


class Bulk:
    """Decodes lines with frames of *venue*; a venue with other frames is never `usable`."""

    def __init__(self, venue: Venue) -> None:
        known = venue.quick_types
        self.usable = bool(known)
        self.kinds: dict[str | None, type[Message]] = {tag_of(kind): kind for kind in known}
        """What is known well enough to be passed over, by its type."""
        frame = functools.reduce(operator.or_, known, None) if known else None
        self._typed: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Typed", _fields(frame), bases=(), gc=False)
        )

    def typed_lines(self, text: bytes) -> list[Typed] | None:
        if len(text) > LONG or finer(text) or REPAIRED in text:
            return None
        return together(self._typed.decode_lines, text)

    def typed_line(self, line: bytes) -> Typed | None:
        """A line of good UTF-8; `None` as for many."""
        try:
            return None if len(line) > LONG or finer(line) or REPAIRED in line else self._typed.decode(line)
        except UNDECODED:
            return None


def _fields(frame: object) -> list[Any]:
    return [("ns", Moment), ("epoch", int, 0), ("frame", frame, None), ("connection", int, 0)]


@functools.cache
def bulk_of(venue: Venue) -> Bulk:
    """The bulk decoder of *venue*."""
    return Bulk(venue)


time_of, epoch_of, type_of = attrgetter("ns"), attrgetter("epoch"), attrgetter("frame.type")
_before_frame = methodcaller("index", _FRAME)
_skim = msgspec.json.Decoder(Skimmed).decode_lines


def skimmed_lines(text: bytes) -> list[Skimmed] | None:
    return together(_skim, text)


def together(decode_lines: Callable[[bytes], list[T]], text: bytes) -> list[T] | None:
    """The lines of *text*, decoded at once; `None` if they have to be decoded one by one.

    That is where one of them is no line, is of a far year, is very long, or has a frame of a type that takes more to
    decode.
    """
    try:
        if not text.isascii():
            text.decode()  # msgspec skips unknown fields, also those with invalid UTF-8
        return decode_lines(text)
    except UNDECODED:
        return None


def frame_in(line: bytes) -> bytes:
    """The frame's bytes, which are at the end of *line*."""
    return line[line.index(_FRAME) + len(_FRAME) : -1]


def frames_size(lines: Sequence[bytes]) -> int:
    """The total size of the frames in *lines*, in bytes."""
    return sum(map(len, lines)) - sum(map(_before_frame, lines)) - len(lines) * len(_FRAME + b"}")
