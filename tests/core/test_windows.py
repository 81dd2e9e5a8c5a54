"""TumblingVolume against a table, and against a slow, obvious model."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal, getcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, Match, TumblingVolume, VolumeWindow, fold
from tests.support.make import NOON, heartbeat, last_match, match, ticker


def shown(windows: list[VolumeWindow]) -> list[tuple[Any, ...]]:
    return [(w.product_id, (w.start - NOON).seconds, str(w.volume), w.count, w.complete) for w in windows]


def test_a_window_goes_out_with_the_first_trade_past_its_end() -> None:
    machine = TumblingVolume(60)
    assert machine.step(match(time=10)) == ()
    assert machine.step(match(time=59.999999)) == ()
    (window,) = machine.step(match(time=60))
    assert (window.start, window.end) == (NOON, NOON + timedelta(seconds=60))
    assert window.count == 2


def test_all_that_a_window_says() -> None:
    trades = [
        match("10.50", size="2", time=1, side="sell"),
        match("10.70", size="1", time=2, side="buy"),
        match("11", size="0.00000001", time=3, side="sell"),
    ]
    (window,) = fold(TumblingVolume(60), trades)
    assert window == VolumeWindow(
        product_id="BTC-USD",
        start=NOON,
        end=NOON + timedelta(minutes=1),
        volume=Decimal("3.00000001"),
        notional=Decimal("31.70000011"),
        vwap=Decimal("31.70000011") / Decimal("3.00000001"),
        count=3,
        buy_volume=Decimal("2.00000001"),
        sell_volume=Decimal("1"),
        complete=False,
    )


def test_only_a_window_that_we_saw_from_before_its_start_is_complete() -> None:
    windows = fold(TumblingVolume(60), [match(time=t) for t in (30, 70, 130)])
    assert shown(windows) == [
        ("BTC-USD", 0, "1", 1, False),  # we came in its midst
        ("BTC-USD", 60, "1", 1, True),
        ("BTC-USD", 120, "1", 1, False),  # it never ended
    ]


def test_a_last_match_before_the_window_says_that_nothing_was_missed() -> None:
    trades = [last_match(time=-5, trade_id=1), match(time=30, trade_id=2), match(time=70, trade_id=3)]
    assert shown(fold(TumblingVolume(60), trades))[0] == ("BTC-USD", 0, "1", 1, True)


def test_a_last_match_inside_the_window_leaves_what_was_before_it_unknown() -> None:
    trades = [last_match(time=5), match(time=30), match(time=70)]
    assert shown(fold(TumblingVolume(60), trades))[0] == ("BTC-USD", 0, "1", 1, False)


def test_a_last_match_is_not_counted() -> None:
    assert fold(TumblingVolume(60), [last_match(time=0), last_match(time=70)]) == []


@pytest.mark.parametrize("complete", [True, False])
def test_a_new_epoch_makes_its_window_incomplete(complete: bool) -> None:
    broken = 0 if complete else 1
    trades = [match(time=30), match(time=70), match(time=90, epoch=broken), match(time=130, epoch=broken)]
    assert shown(fold(TumblingVolume(60), trades))[1] == ("BTC-USD", 60, "2", 2, complete)


def test_after_a_gap_the_windows_that_begin_later_are_complete_again() -> None:
    times = [(30, 0), (70, 0), (130, 1), (190, 1), (250, 1)]
    windows = fold(TumblingVolume(60), [match(time=t, epoch=e) for t, e in times])
    # The gap lies between 70 and 130: the windows from 60 and from 120 may both lack trades.
    assert [w.complete for w in windows] == [False, False, False, True, False]


def test_a_heartbeat_closes_a_quiet_product_s_window() -> None:
    machine = TumblingVolume(60)
    machine.step(match(time=30, trade_id=7))
    assert machine.step(heartbeat(59, last_trade_id=7)) == ()
    (window,) = machine.step(heartbeat(60, last_trade_id=7))
    assert window.count == 1
    assert machine.step(heartbeat(61, last_trade_id=7)) == ()


def test_a_heartbeat_that_overtook_a_trade_waits_for_it() -> None:
    machine = TumblingVolume(60)
    machine.step(match(time=30, trade_id=7))
    assert machine.step(heartbeat(60, last_trade_id=8)) == ()
    assert machine.step(match(time=59, trade_id=8)) == ()
    (window,) = machine.step(heartbeat(61, last_trade_id=8))
    assert window.count == 2


def test_a_heartbeat_in_a_new_epoch_makes_the_open_window_incomplete() -> None:
    items = [
        match(time=-30, trade_id=1),
        match(time=10, trade_id=2),
        heartbeat(20, last_trade_id=2, epoch=1),
        heartbeat(60, last_trade_id=2, epoch=1),
        match(time=70, trade_id=3, epoch=1),
        match(time=130, trade_id=4, epoch=1),
    ]
    assert [(w.count, w.complete) for w in fold(TumblingVolume(60), items)] == [
        (1, False),
        (1, False),
        (1, True),
        (1, False),
    ]


def test_a_late_trade_is_not_lost_and_not_put_elsewhere() -> None:
    machine = TumblingVolume(60)
    for time in (-30, 30, 70):
        machine.step(match(time=time))
    (late,) = machine.step(match(time=59, size=5))
    assert shown([late]) == [("BTC-USD", 0, "5", 1, False)]
    assert shown(list(machine.finish())) == [("BTC-USD", 60, "1", 1, False)]


def test_products_do_not_touch_one_another() -> None:
    trades = [match(time=10), match(time=70, product_id="ETH-USD", epoch=3), match(time=20)]
    windows = fold(TumblingVolume(60), trades)
    assert shown(windows) == [("BTC-USD", 0, "2", 2, False), ("ETH-USD", 60, "1", 1, False)]


def test_other_messages_do_nothing() -> None:
    assert fold(TumblingVolume(60), [ticker(1), heartbeat(1)]) == []


def test_sums_are_exact_whatever_the_thread_s_decimal_context_says() -> None:
    getcontext().prec, before = 3, getcontext().prec
    try:
        (window,) = fold(TumblingVolume(60), [match("0.00000001", size="123456789012.12345678"), match(1, size="1e-8")])
    finally:
        getcontext().prec = before
    assert window.volume == Decimal("123456789012.12345679")
    assert window.notional == Decimal("1234.5678901312345678")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "60", None, True, 1e-9])
def test_bad_seconds_are_named(seconds: Any) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        TumblingVolume(seconds)


@pytest.mark.parametrize(("seconds", "offset"), [(60, 0), (0.5, 0), (7, 6), (86400, 43200)])
def test_windows_are_aligned_to_the_unix_epoch(seconds: float, offset: float) -> None:
    (window,) = fold(TumblingVolume(seconds), [match(time=0)])
    since = (window.start - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert since % seconds == 0
    assert window.start <= NOON < window.end
    assert window.end - window.start == timedelta(seconds=seconds)


TRADES = st.lists(
    st.builds(
        lambda price, size, time, product, side: match(price, size=size, time=time, product_id=product, side=side),
        st.decimals("0.00000001", "100000", places=8),
        st.decimals("0.00000001", "100000", places=8),
        st.integers(-300, 300) | st.floats(-300, 300, allow_nan=False),
        st.sampled_from(["BTC-USD", "ETH-USD", "A-B"]),
        st.sampled_from(["buy", "sell"]),
    ),
    max_size=40,
)


def model(trades: list[Match], seconds: int) -> dict[tuple[str, datetime], list[Any]]:
    """Count, volume, notional and taker-bought volume by product and span, with fractions."""
    sums: dict[tuple[str, datetime], list[Any]] = defaultdict(lambda: [0, Fraction(0), Fraction(0), Fraction(0)])
    for trade in trades:
        second = (trade.time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=seconds) * seconds
        entry = sums[trade.product_id, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)]
        entry[0] += 1
        entry[1] += Fraction(trade.size)
        entry[2] += Fraction(trade.size) * Fraction(trade.price)
        entry[3] += Fraction(trade.size) if trade.side == "sell" else 0
    return sums


@given(TRADES, st.sampled_from([1, 60, 97]), st.randoms())
def test_sums_by_span_equal_the_model_s_in_any_order_of_arrival(trades: list[Match], seconds: int, chance: Any) -> None:
    chance.shuffle(trades)
    sums: dict[tuple[str, datetime], list[Any]] = defaultdict(lambda: [0, Fraction(0), Fraction(0), Fraction(0)])
    for window in fold(TumblingVolume(seconds), trades):
        entry = sums[window.product_id, window.start]
        entry[0] += window.count
        entry[1] += Fraction(window.volume)
        entry[2] += Fraction(window.notional)
        entry[3] += Fraction(window.buy_volume)
        assert window.volume == window.buy_volume + window.sell_volume
        assert window.count > 0
    assert sums == model(trades, seconds)


@given(TRADES, st.integers(0, 40))
def test_complete_windows_are_never_contradicted(trades: list[Match], joined: int) -> None:
    """In order of time, a window called complete has every trade of its span, also those before we joined."""
    trades.sort(key=lambda trade: trade.time)
    truth = model(trades, 60)
    for window in fold(TumblingVolume(60), trades[joined:]):
        if window.complete:
            assert window.count == truth[window.product_id, window.start][0]
