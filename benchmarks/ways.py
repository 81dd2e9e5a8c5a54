"""Each pipeline in all compared implementations, and the time that one of them takes."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import chain
from typing import Any

from reactivex import Observable
from reactivex.subject import Subject

from benchmarks import naive, plain, stock, streams
from benchmarks.book_states import Top
from benchmarks.plain import Out
from rxfeed import BookView, Feed, Message, candles, moved, order_book, price_crossing, rolling_volume, window_volume
from rxfeed.core import (
    EXACT,
    Candles,
    Late,
    Level2Book,
    Machine,
    PriceCrossing,
    PriceMoves,
    SlidingVolume,
    TumblingVolume,
)
from rxfeed.feed import Dispatcher

Run = Callable[[Iterable[Message]], None]
Way = Callable[[Out, Out], Run]
"""Composes a pipeline: its results go to the first argument, its late trades to the second; returns its input."""

Stream = Callable[..., list[Message]]
Loop = Callable[[Iterable[Message], Out, Out], None]

LEVEL = Decimal(10_500)

CHANNELS = ("matches", "heartbeat", "ticker", "level2")


def feed_of(products: int) -> Feed:
    """A feed that is subscribed to all that the streams have of so many products; it is never connected."""
    return Feed([streams.name(product) for product in range(products)], CHANNELS, url="ws://127.0.0.1:1")


def giving(feed: Feed) -> Callable[[Message], None]:
    """The function of the feed's dispatcher that counts a message with its origin, and delivers it to the subscribers.

    It is the way of a frame with several messages; of other frames the same is done without its call.
    """
    return Dispatcher(feed._streams, feed.venue.gaps()).deliver


def through_hub(products: int, *operators: Callable[[], Any]) -> Way:
    """The operators on a Feed of so many products."""

    def way(out: Out, late: Out) -> Run:
        feed = feed_of(products)
        for made in [operator() for operator in operators]:
            feed.pipe(made).subscribe(out, _raise)
            if hasattr(made, "late"):
                made.late.subscribe(late)
        return _feeding(giving(feed), lambda: feed._streams.end(None))

    return way


def from_subject(*operators: Callable[[], Any]) -> Way:
    """The operators on a plain Subject."""

    def way(out: Out, late: Out) -> Run:
        source: Subject[Message] = Subject()
        for made in [operator() for operator in operators]:
            source.pipe(made).subscribe(out, _raise)
            if hasattr(made, "late"):
                made.late.subscribe(late)
        return _feeding(source.on_next, source.on_completed)

    return way


def of_stock(operator: Callable[[Observable[Message]], Observable[tuple[Any, ...]]]) -> Way:
    """reactivex's own operators on a plain Subject."""

    def way(out: Out, late: Out) -> Run:
        source: Subject[Message] = Subject()

        def each(outputs: tuple[Any, ...]) -> None:
            for output in outputs:
                (late if type(output) is Late else out)(output)

        source.pipe(operator).subscribe(each, _raise)
        feeding = _feeding(source.on_next, source.on_completed)
        return lambda messages: _exact(feeding, messages)

    return way


def in_loop(loop: Loop) -> Way:
    return lambda out, late: lambda messages: _exact(lambda items: loop(items, out, late), messages)


def _exact(run: Run, messages: Iterable[Message]) -> None:
    with localcontext(EXACT):
        run(messages)


def _feeding(emit: Callable[[Message], None], end: Callable[[], None]) -> Run:
    def run(messages: Iterable[Message]) -> None:
        for message in messages:
            emit(message)
        end()

    return run


def _raise(error: Exception) -> None:
    raise error


class _Mark(Iterator[Any]):
    """Yields nothing, and records the time of the request."""

    def __init__(self, times: list[float]) -> None:
        self._times = times

    def __next__(self) -> Any:
        self._times.append(time.process_time())
        raise StopIteration


def nanoseconds(way: Way, messages: list[Message], known: int) -> float:
    """CPU time a message, after the first *known* messages."""
    nowhere = deque[Any](maxlen=1).append
    run = way(nowhere, nowhere)
    marks: list[float] = []
    gc.collect()
    run(chain.from_iterable([messages[:known], _Mark(marks), messages[known:], _Mark(marks)]))
    return (marks[1] - marks[0]) / (len(messages) - known) * 1e9


def outputs(way: Way, messages: list[Message]) -> tuple[list[Any], list[Any]]:
    """All outputs for *messages*, a book by its current prices; and the late trades."""
    results: list[Any] = []
    late: list[Any] = []
    way(lambda output: results.append(shown(output, len(results) % 500 == 0)), late.append)(messages)
    return results, late


def shown(output: Any, whole: bool) -> Any:
    """*output*, or the prices of a book: the best ones, and if *whole* all others."""
    if not isinstance(output, BookView | Top):
        return output
    top = (output.product_id, output.ready, output.time, output.crossed, output.best_bid, output.best_ask)
    # A book that is changed in place has changed again if one message both invalidates and restores it.
    if not (whole and output.ready):
        return top
    if isinstance(output, BookView):
        return (*top, output.bids, output.asks)
    return (*top, tuple(sorted(output.bids.sizes.items(), reverse=True)), tuple(sorted(output.asks.sizes.items())))


@dataclass(frozen=True)
class Pipeline:
    """One pipeline in all implementations; those named by `exact` emit equal results, `naive` may not."""

    name: str
    products: int
    stream: Stream
    ways: dict[str, Way]

    @property
    def exact(self) -> dict[str, Way]:
        return {name: way for name, way in self.ways.items() if name != "naive"}


def pipelines(products: int) -> Iterator[Pipeline]:
    """The compared pipelines, for so many products.

    A window is one operator for all products. A crossing or a book is one for each, and has no `subject` way for many,
    since a Subject passes each message to each of them.
    """
    names = [streams.name(product) for product in range(products)]
    levels = dict.fromkeys(names, LEVEL)
    jobs: tuple[tuple[str, Stream, Callable[[], Any], Callable[[], Machine[Any, Any]]], ...] = (
        ("window_volume", streams.trades, lambda: window_volume(60), lambda: TumblingVolume(60)),
        ("candles", streams.trades, lambda: candles(60), lambda: Candles(60)),
        ("rolling_volume", streams.trades, lambda: rolling_volume(60), lambda: SlidingVolume(60)),
        ("moved", streams.tickers, lambda: moved(1, within=60), lambda: PriceMoves(1, 60)),
    )
    for job, stream, operator, machine in jobs:
        ways = {
            "hub": through_hub(products, operator),
            "subject": from_subject(operator),
            "stock": of_stock(getattr(stock, job)),
            "plain": in_loop(_of_all(machine)),
            "naive": in_loop(_careless(getattr(naive, job))),
        }
        yield Pipeline(job, products, stream, ways)
    crossings = [_crossing(name) for name in names]
    yield Pipeline(
        "price_crossing",
        products,
        streams.tickers,
        {"hub": through_hub(products, *crossings)}
        | ({"subject": from_subject(*crossings)} if products == 1 else {})
        | {
            "stock": of_stock(stock.crossing(names[0], LEVEL) if products == 1 else stock.crossings(levels)),
            "plain": in_loop(_of_each(names, lambda name: PriceCrossing(name, LEVEL))),
            "naive": in_loop(lambda messages, out, _: naive.crossing(levels, messages, out)),
        },
    )
    books = [_book(name) for name in names]
    yield Pipeline(
        "order_book",
        products,
        streams.books,
        {"hub": through_hub(products, *books)}
        | ({"subject": from_subject(*books)} if products == 1 else {})
        | {
            "stock": of_stock(stock.book(names[0]) if products == 1 else stock.books(frozenset(names))),
            "plain": in_loop(_of_each(names, Level2Book)),
            "live": in_loop(lambda messages, out, _: plain.live_book(names, messages, out)),
            "naive": in_loop(_careless(naive.book)),
        },
    )


def _crossing(name: str) -> Callable[[], Any]:
    return lambda: price_crossing(name, LEVEL)


def _book(name: str) -> Callable[[], Any]:
    return lambda: order_book(name)


def _careless(loop: Callable[[Iterable[Message], Out], None]) -> Loop:
    return lambda messages, out, _: loop(messages, out)


def _of_all(machine: Callable[[], Machine[Any, Any]]) -> Loop:
    return lambda messages, out, late: plain.of_all(machine(), messages, out, late)


def _of_each(names: list[str], machine: Callable[[str], Machine[Any, Any]]) -> Loop:
    return lambda messages, out, _: plain.of_each({name: machine(name) for name in names}, messages, out)
