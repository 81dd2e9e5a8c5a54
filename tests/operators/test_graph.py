"""`describe`: the pipelines of a source that have a subscriber, and the items between their operators."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops

from rxfeed import Replay, bounded, lift, order_book, trades, window_volume
from rxfeed.core import TumblingVolume
from tests.support.make import match, ticker


class Counter:
    """A machine that emits the number of items at the end."""

    def __init__(self) -> None:
        self.items = 0

    def step(self, item: object) -> tuple[int, ...]:
        self.items += 1
        return ()

    def finish(self) -> tuple[int, ...]:
        return (self.items,)


MESSAGES = [match(time=0, trade_id=1), ticker(5, sequence=2), match(time=61, trade_id=3)]


def divide(trade: object) -> None:
    raise ZeroDivisionError


def names(source: Any) -> list[list[str]]:
    return [[step.name for step in pipeline.steps] for pipeline in source.describe().pipelines]


def test_describe_lists_operators_of_each_subscription() -> None:
    replay = Replay(MESSAGES)
    prices = replay.pipe(trades(), ops.map(lambda trade: trade.price), ops.pairwise())
    prices.subscribe(print)
    replay.pipe(window_volume(60)).pipe(bounded(10)).subscribe(print)
    replay.pipe(lift(lambda: TumblingVolume(60))).subscribe(print)
    replay.pipe(lift(Counter)).subscribe(print)
    replay.subscribe(print)
    replay.status.subscribe(print)
    assert names(replay) == [
        ["trades", "map", "pairwise"],
        ["window_volume", "bounded"],
        ["lambda"],
        ["Counter"],
        [],
        [],
    ]
    described = replay.describe()
    assert [each.origin for each in described.pipelines] == [*["messages"] * 5, "status"]
    assert all("test_graph.py" in each.place for each in described.pipelines)
    assert described.pipelines[1].steps[1].queue_size == 10
    assert not described.counts
    assert described.pipelines[0].steps[0].items_in is None
    replay.close()
    for thread in threading.enumerate():
        if thread.name == "rxfeed-bounded":
            thread.join(10)  # its pipeline ends on this thread
    assert names(replay) == []


def test_describe_drops_what_has_left_or_ended() -> None:
    replay = Replay(MESSAGES)
    left = replay.pipe(trades()).subscribe(print)
    replay.pipe(ops.take(1)).subscribe(lambda message: None)
    replay.pipe(trades()).subscribe(divide, lambda error: None)
    left.dispose()
    assert names(replay) == [["take"], ["trades"]]
    replay.run()
    assert names(replay) == []


def test_describe_has_one_entry_for_a_merged_subscription() -> None:
    replay = Replay(MESSAGES)
    both = reactivex.merge(replay.pipe(trades()), replay.pipe(ops.take(1)))
    both.subscribe(print)
    assert names(replay) == [["trades"], ["take"]]
    pair = replay.pipe(ops.merge(replay.pipe(window_volume(60))))
    pair.subscribe(print)
    assert names(replay) == [["trades"], ["take"], ["merge"]]


def test_describe_counts_items_of_each_edge() -> None:
    replay = Replay(MESSAGES, count_items=True)
    counts: list[Any] = []
    replay.pipe(trades(), ops.map(lambda trade: trade.price), ops.pairwise()).subscribe(
        lambda pair: counts.append(replay.describe())
    )
    replay.run()
    (pipeline,) = counts[0].pipelines
    assert [(step.name, step.items_in, step.items_out) for step in pipeline.steps] == [
        ("trades", 2, 2),
        ("map", 2, 2),
        ("pairwise", 2, 1),
    ]
    assert "  -> pairwise  in 2  out 1" in str(counts[0])


def test_describe_counts_errors() -> None:
    replay = Replay(MESSAGES, count_items=True)
    pipeline = replay.pipe(trades(), ops.map(lambda trade: 1 / 0))
    described: list[Any] = []
    pipeline.subscribe(on_error=lambda error: None)
    replay.pipe(ops.last()).subscribe(lambda last: described.append(pipeline.steps))  # pyright: ignore
    replay.run()
    assert [step.edge.errors for step in described[0]] == [0, 1]


@pytest.mark.parametrize("counts", [False, True])
def test_counted_pipelines_give_the_same_results(counts: bool) -> None:
    replay = Replay(MESSAGES, count_items=counts)
    windows: list[Any] = []
    shared = replay.pipe(window_volume(60), ops.publish())
    shared.subscribe(windows.append)
    shared.connect()
    replay.pipe(order_book("BTC-USD"), ops.take(1)).subscribe(windows.append)
    replay.run()
    assert [window.count for window in windows] == [1, 1]


def test_describe_without_subscribers_is_a_text() -> None:
    assert str(Replay(MESSAGES).describe()).endswith("\n  no subscriber")
