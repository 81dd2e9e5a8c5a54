"""Many lines of a segment at a time, as far as somebody wants them.

One by one, a line costs more than twice as much to decode; and to skim one that nobody wants costs a third of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, methodcaller
from typing import TypeVar

import msgspec

from rxfeed.market import Message
from rxfeed.market.times import finer
from rxfeed.recording.moments import Moment
from rxfeed.venues.coinbase_exchange.decode import UNDECODED, Known

T = TypeVar("T")

NO_FRAME = ""
"""The type of a line that has none; whatever is called so is looked at."""
NOT_CHOSEN = None
"""In the place of a type: it does not count."""
KINDS: dict[str | None, type[Message]] = {str(kind.__struct_config__.tag): kind for kind in Known.__args__}
"""What is known well enough to be passed over, by its type."""

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
    frame: Known | None = None


time_of, epoch_of, type_of = attrgetter("ns"), attrgetter("epoch"), attrgetter("frame.type")
_before_frame = methodcaller("index", _FRAME)
_skim = msgspec.json.Decoder(Skimmed).decode_lines
_typed = msgspec.json.Decoder(Typed)


def skimmed_lines(text: bytes) -> list[Skimmed] | None:
    return _together(_skim, text)


def typed_lines(text: bytes) -> list[Typed] | None:
    return None if finer(text) else _together(_typed.decode_lines, text)


def typed_line(line: bytes) -> Typed | None:
    """A line of good UTF-8; `None` as for many."""
    try:
        return None if finer(line) else _typed.decode(line)
    except UNDECODED:
        return None


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
