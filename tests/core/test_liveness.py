"""Keepalive: pings when they are due, round trips, and nothing that grows."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import HeartbeatWatch, Keepalive, Watchdog


def test_a_ping_every_interval_and_not_before() -> None:
    keepalive = Keepalive(30, timeout=90, now=100)
    assert keepalive.remaining(100) == 30
    assert keepalive.step(129.9) == ()
    assert len(keepalive.step(130)) == 1
    assert keepalive.remaining(130) == 30
    assert keepalive.step(159) == ()
    assert len(keepalive.step(161)) == 1


def test_a_jump_of_the_clock_owes_one_ping() -> None:
    keepalive = Keepalive(30, timeout=2000, now=0)
    assert len(keepalive.step(1000)) == 1
    assert keepalive.remaining(1000) == 30


def test_the_round_trip_of_each_pong() -> None:
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


def test_a_pong_that_does_not_come_in_time() -> None:
    keepalive = Keepalive(30, timeout=10, now=0)
    assert not keepalive.silent(1000)  # nothing was asked
    (ping,) = keepalive.step(30)
    assert keepalive.remaining(30) == 10
    assert not keepalive.silent(39.9)
    assert keepalive.silent(40)
    keepalive.pong(ping, 40)
    assert not keepalive.silent(41)


def test_one_pong_may_answer_several_pings() -> None:
    keepalive = Keepalive(5, timeout=12, now=0)
    keepalive.step(5)
    (newest,) = keepalive.step(10)
    assert keepalive.pong(newest, 11) == 1
    assert not keepalive.silent(20)


def test_a_watchdog_is_armed_from_the_start() -> None:
    watchdog = Watchdog(60, now=100)
    assert watchdog.remaining(100) == 60
    assert not watchdog.stale(159.9)
    assert watchdog.stale(160)
    watchdog.heard(159)
    assert not watchdog.stale(160)
    assert watchdog.remaining(160) == 59


def test_a_watchdog_without_an_end_is_never_stale() -> None:
    watchdog = Watchdog(None, now=0)
    assert watchdog.remaining(1e12) == math.inf
    assert not watchdog.stale(1e12)


def test_each_missing_heartbeat_is_told_once_and_again_after_it_was_back() -> None:
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


def test_products_that_are_not_expected_any_more_are_not_missed() -> None:
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
def test_a_heartbeat_is_missing_exactly_where_a_model_says_so(beats: list[tuple[str, float]], patience: float) -> None:
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
