"""An exception in a pipeline is logged once, and each way to wait for a pipeline connects its source."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.subject import Subject

from rxfeed import (
    ConfigError,
    Feed,
    Match,
    MessageSource,
    Replay,
    bounded,
    lift,
    matches,
    order_book,
    to_async_iterable,
    window_volume,
)
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange.messages import Snapshot
from tests.support.collect import Collected
from tests.support.make import match
from tests.support.replays import played

HERE = __file__
BOOK = Snapshot(product_id="BTC-USD", bids=((Decimal(9), Decimal(1)),), asks=())


def source() -> Replay:
    return Replay([match(9, time=0), BOOK, match(11, time=61)])


def divide(item: Any) -> Any:
    return 1 / 0


class Broken:
    """A machine that raises."""

    def step(self, item: Any) -> tuple[Any, ...]:
        return divide(item)

    def finish(self) -> tuple[Any, ...]:
        return ()


class BrokenAtEnd:
    """A machine that raises when the source completes."""

    def step(self, item: Any) -> tuple[Any, ...]:
        return ()

    def finish(self) -> tuple[Any, ...]:
        return divide(None)


def raised(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


PIPELINES: dict[str, Callable[[MessageSource], Observable[Any]]] = {
    "map": lambda source: source.pipe(ops.map(divide)),
    "fluent": lambda source: source.map(divide),
    "piped twice": lambda source: source.pipe(matches()).pipe(ops.map(divide)),
    "lift": lambda source: source.pipe(lift(Broken)),
    "lift at the end": lambda source: source.pipe(lift(BrokenAtEnd)),
    "lift behind another": lambda source: source.pipe(ops.filter(lambda m: True), lift(Broken)),
    "applied": lambda source: lift(Broken)(source),
    "after windows": lambda source: source.pipe(window_volume(60), ops.map(divide)),
    "after late": lambda source: _late(source),
    "after a book": lambda source: source.pipe(order_book("BTC-USD"), ops.map(divide)),
    "after a book, applied": lambda source: order_book("BTC-USD")(source).pipe(ops.map(divide)),
    "shared": lambda source: source.pipe(ops.share()).pipe(ops.map(divide)),
    "inner": lambda source: source.pipe(ops.flat_map(lambda m: reactivex.of(m).pipe(ops.map(divide)))),
    "on a thread": lambda source: source.pipe(bounded(10), ops.map(divide)),
    "on a thread, applied": lambda source: bounded(10)(source).pipe(ops.map(divide)),
    "merged": lambda source: reactivex.merge(source, reactivex.never()).pipe(ops.map(divide)),
    "status": lambda source: source.status.pipe(ops.skip(1), ops.map(divide)),
    "status from the newest": lambda source: source.status.pipe(ops.map(divide)),
    "empty": lambda source: source.pipe(ops.filter(lambda m: False), ops.first()),
}


def _late(source: MessageSource) -> Observable[Any]:
    windows = window_volume(1)
    source.pipe(windows).subscribe()
    return windows.late.pipe(ops.map(divide))


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_that_raises_is_logged_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """With the traceback and the line of the subscription, for any pipeline without on_error."""
    replay = Replay([match(9, time=0), BOOK, match(11, time=61), match(10, time=1)])
    PIPELINES[name](replay).subscribe(print)
    replay.run()
    _wait_for_threads()
    (record,) = raised(caplog)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError | SequenceContainsNoElementsError)
    # Without the source these have no line of the subscription; the traceback has the line of the operator.
    if name not in ("on a thread, applied", "after a book, applied", "after late"):
        assert re.search(rf"subscribed at {re.escape(HERE)}:\d+ in test_pipeline_that_raises", record.getMessage())
        assert replay.stats.subscriber_errors == 1


def _wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "rxfeed-bounded":
            thread.join(30)


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_with_on_error_gets_the_error_without_a_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay([match(9, time=0), BOOK, match(11, time=61), match(10, time=1)])
    got = Collected(PIPELINES[name](replay))
    replay.run()
    got.wait_for_end()
    _wait_for_threads()
    assert isinstance(got.error, ZeroDivisionError | SequenceContainsNoElementsError)
    assert raised(caplog) == []


def test_decimal_times_float_is_explained_by_its_line(caplog: pytest.LogCaptureFixture) -> None:
    replay = source()
    replay.pipe(matches(), ops.map(lambda trade: trade.price * 1.01)).subscribe(print)  # pyright: ignore
    replay.run()
    assert "unsupported operand type(s) for *: 'decimal.Decimal' and 'float'" in caplog.text
    assert "trade.price * 1.01" in caplog.text


def test_subscriber_that_raises_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for composed in (lambda r: r, lambda r: r.pipe(matches()), lambda r: r.pipe(ops.share()), lambda r: r.status):
        caplog.clear()
        replay, whole = source(), Collected(source())
        composed(replay).pipe(ops.skip(1)).subscribe(divide)
        replay.run()
        (record,) = raised(caplog)
        assert "ZeroDivisionError" in record.getMessage()
        assert HERE in record.getMessage()
        assert replay.stats.subscriber_errors == 1
        assert whole.error is None


def test_on_error_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def worse(error: Exception) -> None:
        raise KeyError("worse")

    replay = source()
    replay.pipe(ops.map(divide)).subscribe(print, worse)
    replay.run()
    (record,) = raised(caplog)
    assert "KeyError('worse')" in record.getMessage()
    assert "ZeroDivisionError" in caplog.text  # its context


def test_observer_objects_are_called_directly(caplog: pytest.LogCaptureFixture) -> None:
    subject: Subject[Any] = Subject()
    got = Collected(subject)
    replay = source()
    replay.pipe(ops.map(divide)).subscribe(subject)
    replay.run()
    assert isinstance(got.error, ZeroDivisionError)
    assert raised(caplog) == []


def test_pipeline_behind_a_subject_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It has left the subject by the time that the subject receives the error."""
    subject: Subject[Any] = Subject()
    subject.pipe(ops.map(divide)).subscribe(print)
    replay = source()
    replay.pipe(matches()).subscribe(subject)
    replay.run()
    (record,) = raised(caplog)
    assert "ZeroDivisionError" in record.getMessage()
    assert replay.stats.subscriber_errors == 1


def test_other_branches_of_a_shared_pipeline_go_on(caplog: pytest.LogCaptureFixture) -> None:
    replay = source()
    shared = replay.pipe(matches(), ops.share())
    shared.pipe(ops.map(divide)).subscribe(print)
    whole = Collected(shared)
    replay.run()
    assert len(whole.items) == 2
    assert whole.completed
    assert len(raised(caplog)) == 1


def test_failed_subscription_raises_at_the_call() -> None:
    """What fails within the call of subscribe raises there, as in reactivex, and is not only logged."""
    with pytest.raises(ZeroDivisionError):
        source().pipe(lambda replay: reactivex.defer(divide)).subscribe(print)


def test_end_of_the_source_is_logged_once_for_all(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[Match]:
        yield match()
        raise OSError("the disk")

    replay = Replay(broken())
    for _ in range(3):
        replay.pipe(matches()).subscribe(print)
    with pytest.raises(OSError, match="the disk"):
        replay.run()
    assert len(raised(caplog)) == 1


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=5, auto=False) as exchange:
        yield exchange


@pytest.mark.parametrize("name", ["map", "lift", "merged"])
def test_pipeline_of_a_feed_that_raises_is_logged_once(
    name: str, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    whole = Collected(feed)
    PIPELINES[name](feed).subscribe(print)
    with feed:
        exchange.wait_for_clients()
        exchange.step(100)
        whole.wait_for(exchange.sent.frames)
    (record,) = raised(caplog)
    assert "ZeroDivisionError" in record.getMessage()
    assert HERE in record.getMessage()
    assert feed.stats.subscriber_errors == 1


# ---- waiting for one


def test_run_connects_the_source_and_returns_the_last_item() -> None:
    assert source().pipe(matches(), ops.map(lambda trade: int(trade.price))).run() == 11


def test_run_raises_the_error_of_the_pipeline() -> None:
    with pytest.raises(ZeroDivisionError):
        source().pipe(ops.map(divide)).run()


def test_run_without_an_item_raises_as_in_reactivex() -> None:
    with pytest.raises(SequenceContainsNoElementsError):
        source().pipe(ops.filter(lambda message: False)).run()


def test_run_closes_the_feed_that_it_connected(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
    assert feed.pipe(ops.take(1), ops.count()).run() == 1
    assert feed.wait(0)


@contextmanager
def later(exchange: Exchange) -> Iterator[None]:
    """Three seconds pass at the exchange, a little later than the block begins, and before it ends."""
    timer = threading.Timer(0.05, exchange.advance, (3,))
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_run_leaves_a_feed_that_was_connected(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
    got = Collected(feed)
    with feed:
        got.wait_for(1)
        exchange.wait_for_clients()
        with later(exchange):
            assert feed.pipe(ops.take(1), ops.count()).run() == 1
        assert not feed.wait(0)


COMPOSED: dict[str, Callable[[MessageSource], Observable[Any]]] = {
    "merge": lambda source: reactivex.merge(source.pipe(matches()), source.pipe(ops.map(str))),
    "sum": lambda source: source.pipe(matches()) + reactivex.empty(),
    "zip": lambda source: reactivex.zip(source, source.map(str)),
    "latest": lambda source: reactivex.combine_latest(source, source.pipe(matches())),
    "operator": lambda source: lift(Broken)(source),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_plain_run_on_a_source_that_it_does_not_connect_raises(name: str) -> None:
    """It waited for ever."""
    with pytest.raises(ConfigError, match=r"run\(\) .* does not connect .*Replay"):
        COMPOSED[name](source()).run()


def test_plain_run_on_a_source_that_is_connected_waits(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
    with feed:
        exchange.wait_for_clients()
        with later(exchange):
            assert reactivex.merge(feed, reactivex.never()).pipe(ops.take(1), ops.count()).run() == 1


def test_run_of_status_connects_too() -> None:
    assert "Ended" in str(source().status.pipe(ops.map(str)).run())


async def _items(items: Any) -> list[int]:
    return [int(item) async for item in items]


def prices() -> Any:
    return source().pipe(matches(), ops.map(lambda trade: int(trade.price)))


def test_async_for_connects_the_source() -> None:
    assert asyncio.run(_items(prices())) == [9, 11]
    assert asyncio.run(_items(to_async_iterable(prices()))) == [9, 11]


def test_await_connects_the_source_and_returns_the_last_item() -> None:
    async def last(pipeline: Any) -> Any:
        return await pipeline

    assert asyncio.run(last(prices())) == 11
    assert str(asyncio.run(last(source())).price) == "11"  # pyright: ignore
    with pytest.raises(ZeroDivisionError):
        asyncio.run(last(source().pipe(ops.map(divide))))


@pytest.mark.parametrize("stream", [source(), source().pipe(matches()), source().status])
def test_plain_loop_over_a_stream_raises(stream: Any) -> None:
    with pytest.raises(TypeError, match="is not iterable"):
        list(stream)


def test_reactivex_operators_do_not_iterate_a_stream() -> None:
    replay = source()
    equal = Collected(replay.pipe(ops.sequence_equal(replay.pipe(ops.filter(lambda message: True)))))
    replay.run()
    assert equal.items == [True]


def test_published_pipeline_still_connects_by_itself() -> None:
    replay = source()
    published: Any = replay.pipe(matches(), ops.publish())
    priced: Any = ops.map(lambda trade: trade.price)  # pyright: ignore
    one, other = Collected(published), Collected(published.pipe(priced))
    published.connect()
    assert len(played(replay).items) == 3
    assert len(one.items) == len(other.items) == 2


@pytest.mark.parametrize("seconds", [(0,), (0, 70)])
@pytest.mark.parametrize("operator", [window_volume(60), ops.buffer_with_count(10)], ids=["lifted", "of reactivex"])
def test_leaving_the_program_inside_a_pipeline_ends_what_waits_for_it(operator: Any, seconds: tuple[int, ...]) -> None:
    """The operator before it still has something to emit at the end, and what is behind it gets the end."""

    def leave(emitted: object) -> None:
        raise SystemExit(3)

    trades = [match(time=second) for second in seconds]
    with pytest.raises(SystemExit):
        Replay(trades).pipe(operator, ops.do_action(leave)).run()
