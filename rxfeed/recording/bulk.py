"""Decodes many lines of a segment at once, completely or only as far as needed to skip them.

Decoding lines one by one takes more than twice as long. Skimming a line takes a third of decoding it.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter, methodcaller
from typing import TypeVar, cast

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


_CHECKED = [("product_id", str | None, None)]
"""What is checked of a message that nothing reads, as on a feed: its type, and that its product is a text."""


class Bulk:
    """Decodes lines with frames of *venue*; a venue with other frames is never `usable`."""

    def __init__(self, venue: Venue) -> None:
        known = venue.quick_types
        self.usable = bool(known)
        self.kinds: dict[str | None, type[Message]] = {tag_of(kind): kind for kind in known}
        """What is known well enough to be passed over, by its type."""
        frame = functools.reduce(operator.or_, known, None) if known else None
        self._typed: msgspec.json.Decoder[Typed] = msgspec.json.Decoder(
            cast("type[Typed]", msgspec.defstruct("Typed", _fields(frame), bases=(), gc=False))
        )

        self._choosing: dict[frozenset[type[Message]], Callable[[bytes], list[Typed]]] = {}
        self.passed: dict[type[object], type[Message]] = {}
        """By what `chosen_lines` has in place of a message: its type."""

    def chosen_lines(self, text: bytes, types: frozenset[type[Message]]) -> list[Typed] | None:
        """As `typed_lines`, with the messages of *types* alone: see `passed` for the others.

        Times that are finer than microseconds are not cut here.
        """
        decode = self._choosing.get(types)
        if decode is None:
            decode = self._choosing[types] = self._choose(tuple(types))
        return None if len(text) > LONG or REPAIRED in text else together(decode, text)

    def _choose(self, types: tuple[type[Message], ...]) -> Callable[[bytes], list[Typed]]:
        for tag, kind in self.kinds.items():
            if kind not in self.passed.values():
                self.passed[msgspec.defstruct("Passed", _CHECKED, tag=tag, gc=False)] = kind
        passed = {kind: struct for struct, kind in self.passed.items()}
        frame = functools.reduce(
            operator.or_, [kind if issubclass(kind, types) else passed[kind] for kind in self.kinds.values()]
        )
        line = msgspec.defstruct("Chosen", _fields(frame | None), bases=(), gc=False)
        return msgspec.json.Decoder(cast("type[Typed]", line)).decode_lines

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


def _fields(frame: object) -> list[tuple[str, object] | tuple[str, object, object]]:
    return [("ns", Moment), ("epoch", int, 0), ("frame", frame, None), ("connection", int, 0)]


@functools.cache
def bulk_of(venue: Venue) -> Bulk:
    """The bulk decoder of *venue*."""
    return Bulk(venue)


kind_of, connection_of = attrgetter("frame.__class__"), attrgetter("connection")
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


def size_between(lines: Sequence[bytes], text: bytes, times: Sequence[int], epochs: Collection[int]) -> int | None:
    """The total size of the frames in *text*, which has *lines* of these *times* and *epochs*, each with a frame.

    `None` if the lines may begin in several ways, as the first and the last one show.
    """
    if len(epochs) != 1:
        return None
    (epoch,) = epochs
    digits = len(str(min(times)))
    begin, end = b'{"ns":', b',"epoch":%d,%s' % (epoch, _FRAME)
    before = len(begin) + digits
    alike = digits == len(str(max(times))) and all(
        line.startswith(begin) and line.startswith(end, before) for line in (lines[0], lines[-1])
    )
    return len(text) - len(lines) * (before + len(end) + len(b"}\n")) if alike else None


def places(kinds: list[type[object]], counted: Mapping[type[object], int], chosen: Iterable[type[object]]) -> list[int]:
    """Where the *chosen* ones are in *kinds*, in order; *counted*: how often each is there."""
    found: list[int] = []
    for kind in chosen:
        at = -1
        for _ in range(counted[kind]):
            at = kinds.index(kind, at + 1)
            found.append(at)
    return sorted(found)


def frames_size(lines: Sequence[bytes]) -> int:
    """The total size of the frames in *lines*, in bytes."""
    return sum(map(len, lines)) - sum(map(_before_frame, lines)) - len(lines) * len(_FRAME + b"}")
