"""A subscriber on a thread of an operator exits the program: the feed ends, as by one on its own thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxfeed import Credentials, Feed, Message, Replay, bounded, full_book, record
from rxfeed.core import Level3Snapshot
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.make import ticker
from tests.support.scenes import fast_feed, sending, wait_until
from tests.support.wire import WireServer, frame

CREDENTIALS = Credentials("key", "c2VjcmV0", "phrase")


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=5, auto=False, credentials=CREDENTIALS) as exchange:
        yield exchange


def stepping(exchange: Exchange, count: int) -> threading.Thread:
    def step() -> None:
        exchange.wait_for_clients()
        exchange.step(count)

    thread = threading.Thread(target=step)
    thread.start()
    return thread


@pytest.mark.parametrize("leaving", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("full", [True, False])
def test_system_exit_behind_a_queue_ends_the_others(
    exchange: Exchange, leaving: BaseException, full: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """On its own thread, too; the feed ends although nothing more arrives, and does not wait for the queue."""
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    got, ends = Collected(feed), list[BaseException]()

    def exit_program(message: Message) -> None:
        stepped.join(5)
        raise leaving

    feed.pipe(bounded(1)).subscribe(exit_program, ends.append)
    stepped = stepping(exchange, 200 if full else 0)
    with pytest.raises(type(leaving)) as raised:
        feed.run()
    assert raised.value is leaving
    assert got.error is leaving
    wait_until(lambda: ends == [leaving])
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_system_exit_at_the_end_of_a_queue_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The source has ended, so that nothing else is left to raise it."""
    replay = Replay([ticker(1)])
    ended = threading.Event()

    def exit_program() -> None:
        ended.wait()
        raise SystemExit(3)

    queue = bounded(10)
    replay.pipe(queue).subscribe(on_completed=exit_program)
    replay.run()
    ended.set()
    wait_until(lambda: any("SystemExit(3) after the end" in each.getMessage() for each in caplog.records))


def test_system_exit_of_a_sink_subscriber_ends_the_others(exchange: Exchange, tmp_path: Path) -> None:
    """And the sink writes everything."""
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    got, recorder = Collected(feed), record(tmp_path, segment_bytes=1)

    def exit_program(segment: object) -> None:
        stepped.join(5)
        raise SystemExit(3)

    feed.pipe(recorder).subscribe(exit_program)
    stepped = stepping(exchange, 50)
    with pytest.raises(SystemExit):
        feed.run()
    assert isinstance(got.error, SystemExit)
    assert recorder.stats.frames == feed.stats.frames
    assert feed.unwritten == ()


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("a defect")])
def test_exception_at_the_snapshot_of_a_book(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """The view of a snapshot comes on the thread that requested it."""
    opened = frame(
        '{"type":"open","product_id":"A-B","sequence":5,"time":"2026-01-02T00:00:00Z","order_id":"o","side":"buy",'
        '"price":"9","remaining_size":"1"}'
    )
    ends = list[BaseException]()

    def fail(view: object) -> None:
        assert threading.current_thread().name == "rxfeed-book"
        raise error

    with WireServer(sending(opened)) as server:
        feed = fast_feed(server.url, "full", reconnect=False)
        got = Collected(feed)
        book = full_book("A-B", lambda product: Level3Snapshot(sequence=4, bids=(), asks=()))
        feed.pipe(book).subscribe(fail, ends.append)
        if isinstance(error, Exception):
            with feed:
                wait_until(lambda: ends == [error])
            assert got.completed
        else:
            with pytest.raises(SystemExit):
                feed.run()
            assert got.error is error
