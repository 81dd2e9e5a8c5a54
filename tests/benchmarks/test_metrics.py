"""The benchmark of metrics runs, and its figure has the right scale."""

from __future__ import annotations

from benchmarks.metrics import MOST, measure


def test_metrics_cost_little_of_a_core() -> None:
    cost = measure(turns=2)
    assert cost.share_of_core < MOST
    assert 0 < cost.share_of_feed < 10 * MOST
    assert "of the feed's CPU time" in str(cost)
