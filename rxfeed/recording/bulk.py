"""Many lines of a segment at a time, as far as somebody wants them.

One by one, a line costs more than twice as much to decode; and to skim one that nobody wants costs a third of that.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from operator import attrgetter, methodcaller
from typing import Any, TypeVar

import msgspec

from rxfeed.market import UNDECODED, Message, finer
from rxfeed.recording.moments import Moment
from rxfeed.venues import Venue, tag_of

T = TypeVar("T")

NO_FRAME = ""
"""The type of a line that has none; whatever is called so is looked at."""
NOT_CHOSEN = None
"""In the place of a type: it does not count."""

_FRAME = b'"frame":'


class _Peek(msgspec.Struct, frozen=True, gc=False):
    """What tells who wants a frame."""

    type: str
    product_id: str | None = None


class Skimmed(msgspec.Struct, gc=False):
    """A line, of which no more is decoded than that."""

    ns: Moment
    epoch: int = 0
    frame: _Peek = _Peek(NO_FRAME)


class Typed(msgspec.Struct, gc=False):
    """A line, and the message in it; `None` where there is none, or one that is more than one line."""

    ns: Moment
    epoch: int = 0
    frame: Any = None


class Bulk:
    """Decodes lines with frames of *venue*; one whose frames need more than that is never `usable`."""

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
        return None if finer(text) else _together(self._typed.decode_lines, text)

    def typed_line(self, line: bytes) -> Typed | None:
        """A line of good UTF-8; `None` as for many."""
        try:
            return None if finer(line) else self._typed.decode(line)
        except UNDECODED:
            return None


def _fields(frame: Any) -> list[Any]:
    return [("ns", Moment), ("epoch", int, 0), ("frame", frame, None)]


@functools.cache
def bulk_of(venue: Venue) -> Bulk:
    """The bulk decoder of *venue*."""
    return Bulk(venue)


time_of, epoch_of, type_of = attrgetter("ns"), attrgetter("epoch"), attrgetter("frame.type")
_before_frame = methodcaller("index", _FRAME)
_skim = msgspec.json.Decoder(Skimmed).decode_lines


def skimmed_lines(text: bytes) -> list[Skimmed] | None:
    return _together(_skim, text)


def _together(decode_lines: Callable[[bytes], list[T]], text: bytes) -> list[T] | None:
    """The lines of *text*; `None` where they have to be looked at one by one.

    That is where one of them is no line, is of a far year, or has a frame of a type that takes more to decode.
    """
    try:
        if not text.isascii():
            text.decode()  # msgspec skips what it has no field for, bad UTF-8 in there included
        return decode_lines(text)
    except UNDECODED:
        return None


def frame_in(line: bytes) -> bytes:
    """The frame's bytes, which are the last in their line."""
    return line[line.index(_FRAME) + len(_FRAME) : -1]


def frames_size(lines: Sequence[bytes]) -> int:
    """How many bytes the frames in *lines* have together."""
    return sum(map(len, lines)) - sum(map(_before_frame, lines)) - len(lines) * len(_FRAME + b"}")
