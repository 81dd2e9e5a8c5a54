"""Keepalive: pings when they are due, round trips, and nothing that grows."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import ARRIVAL_LIMIT, Arrival, HeartbeatWatch, Keepalive, Watchdog


def test_ping_is_due_every_interval() -> None:
    keepalive = Keepalive(30, timeout=90, now=100)
    assert keepalive.remaining(100) == 30
    assert keepalive.step(129.9) == ()
    assert len(keepalive.step(130)) == 1
    assert keepalive.remaining(130) == 30
    assert keepalive.step(159) == ()
    assert len(keepalive.step(161)) == 1


def test_clock_jump_makes_one_ping_due() -> None:
    keepalive = Keepalive(30, timeout=2000, now=0)
    assert len(keepalive.step(1000)) == 1
    assert keepalive.remaining(1000) == 30


def test_round_trip_is_measured_for_each_pong() -> None:
    keepalive = Keepalive(30, timeout=2000, now=0)
    (first,) = keepalive.step(30)
    (second,) = keepalive.step(60)
    assert keepalive.pong(first, 60.5) == 30.5
    assert keepalive.pong(second, 60.5) == pytest.approx(0.5)
    assert keepalive.pong(first, 62) is None
    assert keepalive.pong(b"never asked", 62) is None


def test_no_interval_means_no_pings() -> None:
    keepalive = Keepalive(None, timeout=10, now=0)
    assert keepalive.remaining(1e9) == math.inf
    assert keepalive.step(1e9) == ()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.floats(0.1, 50))
def test_pings_are_never_closer_than_the_interval(steps: list[float], interval: float) -> None:
    keepalive, now, sent = Keepalive(interval, timeout=1e9, now=0), 0.0, [0.0]
    for step in steps:
        now += step
        before = keepalive.remaining(now)
        if keepalive.step(now):
            assert before == 0
            sent.append(now)
        assert keepalive.remaining(now) > 0
    assert all(b - a >= interval or math.isclose(b - a, interval) for a, b in itertools.pairwise(sent))


def test_missing_pong_is_stale() -> None:
    keepalive = Keepalive(30, timeout=10, now=0)
    assert not keepalive.silent(1000)  # nothing was asked
    (ping,) = keepalive.step(30)
    assert keepalive.remaining(30) == 10
    assert not keepalive.silent(39.9)
    assert keepalive.silent(40)
    keepalive.pong(ping, 40)
    assert not keepalive.silent(41)


def test_pong_deadline_counts_idle_time_alone() -> None:
    keepalive = Keepalive(30, timeout=10, now=0)
    (ping,) = keepalive.step(30, idle=5)
    assert keepalive.remaining(31, idle=5) == 10
    assert not keepalive.silent(idle=14.9)  # the clock does not matter
    assert keepalive.silent(idle=15)
    assert keepalive.pong(ping, 500) == 470
    assert not keepalive.silent(idle=1000)


def test_arriving_bytes_delay_idle_time() -> None:
    """A message of 9 MB at 1 Mbit/s; then a pause within it counts, but for the second that is credited."""
    arrival, idle, size = Arrival(), 0.0, 0
    for _ in range(72):
        size += 125_000
        idle += arrival.step(size, 1.0)
    assert idle == 0
    assert arrival.step(size, 5.0) == 4.0
    assert arrival.step(size, 5.0) == 5.0
    assert arrival.step(0, 3.0) == 3.0  # the message is whole
    assert not arrival.endless


def test_slow_single_bytes_do_not_delay_idle_time() -> None:
    arrival = Arrival()
    assert sum(arrival.step(size, 2.0) for size in range(1, 31)) == pytest.approx(60, abs=0.01)


def test_one_message_delays_idle_time_up_to_the_limit() -> None:
    arrival = Arrival()
    idle = [arrival.step(size, 10.0) for size in range(1_000_000, 100_000_000, 1_000_000)]
    assert sum(idle) == len(idle) * 10 - ARRIVAL_LIMIT
    assert arrival.endless
    assert arrival.step(1_000, 0.1) == 0  # the next message starts from zero
    assert not arrival.endless


@given(st.lists(st.tuples(st.integers(0, 200_000), st.floats(0, 30)), max_size=60))
def test_delay_of_idle_time_is_bounded_by_the_bytes(reads: list[tuple[int, float]]) -> None:
    arrival, size, waited, idle = Arrival(), 0, 0.0, 0.0
    for came, seconds in reads:
        size += came
        silent = arrival.step(size, seconds)
        assert 0 <= silent <= seconds
        waited, idle = waited + seconds, idle + silent
    assert waited - idle <= min(size / 10_000, ARRIVAL_LIMIT) + 1e-6


def test_one_pong_may_answer_several_pings() -> None:
    keepalive = Keepalive(5, timeout=12, now=0)
    keepalive.step(5)
    (newest,) = keepalive.step(10)
    assert keepalive.pong(newest, 11) == 1
    assert not keepalive.silent(20)


def test_watchdog_runs_from_the_start() -> None:
    watchdog = Watchdog(60, now=100)
    assert watchdog.remaining(100) == 60
    assert not watchdog.stale(159.9)
    assert watchdog.stale(160)
    watchdog.heard(159)
    assert not watchdog.stale(160)
    assert watchdog.remaining(160) == 59


def test_watchdog_without_a_limit_is_never_stale() -> None:
    watchdog = Watchdog(None, now=0)
    assert watchdog.remaining(1e12) == math.inf
    assert not watchdog.stale(1e12)


def test_missing_heartbeat_is_reported_once_for_each_absence() -> None:
    watch = HeartbeatWatch(5)
    assert watch.remaining(0) == math.inf
    watch.expect(frozenset({"A", "B"}), now=0)
    watch.beat("A", 3)
    assert watch.step(4.9) == ()
    assert watch.remaining(4) == 1
    assert watch.step(5) == ("B",)
    assert watch.step(7) == ()
    assert watch.step(8) == ("A",)
    assert watch.remaining(8) == math.inf
    assert watch.beat("B", 9)
    assert not watch.beat("B", 10)
    assert watch.step(15) == ("B",)


def test_removed_products_are_not_reported_missing() -> None:
    watch = HeartbeatWatch(5)
    watch.expect(frozenset({"A", "B"}), now=0)
    watch.expect(frozenset({"B", "C"}), now=3)
    assert not watch.beat("A", 4)
    assert watch.step(5) == ("B",)
    assert watch.step(8) == ("C",)
    watch.expect(frozenset(), now=9)
    assert not watch.beat("B", 10)
    assert watch.step(100) == ()


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 4)), max_size=60), st.floats(0.5, 6))
def test_missing_heartbeats_equal_those_of_a_slow_model(beats: list[tuple[str, float]], patience: float) -> None:
    """Against a dictionary of last beats, asked after every beat."""
    watch, now = HeartbeatWatch(patience), 0.0
    watch.expect(frozenset("ABC"), now=0)
    last, late = dict.fromkeys("ABC", 0.0), set[str]()
    for product, wait in beats:
        now += wait
        told = set(watch.step(now))
        expected = {each for each, beat in last.items() if now - beat >= patience} - late
        assert told == expected
        late |= expected
        assert watch.beat(product, now) == (product in late)
        late.discard(product)
        last[product] = now
