"""The durable mode: a document is on the disk before it is sent, a kill loses those of `sync` seconds at most."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pymongo
import pytest
import reactivex
from reactivex.subject import Subject

from rxfeed import ConfigError, to_mongo
from rxfeed.core import Reconnect
from rxfeed.sim.mongod import Mongod
from rxfeed.sinks import retry_policy
from tests.sinks.servers import Away, Scripted, needs_mongod, trade, until
from tests.support.collect import Collected


class Observed(Scripted):
    """Compares each insert with the content of the spill at that time."""

    def __init__(self, spill: Path, faults: tuple[str, ...] = ()) -> None:
        super().__init__(faults)
        self.spill = spill
        self.not_ahead = 0

    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        on_disk = self.spill.read_bytes() + Path(f"{self.spill}-wal").read_bytes()
        self.not_ahead += sum(bytes(document.raw) not in on_disk for document in documents)
        super().insert_many(documents, ordered)


@pytest.mark.parametrize("faults", [(), ("before", "half", "after", "not_primary")])
def test_durable_document_is_on_disk_before_it_is_sent(tmp_path: Path, faults: tuple[str, ...]) -> None:
    spill = tmp_path / "spill.db"
    collection: Any = Observed(spill, faults)
    source: Subject[Any] = Subject()
    sink = to_mongo(collection, batch_size=7, spill=spill, durable=True, sync=0.01)
    writes = Collected(source.pipe(sink))
    for number in range(40):
        source.on_next(trade(number))
    source.on_completed()
    writes.wait_for_end()
    assert writes.completed, writes.error
    assert collection.not_ahead == 0
    assert sorted(document["trade_id"] for document in collection.stored.values()) == list(range(40))
    assert sum(write.spilled for write in writes.items) == sink.stats.spilled_ever == 40
    stats = sink.stats
    assert stats.taken == stats.written + stats.duplicates == 40


def test_durable_item_waits_at_most_sync_seconds_for_the_disk(tmp_path: Path) -> None:
    """Not `batch_seconds`, and also while the database does not answer."""
    collection: Any = Scripted(["before"] * 1_000)
    source: Subject[Any] = Subject()
    sink = to_mongo(collection, batch_seconds=3600, spill=tmp_path / "spill.db", durable=True, sync=0.02)
    writes = Collected(source.pipe(sink))
    source.on_next(trade(1))
    until(lambda: sink.stats.spilled == 1)
    assert (sink.stats.queued, sink.stats.written) == (0, 0)
    assert writes.items[0].spilled == 1
    sink.close(0.1)


def test_durable_mode_needs_a_spill_and_a_time() -> None:
    collection: Any = Scripted()
    with pytest.raises(ConfigError, match="durable: needs spill"):
        to_mongo(collection, durable=True)
    with pytest.raises(ConfigError, match="sync"):
        to_mongo(collection, spill="spill.db", durable=True, sync=0)


def test_durable_sink_with_a_full_spill_sends_from_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    collection: Any = Scripted()
    source: Subject[Any] = Subject()
    sink = to_mongo(collection, batch_size=5, spill=tmp_path / "spill.db", spill_bytes=10, durable=True, sync=0.01)
    writes = Collected(source.pipe(sink))
    for number in range(20):
        source.on_next(trade(number))
    source.on_completed()
    writes.wait_for_end()
    assert writes.completed, writes.error
    assert len(collection.stored) == 20
    (warning,) = [record.getMessage() for record in caplog.records if "takes no more documents" in record.getMessage()]
    assert "it has its 10 bytes" in warning


def test_durable_spill_is_small_while_the_database_is_available(tmp_path: Path) -> None:
    """Acknowledged batches are deleted with the next one, and their space is used again."""
    collection: Any = Scripted()
    source: Subject[Any] = Subject()
    spill = tmp_path / "spill.db"
    sink = to_mongo(collection, batch_size=50, queue_size=100, spill=spill, durable=True, sync=0.01)
    writes = Collected(source.pipe(sink))
    for number in range(6_000):
        source.on_next(trade(number))
    until(lambda: sink.stats.written == 6_000)
    assert sink.stats.spilled_ever == 6_000
    written = sum(len(bytes(str(document), "utf-8")) for document in collection.stored.values())
    assert spill.stat().st_size < written / 2
    source.on_completed()
    writes.wait_for_end()
    with sqlite3.connect(spill) as database:
        assert database.execute("SELECT count(*) FROM batches").fetchone() == (0,)
    database.close()


def test_durable_spill_releases_its_space_after_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxfeed.sinks.spill._BUSY_BYTES", 100_000)
    monkeypatch.setattr(retry_policy, "_PAUSES", Reconnect(initial=0.005, maximum=0.005))
    collection: Any = Away()
    source: Subject[Any] = Subject()
    spill = tmp_path / "spill.db"
    sink = to_mongo(collection, batch_size=10, spill=spill, durable=True, sync=0.01)
    writes = Collected(source.pipe(sink))
    for number in range(3_000):
        source.on_next(trade(number))
    until(lambda: sink.stats.spilled_ever == 3_000)
    assert sink.stats.spill_bytes > 500_000
    collection.back.set()
    until(lambda: sink.stats.written == 3_000)
    until(lambda: spill.stat().st_size < 100_000)  # while the sink is still subscribed
    source.on_completed()
    writes.wait_for_end()


PACED = """
import sys, time
import pymongo
from rxfeed import to_mongo
from tests.sinks.servers import Producer, trade
first, sync = int(sys.argv[3]), float(sys.argv[4])
producer = Producer(2_000, lambda number: trade(first + number))
collection = pymongo.MongoClient(sys.argv[1]).x.messages
sink = to_mongo(collection, spill=sys.argv[2], durable=True, sync=sync)
producer.source.pipe(sink).subscribe()
producer.start()
while True:
    time.sleep(0.005)
    stats = sink.stats
    print(producer.sent, stats.written + stats.duplicates + stats.spilled, flush=True)
"""


def documents_in(spill: str) -> int:
    """The documents that a killed process left, some of which were acknowledged."""
    database = sqlite3.connect(spill)
    with database:
        (count,) = database.execute("SELECT sum(count) FROM batches").fetchone()
    database.close()
    return count or 0


@needs_mongod
def test_durable_sink_killed_again_and_again_loses_little(tmp_path: Path) -> None:
    """Each kill, with a healthy database, loses at most the items of `sync` seconds and of a write to the disk.

    What `stats` had counted as written or spilled is in the collection, and nothing is there twice.
    """
    spill, sync, rate, write = str(tmp_path / "spill.db"), 0.1, 2_000, 0.4
    moments = random.Random(18)
    first, left, ranges = 0, 0, []
    with Mongod() as server, pymongo.MongoClient[Any](server.uri) as client:
        for _ in range(2):
            command = [sys.executable, "-c", PACED, server.uri, spill, str(first), str(sync)]
            recorder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
            assert recorder.stdout is not None
            target = moments.randrange(1_000, 3_000)
            sent = safe = 0
            while sent < target:
                sent, safe = map(int, recorder.stdout.readline().split())
            recorder.kill()
            for line in recorder.stdout:
                if line.endswith("\n"):
                    sent, safe = map(int, line.split())
            recorder.wait()
            recorder.stdout.close()
            ranges.append((first, sent, safe - left))
            first += 1_000_000
            left = documents_in(spill)
        sink = to_mongo(client.x.messages, spill=spill, durable=True)
        writes = Collected(reactivex.empty().pipe(sink))
        writes.wait_for_end(30)
        assert writes.completed, writes.error
        ids = [message["trade_id"] for message in client.x.messages.find(sort=[("trade_id", 1)])]
    assert len(ids) == len(set(ids))
    for begin, sent, safe in ranges:
        stored = [number for number in ids if begin <= number < begin + 1_000_000]
        assert stored == list(range(begin, begin + len(stored)))
        assert len(stored) >= safe
        assert sent - len(stored) <= (sync + write) * rate
