"""Poison among good documents, against a real server."""

from __future__ import annotations

import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import pytest
import reactivex

from rxfeed.sinks import DeadLetter, to_mongo
from rxfeed.sinks.spill import Spill
from tests.support.collect import Collected
from tests.support.make import match


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth):
        document = {"a": document}
    return document


POISON: dict[str, tuple[Any, str]] = {
    "too large": ({"x": "y" * 17_000_000}, "16777216"),
    "nested too deep": (nested(190), "nest"),
    "an integer that does not fit": ({"n": 2**70}, "8-byte ints"),
    "a key with a zero byte": ({"a\x00b": 1}, "NULL"),
    "no BSON type": ({"a": object()}, "cannot encode"),
    "an _id that cannot be one": ({"_id": [1, 2]}, "_id"),
    "no document": (17, "TypeError"),
}


@pytest.mark.parametrize("kind", POISON)
def test_valid_documents_are_stored_and_invalid_ones_reported(collection: Any, kind: str) -> None:
    poison, reason = POISON[kind]
    graves = collection.database.dead
    sink = to_mongo(collection, documents=lambda n: poison if n % 10 == 3 else {"n": n}, dead=graves)
    dead: list[DeadLetter] = []
    sink.dead.subscribe(dead.append)
    writes = Collected(reactivex.range(0, 30).pipe(sink))
    writes.wait_for_end(20)
    assert writes.completed, writes.error
    assert [d["n"] for d in collection.find(sort=[("n", 1)])] == [n for n in range(30) if n % 10 != 3]
    assert len(dead) == 3 == sink.stats.dead == sum(w.dead for w in writes.items)
    assert all(reason in letter.reason for letter in dead), dead[0].reason
    assert graves.count_documents({}) == 3
    assert all(reason in grave["reason"] for grave in graves.find())


def test_validator_and_a_foreign_unique_index_make_dead_letters(collection: Any) -> None:
    collection.database.create_collection("messages", validator={"n": {"$ne": 5}})
    collection.create_index("side", unique=True, sparse=True)
    sink = to_mongo(collection, documents=lambda n: {"n": n} | ({"side": "buy"} if n < 2 else {}))
    dead: list[DeadLetter] = []
    sink.dead.subscribe(dead.append)
    Collected(reactivex.range(0, 10).pipe(sink)).wait_for_end()
    assert [letter.item["n"] for letter in dead] == [1, 5]
    assert dead[0].reason.startswith("11000")
    assert dead[1].reason.startswith("121")
    assert sink.stats.duplicates == 0


def test_number_with_too_many_digits_is_reported_with_its_message(collection: Any) -> None:
    endless = match(Decimal("1." + "1" * 38), trade_id=1)
    dead: list[DeadLetter] = []
    graves = collection.database.dead
    sink = to_mongo(collection, dead=graves)
    sink.dead.subscribe(dead.append)
    Collected(reactivex.of(endless, match(2, trade_id=2)).pipe(sink)).wait_for_end()
    assert [letter.item for letter in dead] == [endless]
    assert "Inexact" in dead[0].reason
    assert graves.find_one()["frame"] == endless.raw
    assert collection.count_documents({}) == 1


def test_dead_letter_subscriber_that_raises_stops_nothing(collection: Any) -> None:
    sink = to_mongo(collection, documents=lambda n: {"n": n if n else 2**70})

    def watch(_: DeadLetter) -> None:
        raise ValueError("mine")

    sink.dead.subscribe(watch)
    Collected(reactivex.range(0, 3).pipe(sink)).wait_for_end()
    assert collection.count_documents({}) == 2


def test_batches_are_limited_by_bytes(collection: Any) -> None:
    size = len(bson.encode({"_id": bson.ObjectId(), "x": "y" * 1000}))
    sink = to_mongo(collection, documents=lambda _: {"x": "y" * 1000}, batch_bytes=10 * size)
    writes = Collected(reactivex.range(0, 25).pipe(sink))
    writes.wait_for_end()
    assert [w.count for w in writes.items] == [10, 10, 5]


def test_damaged_batch_of_the_spill_counts_all_its_documents(
    collection: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "spill.db"
    spill = Spill(path, collection.full_name, 10**6)
    assert spill.append([bson.encode({"n": n}) for n in range(50)], 1)
    spill.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE batches SET documents = x'00'")
        db.commit()
    graves = collection.database.dead
    sink = to_mongo(collection, spill=path, dead=graves)
    dead: list[DeadLetter] = []
    sink.dead.subscribe(dead.append)
    Collected(reactivex.empty().pipe(sink)).wait_for_end()
    assert [letter.count for letter in dead] == [50] == [sink.stats.dead]
    assert [grave["count"] for grave in graves.find()] == [50]
    assert "50 documents can never be stored: spill" in caplog.text
