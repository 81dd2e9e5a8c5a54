"""Pipelines: what `pipe` of a feed or a replay returns."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from reactivex import Observable, abc
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.observable import ConnectableObservable

from rxfeed.errors import ConfigError
from rxfeed.operators.aio import to_async_iterable
from rxfeed.operators.lift import is_machine
from rxfeed.operators.source import Root, Rooted, Wish, results_of, wish_of
from rxfeed.operators.unhandled import place_of_caller

T = TypeVar("T")

_FLUSH = 5.0  # seconds that a pipeline has for its end after Ctrl-C


class _Unhandled:
    """The `on_error` of a subscriber that has none: it logs. What fails within the call of `subscribe` raises there."""

    __slots__ = ("_place", "_root", "subscribing")

    def __init__(self, root: Root, place: str) -> None:
        self._root, self._place = root, place
        self.subscribing: int | None = threading.get_ident()

    def __call__(self, error: Exception) -> None:
        if self.subscribing == threading.get_ident():
            raise error
        self._root.unhandled(error, self._place)


class Guarded(Rooted[T]):
    """An Observable that logs what ends a subscription without `on_error`, once, with the line that subscribed."""

    _wish: Wish | None = None

    # What these give is as reactivex declares it.
    if not TYPE_CHECKING:

        def subscribe(self, on_next: Any = None, on_error: Any = None, *others: Any, **named: Any) -> Any:
            place = place_of_caller()
            if self._wish is not None:
                self.root.expect(self._wish, place)
            if on_error is None and not callable(getattr(on_next, "on_next", None)):
                on_error = _Unhandled(self.root, place)
                subscription = self._subscribe_to(on_next, on_error, *others, **named)
                on_error.subscribing = None
                return subscription
            return self._subscribe_to(on_next, on_error, *others, **named)

        # Python would iterate by index, and every index makes another Observable, without end. With a method in place
        # of None operators of reactivex would take a stream for an iterable.
        __iter__ = None

    def _subscribe_to(self, *observer: Any, **named: Any) -> Any:
        return super().subscribe(*observer, **named)

    def __aiter__(self) -> AsyncIterator[T]:
        """The items for `async for`: it subscribes, and then connects the source."""
        return aiter(to_async_iterable(self))

    def __await__(self) -> Generator[Any, None, T]:
        """Connect the source, and return the last item at the end; raises what the pipeline failed with."""
        return self._last().__await__()

    async def _last(self) -> T:
        newest: list[T] = []
        async for item in self:
            newest[:] = [item]
        return _only(newest)


def _only(items: list[T]) -> T:
    if not items:
        raise SequenceContainsNoElementsError("the pipeline completed without an item")
    return items[-1]


class Pipeline(Guarded[T]):
    """What operators make of *root*'s messages: *source*, subscribed to with *scheduler* unless another is given.

    *wish*: what the first of its operators that declares it looks at.
    """

    def __init__(
        self,
        source: Observable[T],
        root: Root,
        scheduler: abc.SchedulerBase | None = None,
        wish: Wish | None = None,
    ) -> None:
        super().__init__()
        self._source = source
        self._root = root
        self._scheduler = scheduler
        self._wish = wish
        results_of(self, getattr(source, "emitted_by", ""))

    @property
    def root(self) -> Root:
        return self._root

    def __repr__(self) -> str:
        return f"<Pipeline on {self._root!r}>"

    def _subscribe_to(self, *observer: Any, scheduler: abc.SchedulerBase | None = None, **named: Any) -> Any:
        return self._source.subscribe(*observer, scheduler=scheduler or self._scheduler, **named)

    # What this gives is as reactivex declares it.
    if not TYPE_CHECKING:

        def pipe(self, *operators: Any) -> Any:
            first = first_wish(operators)
            wish = self._wish or first
            return piped(super().pipe(*operators), self._root, self._scheduler, wish)

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T:
        """Connect the source, block until the pipeline ends, and return its last item.

        If this call connected the source, it closes it too, and Ctrl-C ends it. Raises what the pipeline failed with,
        and `SequenceContainsNoElementsError` where it emitted nothing.
        """
        newest: list[T] = []
        failures: list[Exception] = []
        over = threading.Event()

        def on_next(item: T) -> None:
            newest[:] = [item]

        def on_error(error: Exception) -> None:
            failures.append(error)
            over.set()

        subscription = self.subscribe(on_next, on_error, over.set, scheduler=scheduler)
        began = not over.is_set() and self._root.begin()
        try:
            # In slices, since some systems deliver no Ctrl-C inside one long wait; and an operator that a subscriber
            # leaves at the source's end may pass no end on.
            while not over.wait(0.5) and self._root.leaving is None:
                pass
        except KeyboardInterrupt:
            if not began:
                raise
            self._root.close()
            over.wait(_FLUSH)
        finally:
            subscription.dispose()
            if began:
                self._root.close()
        if failures:
            raise failures[0]
        if not over.is_set() and self._root.leaving is not None:
            raise self._root.leaving.with_traceback(None)
        return _only(newest)


class ConnectablePipeline(Pipeline[T]):
    """What `publish` and its like make of a pipeline."""

    _source: ConnectableObservable[T]

    def connect(self, scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase | None:
        return self._source.connect(scheduler or self._scheduler)

    def auto_connect(self, subscriber_count: int = 1) -> Observable[T]:
        return Pipeline(self._source.auto_connect(subscriber_count), self._root, self._scheduler, self._wish)


def first_wish(operators: tuple[Any, ...]) -> Wish | None:
    """What the first of *operators* that declares it looks at: those behind it look at what that one emits.

    Raises `ConfigError` for one that is no operator, such as a machine that was not lifted.
    """
    for each in operators:
        if not callable(each):
            machine = " is a machine: pipe lift(...) of its class" if is_machine(each) else " is no operator"
            raise ConfigError(f"pipe: {each!r}{machine}")
    return next((wish for wish in map(wish_of, operators) if wish is not None), None)


def piped(made: Any, root: Root, scheduler: abc.SchedulerBase | None, wish: Wish | None) -> Any:
    """*made*, which may be anything that operators return, as a pipeline of *root* where it is an Observable."""
    if isinstance(made, ConnectableObservable):
        return ConnectablePipeline(made, root, scheduler, wish)
    return (
        Pipeline(made, root, scheduler, wish) if isinstance(made, Observable) and not isinstance(made, Rooted) else made
    )
