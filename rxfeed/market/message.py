"""What every message has, whatever its venue.

Times are timezone-aware `datetime`s with microseconds, ids are `str`, sequences and trade ids are `int`. A field that
the venue may leave out is `None` then. Keys without a field here are not lost: see `Message.content`.
Numbers keep to the rules of `rxfeed.market.values`: a message with any other cannot be made.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, final

import msgspec
from msgspec.structs import force_setattr

from rxfeed.market.epoch import EPOCH
from rxfeed.market.shown import summary

Side = Literal["buy", "sell"]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Level = tuple[Decimal, Decimal]
"""A price and the size of the orders at it."""

_M = TypeVar("_M", bound="Message")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 1000 else float(digits)


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The origin of a message: the frame's bytes, the time of its receipt, and its product's epoch."""

    of_repair: ClassVar[bool] = False
    """True for a trade that had been missed, and came in another way."""
    of_backfill: ClassVar[bool] = False
    """True for a trade from before the subscription that was requested, and counts in windows."""
    apart: ClassVar[bool] = False
    """True if *raw* is not the message's frame: it is an item of an answer, or the frame of several messages."""
    connection: ClassVar[int] = 0
    """The number of the feed's connection that received the frame; 0: it has only one. See `of_connection`."""

    raw: bytes
    received_ns: int
    epoch: int


class PriorOrigin(Origin, frozen=True, gc=False):
    """The origin of the last trade before those of a backfill: it proves that they begin there."""

    apart: ClassVar[bool] = True


class BackfilledOrigin(Origin, frozen=True, gc=False):
    """The origin of a trade from before the subscription that was requested, or came with those that were."""

    of_backfill: ClassVar[bool] = True
    apart: ClassVar[bool] = True


class FrameOrigin(Origin, frozen=True, gc=False):
    """The origin of a message of a frame with several: the epochs of them all; `None` for a dropped duplicate.

    *repaired*: the places of the trades that came again, because they had been missed.
    """

    epochs: tuple[int | None, ...]
    repaired: tuple[int, ...] = ()


_O = TypeVar("_O", bound=Origin)
_OF_CONNECTIONS: dict[tuple[type[Origin], int], type[Any]] = {}


def of_connection(kind: type[_O], number: int) -> type[_O]:
    """The origin *kind* of frames of connection *number*: a class of its own, so that an origin does not get larger."""
    if not number:
        return kind
    found = _OF_CONNECTIONS.get((kind, number))
    if found is None:

        def reduced(origin: Origin) -> tuple[object, ...]:
            return _origin_of_connection, (kind, number, *msgspec.structs.astuple(origin))

        namespace = {"connection": number, "__reduce__": reduced, "__module__": kind.__module__}
        found = msgspec.defstruct(kind.__name__, [], bases=(kind,), namespace=namespace, frozen=True, gc=False)
        _OF_CONNECTIONS[kind, number] = found
    return found  # pyright: ignore[reportReturnType]  # it is a subclass of *kind*


def _origin_of_connection(kind: type[Origin], number: int, *fields: Any) -> Origin:
    return of_connection(kind, number)(*fields)


class Repairs:
    """Whether this process has repaired messages at all: without them, nothing has to count them."""

    made: ClassVar[bool] = False


class RepairedOrigin(Origin, frozen=True, gc=False):
    """The origin of a trade that was missed, and came in another way: *raw* is its frame."""

    of_repair: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Repairs.made = True


class RestOrigin(RepairedOrigin, frozen=True, gc=False):
    """The same of a trade that was requested from the REST API: *raw* is its item of the answer."""

    apart: ClassVar[bool] = True


class RepairedFrameOrigin(FrameOrigin, frozen=True, gc=False):
    """The origin of a trade that was missed, and is one of a frame's *repaired* ones."""

    of_repair: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Repairs.made = True


if TYPE_CHECKING:
    _NotOnTheWire = Origin
else:

    class _NotOnTheWire:
        """The declared type of `_origin`: no JSON decodes to it, so a frame cannot set it."""


# gc=False: these structs have no reference cycles, so the garbage collector need not track them.
class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields of every message; `product_id` and `time` are `None` if the type has none."""

    product_id: str | None = None
    time: Time | None = None
    _origin: _NotOnTheWire | None = None

    @property
    def type(self) -> str:
        """The type's name on the wire, or the name of its struct where the wire has none."""
        tag = self.__struct_config__.tag
        return type(self).__name__ if tag is None else str(tag)

    @property
    def raw(self) -> bytes:
        """The frame as received; for a message without a frame, its encoding."""
        origin = self._origin
        return msgspec.json.encode(self) if origin is None else origin.raw

    @property
    def content(self) -> Any:
        """The frame as plain `dict` (level3: `list`), every key and text as sent, decoded anew at each call."""
        raw = self.raw
        try:
            return msgspec.json.decode(raw)
        except msgspec.DecodeError:  # a number that a field of no type here holds, and a float does not
            return json.loads(raw, parse_int=_integer)

    @property
    def received_ns(self) -> int:
        """Unix nanoseconds at which the frame's bytes were read from the socket; 0 for a message without a frame."""
        origin = self._origin
        return 0 if origin is None else origin.received_ns

    @property
    def received(self) -> datetime:
        """`received_ns` as a UTC datetime."""
        return EPOCH + timedelta(microseconds=self.received_ns // 1000)

    @property
    def epoch(self) -> int:
        """A number that rises when messages of the product may have been missed; there is no gap within an epoch.

        If only messages of a kind (trades, tickers, books, orders) may have been missed, it rises for that kind alone.
        """
        origin = self._origin
        return 0 if origin is None else origin.epoch

    @property
    def connection(self) -> int:
        """The number of the feed's connection that received the frame, from 1 on; 0: the feed has only one."""
        origin = self._origin
        return 0 if origin is None else origin.connection

    @property
    def repaired(self) -> bool:
        """True for a trade that had been missed, and came in another way: from the REST API, or in a snapshot."""
        origin = self._origin
        return origin is not None and origin.of_repair

    @property
    def backfilled(self) -> bool:
        """True for a trade from before the subscription that `Feed(backfill=...)` requested: windows count it."""
        origin = self._origin
        return origin is not None and origin.of_backfill

    @property
    def unstamped(self) -> Message:
        """The message without its origin, and so with nothing but its fields."""
        return self if self._origin is None else msgspec.structs.replace(self, _origin=None)

    def __str__(self) -> str:
        """The content in one line, for people; `repr` is exact."""
        return summary(self)

    def __repr__(self) -> str:
        shown = (
            f"{name}={value!r}"
            for name in self.__struct_fields__
            if name != "_origin" and (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def stamp(message: _M, origin: Origin) -> _M:
    """*message* itself, with *origin*; only for the code that creates the message."""
    force_setattr(message, "_origin", origin)
    return message


def frame_of(message: Message) -> bytes:
    """`raw`, or for a trade of the REST API its encoding, which the venue's decoder decodes as it does a frame."""
    origin = message._origin  # pyright: ignore[reportPrivateUsage]  # of this module
    return msgspec.json.encode(message.unstamped) if origin is not None and origin.apart else message.raw


def frame_origin(
    raw: bytes,
    received_ns: int,
    epoch: int,
    epochs: tuple[int | None, ...],
    repaired: tuple[int, ...],
    place: int,
    connection: int = 0,
) -> FrameOrigin:
    """The origin of the message at *place* in a frame with several."""
    kind = of_connection(RepairedFrameOrigin if place in repaired else FrameOrigin, connection)
    return kind(raw, received_ns, epoch, epochs, repaired)


@final
class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A frame that is not JSON, or JSON of the wrong shape, and why; *raw* is empty for one over `max_size`.

    *received_ns*: Unix nanoseconds at which its bytes were read; 0 for one that no feed received. *product_id* and
    *type*: what the frame names, `None` where it names none that can be read.
    """

    raw: bytes
    reason: str
    received_ns: int = 0
    product_id: str | None = None
    type: str | None = None

    def __str__(self) -> str:
        """The reason in one line; `repr` has the frame."""
        about = [each for each in (self.product_id, self.type) if each is not None]
        return " ".join(["Malformed", *about, f"{len(self.raw):,} bytes: {self.reason}"])


@final
class Skipped(msgspec.Struct, frozen=True, gc=False):
    """A message of type *kind* that was not decoded, because it has no observer; *sequence_num*: of its frame."""

    kind: type[Message]
    product_id: str | None
    sequence_num: int


class Unknown(Message, frozen=True, kw_only=True, gc=False):
    """A message of a type that is not listed here; `content` has all of it.

    *sequence*: its number in the product's sequence, if it has one. *level3*: it came as an array of that channel.
    """

    type: str  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]  # no tag
    sequence: int | None = None
    level3: bool = False
