"""An export of repaired recordings, and its coverage, which is that of the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rxfeed.archive import export
from rxfeed.audit import audit, repair
from rxfeed.sim import faults
from tests.audit.test_repair import PRODUCTS, VENUES, Recorded
from tests.support import archives as a

TRADE = (*a.TRADE, "repaired")


@pytest.fixture(params=VENUES)
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path, request.param)
    try:
        yield made
    finally:
        made.close()


def trades(source: Path) -> list[a.Row]:
    messages = [each for each in a.played(source) if a.trade_rows([each])]
    return [(*row, each.repaired) for row, each in zip(a.trade_rows(messages), messages, strict=True)]


def sums(out: Path, *columns: str) -> Counter[tuple[str, str]]:
    """The sums of *columns*, over all hours and exports, by product and column, of the table of trades."""
    found: Counter[tuple[str, str]] = Counter()
    for product, table, *values in a.rows(out, "coverage", ("table_name", *columns)):
        if table == "trades":
            found.update({(product, name): value or 0 for name, value in zip(columns, values, strict=True)})
    return found


def audited(folder: Path, *columns: str) -> Counter[tuple[str, str]]:
    """The same of an audit, without trades that are named at the end and may still come."""
    found: Counter[tuple[str, str]] = Counter()
    certificate = audit(folder)
    for row in certificate.rows:
        if row.channel in ("matches", "market_trades"):
            found.update({(str(row.product), name): getattr(row, name) for name in columns})
    last: dict[str, int] = {}
    for product, *values in trades(folder):
        last[product] = max(last.get(product, 0), values[3])
    for each in certificate.missing:
        if each.product is not None and each.first > last[each.product]:
            found[each.product, "missing"] -= each.count
    return found


SUMS = ("missing", "repaired", "lost")


@pytest.mark.parametrize("gone", [False, True])
def test_export_of_a_repaired_recording_equals_its_replay(recorded: Recorded, tmp_path: Path, gone: bool) -> None:
    folder, out = recorded.broken, tmp_path / "out"
    if gone:
        holes = {each.first for each in repair(folder, dry_run=True).gaps[::2]}
        recorded.exchange.inject(faults.RestHole(holes, count=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rxfeed.audit.fetching.AGAIN", (0.01,))
        done = repair(folder)
    assert (done.repaired > 0, done.lost > 0) == (True, gone)
    exported = export(folder, out, seconds=1)
    assert exported.late == 0
    assert a.by_product(a.rows(out, "trades", TRADE)) == a.by_product(trades(folder))
    assert sorted(a.rows(out, "candles", a.CANDLE)) == sorted(a.candle_rows(folder, 1))
    assert sums(out, *SUMS) == audited(folder, *SUMS)
    again = export(folder, out, seconds=1)
    assert (again.segments, again.rows, again.skipped) == (0, {}, exported.segments)


def test_coverage_of_several_exports_adds_up(recorded: Recorded, tmp_path: Path) -> None:
    """Also where segments are deleted, and where a repair comes after the export."""
    folder, parts, out = recorded.broken, tmp_path / "parts", tmp_path / "out"
    parts.mkdir()
    wanted = audited(folder, *SUMS)
    assert sum(wanted.values()) > 0
    for path in sorted(folder.glob("*.zst")):
        (parts / path.name).write_bytes(path.read_bytes())
        export(parts, out, seconds=1)
        (parts / path.name).unlink()
    assert sums(out, *SUMS) == wanted
    assert sums(out, "gaps").total() > 0
    done = repair(folder)
    before = len(a.rows(out, "trades", TRADE))
    late = export(folder, out, seconds=1)
    assert (late.late, len(a.rows(out, "trades", TRADE))) == (done.repaired, before + done.repaired)
    assert sums(out, *SUMS) == audited(folder, *SUMS)
    assert sorted(row[4] for row in a.rows(out, "trades", TRADE)) == sorted(row[4] for row in trades(folder))
    again = export(folder, out, seconds=1)
    assert (again.segments, again.late, again.rows) == (0, 0, {})


def test_repair_that_grows_is_exported_to_its_end(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "coinbase_exchange")
    folder, out = made.broken, tmp_path / "out"
    try:
        export(folder, out, tables="trades")
        for product in PRODUCTS:
            repair(folder, products=product)
            export(folder, out, tables="trades")
    finally:
        made.close()
    assert sorted(row[4] for row in a.rows(out, "trades", TRADE)) == sorted(row[4] for row in trades(folder))


def test_states_are_those_of_the_audit(tmp_path: Path) -> None:
    made = Recorded(tmp_path, "coinbase_exchange")
    folder, out = made.broken, tmp_path / "out"
    export(folder, out)
    found: dict[Any, str] = {
        (product, hour): state
        for product, hour, table, state in a.rows(out, "coverage", ("hour", "table_name", "state"))
        if table == "trades"
    }
    wanted = {
        (row.product, a.nanoseconds(row.start) or 0): row.state
        for row in audit(folder).rows
        if row.channel == "matches"
    }
    made.close()
    assert {(product, state) for (product, _), state in found.items()} == {
        (product, state) for (product, _), state in wanted.items()
    }
    assert "missing" in found.values()
