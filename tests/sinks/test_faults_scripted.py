"""The sink over a collection that fails as scripted: at the boundary to pymongo, any order of faults."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import reactivex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, InvalidOperation, OperationFailure
from reactivex.subject import Subject

from rxfeed import ConfigError, SinkError
from rxfeed.core import Reconnect
from rxfeed.sinks import DeadLetter, MongoSink, retry_policy, to_mongo
from tests.sinks.servers import FAULTS, Scripted, until
from tests.support.amounts import amount
from tests.support.collect import Collected


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_policy, "_PAUSES", Reconnect(initial=0.001, maximum=0.001))
    monkeypatch.setattr(retry_policy, "_SHORTEST", 0.001)


def document(number: int) -> dict[str, Any]:
    return {"_id": number}


def sink_over(collection: Scripted, **options: Any) -> MongoSink:
    return to_mongo(collection, **({"documents": document, "batch_seconds": 0.005} | options))  # pyright: ignore[reportArgumentType]


def adds_up(sink: MongoSink) -> None:
    stats = sink.stats
    where = (stats.written, stats.duplicates, stats.dead, stats.dropped, stats.lost, stats.queued, stats.spilled)
    assert stats.taken == sum(where), stats


@settings(max_examples=amount(30, thorough=200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(st.sampled_from(FAULTS), max_size=12),
    count=st.integers(0, 60),
    batch_size=st.integers(1, 25),
    poison=st.sets(st.integers(0, 59), max_size=4),
    there=st.sets(st.integers(0, 59), max_size=4),
    spilling=st.booleans(),
)
def test_each_document_is_stored_once_or_is_a_dead_letter(
    faults: list[str], count: int, batch_size: int, poison: set[int], there: set[int], spilling: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    collection = Scripted(faults)
    collection.stored = {number: document(number) for number in there - poison}
    dead: list[DeadLetter] = []
    sink = sink_over(
        collection,
        documents=lambda n: {"_id": n, "poison": 1} if n in poison else {"_id": n},
        batch_size=batch_size,
        spill=tmp_path_factory.mktemp("spill") / "spill.db" if spilling else None,
    )
    sink.dead.subscribe(dead.append)
    writes = Collected(reactivex.range(0, count).pipe(sink))
    writes.wait_for_end()
    wanted = set(range(count))
    assert writes.completed
    assert set(collection.stored) == (wanted - poison) | (there - poison)
    assert sorted(letter.id for letter in dead) == sorted(poison & wanted)
    assert sum(write.count for write in writes.items) == len(wanted - poison)
    assert sum(write.dead for write in writes.items) == len(poison & wanted)
    assert sink.stats.queued == sink.stats.spilled == sink.stats.lost == 0
    adds_up(sink)


class Away(Scripted):
    """A collection that does not answer until `back` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.back = threading.Event()

    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        if not self.back.is_set():
            raise AutoReconnect("away")
        super().insert_many(documents, ordered)


@pytest.mark.parametrize("spill_bytes", [None, 2_000])
def test_drop_oldest_counts_drops_and_keeps_the_spill(tmp_path: Path, spill_bytes: int | None) -> None:
    collection = Away()
    spill = {} if spill_bytes is None else {"spill": tmp_path / "spill.db", "spill_bytes": spill_bytes}
    sink = sink_over(collection, batch_size=10, queue_size=50, overflow="drop_oldest", **spill)
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))
    source.on_next(0)
    until(lambda: sink.stats.retries)
    for number in range(1, 2_000):
        source.on_next(number)
        if spill and number % 10 == 0 and number < 200:
            # So that the spill gets the first, until it has no room for ten more: each takes 14 bytes.
            until(lambda: sink.stats.queued <= 20 or sink.stats.spill_bytes > 1_860)
    assert sink.stats.dropped > 1_000
    on_disk = sink.stats.spilled
    assert (on_disk > 50) is (spill_bytes is not None)
    assert sink.stats.spill_bytes <= (spill_bytes or 0)
    collection.back.set()
    source.on_completed()
    writes.wait_for_end()
    assert writes.completed
    stats = sink.stats
    assert len(collection.stored) == stats.written == 2_000 - stats.dropped
    assert set(range(on_disk)) <= set(collection.stored)
    assert set(range(1_960, 2_000)) <= set(collection.stored)
    assert list(collection.stored) == sorted(collection.stored)
    adds_up(sink)


def test_fail_ends_the_stream_with_the_unwritten_count() -> None:
    collection = Away()
    sink = sink_over(collection, batch_size=10, queue_size=50, overflow="fail", flush_seconds=0.2)
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))
    for number in range(200):
        source.on_next(number)
    writes.wait_for_end()
    assert source.observers == []
    assert isinstance(writes.error, SinkError)
    assert "overflow is 'fail'" in str(writes.error)
    assert sink.stats.dropped == 1
    assert writes.error.unwritten == sink.stats.taken == sink.stats.lost + 1
    adds_up(sink)


def test_block_makes_the_source_wait_until_close() -> None:
    sink = sink_over(Away(), batch_size=10, queue_size=50)
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))
    producer = threading.Thread(target=lambda: [source.on_next(number) for number in range(200)])
    producer.start()
    until(lambda: sink.stats.taken > 60)
    left = sink.close(0.3)
    producer.join(30)
    writes.wait_for_end()
    assert isinstance(writes.error, SinkError)
    assert left.unwritten == writes.error.unwritten == sink.stats.lost == sink.stats.taken
    assert left


def test_hanging_attempt_does_not_block_close(tmp_path: Path) -> None:
    hanging, release = threading.Event(), threading.Event()

    class Hanging(Scripted):
        def insert_many(self, documents: list[Any], ordered: bool) -> None:
            hanging.set()
            release.wait(30)
            raise AutoReconnect("at last")

    sink = sink_over(Hanging(), batch_size=10, spill=tmp_path / "spill.db")
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))
    for number in range(95):
        source.on_next(number)
    assert hanging.wait(30)
    left = sink.close(2)
    assert (left.unwritten, left.spilled) == (0, 95)
    release.set()
    writes.wait_for_end()
    assert writes.completed

    collection = Scripted()
    again = sink_over(collection, spill=tmp_path / "spill.db")
    Collected(reactivex.empty().pipe(again)).wait_for_end()
    assert list(collection.stored) == list(range(95))
    assert again.stats.spilled == 0


def test_missing_rights_at_the_start_are_reported_at_once() -> None:
    class Forbidden(Scripted):
        def insert_many(self, documents: list[Any], ordered: bool) -> None:
            raise OperationFailure("not authorized; mongodb://me:secret@host", 13)

    writes = Collected(reactivex.of(1, 2).pipe(sink_over(Forbidden())))
    writes.wait_for_end()
    assert isinstance(writes.error, SinkError)
    assert writes.error.unwritten == 2
    assert "not authorized" in str(writes.error)
    assert "secret" not in str(writes.error)


def test_closed_client_ends_the_stream_and_keeps_the_spill(tmp_path: Path) -> None:
    class Closed(Scripted):
        def insert_many(self, documents: list[Any], ordered: bool) -> None:
            raise InvalidOperation("Cannot use MongoClient after close")

    sink = sink_over(Closed(), spill=tmp_path / "spill.db")
    writes = Collected(reactivex.of(1, 2).pipe(sink))
    writes.wait_for_end()
    assert isinstance(writes.error, SinkError)
    assert writes.error.unwritten == 0
    collection = Scripted()
    Collected(reactivex.empty().pipe(sink_over(collection, spill=tmp_path / "spill.db"))).wait_for_end()
    assert list(collection.stored) == [1, 2]


def test_spill_is_of_one_collection_and_one_sink(tmp_path: Path) -> None:
    spill = tmp_path / "spill.db"
    source: Subject[int] = Subject()
    sink = sink_over(Scripted(), spill=spill)
    first = Collected(source.pipe(sink))
    for other in (sink, sink_over(Scripted(), spill=spill)):
        second = Collected(source.pipe(other))
        second.wait_for_end()
        assert isinstance(second.error, ConfigError | SinkError)
    source.on_completed()
    first.wait_for_end()
    elsewhere = Scripted()
    elsewhere.full_name = "x.others"
    third = Collected(source.pipe(sink_over(elsewhere, spill=spill)))
    third.wait_for_end()
    assert isinstance(third.error, ConfigError)
    assert "x.messages" in str(third.error)


def test_full_spill_disk_does_not_end_the_stream(tmp_path: Path) -> None:
    """SQLite itself reports the full disk here: its file may have no more pages."""
    collection = Away()
    sink = sink_over(collection, batch_size=10, queue_size=50, overflow="drop_oldest", spill=tmp_path / "spill.db")
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))
    assert sink._writer is not None
    assert sink._writer._spill is not None
    sink._writer._spill._file._db.execute("PRAGMA max_page_count=12").fetchall()
    for number in range(20_000):
        source.on_next(number)
        if number % 100 == 0:
            time.sleep(0.001)
    until(lambda: sink.stats.dropped)
    collection.back.set()
    source.on_completed()
    writes.wait_for_end()
    assert writes.completed
    stats = sink.stats
    assert len(collection.stored) == stats.written + stats.duplicates == 20_000 - stats.dropped
    assert list(collection.stored) == sorted(collection.stored)
