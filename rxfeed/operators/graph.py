"""The graph of a source: which pipelines are subscribed, their operators, and what passed between them.

Rules:
- Names are known from `pipe`, subscriptions from `subscribe`. Neither costs anything for an item.
- Items are counted only if the graph is made so. Then `pipe` inserts a `CountedEdge` after each operator. Before the
  first operator nothing is inserted, because a source selects for it; the counters of the source have these items.
- A subscription within another one, such as that of a merged stream, is a part of it, and has no entry of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

from reactivex import Observable, abc
from reactivex.observable import ConnectableObservable

from rxfeed.operators.source import MessageFilter, filter_of, results_of

T = TypeVar("T")


class QueueState(NamedTuple):
    """The items that wait in the queue of an operator, how many can wait, and how many were dropped."""

    waiting: int
    size: int
    dropped: int


@runtime_checkable
class HasQueue(Protocol):
    """An operator with a queue."""

    @property
    def queue_state(self) -> QueueState: ...


class CountedEdge(Observable[T]):
    """The items of *source*, counted: *items* and *errors* over all subscriptions."""

    def __init__(self, source: Observable[T]) -> None:
        super().__init__()
        self.items = self.errors = 0
        self.source = source
        results_of(self, getattr(source, "emitted_by", ""))

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        emit = observer.on_next

        def on_next(item: T) -> None:
            self.items += 1
            emit(item)

        def on_error(error: Exception) -> None:
            self.errors += 1
            observer.on_error(error)

        return self.source.subscribe(on_next, on_error, observer.on_completed, scheduler=scheduler)


class PipelineStep(NamedTuple):
    """An operator in a pipeline, the stream that it *made*, and the counter of its outputs."""

    name: str
    operator: object
    made: object
    edge: CountedEdge[object] | None


class GraphEntry:
    """A subscription: the *steps* of its pipeline, and the *place* in the program that made it."""

    def __init__(
        self, steps: tuple[PipelineStep, ...], origin: str, place: str, accepted: Callable[[], int | None]
    ) -> None:
        self.origin = origin
        self.steps = steps
        self.place = place
        self.accepted = accepted
        """The items that the source has had for the first operator since the subscription; `None`: not counted."""


class Graph:
    """The subscriptions of one source. *counts*: items are counted."""

    def __init__(self, *, counts: bool = False) -> None:
        self.counts = counts
        self._lock = threading.Lock()
        self._entries: dict[GraphEntry, None] = {}
        self._entering = threading.local()

    @property
    def entries(self) -> tuple[GraphEntry, ...]:
        """The subscriptions that have not ended, in the order in which they were made."""
        with self._lock:
            return tuple(self._entries)

    def add(self, entry: GraphEntry) -> None:
        with self._lock:
            self._entries[entry] = None

    def remove(self, entry: GraphEntry) -> None:
        with self._lock:
            self._entries.pop(entry, None)

    @contextmanager
    def entering(self) -> Generator[bool]:
        """Within this block, subscriptions on this thread are parts of one. True for the outermost block."""
        outermost = not getattr(self._entering, "inside", False)
        self._entering.inside = True
        try:
            yield outermost
        finally:
            if outermost:
                self._entering.inside = False

    def steps(self, source: object, operators: tuple[object, ...], named: tuple[object, ...]) -> Applied:
        """The result of *operators* on *source*, with the steps; *named*: the operators as the caller gave them."""
        made = source
        steps: list[PipelineStep] = []
        for operator, given in zip(operators, named, strict=True):
            assert callable(operator)
            made: object = operator(made)
            edge = None
            if self.counts and _is_plain(made):
                made = edge = CountedEdge(made)
            steps.append(PipelineStep(name_of(given), given, made if edge is None else edge.source, edge))
        return Applied(made, tuple(steps))


def _is_plain(made: object) -> TypeGuard[Observable[object]]:
    return isinstance(made, Observable) and not isinstance(made, ConnectableObservable)


class Applied(NamedTuple):
    made: object
    steps: tuple[PipelineStep, ...]


def name_of(operator: object) -> str:
    """The name of *operator* in the program.

    >>> from reactivex import operators as ops
    >>> from rxfeed import bounded, trades, window_volume
    >>> from rxfeed.operators.graph import name_of
    >>> [name_of(each) for each in (window_volume(60), trades(), bounded(10), ops.buffer_with_count(3), ops.pairwise())]
    ['window_volume', 'trades', 'bounded', 'buffer_with_count', 'pairwise']
    """
    message_filter = filter_of(operator)
    if isinstance(message_filter, MessageFilter) and message_filter.operator:
        return message_filter.operator
    given = getattr(operator, "name", None)
    if isinstance(given, str) and given:
        return given
    for cell in getattr(operator, "__closure__", None) or ():
        function = _content(cell)  # reactivex keeps the function of an operator in the closure of what it returns
        if getattr(function, "__module__", "").startswith("reactivex.operators"):
            return str(getattr(function, "__name__", "operator")).strip("_")
    named = str(getattr(operator, "__qualname__", "") or type(operator).__name__)
    return named.partition(".<locals>")[0].rpartition(".")[2].strip("_") or "operator"


def _content(cell: object) -> object:
    try:
        return getattr(cell, "cell_contents", None)
    except ValueError:  # it is empty
        return None
