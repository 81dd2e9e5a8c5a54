"""The origins of messages that are held: until it is known what they belong to, or until missing trades are here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import ClassVar

from msgspec.structs import force_setattr, replace

from rxfeed.market import FrameOrigin, Message, Origin, RepairedOrigin, RestOrigin, frame_origin, of_connection, stamp


class _HeldOrigin(Origin, frozen=True, gc=False):
    """The origin of a held message of a frame with *count* messages, at *place*; *repaired*: as for a `FrameOrigin`."""

    count: int
    place: int
    repaired: tuple[int, ...] = ()


class _HeldRepairedOrigin(_HeldOrigin, frozen=True, gc=False):
    """The same of a trade at one of the *repaired* places."""

    of_repair: ClassVar[bool] = True


class HeldRepairedOrigin(Origin, frozen=True, gc=False):
    """The origin of a held trade that was missed, and came as the only message of its frame."""

    of_repair: ClassVar[bool] = True


class HeldRestOrigin(HeldRepairedOrigin, frozen=True, gc=False):
    """The same of one that came as a trade from before a subscription: *raw* is not its frame."""

    apart: ClassVar[bool] = True


def is_of_several(origin: Origin) -> bool:
    """True if *origin* is that of a message of a frame with several."""
    return isinstance(origin, FrameOrigin | _HeldOrigin)


def stamp_held(message: Message, raw: bytes, received_ns: int, connection: int = 0) -> None:
    """Give *message*, the only one of the frame *raw*, its origin without an epoch."""
    force_setattr(message, "_origin", of_connection(Origin, connection)(raw, received_ns, 0))


def stamp_held_of(
    messages: Sequence[Message], places: Iterable[int], raw: bytes, received_ns: int, connection: int = 0
) -> None:
    """The same for those of the *messages* of a frame that are at *places*."""
    kind = of_connection(_HeldOrigin, connection)
    for place in places:
        force_setattr(messages[place], "_origin", kind(raw, received_ns, 0, len(messages), place))


def stamp_awaiting(
    messages: Sequence[Message],
    places: Iterable[int],
    raw: bytes,
    received_ns: int,
    epochs: Sequence[int | None],
    repaired: tuple[int, ...],
    connection: int = 0,
) -> None:
    """The same, with their *epochs*: those of the messages at *places* that wait for missing trades."""
    for place in places:
        kind = of_connection(_HeldRepairedOrigin if place in repaired else _HeldOrigin, connection)
        origin = kind(raw, received_ns, epochs[place] or 0, len(messages), place, repaired)
        force_setattr(messages[place], "_origin", origin)


def with_epoch(message: Message, epoch: int) -> Message:
    """*message*, which is held, with another epoch."""
    origin = message._origin  # pyright: ignore[reportPrivateUsage]  # which only a feed replaces
    assert origin is not None, "a held message got its origin when it was held"
    return stamp(message, replace(origin, epoch=epoch))


def with_epochs(released: Iterable[Message], epoch_of: Callable[[Message], int]) -> Iterator[Message]:
    """The *released* messages, each with its epoch of now."""
    for _, group in groupby(released, lambda message: id(message.raw)):
        messages = list(group)
        epochs = [epoch_of(each) for each in messages]
        origins = [each._origin for each in messages]  # pyright: ignore[reportPrivateUsage]  # as above
        first = origins[0]
        assert first is not None, "a held message got its origin when it was held"
        whole: tuple[int | None, ...] = ()
        if isinstance(first, _HeldOrigin):  # of a frame with several
            places = {
                origin.place: epoch
                for origin, epoch in zip(origins, epochs, strict=True)
                if isinstance(origin, _HeldOrigin)
            }
            whole = tuple(places.get(place) for place in range(first.count))
        raw, ns, number = first.raw, first.received_ns, first.connection
        for message, origin, epoch in zip(messages, origins, epochs, strict=True):
            if isinstance(origin, _HeldOrigin):
                yield stamp(message, frame_origin(raw, ns, epoch, whole, origin.repaired, origin.place, number))
            else:
                kind = Origin
                if isinstance(origin, HeldRepairedOrigin):
                    kind = RestOrigin if isinstance(origin, HeldRestOrigin) else RepairedOrigin
                yield stamp(message, of_connection(kind, number)(raw, ns, epoch))
