"""Operators that treat each product separately."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.core import MAX_AHEAD, ActiveProducts, LatestByProduct, Seconds, Throttle
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.multicast import Multicast, end_observer
from rxfeed.operators.source import MessageFilter, Operator, Rooted, check_source, declare, filter_of
from rxfeed.operators.unhandled import place_of_caller

A = TypeVar("A")
B = TypeVar("B")


def by_product(
    operator: Operator[A, B], *, idle: Seconds | None = None, max_ahead: Seconds | None = MAX_AHEAD
) -> Operator[A, B]:
    """Emit the outputs of *operator*, which runs separately for each product, from the product's first item on.

        source   -A1--B1--A2--A3--B2--
        emitted  ---------A1+A2---B1+B2-     by_product(pairwise)

        >>> import reactivex
        >>> from rxfeed import by_product
        >>> from rxfeed.testing import ticker
        >>> prices = [ticker(1), ticker(5, product_id="A-B"), ticker(2), ticker(7, product_id="A-B")]
        >>> steps = by_product(reactivex.operators.pairwise())
        >>> _ = reactivex.from_iterable(prices).pipe(steps).subscribe(lambda p: print(p[0].price, p[1].price))
        1 2
        5 7

    A product ends in two cases: a `Subscriptions` message (every feed has these) lists it in no channel any more; or,
    with *idle*, an item of another product is *idle* seconds or more later than the product's newest item. Times more
    than *max_ahead* seconds after the item's receipt do not count for this (`None`: all count). At its end, the
    product's run completes, its last outputs are emitted, and its state is dropped. Its next item starts a new run. A
    run that completes by itself emits nothing more until its product ends. A run that fails ends the stream. Items
    without a product are dropped. At a gap nothing changes: items keep their `epoch`.
    Cost: O(1) an item, plus *operator*'s; memory: by the number of current products.
    """
    presence = reporting("by_product", lambda: ActiveProducts(idle, max_ahead=max_ahead))

    message_filter = filter_of(operator)

    def over(source: Observable[A]) -> Observable[B]:
        if message_filter is not None:
            check_source(source, message_filter)

        def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            place = place_of_caller()

            def expect(needed: MessageFilter) -> None:
                if isinstance(source, Rooted):
                    source.root.expect(needed, place)

            runs = _ProductRuns(operator, observer, scheduler, presence(), expect)
            upstream = source.subscribe(runs.on_next, runs.on_error, runs.on_completed, scheduler=scheduler)

            def dispose() -> None:
                upstream.dispose()
                runs.dispose()

            return Disposable(dispose)

        return Observable(subscribe)

    return declare(over, message_filter)


def latest_by_product(
    *, idle: Seconds | None = None, max_ahead: Seconds | None = MAX_AHEAD
) -> Operator[A, Mapping[str, A]]:
    """Emit, at every item, a mapping from product id to the newest item of each product.

        source   -A1----B1--------A2--------
        emitted  -{A1}--{A1,B1}---{A2,B1}---

        >>> import reactivex
        >>> from rxfeed import latest_by_product
        >>> from rxfeed.testing import ticker
        >>> prices = [ticker(1), ticker(5, product_id="A-B"), ticker(2)]
        >>> _ = reactivex.from_iterable(prices).pipe(latest_by_product()).subscribe(
        ...     lambda latest: print({product: str(t.price) for product, t in latest.items()}))
        {'BTC-USD': '1'}
        {'BTC-USD': '1', 'A-B': '5'}
        {'BTC-USD': '2', 'A-B': '5'}

    The mapping is the same read-only object each time, and its content changes. To keep it, or to use it on another
    thread, make a copy: `dict(latest)`. A product is removed when it would end in `by_product`. At a gap nothing is
    removed: compare the items' `epoch`. O(1) an item; memory: by the number of current products.
    """
    return lift(reporting("latest_by_product", lambda: LatestByProduct[A](idle, max_ahead=max_ahead)))


def throttle_by_product(seconds: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD) -> Operator[A, A]:
    """Emit an item if its time is *seconds* or more after the last emitted item of its product.

        seconds  -0.0--0.4--0.9--1.0--1.2--2.0-
        emitted  -0.0------------1.0-------2.0-     throttle_by_product(1)

        >>> import reactivex
        >>> from rxfeed import throttle_by_product
        >>> from rxfeed.testing import ticker
        >>> prices = [ticker(9, time=0), ticker(8, time=0.9), ticker(7, time=1)]
        >>> _ = reactivex.from_iterable(prices).pipe(throttle_by_product(1)).subscribe(lambda t: print(t.price))
        9
        7

    Time is the items' event time; there is no timer. Items in between are dropped. Always emitted are: the first item
    after a gap (a new `epoch`), items without a product or a time, and items dated more than *max_ahead* seconds after
    their receipt (60; `None`: no limit). O(1) an item; memory: by the number of products.
    """
    return lift(reporting("throttle_by_product", lambda: Throttle[A](seconds, max_ahead=max_ahead)))


class _ProductRun(Multicast[A]):
    """The items of one product, and the *subscription* to what the operator makes of them.

    *expect* is called with what a pipeline on it needs.
    """

    def __init__(self, expect: Callable[[MessageFilter], None]) -> None:
        super().__init__()
        self._expect = expect
        self.subscription: abc.DisposableBase = Disposable()

    # The type of the result is as reactivex declares it.
    if not TYPE_CHECKING:

        def pipe(self, *operators: object) -> object:
            needed = next((found for found in map(filter_of, operators) if found is not None), None)
            if needed is not None:
                self._expect(needed)
            return super().pipe(*operators)


class _ProductRuns(Generic[A, B]):
    """The runs of the current products."""

    def __init__(
        self,
        operator: Operator[A, B],
        observer: abc.ObserverBase[B],
        scheduler: abc.SchedulerBase | None,
        presence: ActiveProducts,
        expect: Callable[[MessageFilter], None],
    ) -> None:
        self._expect = expect
        self._operator, self._observer, self._scheduler, self._presence = operator, observer, scheduler, presence
        self._runs: dict[str, _ProductRun[A]] = {}
        self._failed = False

    def on_next(self, item: A) -> None:
        for product in self._presence.step(item):
            self._end(self._runs.pop(product), None)
        product: str | None = getattr(item, "product_id", None)
        if product is None or self._failed:
            return
        run = self._runs.get(product)
        if run is None:
            run = self._runs[product] = _ProductRun(self._expect)
            try:
                emitted = self._operator(run)
            except Exception as error:
                self._fail(error)
                return
            run.subscription = emitted.subscribe(self._observer.on_next, self._fail, scheduler=self._scheduler)
        for observer in run.observers:
            observer.on_next(item)

    def on_error(self, error: Exception) -> None:
        """Fail each run with *error*, so that its last outputs are emitted before the error."""
        had_failed, self._failed = self._failed, True
        for run in self._runs.values():
            self._end(run, error)
        if not had_failed:
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

    def _end(self, run: _ProductRun[A], error: Exception | None) -> None:
        for observer in run.observers:
            end_observer(observer, error)

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            self._observer.on_error(error)
