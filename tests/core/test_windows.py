"""TumblingVolume: the fields of a window, when it is emitted, and late trades."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, getcontext
from typing import Any

import pytest

from rxfeed import ConfigError, Message, VolumeWindow, fold
from rxfeed.core import Candles, Late, PriceMoves, SlidingVolume, TumblingVolume
from tests.support.make import NOON, heartbeat, last_match, match, ticker


def folded(items: Iterable[Any], seconds: float = 60) -> list[VolumeWindow]:
    return windows(fold(TumblingVolume(seconds), items))


def windows(outputs: Iterable[VolumeWindow | Late]) -> list[VolumeWindow]:
    assert not any(isinstance(each, Late) for each in outputs)
    return [each for each in outputs if isinstance(each, VolumeWindow)]


def shown(outputs: Iterable[VolumeWindow | Late]) -> list[tuple[Any, ...]]:
    return [
        (w.product_id, (w.start - NOON).total_seconds(), str(w.volume), w.count, w.complete) for w in windows(outputs)
    ]


def test_window_is_emitted_at_the_first_later_trade() -> None:
    machine = TumblingVolume(60)
    assert machine.step(match(time=10)) == ()
    assert machine.step(match(time=59.999999)) == ()
    (window,) = windows(machine.step(match(time=60)))
    assert (window.start, window.end) == (NOON, NOON + timedelta(seconds=60))
    assert window.count == 2


def test_window_has_all_fields() -> None:
    trades = [
        match("10.50", size="2", time=1, side="sell"),
        match("10.70", size="1", time=2, side="buy"),
        match("11", size="0.00000001", time=3, side="sell"),
    ]
    (window,) = folded(trades)
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


def test_window_is_complete_only_if_received_from_its_start() -> None:
    seen = folded([match(time=t) for t in (30, 70, 130)])
    assert shown(seen) == [
        ("BTC-USD", 0, "1", 1, False),  # received from within the window
        ("BTC-USD", 60, "1", 1, True),
        ("BTC-USD", 120, "1", 1, False),  # it never ended
    ]


def test_last_match_before_the_window_makes_it_complete() -> None:
    trades = [last_match(time=-5, trade_id=1), match(time=30, trade_id=2), match(time=70, trade_id=3)]
    assert shown(folded(trades))[0] == ("BTC-USD", 0, "1", 1, True)


def test_last_match_inside_the_window_leaves_it_incomplete() -> None:
    trades = [last_match(time=5), match(time=30), match(time=70)]
    assert shown(folded(trades))[0] == ("BTC-USD", 0, "1", 1, False)


def test_last_match_is_not_counted() -> None:
    assert folded([last_match(time=0), last_match(time=70)]) == []


@pytest.mark.parametrize("complete", [True, False])
def test_new_epoch_makes_the_window_incomplete(complete: bool) -> None:
    broken = 0 if complete else 1
    trades = [match(time=30), match(time=70)]
    match(time=80)  # this one is missed
    trades += [match(time=90, epoch=broken), match(time=130, epoch=broken)]
    assert shown(folded(trades))[1] == ("BTC-USD", 60, "2", 2, complete)


@pytest.mark.parametrize(
    "proof",
    [
        [match(time=90, trade_id=3, epoch=1)],
        [heartbeat(80, last_trade_id=2, epoch=1), match(time=90, trade_id=3, epoch=1)],
        [last_match(time=70, trade_id=2, epoch=1), match(time=90, trade_id=3, epoch=1)],
    ],
    ids=["next trade", "heartbeat", "last_match"],
)
def test_new_epoch_is_no_gap_if_trade_ids_prove_that_none_is_missing(proof: list[Message]) -> None:
    trades = [match(time=30, trade_id=1), match(time=70, trade_id=2), *proof, match(time=130, trade_id=4, epoch=1)]
    assert shown(folded(trades))[1] == ("BTC-USD", 60, "2", 2, True)


@pytest.mark.parametrize(
    "proof",
    [
        [match(time=90, trade_id=4, epoch=1)],
        [heartbeat(80, last_trade_id=3, epoch=1), match(time=90, trade_id=4, epoch=1)],
        [last_match(time=75, trade_id=3, epoch=1), match(time=90, trade_id=4, epoch=1)],
        [match(time=90, trade_id=1, epoch=1)],
    ],
    ids=["next trade", "heartbeat", "last_match", "ids that begin anew"],
)
def test_new_epoch_is_a_gap_without_that_proof(proof: list[Message]) -> None:
    trades = [match(time=30, trade_id=1), match(time=70, trade_id=2), *proof, match(time=130, trade_id=5, epoch=1)]
    assert shown(folded(trades))[1] == ("BTC-USD", 60, "2", 2, False)


def test_windows_after_a_gap_are_complete_again() -> None:
    times = [(30, 0, 1), (70, 0, 2), (130, 1, 4), (190, 1, 5), (250, 1, 6)]
    seen = folded([match(time=t, epoch=e, trade_id=i) for t, e, i in times])
    # The gap lies between 70 and 130: the windows from 60 and from 120 may both lack trades.
    assert [w.complete for w in seen] == [False, False, False, True, False]


def test_heartbeat_closes_the_window_of_a_quiet_product() -> None:
    machine = TumblingVolume(60)
    machine.step(match(time=30, trade_id=7))
    assert machine.step(heartbeat(59, last_trade_id=7)) == ()
    (window,) = windows(machine.step(heartbeat(60, last_trade_id=7)))
    assert window.count == 1
    assert machine.step(heartbeat(61, last_trade_id=7)) == ()


def test_heartbeat_ahead_of_its_trade_closes_nothing() -> None:
    machine = TumblingVolume(60)
    machine.step(match(time=30, trade_id=7))
    assert machine.step(heartbeat(60, last_trade_id=8)) == ()
    assert machine.step(match(time=59, trade_id=8)) == ()
    (window,) = windows(machine.step(heartbeat(61, last_trade_id=8)))
    assert window.count == 2


def test_heartbeat_in_a_new_epoch_makes_the_open_window_incomplete() -> None:
    items = [
        match(time=-30, trade_id=1),
        match(time=10, trade_id=2),
        heartbeat(20, last_trade_id=3, epoch=1),
        heartbeat(40, last_trade_id=3, epoch=1),
        heartbeat(60, last_trade_id=3, epoch=1),
        match(time=70, trade_id=4, epoch=1),
        match(time=130, trade_id=5, epoch=1),
    ]
    assert [(w.count, w.complete) for w in folded(items)] == [
        (1, False),
        (1, False),
        (1, True),
        (1, False),
    ]


def test_late_trade_is_emitted_as_late_and_not_counted() -> None:
    machine = TumblingVolume(60)
    for time in (-30, 30, 70):
        machine.step(match(time=time))
    trade = match(time=59, size=5)
    assert machine.step(trade) == (Late("BTC-USD", NOON, NOON + timedelta(minutes=1), trade),)
    assert shown(machine.finish()) == [("BTC-USD", 60, "1", 1, False)]


def test_trade_before_a_closed_window_is_late() -> None:
    late = TumblingVolume(60)
    late.step(match(time=70))
    assert [type(each) for each in late.step(match(time=-3600))] == [Late]


def test_lateness_keeps_windows_open_and_closes_them_in_order() -> None:
    machine = TumblingVolume(10, lateness=20)
    machine.step(match(time=-30, trade_id=1))
    for number, time in enumerate((25, 15, 5, 24), 2):
        assert shown(machine.step(match(time=time, trade_id=number)))[1:] == []
    closed = machine.step(match(time=40, trade_id=6))
    assert shown(closed) == [("BTC-USD", 0, "1", 1, True), ("BTC-USD", 10, "1", 1, True)]
    assert shown(machine.finish()) == [("BTC-USD", 20, "2", 2, False), ("BTC-USD", 40, "1", 1, False)]


def test_gap_makes_all_open_windows_incomplete() -> None:
    machine = TumblingVolume(10, lateness=20)
    for time, epoch, number in ((-30, 0, 1), (5, 0, 2), (15, 0, 3), (25, 1, 5), (35, 1, 6), (70, 1, 7)):
        for window in machine.step(match(time=time, epoch=epoch, trade_id=number)):
            assert isinstance(window, VolumeWindow)
            assert window.complete is (window.start >= NOON + timedelta(seconds=30))


def test_long_silence_emits_the_last_ten_thousand_empty_windows() -> None:
    machine = TumblingVolume(1, empty=True)
    machine.step(match(time=0, trade_id=1))
    closed = windows(machine.step(heartbeat(1_000_000, last_trade_id=1)))
    assert len(closed) == 10_001  # and the one with the trade
    assert closed[-1].end == NOON + timedelta(seconds=1_000_000)


def test_heartbeat_starts_empty_windows() -> None:
    """The id of the first trade shows whether the windows before it are complete."""
    for number, complete in ((8, True), (9, False)):
        machine = TumblingVolume(60, empty=True)
        machine.step(heartbeat(-10, last_trade_id=7))
        machine.step(match(time=10, trade_id=number))
        (window,) = windows(machine.step(match(time=70, trade_id=number + 1)))
        assert shown([window]) == [("BTC-USD", 0, "1", 1, complete)]


def test_last_match_after_the_first_heartbeat_counts() -> None:
    """It has the effect of a last_match before the heartbeat."""
    items = [heartbeat(5, last_trade_id=7), last_match(time=-5, trade_id=7), match(time=10, trade_id=8), match(time=70)]
    assert shown(folded(items))[0] == ("BTC-USD", 0, "1", 1, True)


def test_gap_shown_by_an_old_trade_reaches_to_event_time() -> None:
    machine = TumblingVolume(60)
    machine.step(match(time=-30, trade_id=1))
    machine.step(heartbeat(61, last_trade_id=1))
    machine.step(match(time=59, trade_id=3, epoch=1))
    machine.step(match(time=70, trade_id=4, epoch=1))
    assert shown(machine.step(match(time=130, trade_id=5, epoch=1))) == [("BTC-USD", 60, "1", 1, False)]


def test_missing_trade_delays_its_window_by_one_heartbeat() -> None:
    machine = TumblingVolume(60)
    machine.step(match(time=-30, trade_id=6))
    machine.step(match(time=30, trade_id=7))
    assert machine.step(heartbeat(60, last_trade_id=8)) == ()
    assert shown(machine.step(heartbeat(61, last_trade_id=8))) == [("BTC-USD", 0, "1", 1, False)]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
@pytest.mark.parametrize("machine", [TumblingVolume, Candles])
def test_last_time_of_the_calendar_is_accepted(time: str, machine: Any) -> None:
    trades = [match(time=30), match(time=datetime.fromisoformat(time)), match(time=70), match(time=130)]
    for options in ({}, {"lateness": 3600}, {"empty": True, "lateness": 1}):
        outputs = fold(machine(61, **options), trades)
        counts = [1 if isinstance(each, Late) else each.count for each in outputs]
        assert sum(counts) == 4


@pytest.mark.parametrize("lateness", [-1, float("nan"), "1", None])
def test_bad_lateness_is_named(lateness: Any) -> None:
    with pytest.raises(ConfigError, match="lateness"):
        TumblingVolume(60, lateness=lateness)


def test_products_are_independent() -> None:
    trades = [match(time=10), match(time=70, product_id="ETH-USD", epoch=3), match(time=20)]
    seen = folded(trades)
    assert shown(seen) == [("BTC-USD", 0, "2", 2, False), ("ETH-USD", 60, "1", 1, False)]


def test_other_messages_are_ignored() -> None:
    assert folded([ticker(1), heartbeat(1)]) == []


def test_sums_are_exact_in_any_decimal_context() -> None:
    getcontext().prec, before = 3, getcontext().prec
    try:
        (window,) = folded([match("0.00000001", size="123456789012.12345678"), match(1, size="1e-8")])
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
    (window,) = folded([match(time=0)], seconds)
    since = (window.start - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert since % seconds == 0
    assert window.start <= NOON < window.end
    assert window.end - window.start == timedelta(seconds=seconds)


@pytest.mark.parametrize(("machine", "outputs"), [(SlidingVolume(60), 3), (PriceMoves(5, 60), 0)])
def test_first_time_of_the_calendar_is_accepted(machine: Any, outputs: int) -> None:
    first = datetime.min.replace(tzinfo=UTC)
    assert len(fold(machine, [match(time=first) for _ in range(3)])) == outputs
