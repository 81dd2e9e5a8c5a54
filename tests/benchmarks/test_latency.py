"""Percentiles by nearest rank, and whether a client keeps up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.latency import SHARES, keeps_up, pace_kept, percentiles


def test_percentiles_are_latencies_that_occurred() -> None:
    shuffled = list(range(1, 1001))
    random.Random(1).shuffle(shuffled)
    assert percentiles(shuffled) == {"p50": 500, "p99": 990, "p99.9": 999}
    assert percentiles([7.0]) == {"p50": 7.0, "p99": 7.0, "p99.9": 7.0}


@given(st.lists(st.integers(), min_size=1))
def test_percentiles_are_nearest_ranks(latencies: list[int]) -> None:
    for name, value in percentiles(latencies).items():
        share = SHARES[name]
        assert sum(latency <= value for latency in latencies) >= share * len(latencies)
        assert sum(latency < value for latency in latencies) < share * len(latencies)


@pytest.mark.parametrize(
    ("latencies", "kept"),
    [
        ([0.001] * 1000, True),
        ([0.001] * 500 + [2.0] * 40 + [0.001] * 460, True),  # delayed once, and back in time
        ([at / 1000 for at in range(1000)], False),  # a backlog that grows
        ([0.001] * 990 + [1.0] * 10, True),  # delayed at the very end
    ],
)
def test_client_late_at_the_end_does_not_keep_up(latencies: list[float], kept: bool) -> None:
    assert keeps_up(latencies) is kept


def test_server_slower_than_requested_is_the_limit() -> None:
    assert pace_kept([at * 1_000_000 for at in range(1000)], 1000)
    assert pace_kept([at * 1_040_000 for at in range(1000)], 1000)
    assert not pace_kept([at * 1_100_000 for at in range(1000)], 1000)
    assert pace_kept([0] * 50, 1000)  # one burst
