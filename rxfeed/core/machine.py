"""The contract of all machines, and `fold`, which runs one over a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from rxfeed.errors import ConfigError

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")


class Machine(Protocol[A_contra, B_co]):
    """Turns items into outputs, one step at a time. Its only inputs are its arguments and the items."""

    def step(self, item: A_contra, /) -> Sequence[B_co]:
        """The outputs that *item* causes: usually none, `()`."""
        ...

    def finish(self) -> Sequence[B_co]:
        """The remaining outputs, after the last item."""
        ...


@runtime_checkable
class Receiving(Protocol):
    """A machine that is faster if its items go to a function that returns nothing, since most have no output."""

    def receiver(self, rest: Callable[[Any], None]) -> Callable[[Any], None]:
        """The function for the items, which have to be messages that the machine uses.

        It has the effect of `step` for items without outputs, and calls *rest* for the others, which has to call `step`
        with them.
        """
        ...


@runtime_checkable
class Batching(Protocol):
    """A machine that takes many items in one call, which is faster where most items have no output."""

    def step_many(self, items: Iterator[Any], /) -> Sequence[Any]:
        """Take *items* up to the first with outputs, and return these; `()` if there are none up to the last item.

        It has the effect of `step` with each item that it takes. No item behind the one with outputs is taken, and none
        behind one that raises: its caller sees from the iterator how far it has come.
        """
        ...


class Batched:
    """`step_many` by `step`, for a machine whose steps take longer than the calls around them."""

    __slots__ = ()

    def step_many(self: Machine[A, B], items: Iterator[A], /) -> Sequence[B]:
        """As `Batching.step_many`."""
        step = self.step
        for item in items:
            outputs = step(item)
            if outputs:
                return outputs
        return ()


def fold(machine: Machine[A, B], items: Iterable[A]) -> list[B]:
    """All outputs of *machine* for *items*, those of `finish` included: a pipeline without Rx.

    >>> from rxfeed import fold
    >>> from rxfeed.testing import trade
    >>> from rxfeed.core import TumblingVolume
    >>> [str(w.volume) for w in fold(TumblingVolume(60), [trade(size="0.5"), trade(size="1")])]
    ['1.5']
    """
    if isinstance(machine, type):
        raise ConfigError(f"fold: {machine.__name__} is a class: give a machine, fold({machine.__name__}(...), items)")
    if hasattr(items, "subscribe"):
        raise ConfigError("fold: a stream was given in place of a list of items: pipe it into lift(...) of the machine")
    outputs: list[B] = []
    for item in items:
        outputs.extend(machine.step(item))
    outputs.extend(machine.finish())
    return outputs
