"""The numbers in many frames at once, without decoding the rest: what an audit of a recording is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class FrameLine(Protocol):
    """A line of a recording, with as much of its frame as `NumberReader.frame` has."""

    ns: int
    frame: Any


class NumberGroup(NamedTuple):
    """Messages of *channel* and *product*, in their order: the *lines* they are in, with as many *numbers*.

    *counted*: the numbers rise by one, over all connections; if not, they are those that the messages name as the last
    ones. *numbers* is empty where the messages have none. *before*: the named ones are from before the subscription.
    """

    channel: str
    product: str | None
    lines: Sequence[FrameLine]
    numbers: Sequence[int] = ()
    counted: bool = True
    before: bool = False


class NumberReader(Protocol):
    """Reads the frames of one venue."""

    frame: Any
    """The type that msgspec decodes a frame into."""

    def groups(self, lines: Sequence[FrameLine], channels: dict[str | None, frozenset[str]]) -> Iterator[NumberGroup]:
        """The groups in *lines*; *channels*: those of each product.

        Raises `ValueError` if the frames have to be decoded one by one.
        """
        ...
