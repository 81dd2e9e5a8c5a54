"""What comes too late for its window: a stream of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.core import Late, Machine
from rxfeed.market import Message
from rxfeed.operators.lift import lift
from rxfeed.operators.source import Wish, results_of
from rxfeed.operators.unhandled import hand_back, log_unhandled

B = TypeVar("B")


class LateStream(Observable[Late]):
    """Hot: the late trades of all subscriptions of one operator; it completes when the last of them has ended.

    A subscriber that raises is cut off and told through its own `on_error`; the windows never notice.
    """

    def __init__(self) -> None:
        super().__init__()
        self._observers: tuple[abc.ObserverBase[Late], ...] = ()
        self._lock = threading.RLock()

    def _subscribe_core(
        self, observer: abc.ObserverBase[Late], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        with self._lock:
            self._observers += (observer,)
        return Disposable(lambda: self._leave(observer))

    def _leave(self, observer: abc.ObserverBase[Late]) -> None:
        with self._lock:
            self._observers = tuple(each for each in self._observers if each is not observer)

    def _tell(self, late: Late) -> None:
        for observer in self._observers:
            try:
                observer.on_next(late)
            except Exception as error:
                self._leave(observer)
                log_unhandled(hand_back(observer, error))

    def _end(self) -> None:
        with self._lock:
            observers, self._observers = self._observers, ()
        for observer in observers:
            observer.on_completed()


class Timely(Generic[B]):
    """The operator that `window_volume`, `candles`, `rolling_volume` and `trade_imbalance` return.

    It emits the results. The trades that came too late for them are on *late*, and *late_count* counts those, over all
    subscriptions; it may be read from any thread.
    """

    def __init__(self, machine: Callable[[], Machine[Message, B | Late]], wish: Wish) -> None:
        machine()  # so that bad arguments are told here, and not to each subscriber
        self._lifted = lift(machine, wish)
        self.wish = wish
        self._lock = threading.Lock()
        self._running = 0
        self._late = LateStream()
        self.late_count = 0

    @property
    def late(self) -> Observable[Late]:
        """A `Late` for each trade that came when its window had gone out."""
        return self._late

    def __call__(self, source: Observable[Any]) -> Observable[B]:
        lifted = self._lifted(source)

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            emit = observer.on_next
            ended = Disposable(self._ended)  # whatever ends it first: dispose does its work once

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

        return results_of(Observable(subscribe), self.wish.operator)

    def _count(self, late: Late) -> None:
        with self._lock:
            self.late_count += 1
        self._late._tell(late)

    def _ended(self) -> None:
        with self._lock:
            self._running -= 1
            over = not self._running
        if over:
            self._late._end()
