"""Trades from before the subscription that were requested: which results count them, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import fold
from rxfeed.core import (
    BackfilledTrades,
    Candle,
    Candles,
    LostTrades,
    PriceCrossing,
    PriceMoves,
    Repair,
    RunningImbalance,
    SlidingImbalance,
    SlidingVolume,
    TickBars,
    TradeRepair,
    TumblingVolume,
    VolumeWindow,
)
from rxfeed.market import BackfilledOrigin, Message, Origin, PriorTrade, RepairedOrigin, Trade, stamp
from tests.support.make import NOON, heartbeat, last_match, match

BTC = "BTC-USD"


def past(trade_id: int, *, time: float | None = None, epoch: int = 0, **fields: Any) -> PriorTrade:
    made = last_match(trade_id=trade_id, sequence=0, time=trade_id if time is None else time, **fields)
    return stamp(made, BackfilledOrigin(b"{}", 0, epoch))


def live(trade_id: int, *, time: float | None = None, epoch: int = 0, repaired: bool = False, **fields: Any) -> Trade:
    made = match(trade_id=trade_id, sequence=0, time=trade_id if time is None else time, **fields)
    return stamp(made, (RepairedOrigin if repaired else Origin)(b"{}", 0, epoch))


MESSAGES: list[Message] = [last_match(trade_id=1, time=1), past(2), past(3), past(4), live(5), live(6), heartbeat(21)]


def test_windows_count_past_trades_and_are_complete() -> None:
    for machine in (TumblingVolume(2), Candles(2)):
        found = [(each.start - NOON, each.count, each.complete) for each in fold(machine, MESSAGES)]  # type: ignore[union-attr]
        assert found == [
            (timedelta(seconds=start), count, complete)
            for start, count, complete in ((2, 2, True), (4, 2, True), (6, 1, True))
        ]


def test_first_past_trade_without_one_before_it_begins_incomplete() -> None:
    found = [(each.count, each.complete) for each in fold(TumblingVolume(2), MESSAGES[1:])]  # type: ignore[union-attr]
    assert found == [(2, False), (2, True), (1, True)]


def test_rolling_results_count_past_trades_and_have_none_for_them() -> None:
    for machine in (SlidingVolume(3), SlidingImbalance(3)):
        found = [(each.end - NOON, each.count, each.complete) for each in fold(machine, MESSAGES)]  # type: ignore[union-attr]
        assert [(end.total_seconds(), complete) for end, _, complete in found] == [(5, True), (6, True)]
    assert [each.count for each in fold(SlidingVolume(3), MESSAGES)] == [3, 3]  # type: ignore[union-attr]
    assert [abs(each.count) for each in fold(RunningImbalance(), MESSAGES)] == [4, 5]


def test_bars_count_past_and_repaired_trades() -> None:
    messages = [*MESSAGES, live(7, repaired=True), live(8), live(9, repaired=True)]
    found = [(each.count, each.repaired, each.complete) for each in fold(TickBars(3), messages)]
    assert found == [(3, 0, True), (3, 1, True), (2, 1, False)]


def test_past_trades_that_came_before_are_not_counted_again() -> None:
    """As in a recording of a program that was started again."""
    again = [last_match(trade_id=4, time=4), *(past(each, epoch=1) for each in (5, 6, 7)), live(8, epoch=1)]
    messages = [*MESSAGES[:-1], *again, heartbeat(30)]
    windows = [(each.count, each.complete) for each in fold(TumblingVolume(2), messages)]  # type: ignore[union-attr]
    assert windows == [(2, True), (2, True), (2, True), (1, True)]
    assert [each.count for each in fold(TickBars(2), messages)] == [2, 2, 2, 1]
    assert [each.count for each in fold(SlidingVolume(100), messages)] == [4, 5, 7]  # type: ignore[union-attr]


def test_signals_take_no_price_from_past_trades() -> None:
    messages = [live(1, price=90), past(2, price=110), past(3, price=90), live(4, price=91)]
    assert fold(PriceCrossing(BTC, 100), messages) == []
    assert fold(PriceMoves(5, 60), messages) == []


@given(st.integers(2, 8), st.integers(0, 12), st.integers(1, 12), st.sets(st.integers(1, 12), max_size=3))
def test_windows_with_a_backfill_are_those_of_a_longer_stream(
    width: int, before: int, after: int, lost: set[int]
) -> None:
    """Every window that is complete has all its trades; trades that are lost have a higher epoch after them."""
    messages: list[Message] = [last_match(trade_id=0, time=0)]
    epoch, numbers = 0, range(1, before + after + 1)
    for number in numbers:
        if number in lost and number <= before:
            epoch += 1
            continue
        make = past if number <= before else live
        messages.append(make(number, epoch=epoch))
    messages.append(stamp(heartbeat(100, last_trade_id=numbers[-1]), Origin(b"{}", 0, epoch)))
    gone = {each for each in lost if each <= before}
    for each in fold(TumblingVolume(width), messages):
        assert isinstance(each, VolumeWindow)
        start, end = ((at - NOON).total_seconds() for at in (each.start, each.end))
        wanted = [number for number in numbers if start <= number < end]
        if each.complete:
            assert not gone & set(wanted)
            assert each.count == len(wanted)
        elif start > 0 and not gone:
            raise AssertionError(each)


# ---- what is held for a backfill


def backfilling() -> TradeRepair:
    machine = TradeRepair(Repair())
    assert machine.expect(BTC, 0.0, 5.0)
    assert not machine.expect(BTC, 0.0, 5.0)
    return machine


def test_held_trades_follow_those_of_the_backfill() -> None:
    machine = backfilling()
    assert machine.hold(live(7), 1.0) == []
    assert machine.hold(live(8), 1.0) == []
    trades = [past(5), past(6)]
    assert machine.fetched(BTC, reversed(trades), 1.5) == []
    assert machine.backfilled(BTC, 2.0) == [BackfilledTrades(BTC, 5, 6, 2.0), *trades, live(7), live(8)]
    assert not machine.holds(BTC)


def test_lost_trades_of_a_backfill_are_reported_in_their_place() -> None:
    machine = backfilling()
    machine.begins_after(BTC, 9)
    machine.hold(live(10), 1.0)
    machine.fetched(BTC, [past(3), past(5)], 1.0)
    outputs = machine.backfilled(BTC, 1.0)
    assert outputs[1:] == [past(3), LostTrades(BTC, 4, 4), past(5), LostTrades(BTC, 6, 9), live(10)]


@pytest.mark.parametrize("first", [None, 7])
def test_backfill_that_does_not_come_in_time_is_let_go(first: int | None) -> None:
    machine = backfilling()
    held = [] if first is None else [live(first)]
    for each in held:
        machine.hold(each, 1.0)
    assert machine.remaining(4.0) == 1.0
    assert machine.due(4.9) == []
    machine.extend(BTC, 8.0)
    assert machine.due(7.9) == []
    assert machine.due(8.0) == held
    assert not machine.holds(BTC)


def test_candle_without_a_trade_has_the_close_before_the_subscription() -> None:
    messages = [last_match(5, trade_id=1, time=1), heartbeat(4, last_trade_id=1), heartbeat(8, last_trade_id=1)]
    found = [each.close for each in fold(Candles(2, empty=True), messages) if isinstance(each, Candle)]
    assert set(found) == {5}
