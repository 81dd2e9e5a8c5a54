"""A source ends with its sinks: it returns when they have written everything, or reports the unwritten items."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reactivex
from pymongo.errors import AutoReconnect
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import ThreadPoolScheduler

from rxfeed import Feed, Message, Replay, bounded, by_product, matches, record, to_mongo, window_volume
from rxfeed.feed.endings import SinkLeft, unfinished
from rxfeed.operators.bounded_queue import BoundedQueue
from rxfeed.sim import Exchange
from rxfeed.sinks import MongoSink
from tests.sinks.servers import Scripted
from tests.support.collect import Collected
from tests.support.make import match
from tests.support.sources import Said, tick

COUNT = 50
TRADES: list[Message] = [match(time=n, trade_id=n) for n in range(COUNT)]


class Slow(Scripted):
    """Takes *seconds* for each insert."""

    def __init__(self, seconds: float = 0.1) -> None:
        super().__init__()
        self.seconds = seconds

    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        time.sleep(self.seconds)
        super().insert_many(documents, ordered)


class Away(Scripted):
    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        raise AutoReconnect("away")


def sink_over(collection: Any, **options: Any) -> MongoSink:
    given: dict[str, Any] = {"batch_size": 20, "batch_seconds": 60} | options
    return to_mongo(collection, **given)


@pytest.fixture(autouse=True)
def nothing_unfinished() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while unfinished() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert unfinished() == ()


Pipe = Callable[[Observable[Any], MongoSink], Observable[Any]]
PIPES: dict[str, Pipe] = {
    "alone": lambda source, sink: source.pipe(sink),
    "selected": lambda source, sink: source.pipe(matches(), sink),
    "operators": lambda source, sink: source.pipe(matches(), ops.map(lambda m: m), ops.filter(bool), sink),
    "bounded": lambda source, sink: source.pipe(bounded(10), sink),
    "another thread": lambda source, sink: source.pipe(ops.observe_on(ThreadPoolScheduler(1)), sink),
    "merged": lambda source, sink: reactivex.merge(source, reactivex.empty()).pipe(sink),
    "concatenated": lambda source, sink: source.pipe(ops.start_with(*TRADES[:0]), sink),
    "by product": lambda source, sink: source.pipe(by_product(sink)),
    "shared": lambda source, sink: source.pipe(ops.share(), sink),
    "taken": lambda source, sink: source.pipe(ops.take(COUNT), sink),
    "sink of a sink": lambda source, sink: source.pipe(to_mongo(Scripted()), ops.ignore_elements(), sink),  # pyright: ignore[reportArgumentType]
}  # fmt: skip


@pytest.mark.parametrize("pipe", PIPES.values(), ids=list(PIPES))
def test_run_returns_when_the_sink_has_written(pipe: Pipe) -> None:
    collection = Slow()
    replay = Replay(TRADES)
    writes = Collected(pipe(replay, sink_over(collection)))
    replay.run()
    assert writes.completed
    assert len(collection.stored) == (0 if pipe is PIPES["sink of a sink"] else COUNT)


def test_with_and_close_return_when_the_sink_has_written() -> None:
    for end in ("with", "close"):
        collection = Slow()
        source = Said(TRADES)
        writes = Collected(source.pipe(sink_over(collection)))
        if end == "with":
            with source:
                source.wait(5)
        else:
            source.connect()
            source.wait(5)
            source.close()
            assert source.unwritten == ()
        assert writes.completed
        assert len(collection.stored) == COUNT


def test_recording_can_be_replayed_after_run(tmp_path: Path) -> None:
    source = Said([tick(n) for n in range(20_000)])
    source.pipe(record(tmp_path / "recording")).subscribe()
    source.run()
    messages: list[Message] = []
    replay = Replay(tmp_path / "recording")
    replay.subscribe(messages.append)
    replay.run()
    assert len(messages) == 20_000


def test_close_flush_returns_the_counts(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    source = Said(TRADES)
    lost = Collected(source.pipe(sink_over(Away())))
    spilled = Collected(source.pipe(sink_over(Away(), spill=tmp_path / "spill.db")))
    source.connect()
    source.wait(5)
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        source.close(flush=0.5)
    assert time.monotonic() - started < 2
    assert sorted(source.unwritten) == [SinkLeft("to_mongo", 0, COUNT), SinkLeft("to_mongo", COUNT, 0)]
    assert f"to_mongo: {COUNT} items were not written before the end" in caplog.text
    assert lost.error is not None
    assert spilled.completed


def test_run_takes_the_limit_of_the_flush() -> None:
    source = Said(TRADES)
    writes = Collected(source.pipe(sink_over(Away())))
    started = time.monotonic()
    source.run(flush=0.3)
    assert time.monotonic() - started < 2
    assert writes.error is not None


def test_default_limit_is_that_of_the_sink() -> None:
    source = Said(TRADES)
    writes = Collected(source.pipe(sink_over(Away(), flush_seconds=0.3)))
    source.connect()
    source.wait(5)
    source.close()
    assert source.unwritten == (SinkLeft("to_mongo", COUNT),)
    assert writes.error is not None


def test_close_from_the_sink_s_callback_does_not_deadlock() -> None:
    """The first write closes the feed; so does its error."""
    with Exchange(["BTC-USD"], auto=False, rate=50) as exchange:
        feed = Feed("BTC-USD", "matches", url=exchange.url)
        collection = Scripted()
        ended = threading.Event()
        took: list[float] = []

        def close(_: Any = None) -> None:
            started = time.monotonic()
            feed.close()
            took.append(time.monotonic() - started)

        def completed() -> None:
            close()
            ended.set()

        feed.pipe(sink_over(collection, batch_seconds=0.01)).subscribe(close, close, completed)
        feed.connect()
        exchange.wait_for_clients()
        exchange.step(20)
        assert ended.wait(10)
        assert max(took) < 0.5
        assert feed.wait(5)
        feed.close()


def test_close_from_the_callback_of_a_merged_sink() -> None:
    first, second = Said(TRADES), Said(TRADES)
    connected, done = threading.Event(), threading.Event()

    def close(_: Any) -> None:
        connected.wait(5)
        first.close()
        second.close()
        done.set()

    reactivex.merge(first, second).pipe(sink_over(Scripted(), batch_seconds=0.01)).subscribe(close)
    first.connect()
    second.connect()
    connected.set()
    assert done.wait(5)
    first.close()
    second.close()


def test_close_from_the_feed_s_callback_does_not_deadlock() -> None:
    source = Said(TRADES)
    collection = Slow()
    writes = Collected(source.pipe(sink_over(collection)))
    source.subscribe(lambda _: source.close())
    source.run()
    assert writes.completed
    assert len(collection.stored) == COUNT


def test_sink_of_two_sources_is_awaited_by_the_last() -> None:
    collection = Slow()
    first, second = Said(TRADES), Said([tick(n) for n in range(COUNT)])
    writes = Collected(reactivex.merge(first, second).pipe(sink_over(collection)))
    started = time.monotonic()
    first.run()
    assert time.monotonic() - started < 5
    assert not writes.completed
    second.run()
    assert writes.completed
    assert len(collection.stored) == 2 * COUNT


def test_full_queue_before_a_dead_database_does_not_block_close() -> None:
    source = Said(TRADES * 20)
    writes = Collected(source.pipe(sink_over(Away(), queue_size=50, ids="mongo")))
    source.connect()
    time.sleep(0.2)
    started = time.monotonic()
    source.close(0.3, flush=0.5)
    assert time.monotonic() - started < 3
    (left,) = source.unwritten
    assert left.unwritten >= 50
    writes.wait_for_end()


def test_completion_that_does_not_pass_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    source = Said(TRADES)
    collection = Scripted()
    writes = Collected(source.pipe(ops.flat_map(lambda m: reactivex.concat(reactivex.of(m), reactivex.never())),
                                   sink_over(collection)))  # fmt: skip
    source.connect()
    source.wait(5)
    source.close(flush=0.5)
    assert "the end of the source did not reach the sink" in caplog.text
    writes.wait_for_end()
    assert len(collection.stored) == COUNT


def test_items_emitted_at_completion_are_written() -> None:
    collection = Slow()
    replay = Replay(TRADES)
    replay.pipe(window_volume(3600), sink_over(collection, documents=lambda w: {"n": w.count})).subscribe()
    replay.run()
    assert [each["n"] for each in collection.stored.values()] == [COUNT]


def test_blocked_put_at_the_end_is_accepted() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2, "block")
    queue.put(1)
    queue.put(2)
    putter = threading.Thread(target=queue.put, args=(3,))
    putter.start()
    while not queue._waiting:
        time.sleep(0.001)
    queue.end()
    queue.put(4)
    assert [*queue.take(2), *queue.take(2)] == [1, 2, 3]
    assert queue.take(2) == []
    assert queue.late == 1
    putter.join()


def test_sink_of_a_side_stream_is_awaited() -> None:
    collection = Slow()
    source = Said(TRADES)
    writes = Collected(source.status.pipe(sink_over(collection, documents=lambda s: {"status": type(s).__name__})))
    source.run()
    assert writes.completed
    assert [each["status"] for each in collection.stored.values()] == ["Idle", "Ended"]


def test_close_before_the_source_started_ends_its_sinks() -> None:
    source = Said(TRADES)
    writes = Collected(source.pipe(sink_over(Slow())))
    source.close()
    assert writes.completed


def test_unsubscribed_sink_is_awaited() -> None:
    collection = Slow(0.3)
    source = Said(TRADES)
    writes = Collected(source.pipe(sink_over(collection)))
    source.connect()
    source.wait(5)
    writes.subscription.dispose()
    source.close()
    assert len(collection.stored) == COUNT
