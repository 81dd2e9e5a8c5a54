"""The origins of messages that are held until it is known whether they belong to a restarted sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from msgspec.structs import force_setattr

from rxfeed.market import FrameOrigin, Message, Origin, stamp


class _HeldOrigin(Origin, frozen=True, gc=False):
    """The origin of a held message of a frame with *count* messages, at *place*."""

    count: int
    place: int


def stamp_held(message: Message, raw: bytes, received_ns: int) -> None:
    """Give *message*, the only one of the frame *raw*, its origin without an epoch."""
    force_setattr(message, "_origin", Origin(raw, received_ns, 0))


def stamp_held_of(messages: Sequence[Message], places: Iterable[int], raw: bytes, received_ns: int) -> None:
    """The same for those of the *messages* of a frame that are at *places*."""
    for place in places:
        force_setattr(messages[place], "_origin", _HeldOrigin(raw, received_ns, 0, len(messages), place))


def with_epochs(released: Iterable[Message], epoch_of: Callable[[Message], int]) -> Iterator[Message]:
    """The *released* messages, each with its epoch of now."""
    for _, group in groupby(released, lambda message: id(message.raw)):
        messages = list(group)
        epochs = [epoch_of(each) for each in messages]
        origins = [each._origin for each in messages]  # pyright: ignore[reportPrivateUsage]
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
        for message, epoch in zip(messages, epochs, strict=True):
            raw, ns = first.raw, first.received_ns
            yield stamp(message, FrameOrigin(raw, ns, epoch, whole) if whole else Origin(raw, ns, epoch))
