"""One product at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.core import MAX_AHEAD, LatestByProduct, Presence, Throttle
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.source import Operator, check_source, declare, filter_of

A = TypeVar("A")
B = TypeVar("B")


def by_product(
    operator: Operator[A, B], *, idle: float | None = None, max_ahead: float | None = MAX_AHEAD
) -> Operator[A, B]:
    """Emit what *operator* makes of each product's items, run for each product by itself and from its first item on.

        source   -A1--B1--A2--A3--B2--
        emitted  ---------A1+A2---B1+B2-     by_product(pairwise)

        >>> prices = [ticker(1), ticker(5, product_id="A-B"), ticker(2), ticker(7, product_id="A-B")]
        >>> steps = by_product(reactivex.operators.pairwise())
        >>> _ = reactivex.from_iterable(prices).pipe(steps).subscribe(lambda p: print(p[0].price, p[1].price))
        1 2
        5 7

    A product leaves when an answer to a subscription (`Subscriptions`, in every feed's messages) lists it in no channel
    any more, and, with *idle*, when an item of another product is *idle* seconds or more later than its newest (times
    more than *max_ahead* seconds after the item's receipt do not count; `None`: all do). Its run is completed then,
    what that still emits goes out, and nothing is kept; with its next item it begins anew. A run that completes by
    itself emits nothing more until its product has left. One that fails ends the stream. Items without a product reach
    no run. Gaps are *operator*'s business: items keep their `epoch`.
    Cost: O(1) an item, beside *operator*'s; memory by the products that are there.
    """
    presence = reporting("by_product", lambda: Presence(idle, max_ahead=max_ahead))

    message_filter = filter_of(operator)

    def over(source: Observable[A]) -> Observable[B]:
        if message_filter is not None:
            check_source(source, message_filter)

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            runs = _Runs(operator, observer, scheduler, presence())
            upstream = source.subscribe(runs.on_next, runs.on_error, runs.on_completed, scheduler=scheduler)

            def dispose() -> None:
                upstream.dispose()
                runs.dispose()

            return Disposable(dispose)

        return Observable(subscribe)

    return declare(over, message_filter)


def latest_by_product(
    *, idle: float | None = None, max_ahead: float | None = MAX_AHEAD
) -> Operator[A, Mapping[str, A]]:
    """Emit, at every item, the newest item of each product so far: a mapping by product id.

        source   -A1----B1--------A2--------
        emitted  -{A1}--{A1,B1}---{A2,B1}---

        >>> prices = [ticker(1), ticker(5, product_id="A-B"), ticker(2)]
        >>> _ = reactivex.from_iterable(prices).pipe(latest_by_product()).subscribe(
        ...     lambda latest: print({product: str(t.price) for product, t in latest.items()}))
        {'BTC-USD': '1'}
        {'BTC-USD': '1', 'A-B': '5'}
        {'BTC-USD': '2', 'A-B': '5'}

    It is one live, read-only mapping, the same at each emission: keep a copy, `dict(latest)`, also before it goes to
    another thread. A product leaves it as it leaves `by_product`. At a gap nothing is taken out: an item's `epoch`
    tells. O(1) an item; memory by the products that are there.
    """
    return lift(reporting("latest_by_product", lambda: LatestByProduct[A](idle, max_ahead=max_ahead)))


def throttle_by_product(seconds: float, *, max_ahead: float | None = MAX_AHEAD) -> Operator[A, A]:
    """Emit an item of each product if its time is *seconds* or more after the last one emitted.

        seconds  -0.0--0.4--0.9--1.0--1.2--2.0-
        emitted  -0.0------------1.0-------2.0-     throttle_by_product(1)

        >>> prices = [ticker(9, time=0), ticker(8, time=0.9), ticker(7, time=1)]
        >>> _ = reactivex.from_iterable(prices).pipe(throttle_by_product(1)).subscribe(lambda t: print(t.price))
        9
        7

    Time is the items' own: no timer runs, and what comes between is dropped. The first item after a gap (a new `epoch`)
    goes out at once; items without a product or a time always do, and those dated more than *max_ahead* seconds after
    their receipt (60; `None`: no limit). O(1) an item; memory by the number of products.
    """
    return lift(reporting("throttle_by_product", lambda: Throttle[A](seconds, max_ahead=max_ahead)))


class _Run(Observable[Any]):
    """One product's items."""

    def __init__(self) -> None:
        super().__init__()
        self.observers: tuple[abc.ObserverBase[Any], ...] = ()
        self.subscription: abc.DisposableBase = Disposable()

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        self.observers += (observer,)
        return Disposable(lambda: self._leave(observer))

    def _leave(self, observer: abc.ObserverBase[Any]) -> None:
        self.observers = tuple(each for each in self.observers if each is not observer)


class _Runs:
    """The products that are there."""

    def __init__(
        self,
        operator: Operator[Any, Any],
        observer: abc.ObserverBase[Any],
        scheduler: abc.SchedulerBase | None,
        presence: Presence,
    ) -> None:
        self._operator, self._observer, self._scheduler, self._presence = operator, observer, scheduler, presence
        self._runs: dict[str, _Run] = {}
        self._failed = False

    def on_next(self, item: Any) -> None:
        for product in self._presence.step(item):
            self._end(self._runs.pop(product), None)
        product = getattr(item, "product_id", None)
        if product is None or self._failed:
            return
        run = self._runs.get(product)
        if run is None:
            run = self._runs[product] = _Run()
            try:
                emitted = self._operator(run)
            except Exception as error:
                self._fail(error)
                return
            run.subscription = emitted.subscribe(self._observer.on_next, self._fail, scheduler=self._scheduler)
        for observer in run.observers:
            observer.on_next(item)

    def on_error(self, error: Exception) -> None:
        """What the runs still emit goes out before the *error*, which each of them is told too."""
        told, self._failed = self._failed, True
        for run in self._runs.values():
            self._end(run, error)
        if not told:
            self._observer.on_error(error)

    def on_completed(self) -> None:
        for run in self._runs.values():
            self._end(run, None)
        if not self._failed:
            self._observer.on_completed()

    def dispose(self) -> None:
        for run in self._runs.values():
            run.subscription.dispose()
        self._runs = {}

    def _end(self, run: _Run, error: Exception | None) -> None:
        for observer in run.observers:
            if error is None:
                observer.on_completed()
            else:
                observer.on_error(error)

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            self._observer.on_error(error)
