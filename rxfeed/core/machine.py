"""The contract of all machines, and `fold`, which runs one over a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
