"""Short versions of the long runs of a recorder: `python -m tests.soak_year`, `soak_kills`, `soak_retention`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sinks.servers import needs_mongod
from tests.soak_kills import kills
from tests.soak_retention import retention
from tests.soak_year import year

LONG = pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes minutes: set RXFEED_SOAK=1")


@needs_mongod
def test_weeks_with_kills_agree_to_the_last_trade(tmp_path: Path) -> None:
    """The exchange, the recording, the archive, the database and the certificate; see `tests.soak_year`."""
    ledger = year(21, kills=3, speed=200_000, seed=18, folder=tmp_path)
    assert ledger["problems"] == []
    assert ledger["kills"] == 3
    assert min(ledger["recorded"], ledger["mongo"]) > 50
    assert ledger["trades"] == ledger["recorded"] + ledger["missing_in_certificate"]


@LONG
@needs_mongod
@pytest.mark.timeout(1500)
def test_year_with_fifty_kills_agrees_to_the_last_trade(tmp_path: Path) -> None:
    ledger = year(365, kills=50, speed=40_000, seed=1, folder=tmp_path)
    assert ledger["problems"] == []
    assert ledger["kills"] == 50
    assert ledger["deleted"] > 500
    assert ledger["recorded"] > 10_000


@LONG
@needs_mongod
@pytest.mark.timeout(600)
def test_fifty_kills_lose_no_more_than_the_last_sync(tmp_path: Path) -> None:
    ledger = kills(50, seed=18, folder=tmp_path)
    assert ledger["problems"] == []
    assert ledger["recorded"] > 1000
    assert ledger["stored"] > 1000


def test_weeks_of_rotation_and_retention_lose_no_trade(tmp_path: Path) -> None:
    ledger = retention(21, seed=3, folder=tmp_path)
    assert ledger["problems"] == []
    assert ledger["trades"] == 21 * 24
    assert ledger["deleted"] > 30
    assert ledger["kills"] > 0
    assert ledger["readable"] == ledger["in_files"] < ledger["trades"]
    assert ledger["marks"] <= 3 * ledger["kept"]
