"""The pipelines without a feed and without Rx: the machines of `rxfeed.core`, called in a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.book_states import Book
from rxfeed.core import ByType, Late, Machine
from rxfeed.market import Message

Out = Callable[[Any], object]


def accepted_by(machine: Any) -> ByType[bool]:
    """Whether the machine's operator selects messages of a type."""
    kinds: dict[type[object], bool] = {object: False, **dict.fromkeys(machine.accepts, True)}
    return ByType(kinds)


def of_all(machine: Machine[Any, Any], messages: Iterable[Message], out: Out, late: Out) -> None:
    """One machine for all products."""
    step, accepted = machine.step, accepted_by(machine)
    for message in messages:
        if accepted[type(message)]:
            for output in step(message):
                (late if type(output) is Late else out)(output)
    for output in machine.finish():
        out(output)


def of_each(machines: Mapping[str | None, Machine[Any, Any]], messages: Iterable[Message], out: Out) -> None:
    """A machine for each product."""
    steps = {product: machine.step for product, machine in machines.items()}
    accepted = accepted_by(next(iter(machines.values())))
    for message in messages:
        if accepted[type(message)] and (step := steps.get(message.product_id)):
            for output in step(message):
                out(output)


def live_book(product_ids: Iterable[str], messages: Iterable[Message], out: Out) -> None:
    """Books that are changed in place, so that an output changes with the next message."""
    books: dict[str | None, Book] = {product_id: Book(product_id) for product_id in product_ids}
    for message in messages:
        state = books.get(message.product_id)
        if state is not None:
            for output in state.take(message):
                out(output)
