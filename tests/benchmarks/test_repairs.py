"""The benchmark of repairs runs: trades are repaired while others are measured."""

from __future__ import annotations

from benchmarks.repairs import measure


def test_repairs_are_measured_beside_other_products() -> None:
    found = measure(seconds=1, turns=1)
    assert found.repaired == 1
    assert found.ratio > 0
    assert "with 1 repairs of 1 in all" in str(found)
