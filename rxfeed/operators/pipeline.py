"""Pipelines: the results of `pipe` of a feed or a replay."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast, overload

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.observable import ConnectableObservable

from rxfeed.core import Seconds
from rxfeed.errors import ConfigError
from rxfeed.operators.graph import PipelineStep
from rxfeed.operators.lift import is_machine
from rxfeed.operators.running import run_to_end
from rxfeed.operators.source import MessageFilter, Operator, Root, Rooted, filter_of, results_of, rooted
from rxfeed.operators.unhandled import is_handed_back, place_of_caller

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

_OF_REACTIVEX = {name for name in dir(Observable) if not name.startswith("_")} - {"pipe", "run", "subscribe"}


class _Unhandled:
    """The `on_error` of a subscriber that has none: it logs. What fails within the call of `subscribe` raises there.

    A source that emits within that call may catch it, and then it is logged at the end of the call.
    """

    __slots__ = ("_place", "_raised", "_root", "_subscribing")

    def __init__(self, root: Root, place: str) -> None:
        self._root, self._place = root, place
        self._subscribing: int | None = threading.get_ident()
        self._raised: Exception | None = None

    def __call__(self, error: Exception) -> None:
        if self._subscribing == threading.get_ident():
            if not is_handed_back(error):  # which logs it
                self._raised = error
            raise error
        self._root.unhandled(error, self._place)

    def subscribed(self) -> None:
        """`subscribe` has not raised."""
        self._subscribing = None
        if self._raised is not None:
            self._root.unhandled(self._raised, self._place, counted=True)


def _after(first: Callable[[], None] | None, then: Callable[..., None] | None) -> Callable[..., None] | None:
    """A function that calls *first*, and *then* with its arguments."""
    if first is None:
        return then

    def both(*arguments: object) -> None:
        first()
        if then is not None:
            then(*arguments)

    return both


class Guarded(Rooted[T]):
    """An Observable that logs, once, the error of a subscription without `on_error`, with the place that subscribed."""

    _filter: MessageFilter | None = None
    steps: tuple[PipelineStep, ...] = ()
    """The operators that made it."""
    origin = "messages"
    """The stream of the source that the first of them is on."""

    def subscribe(
        self,
        on_next: abc.ObserverBase[T] | abc.OnNext[T] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        place = place_of_caller()
        if self._filter is not None:
            self.root.expect(self._filter, place)
        unhandled: _Unhandled | None = None
        if callable(getattr(on_next, "on_next", None)):
            observer = cast("abc.ObserverBase[T]", on_next)
            on_next, on_error, on_completed = observer.on_next, observer.on_error, observer.on_completed
        elif on_error is None:
            on_error = unhandled = _Unhandled(self.root, place)
        with self.root.graph.entering() as outermost:
            ended = self.root.subscribed(self.steps, self.origin, place) if outermost else None
            try:
                subscription = self._subscribe_to(
                    on_next, _after(ended, on_error), _after(ended, on_completed), scheduler
                )
            except BaseException:
                if ended is not None:
                    ended()
                raise
        if unhandled is not None:
            unhandled.subscribed()
        return subscription if ended is None else CompositeDisposable(Disposable(ended), subscription)

    if not TYPE_CHECKING:
        # Without this, Python would iterate by index without end, because every index makes another Observable. With a
        # method instead of None, operators of reactivex would treat a stream as an iterable.
        __iter__ = None

    def _subscribe_to(
        self,
        on_next: abc.ObserverBase[T] | abc.OnNext[T] | None,
        on_error: abc.OnError | None,
        on_completed: abc.OnCompleted | None,
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        return super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)

    @overload
    def collect(self, *, seconds: Seconds | None = None) -> list[T]: ...
    @overload
    def collect(self, operator: Operator[T, B], /, *, seconds: Seconds | None = None) -> list[B]: ...
    @overload
    def collect(
        self, first: Operator[T, A], second: Operator[A, B], /, *, seconds: Seconds | None = None
    ) -> list[B]: ...
    @overload
    def collect(self, *operators: Operator[Any, Any], seconds: Seconds | None = None) -> list[Any]: ...

    def collect(self, *operators: Operator[Any, Any], seconds: Seconds | None = None) -> list[Any]:
        """Connect the source, wait for the end, and return all items of this stream through *operators*.

        >>> from rxfeed import Replay, candles
        >>> from rxfeed.testing import trade
        >>> rows = Replay([trade(9, time=0), trade(11, time=60)]).collect(candles(60))
        >>> [str(candle.close) for candle in rows]
        ['9', '11']

        *seconds*: the longest time to wait, for a feed, which has no end of its own; Ctrl-C is such an end, too. If
        this call connects the source, it also closes it: operators emit what they hold, such as an incomplete candle.
        Raises the pipeline's error, `FeedClosed` if the source has ended, and `ConfigError` for invalid *seconds*. All
        items are in memory.
        """
        self.root.check_open()
        elsewhere = self._collect_elsewhere(operators, seconds)
        if elsewhere is not None:
            return elsewhere
        stream: Observable[Any] = self.pipe(*operators) if operators else self
        items: list[Any] = []
        begin = stream._connect_published if isinstance(stream, Guarded) else lambda: None
        cause = run_to_end(stream, self.root, items.append, seconds=seconds, begin=begin)
        if cause is not None:
            raise cause
        return items

    def _collect_elsewhere(self, operators: tuple[object, ...], seconds: Seconds | None) -> list[Any] | None:
        """The items that other processes have collected through *operators*; `None`: this one collects them."""
        return None

    def _connect_published(self) -> None:
        """Begin what `connect()` of the source does not."""

    def __dir__(self) -> list[str]:
        """Without the operators that reactivex has as methods; they all work."""
        return sorted(set(object.__dir__(self)) - _OF_REACTIVEX)

    def __aiter__(self) -> AsyncIterator[T]:
        """The items for `async for`, which subscribes and then connects the source."""
        from rxfeed.operators.async_iter import to_async_iterable

        return aiter(to_async_iterable(self))

    def __await__(self) -> Generator[object, None, T]:
        """The last item, after connecting the source and waiting for its end; raises the pipeline's error."""
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
    """The stream *source*, which operators made of *root*'s messages.

    *scheduler*: the default for subscriptions. *message_filter*: the filter of the first operator that declares one.
    *steps*: the operators, on the stream *origin* of the root.
    """

    def __init__(
        self,
        source: Observable[T],
        root: Root,
        scheduler: abc.SchedulerBase | None = None,
        message_filter: MessageFilter | None = None,
        steps: tuple[PipelineStep, ...] = (),
        origin: str = "messages",
    ) -> None:
        super().__init__()
        self.steps, self.origin = steps, origin
        self._source = source
        self._root = root
        self._scheduler = scheduler
        self._filter = message_filter
        results_of(self, getattr(source, "emitted_by", ""))

    @property
    def root(self) -> Root:
        return self._root

    def __repr__(self) -> str:
        return f"<Pipeline on {self._root!r}>"

    def _subscribe_to(
        self,
        on_next: abc.ObserverBase[T] | abc.OnNext[T] | None,
        on_error: abc.OnError | None,
        on_completed: abc.OnCompleted | None,
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        return self._source.subscribe(on_next, on_error, on_completed, scheduler=scheduler or self._scheduler)

    # The type of the result is as reactivex declares it.
    if not TYPE_CHECKING:

        def pipe(self, *operators: object) -> object:
            first = first_filter(operators)
            message_filter = self._filter or first
            made = self._root.graph.steps(self, tuple(rooted(each, self._root) for each in operators), operators)
            return piped(
                made.made, self._root, self._scheduler, message_filter, (*self.steps, *made.steps), self.origin
            )

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T:
        """Connect the source, block until the pipeline ends, and return its last item.

        If this call connects the source, it also closes it, and Ctrl-C ends it. Raises the pipeline's error, and
        `SequenceContainsNoElementsError` if it emitted nothing.
        """
        newest: list[T] = []

        def on_next(item: T) -> None:
            newest[:] = [item]

        cause = run_to_end(self, self._root, on_next, scheduler, begin=self._connect_published)
        if cause is not None:
            raise cause
        return _only(newest)


class ConnectablePipeline(Pipeline[T]):
    """A pipeline that emits only after its own `connect()`: the result of `publish` and similar operators.

    `run` and `collect` connect it, too.
    """

    _source: ConnectableObservable[T]

    def _connect_published(self) -> None:
        self.connect()

    def connect(self, scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase | None:
        return self._source.connect(scheduler or self._scheduler)

    def auto_connect(self, subscriber_count: int = 1) -> Observable[T]:
        connected = self._source.auto_connect(subscriber_count)
        return Pipeline(connected, self._root, self._scheduler, self._filter, self.steps, self.origin)


def first_filter(operators: tuple[object, ...]) -> MessageFilter | None:
    """The filter of the first of *operators* that declares one; later operators receive the outputs of that one.

    Raises `ConfigError` for an item that is not an operator, such as a machine that was not lifted.
    """
    for each in operators:
        if not callable(each):
            machine = " is a machine: pipe lift(...) of its class" if is_machine(each) else " is not an operator"
            raise ConfigError(f"pipe: {each!r}{machine}")
    return next((message_filter for message_filter in map(filter_of, operators) if message_filter is not None), None)


def piped(
    made: object,
    root: Root,
    scheduler: abc.SchedulerBase | None,
    message_filter: MessageFilter | None,
    steps: tuple[PipelineStep, ...] = (),
    origin: str = "messages",
) -> object:
    """*made*, the result of *steps*, as a pipeline of *root* if it is an Observable; otherwise *made* itself."""
    if _is_connectable(made):
        return ConnectablePipeline(made, root, scheduler, message_filter, steps, origin)
    return Pipeline(made, root, scheduler, message_filter, steps, origin) if _is_plain(made) else made


def _is_connectable(made: object) -> TypeGuard[ConnectableObservable[object]]:
    return isinstance(made, ConnectableObservable)


def _is_plain(made: object) -> TypeGuard[Observable[object]]:
    """True for an Observable that is neither a source nor a pipeline."""
    return isinstance(made, Observable) and not isinstance(made, Rooted)
