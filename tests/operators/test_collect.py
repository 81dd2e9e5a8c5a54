"""`collect`: all items of a pipeline as a list, with the source connected and closed."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, cast

import pytest
from reactivex import operators as ops

from rxfeed import ConfigError, Feed, FeedClosed, Replay, candles, trades, window_volume
from rxfeed.sim import Exchange
from rxfeed.testing import trade


def three() -> Replay:
    return Replay([trade(9, time=0), trade(11, time=59), trade(10, time=60)])


def test_collect_returns_all_items_of_a_replay() -> None:
    assert [str(each.close) for each in three().collect(candles(60))] == ["11", "10"]
    piped: Any = three().pipe(candles(60))  # type checkers see the Observable of reactivex
    assert [str(each.close) for each in piped.collect()] == ["11", "10"]
    assert len(three().collect()) == 3
    assert three().collect(trades(), ops.map(lambda each: each.price), ops.take(1)) == [9]


def test_collect_ends_a_live_feed_after_its_seconds() -> None:
    with Exchange(["BTC-USD"], seed=7, rate=200) as exchange:
        feed = Feed("BTC-USD", ["matches"], url=exchange.url)
        (held,) = feed.collect(window_volume(timedelta(days=1000)), seconds=timedelta(seconds=0.5))
        assert not held.complete  # it is emitted at the end
        assert feed.wait(0)
        with pytest.raises(FeedClosed):
            feed.collect(seconds=1)


def test_collect_leaves_a_feed_open_that_was_connected_before() -> None:
    with Exchange(["BTC-USD"], seed=7, rate=200) as exchange, Feed("BTC-USD", ["matches"], url=exchange.url) as feed:
        assert feed.collect(trades(), seconds=0.5)
        assert not feed.wait(0)


@pytest.mark.parametrize("seconds", [0, -1, "5", timedelta(0)])
def test_collect_names_invalid_seconds(seconds: Any) -> None:
    with pytest.raises(ConfigError, match=r"seconds: .* is not a number of seconds above 0"):
        three().collect(seconds=seconds)


def test_run_and_collect_connect_a_published_pipeline() -> None:
    assert three().pipe(trades(), ops.publish()).run().price == 10
    published: Any = three().pipe(trades(), ops.publish())
    assert len(published.collect()) == 3


def raised_price(each: Any) -> Any:
    return each.price * 1.01


def test_float_times_price_names_the_remedy_in_the_error() -> None:
    with pytest.raises(TypeError) as caught:
        three().collect(trades(), ops.map(raised_price))
    assert caught.value.__notes__ == [
        "prices are Decimal, which no float goes with: write Decimal('1.01') for 1.01, or float(price)"
    ]
    with pytest.raises(TypeError) as other:
        three().collect(trades(), ops.map(lambda each: cast(Any, each.price) + "1"))
    assert not hasattr(other.value, "__notes__")


def test_float_times_price_names_the_remedy_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    replay = three()
    replay.pipe(trades(), ops.map(raised_price)).subscribe(print)
    replay.subscribe(lambda each: print(raised_price(each)))
    with caplog.at_level(logging.ERROR):
        replay.run()
    assert len(caplog.messages) == 2
    assert all("write Decimal('1.01') for 1.01, or float(price)" in line for line in caplog.messages)


def test_tab_completion_leaves_out_operators_of_reactivex() -> None:
    replay = three()
    assert {"pipe", "subscribe", "run", "collect", "status", "stats"} <= set(dir(replay))
    assert not {"flat_map", "buffer_with_time", "zip"} & set(dir(replay))
    assert not {"flat_map", "zip"} & set(dir(replay.pipe(trades())))
    assert replay.map(lambda each: each) is not None
