"""Short versions of the long runs of a recorder; `python -m tests.soak_kills` and `tests.soak_year` are the whole."""

from __future__ import annotations

from pathlib import Path

from tests.sinks.servers import needs_mongod
from tests.soak_kills import kills
from tests.soak_year import year


@needs_mongod
def test_killed_recorders_files_and_database_agree(tmp_path: Path) -> None:
    ledger = kills(1, seed=18, folder=tmp_path)
    assert ledger["problems"] == []
    assert ledger["recorded"] > 20
    assert ledger["stored"] > 20


def test_weeks_of_rotation_and_retention_lose_no_trade(tmp_path: Path) -> None:
    ledger = year(21, seed=3, folder=tmp_path)
    assert ledger["problems"] == []
    assert ledger["trades"] == 21 * 24
    assert ledger["deleted"] > 30
    assert ledger["kills"] > 0
    assert ledger["readable"] == ledger["in_files"] < ledger["trades"]
    assert ledger["marks"] <= 3 * ledger["kept"]
