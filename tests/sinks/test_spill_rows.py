"""Rows of a spill with columns of any type, as a flipped bit makes them: they are set aside, the others are stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import reactivex

from tests.sinks.servers import Scripted
from tests.sinks.test_spill import BATCH, all_but, drained, filled, sink_over
from tests.support.collect import Collected

PLACE = 2
ROWS = {
    "documents that are no UTF-8": ("documents = CAST(X'ff80ff' AS TEXT)", BATCH),
    "documents that are none": ("documents = X'', count = 0", 1),
    "no values": ("documents = NULL, count = NULL, received_ns = NULL", 1),
    "a count that is text": ("count = 'many'", 1),
    "a count that is no UTF-8": ("count = CAST(X'ff80ff' AS TEXT)", 1),
    "a count that is a blob": ("count = X'ff80ff'", 1),
    "a count with a fraction": ("count = 1.5", 1),
    "an infinite count": ("count = 9e999", 1),
    "a count below zero": ("count = -5", 1),
    "an immense count": ("count = 9223372036854775807", 1),
    "a receipt that is no UTF-8": ("received_ns = CAST(X'ff80ff' AS TEXT)", BATCH),
}


def change(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(("row", "dead"), [pytest.param(*each, id=name) for name, each in ROWS.items()])
def test_row_with_other_types_is_set_aside(tmp_path: Path, row: str, dead: int) -> None:
    path = tmp_path / "spill.db"
    filled(path)
    change(path, f"UPDATE batches SET {row} WHERE id = {PLACE}")
    stored, sink, letters = drained(path)
    assert stored == all_but(PLACE)
    (aside,) = tmp_path.glob("spill.db.damaged-*.bson")
    assert [aside.name in letter.reason for letter in letters] == [True]
    assert (sink.stats.dead, sink.stats.spilled, sink.stats.spill_bytes) == (dead, 0, 0)
    assert drained(path)[0] == []


@pytest.mark.parametrize("key", [(1 << 63) - 1, -(1 << 63)])
def test_key_at_the_end_of_numbers_takes_more(tmp_path: Path, key: int) -> None:
    """All batches are stored, and those that come meanwhile."""
    path = tmp_path / "spill.db"
    filled(path)
    change(path, f"UPDATE batches SET id = {key} WHERE id = {PLACE}")
    collection = Scripted()
    writes = Collected(reactivex.range(100, 120).pipe(sink_over(collection, spill=path)))
    writes.wait_for_end(20)
    assert writes.completed, writes.error
    assert sorted(collection.stored) == [*range(5 * BATCH), *range(100, 120)]
