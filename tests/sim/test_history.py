"""What is kept of a market: trades and candles, also from before its start."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed.sim import history as module
from rxfeed.sim.history import PastTrade, ProductHistory, TradedSpan
from rxfeed.sim.market import Market
from rxfeed.sim.simulation import Simulation

BTC = "BTC-USD"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def simulated(orders: int, seed: int = 1) -> Simulation:
    simulation = Simulation(Market([BTC], seed=seed, rate=50, start=START))
    simulation.attach(lambda event: None)
    while orders:
        orders -= simulation.market.turn()
    return simulation


def folded(history: ProductHistory, trades: list[PastTrade], seconds: int) -> list[TradedSpan]:
    """The candles of *trades*, newest first, counted one by one."""
    found: dict[int, list[PastTrade]] = {}
    for trade in reversed(trades):
        found.setdefault(trade.micros // 1_000_000 // seconds * seconds, []).append(trade)
    price_of = history.product.price_of
    return [
        TradedSpan(
            start,
            min(price_of(trade.price) for trade in inside),
            max(price_of(trade.price) for trade in inside),
            price_of(inside[0].price),
            price_of(inside[-1].price),
            sum(price_of(trade.size) for trade in inside),
        )
        for start, inside in sorted(found.items())
    ]


def test_trades_reach_back_before_the_start() -> None:
    simulation = simulated(500)
    history = simulation.history.of[BTC]
    trades = list(history.newest_first())
    assert trades[0].trade_id == simulation.market.engines[BTC].last_trade_id
    assert all(newer.trade_id == older.trade_id + 1 for newer, older in pairwise(trades))
    assert all(newer.micros >= older.micros for newer, older in pairwise(trades))
    assert history.first in trades
    assert len(trades) == module.PRIOR + trades[0].trade_id - history.first.trade_id + 1
    assert all(trade.micros < history.first.micros for trade in trades if trade.trade_id < history.first.trade_id)


@settings(deadline=None, max_examples=30)
@given(st.integers(-50, 700))
def test_a_page_begins_below_its_cursor(ahead: int) -> None:
    history = SIMULATED.history.of[BTC]
    cursor = history.first.trade_id - 100 + ahead
    expected = [trade for trade in history.newest_first() if trade.trade_id < cursor][:20]
    assert list(islice(history.newest_first(cursor), 20)) == expected


SIMULATED = simulated(600)


@pytest.mark.parametrize("seconds", [60, 300, 3_600])
def test_candles_are_those_of_the_trades(seconds: int) -> None:
    history = SIMULATED.history.of[BTC]
    candles = history.candles(seconds)
    assert candles == folded(history, list(history.newest_first()), seconds)
    assert history.candles(seconds, candles[2].start, candles[5].start) == candles[2:6]
    assert history.candle(seconds, candles[-1].start) == candles[-1]
    assert history.candle(seconds, candles[-1].start + seconds) is None


def test_there_are_candles_for_the_largest_request() -> None:
    assert len(SIMULATED.history.of[BTC].candles(300)) > 350


def test_the_past_is_the_same_for_the_same_seed() -> None:
    one, two, other = (list(simulated(10, seed).history.of[BTC].newest_first()) for seed in (3, 3, 4))
    assert one == two != other


def test_old_trades_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 100)
    simulation = simulated(2_000)
    history = simulation.history.of[BTC]
    trades = list(history.newest_first())
    assert len(trades) == 100
    assert trades[0].trade_id == simulation.market.engines[BTC].last_trade_id
    assert list(history.newest_first(trades[-1].trade_id)) == []
