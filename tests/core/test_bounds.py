"""Calculations with every valid number are exact, and it is written in few characters, without an exponent."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, fold
from rxfeed.cli.lines import line
from rxfeed.core import (
    Candles,
    PriceCrossing,
    PriceMoves,
    RunningImbalance,
    SlidingVolume,
    SpreadWidening,
    TumblingVolume,
)
from rxfeed.core.arguments import decimal
from rxfeed.core.bars import TickBars
from rxfeed.core.book import Level2Book
from rxfeed.core.numbers import EXACT
from rxfeed.market.values import check
from rxfeed.venues.coinbase_exchange.messages import L2Update, Snapshot
from tests.support.make import match, ticker

EXTREMES = ["1e40", "9" * 40, "1e-40", "0." + "1" * 40, "-" + "9" * 40, "-1e-40", "0", "0.00000000", "1.5"]
EXTREMES += [f"{'7' * 20}.{'7' * 20}", "1." + "0" * 60, "1" + "0" * 40]
PRICES = st.sampled_from(EXTREMES)
SIZES = st.sampled_from([each for each in EXTREMES if not each.startswith("-")])
PRODUCTS = st.sampled_from(["BTC-USD", "ETH-USD"])
TRADES = st.lists(st.tuples(PRICES, SIZES, PRODUCTS, st.integers(0, 200)), max_size=20)
MACHINES: dict[str, Any] = {
    "candles": lambda: Candles(60, lateness=300),
    "crossing": lambda: PriceCrossing("BTC-USD", 100),
    "imbalance": RunningImbalance,
    "moves": lambda: PriceMoves(5, 60),
    "sliding": lambda: SlidingVolume(60),
    "spread": lambda: SpreadWidening(1, percent=True),
    "ticks": lambda: TickBars(3),
    "windows": lambda: TumblingVolume(60, lateness=300),
}


@pytest.mark.parametrize("name", MACHINES)
@given(trades=TRADES)
def test_machines_accept_every_number_within_the_bounds(name: str, trades: list[tuple[str, str, str, int]]) -> None:
    messages: list[Any] = []
    for price, size, product, time in trades:
        messages.append(match(price, size=size, product_id=product, time=time))
        messages.append(ticker(price, product_id=product, time=time, best_bid=Decimal(size), best_ask=Decimal(size)))
    fold(MACHINES[name](), messages)


@given(TRADES)
def test_volume_of_numbers_within_the_bounds_is_exact(trades: list[tuple[str, str, str, int]]) -> None:
    messages = [match(price, size=size, time=time) for price, size, _, time in trades]
    windows: list[Any] = fold(TumblingVolume(1000, lateness=300), messages)
    assert sum(Fraction(each.volume) for each in windows) == sum(Fraction(size) for _, size, _, _ in trades)
    expected = sum(Fraction(price) * Fraction(size) for price, size, _, _ in trades)
    assert sum(Fraction(each.notional) for each in windows) == expected


@given(st.lists(st.tuples(PRICES, SIZES), max_size=9), st.lists(st.tuples(PRICES, SIZES), max_size=9))
def test_book_of_numbers_within_the_bounds_is_exact(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
    sides = [tuple((Decimal(price), Decimal(size)) for price, size in side) for side in (bids, asks)]
    update = L2Update(product_id="A-B", changes=tuple(("buy", price, size) for price, size in sides[1]))
    for view in fold(Level2Book("A-B"), [Snapshot(product_id="A-B", bids=sides[0], asks=sides[1]), update]):
        view.imbalance(5)
        if view.mid is not None and view.spread is not None and view.best_bid is not None:
            assert EXACT.multiply(view.mid, Decimal(2)) == EXACT.add(
                EXACT.add(view.best_bid[0], view.best_bid[0]), view.spread
            )


@given(PRICES, SIZES)
def test_line_of_numbers_within_the_bounds_is_short(price: str, size: str) -> None:
    """A number has an exponent only with more than forty digits on a side of the point."""
    shown = line(match(price, size=size)).replace("BTC-USD", "")
    assert len(shown) < 300
    plain = [f"{Decimal(number):f}".partition(".") for number in (price, size)]
    if all(max(len(whole.lstrip("-")), len(part)) <= 40 for whole, _, part in plain):
        assert "E" not in shown


@given(st.integers(-200, 200), st.integers(1, 10**60))
def test_number_is_within_the_bounds_or_is_rejected(exponent: int, digits: int) -> None:
    number = Decimal(digits).scaleb(exponent, EXACT)
    significant = len(str(digits).rstrip("0"))
    try:
        check(number)
    except ValueError:
        assert significant > 40 or not -40 <= number.adjusted() <= 40
    else:
        assert significant <= 40
        assert -40 <= number.adjusted() <= 40


@pytest.mark.parametrize("value", ["1e41", "1e999999", "7" * 41, pytest.param(10**5000, id="10**5000")])
def test_argument_out_of_the_bounds_is_named(value: Any) -> None:
    with pytest.raises(ConfigError, match="level: a number has more than 40 digits"):
        decimal("level", value)
