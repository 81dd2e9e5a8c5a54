"""PriceCrossing: when a price moves across a level."""

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, PriceCross, fold
from rxfeed.core import PriceCrossing
from rxfeed.core.book_view import BookView
from tests.support.make import NOON, heartbeat, last_match, match, ticker


def directions(*prices: Any, level: Any = 10) -> list[str]:
    return [cross.direction for cross in fold(PriceCrossing("BTC-USD", level), [ticker(p) for p in prices])]


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([], []),
        ([9], []),
        ([11], []),
        ([9, 11], ["up"]),
        ([11, 9], ["down"]),
        ([9, 11, 12, 9, 8, 11], ["up", "down", "up"]),
        ([9, 10], []),  # a touch
        ([9, 10, 9], []),
        ([9, 10, 11], ["up"]),
        ([10, 11], []),  # there was no earlier price
        ([11, 10, 10, 9], ["down"]),
        (["9.99999999", "10.00000001"], ["up"]),
        (["9", "10.00"], []),
    ],
)
def test_directions(prices: list[Any], expected: list[str]) -> None:
    assert directions(*prices) == expected


def test_crossing_has_all_fields() -> None:
    (cross,) = fold(PriceCrossing("BTC-USD", "10.5"), [ticker(10, time=1), ticker("10.5", time=2), ticker(11, time=3)])
    assert cross == PriceCross(
        "BTC-USD", Decimal("10.5"), "up", Decimal(10), Decimal(11), NOON.replace(second=3), spans_gap=False
    )


def test_trades_and_last_matches_count_too() -> None:
    crosses = fold(PriceCrossing("BTC-USD", 10), [last_match(9), match(11), ticker(8)])
    assert [(c.direction, c.before, c.price) for c in crosses] == [("up", 9, 11), ("down", 11, 8)]


def test_other_products_and_messages_do_not_cross() -> None:
    assert fold(PriceCrossing("BTC-USD", 10), [ticker(9), ticker(11, product_id="ETH-USD"), heartbeat(1)]) == []


def test_crossing_between_two_epochs_spans_a_gap() -> None:
    crosses = fold(PriceCrossing("BTC-USD", 10), [ticker(9), ticker(11, epoch=1), ticker(9, epoch=1)])
    assert [c.spans_gap for c in crosses] == [True, False]


@pytest.mark.parametrize("level", [1.5, None, "ten", "NaN", float("inf"), True])
def test_bad_level_is_named(level: Any) -> None:
    with pytest.raises(ConfigError, match="level"):
        PriceCrossing("BTC-USD", level)


@pytest.mark.parametrize("product", ["", None, ["BTC-USD"]])
def test_bad_product_is_named(product: Any) -> None:
    with pytest.raises(ConfigError, match="product_id"):
        PriceCrossing(product, 1)


@given(st.lists(st.integers(5, 15)))
def test_crossings_alternate_and_each_lies_across_the_level(prices: list[int]) -> None:
    crosses = fold(PriceCrossing("BTC-USD", 10), [ticker(p) for p in prices])
    for cross in crosses:
        assert (cross.before < 10 < cross.price) if cross.direction == "up" else (cross.price < 10 < cross.before)
    for one, next_one in itertools.pairwise(crosses):
        assert one.direction != next_one.direction
    sides = [p > 10 for p in prices if p != 10]
    assert len(crosses) == sum(a != b for a, b in itertools.pairwise(sides))


@given(st.lists(st.tuples(st.integers(5, 15), st.sampled_from([0, 0, 0, 1]))), st.integers(0, 3))
def test_crossings_are_those_of_a_slow_model(prices: list[tuple[int, int]], band: int) -> None:
    epoch, stream = 0, []
    for price, gap in prices:
        epoch += gap
        stream.append(ticker(price, epoch=epoch))
    # Whatever lies in the band is taken out; what is left crosses where neighbours lie apart.
    outside = [t for t in stream if abs(t.price - 10) > band]
    expected = [
        ("up" if one.price < 10 else "down", one.price, two.price, one.epoch != two.epoch)
        for one, two in itertools.pairwise(outside)
        if (one.price < 10) != (two.price < 10)
    ]
    crosses = fold(PriceCrossing("BTC-USD", 10, hysteresis=band), stream)
    assert [(c.direction, c.before, c.price, c.spans_gap) for c in crosses] == expected
    assert fold(PriceCrossing("BTC-USD", 10, hysteresis=band, once=True), stream) == crosses[:1]


@given(st.lists(st.tuples(st.integers(-1, 15), st.sampled_from([0, 0, 0, 1]))), st.integers(0, 3), st.booleans())
def test_receiver_has_the_effect_of_steps(prices: list[tuple[int, int]], band: int, once: bool) -> None:
    epoch, stream = 0, [ticker(8)]
    for price, gap in prices:
        epoch += gap
        stream.append(ticker(price, epoch=epoch))
    received: list[PriceCross] = []
    machine = PriceCrossing("BTC-USD", 10, hysteresis=band, once=once)
    receive = machine.receiver(lambda item: received.extend(machine.step(item)))
    for item in stream:
        receive(item)
    assert received == fold(PriceCrossing("BTC-USD", 10, hysteresis=band, once=once), stream)


def view(bid: Any, ask: Any, *, ready: bool = True) -> BookView:
    return BookView(
        product_id="BTC-USD",
        ready=ready,
        time=NOON,
        best_bid=bid and (Decimal(bid), Decimal(1)),
        best_ask=ask and (Decimal(ask), Decimal(1)),
    )


def test_book_s_mid_crosses_as_a_price_does() -> None:
    views = [view(8, 9), view(None, 11), view("10.5", 11), view(None, None, ready=False), view(9, "9.5")]
    crosses = fold(PriceCrossing("BTC-USD", 10), views)
    assert [(c.direction, c.before, c.price, c.spans_gap) for c in crosses] == [
        ("up", Decimal("8.5"), Decimal("10.75"), False),
        ("down", Decimal("10.75"), Decimal("9.25"), True),
    ]


@pytest.mark.parametrize("hysteresis", [-1, 0.5, "wide"])
def test_bad_hysteresis_is_named(hysteresis: Any) -> None:
    with pytest.raises(ConfigError, match="hysteresis"):
        PriceCrossing("BTC-USD", 1, hysteresis=hysteresis)


@pytest.mark.parametrize("nothing", [0, "0.00", -5])
def test_price_at_or_below_zero_is_ignored(nothing: Any) -> None:
    assert directions(nothing, 11) == []
    assert directions(9, nothing, 9, nothing, 11) == ["up"]
    assert directions(11, nothing, 9) == ["down"]
    (cross,) = fold(PriceCrossing("BTC-USD", 10), [ticker(9), ticker(nothing), ticker(11)])
    assert cross.before == 9


@pytest.mark.parametrize("level", [0, -1])
def test_level_that_is_not_above_zero_is_named(level: int) -> None:
    with pytest.raises(ConfigError, match=r"level: .* is not above zero"):
        PriceCrossing("BTC-USD", level)
