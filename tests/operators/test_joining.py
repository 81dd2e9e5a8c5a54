"""Late subscribers of hot sources: the newest item first, in order, and no subscriber blocks another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from reactivex import Observable
from reactivex.subject import Subject

from rxfeed.feed.message_router import FeedStream
from rxfeed.operators.share_latest import ShareLatest
from tests.support.collect import Collected

Source = tuple[Observable[int], Callable[[int], None], Callable[[], None]]


def side_stream() -> Source:
    stream: FeedStream[int] = FeedStream(lambda: None, 0)
    return stream, stream.emit, stream.end


def current() -> Source:
    subject: Subject[int] = Subject()
    shared = ShareLatest(subject)
    shared.subscribe(lambda item: None)
    subject.on_next(0)
    return shared, subject.on_next, subject.on_completed


class Slow:
    """A subscriber that blocks in its first item until it is released."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.entered, self.release = threading.Event(), threading.Event()

    def on_next(self, item: int) -> None:
        self.items.append(item)
        self.entered.set()
        self.release.wait(10)

    def on_completed(self) -> None:
        self.items.append("completed")


@pytest.mark.parametrize("make", [side_stream, current])
def test_slow_late_subscriber_does_not_block_the_source(make: Callable[[], Source]) -> None:
    source, emit, end = make()
    before, slow = Collected(source), Slow()
    late = threading.Thread(target=lambda: source.subscribe(slow.on_next, on_completed=slow.on_completed))
    late.start()
    assert slow.entered.wait(5)
    for item in range(1, 4):  # on this thread, which does not wait
        emit(item)
    after = Collected(source)
    end()
    assert (before.items, after.items) == ([0, 1, 2, 3], [3])
    assert before.completed
    assert slow.items == [0]
    slow.release.set()
    late.join(5)
    assert slow.items == [0, 1, 2, 3, "completed"]


@pytest.mark.parametrize("make", [side_stream, current])
def test_late_subscriber_that_raises_is_unsubscribed_alone(make: Callable[[], Source]) -> None:
    source, emit, _ = make()
    before, raised = Collected(source), list[Exception]()

    def fail(item: int) -> None:
        raise ValueError(item)

    source.subscribe(fail, raised.append)
    emit(1)
    assert before.items == [0, 1]
    assert [str(error) for error in raised] == ["0"]


@pytest.mark.parametrize("make", [side_stream, current])
def test_late_subscribers_get_every_item_once_in_order(make: Callable[[], Source]) -> None:
    source, emit, end = make()
    collected: list[Collected[int]] = []

    def join() -> None:
        for _ in range(50):
            collected.append(Collected(source))

    threads = [threading.Thread(target=join) for _ in range(3)]
    for thread in threads:
        thread.start()
    for item in range(1, 2000):
        emit(item)
    for thread in threads:
        thread.join()
    end()
    for each in collected:
        assert each.items == list(range(each.items[0], 2000))
        assert each.completed
