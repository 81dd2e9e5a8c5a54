"""Operators over windows, with a separate stream of the trades that are too late for their window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.core import EventClock, Late, Machine
from rxfeed.market import Message
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.multicast import Multicast
from rxfeed.operators.source import MessageFilter, results_of

B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)


class _WindowMachine(Machine[Message, B_co | Late], Protocol[B_co]):
    accepts: ClassVar[frozenset[type[Message]]]
    clock: EventClock


def window_operator(name: str, machine: Callable[[], _WindowMachine[B]]) -> WindowOperator[B]:
    """The operator *name* of what *machine* makes, a new one for each subscription."""
    return WindowOperator(reporting(name, machine), MessageFilter(machine().accepts, None, name))


class WindowOperator(Generic[B]):
    """The operator that `window_operator` returns, and so `window_volume`, `candles` and the like.

    It emits the results. `late` emits the trades that were too late for them, and `late_count` counts these over all
    subscriptions; any thread may read it.
    """

    def __init__(self, machine: Callable[[], Machine[Message, B | Late]], message_filter: MessageFilter) -> None:
        machine()  # so that invalid arguments raise here, and not at each subscription
        self._lifted = lift(machine, message_filter)
        self.message_filter = message_filter
        self._lock = threading.Lock()
        self._running = 0
        self._late: Multicast[Late] = Multicast()
        self.late_count = 0

    @property
    def late(self) -> Observable[Late]:
        """A `Late` for each trade that arrived after its window was emitted; completes with the last subscription."""
        return self._late

    def __call__(self, source: Observable[Message]) -> Observable[B]:
        lifted = self._lifted(source)

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            emit = observer.on_next
            ended = Disposable(self._ended)  # called by whichever end comes first; it acts once

            def on_next(item: B | Late) -> None:
                if isinstance(item, Late):
                    self._count(item)
                else:
                    emit(item)

            def on_error(error: Exception) -> None:
                ended.dispose()
                observer.on_error(error)

            def on_completed() -> None:
                ended.dispose()
                observer.on_completed()

            with self._lock:
                self._running += 1
            upstream = lifted.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

            def dispose() -> None:
                upstream.dispose()
                ended.dispose()

            return Disposable(dispose)

        return results_of(Observable(subscribe), self.message_filter.operator)

    def _count(self, late: Late) -> None:
        with self._lock:
            self.late_count += 1
        self._late.emit(late)

    def _ended(self) -> None:
        with self._lock:
            self._running -= 1
            over = not self._running
        if over:
            self._late.end_current()
