"""bounded and the queue beneath it: what each overflow policy keeps, and what it counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, bounded
from rxfeed.operators.bounded_queue import BoundedQueue, Overflow
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.make import ticker


class Gate:
    """A subscriber that blocks until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.items: list[Any] = []
        self.done = threading.Event()

    def on_next(self, item: Any) -> None:
        self.busy.set()
        assert self.open.wait(30)
        self.items.append(item)


@contextmanager
def held(overflow: Overflow, size: int = 3) -> Iterator[tuple[Subject[Any], Gate, Any]]:
    """A source, and a slow subscriber that has taken one item and is stuck with it."""
    source: Subject[Any] = Subject()
    gate, slow = Gate(), bounded(size, overflow)
    source.pipe(slow).subscribe(gate.on_next, on_completed=gate.done.set)
    source.on_next(ticker(0, product_id="first"))
    assert gate.busy.wait(30)
    yield source, gate, slow
    source.on_completed()
    gate.open.set()
    assert gate.done.wait(30)


def prices(gate: Gate) -> list[int]:
    return [int(item.price) for item in gate.items]


def test_bounded_runs_on_its_own_thread_in_order() -> None:
    threads: set[threading.Thread] = set()
    noting = ops.do_action(lambda _: threads.add(threading.current_thread()))
    got = Collected(reactivex.range(0, 1000).pipe(bounded(10), noting))
    got.wait_for_end()
    assert got.items == list(range(1000))
    assert threading.current_thread() not in threads
    assert len(threads) == 1


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [0, 3, 4, 5]), ("drop_newest", [0, 1, 2, 3])], ids=["oldest", "newest"]
)
def test_dropping(overflow: Overflow, kept: list[int]) -> None:
    with held(overflow) as (source, gate, slow):
        for price in range(1, 6):
            source.on_next(ticker(price))
        assert slow.waiting == 3
        assert slow.dropped == 2
    assert prices(gate) == kept


def test_latest_keeps_the_newest_of_each_product() -> None:
    with held("latest") as (source, gate, slow):
        for price, product in [(1, "A"), (2, "B"), (3, "A"), (4, "A"), (5, "B")]:
            source.on_next(ticker(price, product_id=product))
        assert slow.waiting == 2
        assert slow.dropped == 3
    assert prices(gate) == [0, 4, 5]


def test_latest_at_its_bound_drops_the_longest_waiting_product() -> None:
    with held("latest", size=2) as (source, gate, slow):
        for price, product in [(1, "A"), (2, "B"), (3, "A"), (4, "C")]:
            source.on_next(ticker(price, product_id=product))
        assert slow.waiting == 2
        assert slow.dropped == 2
    assert prices(gate) == [0, 3, 4]


def test_block_makes_the_source_wait() -> None:
    with held("block") as (source, gate, slow):
        done = threading.Event()

        def produce() -> None:
            for price in range(1, 10):
                source.on_next(ticker(price))
            done.set()

        producer = threading.Thread(target=produce)
        producer.start()
        assert not done.wait(0.05)
        assert slow.waiting == 3
        gate.open.set()
        producer.join(30)
        assert done.is_set()
    assert prices(gate) == list(range(10))
    assert slow.dropped == 0


def test_subscriber_that_raises_gets_the_error_and_is_unsubscribed() -> None:
    source: Subject[int] = Subject()
    told: list[Exception] = []
    over = threading.Event()

    def bad(item: int) -> None:
        raise ValueError("mine")

    with nothing_left_behind():
        source.pipe(bounded(10)).subscribe(bad, lambda error: (told.append(error), over.set())[1])
        source.on_next(1)
        assert over.wait(30)
    assert [str(error) for error in told] == ["mine"]
    assert source.observers == []


def test_error_of_the_source_arrives_after_queued_items() -> None:
    got = Collected(reactivex.concat(reactivex.of(1, 2), reactivex.throw(OSError("gone"))).pipe(bounded(10)))
    got.wait_for_end()
    assert got.items == [1, 2]
    assert isinstance(got.error, OSError)


def test_unsubscribing_ends_its_thread() -> None:
    with nothing_left_behind():
        source: Subject[int] = Subject()
        got = Collected(source.pipe(bounded(10)))
        got.subscription.dispose()
    assert source.observers == []


@pytest.mark.parametrize(("size", "overflow"), [(0, "block"), (1.5, "block"), (10, "drop"), (True, "block")])
def test_bad_arguments_are_named(size: Any, overflow: Any) -> None:
    with pytest.raises(ConfigError, match=r"size|overflow"):
        bounded(size, overflow)


STEPS = st.lists(st.none() | st.sampled_from("ABCD"), max_size=60)


@given(STEPS, st.integers(1, 5), st.sampled_from(["drop_oldest", "drop_newest", "latest"]))
def test_what_is_put_is_taken_or_counted(steps: list[str | None], size: int, overflow: Overflow) -> None:
    """A step is a put (of a product) or a take of one item."""
    dropped: list[None] = []
    queue: BoundedQueue[Any] = BoundedQueue(size, overflow, lambda: dropped.append(None))
    put, taken = 0, []
    for step in steps:
        if step is not None:
            put += 1
            queue.put(ticker(put, product_id=step))
        elif len(queue):
            taken += queue.take(1)
        assert len(queue) <= size
    queue.end()
    while rest := queue.take(2):
        taken += rest
    assert len(taken) + len(dropped) == put
    numbers = [int(item.price) for item in taken]
    assert len(set(numbers)) == len(numbers)
    by_product: dict[str, list[int]] = {}
    for item in taken:
        by_product.setdefault(item.product_id, []).append(int(item.price))
    assert all(each == sorted(each) for each in by_product.values())
    if overflow != "latest":
        assert numbers == sorted(numbers)
