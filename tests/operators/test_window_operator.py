"""Late trades: the stream beside the windows."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, Message, window_volume
from rxfeed.operators import candles, rolling_volume, trade_imbalance
from tests.support.collect import Collected
from tests.support.make import match

STREAM = [match(time=0), match(time=60), match(time=59, size=7), match(time=120)]


@pytest.mark.parametrize("make", [window_volume, candles, rolling_volume, trade_imbalance])
def test_late_trade_is_counted_and_emitted_on_late(make: Any) -> None:
    operator = make(60)
    late = Collected(operator.late)
    results = Collected(reactivex.from_iterable(STREAM).pipe(operator))
    assert [each.trade.size for each in late.items] == [7]
    assert operator.late_count == 1
    assert results.completed
    assert late.completed
    assert len(results.items) == 3


def test_late_counts_all_subscriptions_and_ends_with_the_last() -> None:
    operator = window_volume(60)
    late = Collected(operator.late)
    sources: list[Subject[Message]] = [Subject(), Subject()]
    results = [Collected(source.pipe(operator)) for source in sources]
    for source in sources:
        for message in STREAM:
            source.on_next(message)
    assert (operator.late_count, len(late.items)) == (2, 2)
    sources[0].on_error(ValueError("over"))
    assert isinstance(results[0].error, ValueError)
    assert not late.completed
    results[1].subscription.dispose()
    assert late.completed


def test_late_subscriber_that_raises_is_unsubscribed_alone() -> None:
    operator = window_volume(60)
    told: list[Exception] = []

    def broken(_: Any) -> None:
        raise ValueError("mine")

    operator.late.subscribe(broken, told.append)
    operator.late.subscribe(broken)  # without an on_error the log has it
    late = Collected(operator.late)
    results = Collected(reactivex.from_iterable([*STREAM, match(time=1)]).pipe(operator))
    assert [str(error) for error in told] == ["mine"]
    assert (len(late.items), len(results.items), results.completed) == (2, 3, True)


def test_bad_arguments_raise_at_once() -> None:
    for make in (window_volume, candles, rolling_volume, trade_imbalance):
        with pytest.raises(ConfigError, match="seconds"):
            make(0)


def test_disposed_subscriber_gets_nothing_more() -> None:
    operator = window_volume(60)
    first = reactivex.from_iterable(STREAM).pipe(operator, ops.count())
    late = Collected(operator.late)
    late.subscription.dispose()
    assert (first.run(), late.items, late.completed) == (3, [], False)
