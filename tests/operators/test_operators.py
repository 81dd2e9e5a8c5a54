"""lift and select, on stock reactivex sources."""

from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, Match, Message, heartbeats, lift, matches, price_crossing, tickers, window_volume
from rxfeed.operators import last_matches
from rxfeed.venues.coinbase_exchange import ExchangeTicker
from tests.support.collect import Collected
from tests.support.make import heartbeat, last_match, match, ticker


class Doubling:
    """Outputs each number twice; finishes with its count; fails at 13."""

    def __init__(self) -> None:
        self.count = 0

    def step(self, item: int) -> tuple[int, ...]:
        if item == 13:
            raise ValueError("thirteen")
        self.count += 1
        return (item, item)

    def finish(self) -> tuple[int, ...]:
        return (self.count,)


def test_lift_steps_the_machine_and_finishes_it() -> None:
    got = Collected(reactivex.of(1, 2).pipe(lift(Doubling)))
    assert got.items == [1, 1, 2, 2, 2]
    assert got.completed


def test_every_subscription_has_its_own_machine() -> None:
    source = reactivex.of(1).pipe(lift(Doubling))
    assert Collected(source).items == Collected(source).items == [1, 1, 1]


def test_machine_that_raises_ends_its_stream_and_unsubscribes() -> None:
    source: Subject[int] = Subject()
    bad, good = Collected(source.pipe(lift(Doubling))), Collected(source)
    for item in (1, 13, 2):
        source.on_next(item)
    assert bad.items == [1, 1]
    assert isinstance(bad.error, ValueError)
    assert good.items == [1, 13, 2]
    assert len(source.observers) == 1


def test_remaining_outputs_are_emitted_before_an_error() -> None:
    got = Collected(reactivex.concat(reactivex.of(1), reactivex.throw(OSError("gone"))).pipe(lift(Doubling)))
    assert got.items == [1, 1, 1]
    assert isinstance(got.error, OSError)


def test_unsubscribing_stops_the_outputs_and_the_source() -> None:
    source: Subject[int] = Subject()
    got = Collected(source.pipe(lift(Doubling), ops.take(1)))
    source.on_next(5)
    assert got.items == [5]
    assert got.completed
    assert source.observers == []


MIXED: list[Message] = [ticker(1), match(2), last_match(3), heartbeat(0), match(4, product_id="ETH-USD")]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (matches(), [MIXED[1], MIXED[4]]),
        (matches("BTC-USD"), [MIXED[1]]),
        (matches(["ETH-USD", "A-B"]), [MIXED[4]]),
        (last_matches(), [MIXED[2]]),
        (tickers(), [MIXED[0]]),
        (tickers("ETH-USD"), []),
        (heartbeats(), [MIXED[3]]),
    ],
)
def test_select_operators_emit_their_types(operator: Any, expected: list[Message]) -> None:
    assert Collected(reactivex.from_iterable(MIXED).pipe(operator)).items == expected


@pytest.mark.parametrize("product", ["", [], [7], [""]])
def test_bad_product_is_named(product: Any) -> None:
    with pytest.raises(ConfigError, match="product"):
        matches(product)


def test_bad_arguments_raise_at_the_call() -> None:
    with pytest.raises(ConfigError, match="seconds"):
        window_volume(0)
    with pytest.raises(ConfigError, match="level"):
        price_crossing("BTC-USD", 0.1)  # pyright: ignore[reportArgumentType]  # that is the point


def test_operators_compose_with_stock_operators() -> None:
    source = reactivex.of(match(9, time=0), match(11, time=30), match(8, time=70))
    windows = source.pipe(
        ops.filter(lambda m: isinstance(m, Match | ExchangeTicker)), window_volume(60), ops.map(lambda w: w.count)
    )
    crosses = source.pipe(price_crossing("BTC-USD", 10), ops.map(lambda c: c.direction))
    assert Collected(windows).items == [2, 1]
    assert Collected(crosses).items == ["up", "down"]
