"""Verdicts: met, missed by how much, or not measured and why."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.goals import Verdict, growth, server_is_the_limit, verdicts
from tests.benchmarks.results import advanced_trade, results


def verdict_text(found: dict[str, Any], part: str) -> str:
    (verdict,) = [str(verdict) for verdict in verdicts(found) if part in verdict.what]
    return verdict


def test_each_goal_has_its_verdict() -> None:
    found = results()
    assert [verdict.met for verdict in verdicts(found)] == [
        True,
        False,
        None,
        True,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    assert verdict_text(found, "the speed of advanced") == (
        "MISSED by 50%: rxfeed: pipeline, the speed of advanced: 2 x, at least 4 x"
    )
    assert verdict_text(found, "the speed of picows") == (
        "not measured (no picows): rxfeed: pipeline, the speed of picows: at least 0.45 x"
    )
    assert verdict_text(found, "ten pipelines").startswith("met: ten pipelines, the CPU of one: 1.5 x, at most 2 x")
    assert verdict_text(found, "p99").startswith("MISSED by 82%: p99 latency at 5,000 messages/s")
    assert verdict_text(found, "one a packet").startswith("MISSED by 43%")
    assert verdict_text(found, "cbpro at work").startswith(
        "met: CPU at 5,000 messages/s in bursts, that of cbpro at work: 0.125"
    )


def test_goal_against_the_wheel_is_doubled() -> None:
    """The wheel of cbpro is half as fast as its GitHub master."""
    found = results()
    assert verdict_text(found, "pipeline, the speed of cbpro").endswith("at least 15 x")
    assert verdict_text(found, "dict, the speed of cbpro").endswith("at least 10 x")
    found["speed"]["cbpro"]["label"] = "cbpro (the wheel) 1.1.4"
    assert verdict_text(found, "pipeline, the speed of cbpro").startswith("MISSED by 33%")
    assert verdict_text(found, "dict, the speed of cbpro").endswith("at least 20 x")


def test_verdicts_cover_measured_parts_only() -> None:
    found = results()
    assert verdicts({"server": 1.0}) == []
    assert len(verdicts({"memory": found["memory"]})) == 1
    assert verdict_text({"latency": {"feed": found["latency"]["feed"]}}, "p99").startswith(
        "not measured (one of the two has none)"
    )
    assert [verdict.met for verdict in verdicts({"load": {"bursts": {}, "packets": {}}})] == [None, None]


def test_server_that_may_be_the_limit_is_named() -> None:
    assert server_is_the_limit(600_000, 1_000_000)
    assert not server_is_the_limit(500_000, 1_000_000)
    found = results()
    found["server"] = 300_000.0
    assert verdict_text(found, "the speed of advanced").endswith("(the server being the limit)")


@pytest.mark.parametrize(
    ("samples", "grown"),
    [
        ([9 << 20] * 10 + [8 << 20] * 10, 0),
        ([0] * 10 + [at << 20 for at in range(10)], 8 << 20),
        ([1] * 12, None),  # too short after the first million
    ],
)
def test_growth_counts_from_the_first_million(samples: list[int], grown: int | None) -> None:
    assert growth({"samples": samples, "every": 100_000}) == grown


def test_value_equal_to_its_bound_meets_it() -> None:
    assert Verdict("speed", 4, 4.0).met is True
    assert Verdict("cost", 2, 2.0, at_most=True).met is True
    assert Verdict("cost", 2, 2.1, at_most=True).met is False


def test_goals_of_the_second_venue() -> None:
    found = {"advanced_trade": advanced_trade()}
    assert [str(verdict) for verdict in verdicts(found)] == [
        "met: Advanced Trade, rxfeed: window, the speed of advanced 1.8: 5 x, at least 4 x",
        "met: Advanced Trade, a book of 46,000 levels from its snapshot: 0.2 s, at most 1 s",
    ]
    found["advanced_trade"]["rows"]["pipeline"]["cpu"] *= 2
    assert str(verdicts(found)[0]).endswith("2.5 x, at least 4 x (by CPU time; 5 x by the clock)")
    found["advanced_trade"]["rows"]["advanced"] = {"label": "advanced", "missing": "no pip"}
    assert verdicts(found)[0].met is None
