"""Backoff and Reconnect: when to try again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, Reconnect
from rxfeed.core import Backoff


def longest(low: float, high: float) -> float:
    return high


def shortest(low: float, high: float) -> float:
    return low


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(Reconnect(initial=1, maximum=10, factor=2), longest)
    assert [backoff.failed(100) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_jitter_is_full() -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high / 2

    backoff = Backoff(Reconnect(initial=4, maximum=100, factor=3), uniform)
    assert [backoff.failed(100) for _ in range(3)] == [2, 6, 18]
    assert drawn == [(0, 4), (0, 12), (0, 36)]


def test_good_message_resets_the_delay() -> None:
    backoff = Backoff(Reconnect(initial=1, maximum=10), longest)
    for _ in range(4):
        backoff.failed(100)
    backoff.succeeded()
    assert backoff.failed(100) == 1


@pytest.mark.parametrize(("lasted", "delay"), [(0, 1), (0.25, 0.75), (1, 0), (50, 0)])
def test_attempts_are_a_second_apart(lasted: float, delay: float) -> None:
    assert Backoff(Reconnect(), shortest).failed(lasted) == delay


def test_retry_after_of_the_server_is_honoured() -> None:
    assert Backoff(Reconnect(maximum=5), longest).failed(100, at_least=120) == 120


def test_retries_are_counted_from_the_last_good_message() -> None:
    backoff = Backoff(Reconnect(retries=2), shortest)
    assert [backoff.failed(100) for _ in range(3)] == [0, 0, None]
    backoff.succeeded()
    assert backoff.failed(100) == 0
    assert Backoff(Reconnect(retries=0), shortest).failed(100) is None


def test_year_of_failures_does_not_overflow() -> None:
    backoff = Backoff(Reconnect(factor=10), longest)
    backoff.failures = 10_000_000
    assert backoff.failed(100) == 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": -1},
        {"initial": float("nan")},
        {"initial": 10, "maximum": 5},
        {"factor": 0.5},
        {"factor": "2"},
        {"retries": -1},
        {"retries": 1.5},
        {"maximum": float("inf")},
    ],
)
def test_bad_arguments_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="reconnect"):
        Reconnect(**wrong)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), st.booleans()), max_size=50),
    st.floats(0, 10),
    st.floats(10, 100),
    st.floats(1, 5),
)
def test_delay_is_within_its_bounds(
    events: list[tuple[float, float, bool]], initial: float, maximum: float, factor: float
) -> None:
    backoff = Backoff(Reconnect(initial=initial, maximum=maximum, factor=factor))
    for lasted, asked, good in events:
        if good:
            backoff.succeeded()
        delay = backoff.failed(lasted, asked)
        assert delay is not None
        assert delay >= asked
        assert delay + lasted >= 1 or delay >= 1 - lasted
        assert delay <= max(maximum, asked, 1)
