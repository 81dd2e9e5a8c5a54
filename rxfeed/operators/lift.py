"""From a machine to an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from reactivex import Observable, abc

from rxfeed.core import Machine
from rxfeed.operators.source import Operator, Selectable, Wish

A = TypeVar("A")
B = TypeVar("B")


class _Direct:
    """An observer that is three functions, with nothing before them."""

    __slots__ = ("on_completed", "on_error", "on_next")

    def __init__(self, on_next: abc.OnNext[Any], on_error: abc.OnError, on_completed: abc.OnCompleted) -> None:
        self.on_next, self.on_error, self.on_completed = on_next, on_error, on_completed


def lift(machine: Callable[[], Machine[A, B]], wish: Wish | None = None) -> Operator[A, B]:
    """An operator that steps a machine of its own, made by *machine*, for every subscription.

    When the source completes or fails, what the machine's `finish` still has goes out first. An exception in the
    machine ends the stream with `on_error`, and the source is let go. *wish*: the messages that the machine looks at at
    all; a feed then sends it no others.

        >>> from rxfeed.core import TumblingVolume
        >>> minutes = reactivex.of(match(size="0.5"), match(size="1")).pipe(lift(lambda: TumblingVolume(60)))
        >>> minutes.subscribe(lambda window: print(window.volume)).dispose()
        1.5
    """

    def operator(source: Observable[A]) -> Observable[B]:
        chosen: Observable[Any] = source
        if wish is not None and isinstance(source, Selectable):
            chosen = source.select(wish)

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            running = machine()
            step, emit = running.step, observer.on_next

            def on_next(item: A) -> None:
                try:
                    outputs = step(item)
                except Exception as error:
                    observer.on_error(error)
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
                direct: Any = _Direct(on_next, on_error, on_completed)
                return chosen._subscribe_core(direct, scheduler)
            return chosen.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator
