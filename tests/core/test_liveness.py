"""Keepalive: pings when they are due, round trips, and nothing that grows."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import Keepalive


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
