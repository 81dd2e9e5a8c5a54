"""Short versions of the long runs in `tests/soak_tape.py`, and with RXFEED_SOAK=1 the whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak_tape import kills, workers

whole = pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes minutes: set RXFEED_SOAK=1")


def test_killed_publisher_and_server_lose_nothing(tmp_path: Path) -> None:
    ledger = kills(1, rate=300, seed=7, folder=tmp_path, consumes=False)
    assert ledger["problems"] == []
    assert ledger["trades"] > 100
    assert ledger["windows"] > 5


def test_shards_of_a_killed_worker_move_and_results_are_equal(tmp_path: Path) -> None:
    ledger = workers(2.5, shards=2, count=2, products=4, rate=100, seed=7, folder=tmp_path, every=2.4)
    assert ledger["problems"] == []
    assert ledger["kills"] > 0
    assert ledger["results"] > 8


@whole
@pytest.mark.timeout(600)
def test_ten_kills_of_each_at_2000_messages_a_second(tmp_path: Path) -> None:
    assert kills(10, rate=2_600, seed=7, folder=tmp_path)["problems"] == []


@whole
@pytest.mark.timeout(600)
def test_sixteen_shards_and_three_workers_that_are_killed(tmp_path: Path) -> None:
    options = {"shards": 16, "count": 3, "products": 48, "rate": 2_000, "seed": 7, "every": 3.0}
    assert workers(40, folder=tmp_path, **options)["problems"] == []  # type: ignore[arg-type]
