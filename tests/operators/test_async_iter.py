"""From Rx to `async for`, across threads and within one."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from rxfeed import ConfigError, Feed, RxfeedError
from rxfeed.operators import matches, to_async_iterable
from rxfeed.sim import Exchange
from tests.support.leaks import nothing_left_behind
from tests.support.make import match, ticker


async def everything(items: Any) -> list[Any]:
    return [item async for item in items]


def threaded(count: int, gone: threading.Event | None = None) -> Observable[int]:
    """Counts on a new thread, and completes."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        def work() -> None:
            for number in range(count):
                observer.on_next(number)
            observer.on_completed()
            if gone is not None:
                gone.set()

        threading.Thread(target=work).start()
        return Disposable()

    return Observable(subscribe)


@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_items_arrive_in_order_from_another_thread(size: int) -> None:
    with nothing_left_behind():
        assert asyncio.run(everything(to_async_iterable(threaded(5_000), size=size))) == list(range(5_000))


def test_error_arrives_after_earlier_items() -> None:
    got: list[int] = []

    async def run() -> None:
        async for item in to_async_iterable(reactivex.concat(reactivex.of(1, 2), reactivex.throw(ValueError("over")))):
            got.append(item)

    with pytest.raises(ValueError, match="over"):
        asyncio.run(run())
    assert got == [1, 2]


def test_break_unsubscribes_and_unblocks_the_source() -> None:
    gone = threading.Event()

    async def run() -> None:
        async for item in to_async_iterable(threaded(100_000, gone), size=10):
            if item == 50:
                break

    with nothing_left_behind():
        asyncio.run(run())
        assert gone.wait(30)


def test_cancelled_task_unsubscribes() -> None:
    source: Subject[int] = Subject()

    async def run() -> None:
        task = asyncio.create_task(everything(to_async_iterable(source)))
        await asyncio.sleep(0.01)
        assert len(source.observers) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not source.observers

    asyncio.run(run())


@pytest.mark.parametrize(
    ("overflow", "expected"), [("drop_oldest", [3, 4]), ("drop_newest", [0, 1]), ("block", RxfeedError)]
)
def test_overflow_policy_applies_at_the_bound(overflow: Any, expected: Any) -> None:
    items = to_async_iterable(reactivex.range(5), size=2, overflow=overflow)
    if overflow == "block":  # in the loop's own thread it would wait for itself
        with pytest.raises(RxfeedError, match="at once"):
            asyncio.run(everything(items))
        return
    assert asyncio.run(everything(items)) == expected
    assert items.dropped == 3


def test_latest_keeps_the_newest_of_each_product() -> None:
    stream = reactivex.of(ticker(1), ticker(2, product_id="A-B"), ticker(3))
    items = to_async_iterable(stream, overflow="latest")
    assert [t.price for t in asyncio.run(everything(items))] == [2, 3]
    assert items.dropped == 1


@pytest.mark.parametrize("arguments", [{"size": 0}, {"overflow": "maybe"}])
def test_bad_arguments_are_named(arguments: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        to_async_iterable(reactivex.empty(), **arguments)


def test_items_arrive_while_the_loop_waits() -> None:
    source: Subject[float] = Subject()

    def work() -> None:
        for _ in range(5):
            time.sleep(0.02)
            source.on_next(time.monotonic())
        source.on_completed()

    async def run() -> list[float]:
        items = to_async_iterable(source, subscribed=threading.Thread(target=work).start)
        return [time.monotonic() - sent async for sent in items]

    delays = asyncio.run(run())
    assert len(delays) == 5


def test_feed_is_connected_when_the_loop_has_subscribed() -> None:
    frames = [match(time=n, trade_id=n + 1).raw for n in range(50)]
    with nothing_left_behind(), Exchange.serving(frames) as exchange:

        async def run() -> list[int]:
            got: list[int] = []
            feed = Feed("BTC-USD", "matches", url=exchange.url)
            async for trade in to_async_iterable(feed.pipe(matches()), subscribed=feed.connect):
                got.append(trade.trade_id)
                if len(got) == 50:
                    feed.close()
            return got

        assert asyncio.run(run()) == list(range(1, 51))
