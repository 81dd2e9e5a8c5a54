"""Every example ends after the given time, and the examples' README lists it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rxfeed.sim import Exchange
from rxfeed.sim.mongod import Mongod

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
# They end when their recording does: test_recordings.py.
RECORDED = {"record_and_replay", "plot_volume", "plot_candles", "plot_imbalance", "backtest"}
LIVE = [name for name in NAMES if name not in RECORDED]
NEEDS = {
    "price_alert": ("--level", "60000"),
    "price_alert_legacy": ("--level", "60000"),
    "redundant_recorder": ("--to", "{}"),
}
CONNECTIONS = {"redundant_recorder": 2}


@pytest.mark.parametrize("name", [name for name in LIVE if not name.startswith("mongo_")])
def test_example_ends_after_seconds(name: str, busy_exchange: Exchange, run: Any, tmp_path: Path) -> None:
    needs = [each.format(tmp_path) for each in NEEDS.get(name, ())]
    run(name, "--url", busy_exchange.url, "--seconds", "1", *needs).end()
    assert busy_exchange.accepted == CONNECTIONS.get(name, 1)


@pytest.mark.parametrize("name", [name for name in LIVE if name.startswith("mongo_")])
def test_store_example_ends_after_seconds_with_all_stored(
    name: str, busy_exchange: Exchange, mongod: Mongod, run: Any
) -> None:
    script = run(name, "--url", busy_exchange.url, "--seconds", "1", "--mongo", f"{mongod.uri}/ending")
    assert script.end()
    assert busy_exchange.accepted == 1


def test_readme_lists_every_example_once() -> None:
    rows = [line for line in (EXAMPLES / "README.md").read_text().splitlines() if line.startswith("| [")]
    assert sorted(row.partition("](")[2].partition(".py)")[0] for row in rows) == NAMES
    for row in rows:
        name = row.partition("](")[2].partition(")")[0]
        assert f"`python examples/{name}" in row
