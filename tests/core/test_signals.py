"""Moves and spreads, against slow, obvious models."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, fold
from rxfeed.core import PriceMoves, SpreadWidening
from rxfeed.core.book_view import BookView
from rxfeed.venues.coinbase_exchange import ExchangeTicker
from tests.support.make import NOON, heartbeat, match, ticker

PRICES = st.lists(
    st.tuples(
        st.integers(90, 112),
        st.integers(-5, 40),  # seconds on
        st.sampled_from(["BTC-USD", "ETH-USD"]),
        st.sampled_from([0] * 6 + [1]),  # how far the epoch rises
    )
)


def tickers(prices: list[tuple[int, int, str, int]]) -> list[ExchangeTicker]:
    time = epoch = 0
    made: list[ExchangeTicker] = []
    for price, on, product, gap in prices:
        epoch += gap
        made.append(ticker(price, time=time + on, product_id=product, epoch=epoch))
        time = max(time, time + on)
    return made


def slow_moves(stream: list[ExchangeTicker], percent: int, within: int) -> list[Any]:
    """Each price against every one that held in the last seconds, since the last move."""
    held: dict[str, list[ExchangeTicker]] = {}
    output: list[Any] = []
    for now in stream:
        past = held.setdefault(now.product_id, [])
        assert now.time is not None
        if past and now.time < past[-1].time:  # type: ignore[operator]
            continue
        until = [each.time for each in [*past, now][1:]]
        start = now.time - timedelta(seconds=within)
        holding = [each for each, end in zip(past, until, strict=True) if end > start]  # type: ignore[operator]
        past.append(now)
        if not holding:
            continue
        for extreme in (min(each.price for each in holding), max(each.price for each in holding)):
            if abs(Fraction(now.price) - Fraction(extreme)) >= Fraction(percent, 100) * Fraction(extreme):
                began = next(each for each in holding if each.price == extreme)
                output.append((now.product_id, extreme, now.price, began.time, now.time, began.epoch != now.epoch))
                held[now.product_id] = [now]
                break
    return output


@given(PRICES, st.sampled_from([1, 3, 10]), st.sampled_from([1, 30, 60]))
def test_moves_equal_those_of_a_slow_model(prices: list[tuple[int, int, str, int]], percent: int, within: int) -> None:
    stream = tickers(prices)
    moves = fold(PriceMoves(percent, within), stream)
    assert [(m.product_id, m.before, m.price, m.since, m.time, m.spans_gap) for m in moves] == (
        slow_moves(stream, percent, within)
    )
    for move in moves:
        assert move.direction == ("up" if move.price > move.before else "down")
        assert abs(move.percent) >= percent


def test_moves_skip_items_without_price_or_time() -> None:
    items = [
        match(100),
        heartbeat(1),
        ticker(0, time=2),
        ExchangeTicker(product_id="BTC-USD", sequence=1, price=Decimal(200)),
    ]
    assert fold(PriceMoves(1, 60), items) == []


@given(
    st.lists(st.tuples(st.integers(1, 6) | st.none(), st.sampled_from([0, 0, 1]), st.sampled_from(["A-B", "C-D"]))),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_spreads_equal_those_of_a_slow_model(
    quotes: list[tuple[int | None, int, str]], than: int, hysteresis: int
) -> None:
    hysteresis = min(than, hysteresis)
    epoch, stream = 0, []
    for width, gap, product in quotes:
        epoch += gap
        ask = None if width is None else Decimal(10 + width)
        stream.append(ticker(10, best_bid=Decimal(10), best_ask=ask, epoch=epoch, product_id=product))
    expected: dict[str, list[Any]] = {}
    for product in ("A-B", "C-D"):
        wide, before = False, None
        found = expected[product] = []
        for t in stream:
            if t.product_id != product or t.best_ask is None:
                continue
            spread = t.best_ask - 10
            if not wide and spread > than:
                found.append((spread, before is not None and before != t.epoch))
                wide = True
            elif wide and spread <= than - hysteresis:
                wide = False
            before = t.epoch
    wides = fold(SpreadWidening(than, hysteresis=hysteresis), stream)
    for product, found in expected.items():
        assert [(w.spread, w.spans_gap) for w in wides if w.product_id == product] == found


def test_book_spread_counts_and_carries_completeness() -> None:
    def view(bid: int, ask: int, ready: bool = True) -> BookView:
        sides = (Decimal(bid), Decimal(1)), (Decimal(ask), Decimal(1))
        return BookView(product_id="A-B", time=NOON, ready=ready, best_bid=sides[0], best_ask=sides[1])

    views = [view(9, 10), view(1, 99, ready=False), view(8, 11), match(product_id="A-B"), view(8, 12)]
    (wide,) = fold(SpreadWidening(2), views)
    assert (wide.best_bid, wide.best_ask, wide.spread, wide.spans_gap) == (8, 11, 3, True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: PriceMoves(0, 60), "percent"),
        (lambda: PriceMoves(0.5, 60), "percent"),  # type: ignore[arg-type]
        (lambda: PriceMoves(1, 0), "within"),
        (lambda: SpreadWidening(-1), "than"),
        (lambda: SpreadWidening("NaN"), "than"),
        (lambda: SpreadWidening(1, hysteresis=2), "hysteresis"),
    ],
)
def test_bad_arguments_are_named(make: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        make()


@pytest.mark.parametrize("nothing", ["0", "-5"])
def test_moves_and_spreads_skip_prices_at_or_below_zero(nothing: str) -> None:
    prices = [ticker(100, time=0), ticker(nothing, time=1), ticker(100, time=2)]
    assert fold(PriceMoves(5, 60), prices) == []
    one, none = Decimal(1), Decimal(nothing)
    for bid, ask in ((none, one), (none, none), (Decimal(-9), none)):
        quote = ticker(10, best_bid=bid, best_ask=ask)
        assert fold(SpreadWidening(0), [quote]) == []
        assert fold(SpreadWidening(0, percent=True), [quote]) == []
    book = BookView(product_id="A-B", ready=True, best_bid=(none, one), best_ask=(one, one))
    assert fold(SpreadWidening(0), [book]) == []
