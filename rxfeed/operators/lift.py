"""Makes an operator of a machine."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, Never, TypeVar, cast

from reactivex import Observable, abc

from rxfeed.core import Machine, Receiving
from rxfeed.errors import ConfigError
from rxfeed.market import Message
from rxfeed.operators.source import FilterableSource, MessageFilter, Operator, check_source, declare, results_of

A = TypeVar("A")
B = TypeVar("B")

# The exceptions of a machine for an item without the attributes of a message.
_SHAPE_ERRORS = (AttributeError, TypeError)


class _Direct(Generic[A]):
    """An observer of three functions, without a wrapper; *behind*: the observer that they emit to."""

    __slots__ = ("__weakref__", "_behind", "on_completed", "on_error", "on_next")

    def __init__(
        self, on_next: abc.OnNext[A], on_error: abc.OnError, on_completed: abc.OnCompleted, behind: object
    ) -> None:
        self.on_next, self.on_error, self.on_completed = on_next, on_error, on_completed
        self._behind = behind

    @property
    def is_stopped(self) -> bool:
        return bool(getattr(self._behind, "is_stopped", False))


def lift(machine: Callable[[], Machine[A, B]], message_filter: MessageFilter | None = None) -> Operator[A, B]:
    """An operator that runs one machine for each subscription; *machine* makes it, for example its class.

    When the source completes or fails, the outputs of the machine's `finish` are emitted first. An exception in the
    machine ends the stream with `on_error`; if the subscriber has none, the exception is logged. *message_filter*: the
    messages that the machine accepts; a feed then sends it no others. Raises `ConfigError` for a machine instead of its
    class.

        >>> import reactivex
        >>> from rxfeed import lift
        >>> from rxfeed.testing import trade
        >>> from rxfeed.core import TumblingVolume
        >>> minutes = reactivex.of(trade(size="0.5"), trade(size="1")).pipe(lift(lambda: TumblingVolume(60)))
        >>> minutes.subscribe(lambda window: print(window.volume)).dispose()
        1.5
    """

    check_machine_maker(machine)
    message_filter = None if message_filter is None else MessageFilter(*message_filter)

    def operator(source: Observable[A]) -> Observable[B]:
        if message_filter is not None:
            check_source(source, message_filter)
        chosen = source
        if message_filter is not None and isinstance(source, FilterableSource):
            chosen = cast("Observable[A]", source.select(message_filter))  # the machine accepts the filter's types

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            running = made(machine)
            step, emit = running.step, observer.on_next

            def first_step(item: A) -> Sequence[B]:
                # Only for the first item: a machine skips other items without an error, and would emit nothing.
                nonlocal step
                step = running.step
                _check_item(item, message_filter)
                return step(item)

            if message_filter is not None and not isinstance(source, FilterableSource):
                step = first_step

            def on_next(item: A) -> None:
                try:
                    outputs = step(item)
                except Exception as error:
                    observer.on_error(_explained(error, item, message_filter))
                    return
                if outputs:  # mostly empty, and this check costs a quarter of an empty loop
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
                if _finished(finish, observer, error):
                    observer.on_error(error)

            def on_completed() -> None:
                if _finished(finish, observer):
                    observer.on_completed()

            if isinstance(source, FilterableSource):
                # `subscribe` would insert an observer, at the cost of a call for each message, which only tracks
                # disposed observers. Such a source does that itself, and *observer* ignores items after its end.
                receive = running.receiver(on_next) if isinstance(running, Receiving) else on_next
                direct = _Direct(receive, on_error, on_completed, observer)  # it has the attributes of an observer
                subscribe_core = chosen._subscribe_core  # pyright: ignore[reportPrivateUsage]  # there is no public one
                return subscribe_core(cast("abc.ObserverBase[A]", direct), scheduler)
            return chosen.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return results_of(Observable(subscribe), "" if message_filter is None else message_filter.operator)

    if message_filter is None:
        vars(operator)["name"] = getattr(machine, "__name__", "lift").strip("<>")  # of its class
    return declare(operator, message_filter)


def _finished(
    finish: Callable[[], bool], observer: abc.ObserverBase[Never], cause: BaseException | None = None
) -> bool:
    """The result of *finish*. If it raises `SystemExit` or the like, *observer* receives *cause*, or that exception.

    A caller may wait for this end.
    """
    try:
        return finish()
    except Exception:
        raise
    except BaseException as leaving:
        with suppress(Exception):  # without an on_error the cause is raised
            observer.on_error(cause or leaving)  # pyright: ignore[reportArgumentType]  # it passes any exception on
        raise


def _explained(error: Exception, item: object, message_filter: MessageFilter | None) -> Exception:
    """*error*, or a `ConfigError` that names the item, if an operator of messages received something else."""
    if (
        message_filter is None
        or not message_filter.operator
        or isinstance(item, Message)
        or not isinstance(error, _SHAPE_ERRORS)
    ):
        return error
    explained = _misplaced(item, message_filter)
    explained.__cause__ = error
    return explained


def _check_item(item: object, message_filter: MessageFilter | None) -> None:
    """Raise `ConfigError` for an *item* that an operator of messages would skip."""
    if message_filter is None or not message_filter.operator or message_filter.books or isinstance(item, Message):
        return
    raise _misplaced(item, message_filter)


def _misplaced(item: object, message_filter: MessageFilter) -> ConfigError:
    takes = "messages or the views of a book" if message_filter.books else "messages"
    given = f"{type(item).__name__} {reprlib.repr(item)}"
    return ConfigError(f"{message_filter.operator} received a {given}, and it takes {takes}: compose it on those")


def check_machine_maker(machine: object) -> None:
    """Raise `ConfigError` for an argument that cannot make a machine, such as a machine itself."""
    if callable(machine):
        return
    name = type(machine).__name__
    if is_machine(machine):
        raise ConfigError(
            f"lift: {machine!r} is a machine, and each subscription needs its own: give the class, lift({name}), or a "
            f"function that returns a new one, lift(lambda: {name}(...))"
        )
    raise ConfigError(f"lift: {machine!r} is a {name}: give a class, or a function that returns a machine")


def made(machine: Callable[[], Machine[A, B]]) -> Machine[A, B]:
    """A new machine; raises `ConfigError` if *machine* returns something else."""
    running = machine()
    if not is_machine(running):
        raise ConfigError(
            f"lift: {getattr(machine, '__qualname__', machine)} returned {running!r}, which is not a machine: "
            "a machine has the methods step(item) and finish()"
        )
    return running


def is_machine(made: object) -> bool:
    return callable(getattr(made, "step", None)) and callable(getattr(made, "finish", None))
