"""From a machine to an operator."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from reactivex import Observable, abc

from rxfeed.core import Machine
from rxfeed.errors import ConfigError
from rxfeed.market import Message
from rxfeed.operators.source import Operator, Selectable, Wish, check_source, declare, results_of

A = TypeVar("A")
B = TypeVar("B")

# What a machine raises for an item without the attributes of a message.
_OF_SHAPE = (AttributeError, TypeError)


class _Direct:
    """An observer that is three functions, with nothing before them; *behind* is the one that they emit to."""

    __slots__ = ("__weakref__", "_behind", "on_completed", "on_error", "on_next")

    def __init__(
        self, on_next: abc.OnNext[Any], on_error: abc.OnError, on_completed: abc.OnCompleted, behind: Any
    ) -> None:
        self.on_next, self.on_error, self.on_completed = on_next, on_error, on_completed
        self._behind = behind

    @property
    def is_stopped(self) -> bool:
        return bool(getattr(self._behind, "is_stopped", False))


def lift(machine: Callable[[], Machine[A, B]], wish: Wish | None = None) -> Operator[A, B]:
    """An operator that steps a machine of its own, made by *machine* (such as its class), for every subscription.

    When the source completes or fails, what the machine's `finish` still has goes out first. An exception in the
    machine ends the stream with `on_error`, which is logged where the subscriber has none. *wish*: the messages that
    the machine looks at; a feed then sends it no others. Raises `ConfigError` for a machine in place of its class.

        >>> from rxfeed.core import TumblingVolume
        >>> minutes = reactivex.of(match(size="0.5"), match(size="1")).pipe(lift(lambda: TumblingVolume(60)))
        >>> minutes.subscribe(lambda window: print(window.volume)).dispose()
        1.5
    """

    check_machine_maker(machine)
    wish = None if wish is None else Wish(*wish)

    def operator(source: Observable[A]) -> Observable[B]:
        if wish is not None:
            check_source(source, wish)
        chosen: Observable[Any] = source
        if wish is not None and isinstance(source, Selectable):
            chosen = source.select(wish)

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            running = made(machine)
            step, emit = running.step, observer.on_next

            def on_next(item: A) -> None:
                try:
                    outputs = step(item)
                except Exception as error:
                    observer.on_error(_explained(error, item, wish))
                    return
                if outputs:  # nearly always there are none, and a loop over none costs four times as much as this
                    for output in outputs:
                        emit(output)

            def finish() -> bool:
                try:
                    outputs: Sequence[B] = running.finish()
                except Exception as error:
                    observer.on_error(error)
                    return False
                for output in outputs:
                    emit(output)
                return True

            def on_error(error: Exception) -> None:
                if finish():
                    observer.on_error(error)

            def on_completed() -> None:
                if finish():
                    observer.on_completed()

            if isinstance(source, Selectable):
                # `subscribe` would put an observer between, a call for each message, that only minds who has been let
                # go: such a source does that itself, and what *observer* may still get it ignores.
                direct: Any = _Direct(on_next, on_error, on_completed, observer)
                return chosen._subscribe_core(direct, scheduler)
            return chosen.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return results_of(Observable(subscribe), "" if wish is None else wish.operator)

    return declare(operator, wish)


def _explained(error: Exception, item: Any, wish: Wish | None) -> Exception:
    """*error*, or where an operator of messages was given something else, a `ConfigError` that names it."""
    if wish is None or not wish.operator or isinstance(item, Message) or not isinstance(error, _OF_SHAPE):
        return error
    takes = "messages or the views of a book" if wish.books else "messages"
    given = f"{type(item).__name__} {reprlib.repr(item)}"
    explained = ConfigError(f"{wish.operator} was given a {given}, and it takes {takes}: compose it on those")
    explained.__cause__ = error
    return explained


def check_machine_maker(machine: Any) -> None:
    """`ConfigError` for what cannot make a machine, such as a machine itself."""
    if callable(machine):
        return
    name = type(machine).__name__
    if is_machine(machine):
        raise ConfigError(
            f"lift: {machine!r} is a machine, and each subscription needs its own: give the class, lift({name}), or a "
            f"function that returns a new one, lift(lambda: {name}(...))"
        )
    raise ConfigError(f"lift: {machine!r} is a {name}, and not a class or a function that returns a machine")


def made(machine: Callable[[], Machine[A, B]]) -> Machine[A, B]:
    """A new machine; `ConfigError` where what *machine* returns is none."""
    running = machine()
    if not is_machine(running):
        raise ConfigError(
            f"lift: {getattr(machine, '__qualname__', machine)} returned {running!r}, which is no machine: "
            "a machine has the methods step(item) and finish()"
        )
    return running


def is_machine(made: Any) -> bool:
    return callable(getattr(made, "step", None)) and callable(getattr(made, "finish", None))
