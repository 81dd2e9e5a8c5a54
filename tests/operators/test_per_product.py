"""by_product: each product has a separate run, which ends with the product."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, window_volume
from rxfeed.market import ChannelSubscription
from rxfeed.operators import by_product, latest_by_product, throttle_by_product, tick_bars
from rxfeed.venues.coinbase_exchange import ExchangeSubscriptions
from tests.support.collect import Collected
from tests.support.make import match, ticker


def of(product: str, time: float = 0, **fields: Any) -> Any:
    return match(product_id=product, time=time, **fields)


def test_product_that_leaves_completes_and_may_restart() -> None:
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(by_product(tick_bars(10))))
    for item in (of("A"), of("A"), of("B")):
        source.on_next(item)
    source.on_next(ExchangeSubscriptions(channels=(ChannelSubscription(name="matches", product_ids=("B",)),)))
    assert [(bar.product_id, bar.count) for bar in got.items] == [("A", 2)]
    source.on_next(of("A"))
    source.on_completed()
    assert [(bar.product_id, bar.count) for bar in got.items[1:]] == [("B", 1), ("A", 1)]
    assert got.completed


def test_idle_products_take_no_memory() -> None:
    alive: weakref.WeakSet[Observable[Any]] = weakref.WeakSet()

    def counting(source: Observable[Any]) -> Observable[Any]:
        alive.add(source)
        return source.pipe(tick_bars(3))

    source: Subject[Any] = Subject()
    got = Collected(source.pipe(by_product(counting, idle=60)))
    for number in range(200):
        source.on_next(of(f"P-{number}", time=number))
    gc.collect()
    assert len(alive) <= 61
    assert len(got.items) == 140


def test_completed_run_stays_completed_until_its_product_leaves() -> None:
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(by_product(ops.take(1), idle=60)))
    for product, time in (("A", 0), ("A", 1), ("B", 2), ("B", 61), ("A", 62)):
        source.on_next(of(product, time))
    assert [item.product_id for item in got.items] == ["A", "B", "A"]
    assert not got.completed


def broken(source: Observable[Any]) -> Observable[Any]:
    raise ValueError("cannot")


@pytest.mark.parametrize("operator", [broken, ops.map(lambda _: 1 // 0)])
def test_run_that_fails_ends_the_stream(operator: Callable[[Any], Any]) -> None:
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(by_product(operator)))
    source.on_next(of("A"))
    assert isinstance(got.error, ValueError | ZeroDivisionError)
    source.on_next(of("B"))
    assert got.items == []
    assert not source.observers


def test_error_of_the_source_flushes_every_run() -> None:
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(by_product(window_volume(60))))
    for product in "AB":
        source.on_next(of(product))
    source.on_error(ValueError("over"))
    assert [window.product_id for window in got.items] == ["A", "B"]
    assert isinstance(got.error, ValueError)


def test_unsubscribing_disposes_source_and_runs() -> None:
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(by_product(tick_bars(1))))
    source.on_next(of("A"))
    got.subscription.dispose()
    assert not source.observers
    assert len(got.items) == 1


def test_items_without_a_product_reach_no_run() -> None:
    items: list[Any] = [ExchangeSubscriptions(channels=()), 5, of("A")]
    assert Collected(reactivex.from_iterable(items).pipe(by_product(ops.map(lambda m: m.type)))).items == ["match"]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 9))))
def test_each_product_has_the_results_of_a_separate_run(items: list[tuple[str, int]]) -> None:
    stream = [ticker(price + 1, product_id=product) for product, price in items]
    pairs = Collected(reactivex.from_iterable(stream).pipe(by_product(ops.pairwise()))).items
    for product in "ABC":
        alone = [each for each in stream if each.product_id == product]
        expected = list(itertools.pairwise(alone))
        assert [pair for pair in pairs if pair[0].product_id == product] == expected


@pytest.mark.parametrize("make", [lambda: by_product(ops.count(), idle=0), lambda: latest_by_product(idle=-1)])
def test_bad_idle_is_named(make: Any) -> None:
    with pytest.raises(ConfigError, match="idle"):
        make()


def test_bad_seconds_are_named() -> None:
    with pytest.raises(ConfigError, match="seconds"):
        throttle_by_product(0)
