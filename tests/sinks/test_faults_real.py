"""The sink over real servers that are killed, stepped down or unreachable; and a recorder that is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pymongo
import pytest
import reactivex

from rxfeed.sim.mongod import Mongod
from rxfeed.sinks import from_mongo, to_mongo
from tests.sinks.servers import TRADES, Producer, ReplicaSet, needs_mongod, until
from tests.support.amounts import amount
from tests.support.collect import Collected

pytestmark = [needs_mongod, pytest.mark.timeout(240)]


def in_order(collection: Any, count: int, venue: str = "coinbase_exchange") -> None:
    """The trades 0, 1, ... up to *count* are stored, once each, and come back in order."""
    assert collection.count_documents({}) == count
    read = Collected(from_mongo(collection, venue=venue))
    read.wait_for_end(30)
    assert [message.trade_id for message in read.items] == list(range(count))  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("spilling", "venue"),
    [(False, "coinbase_exchange"), (True, "coinbase_exchange"), (True, "coinbase_advanced")],
    ids=["in memory", "spilling", "spilling, on Advanced Trade"],
)
def test_server_killed_within_a_batch_loses_nothing(spilling: bool, venue: str, tmp_path: Path) -> None:
    chance = random.Random(spilling)
    producer = Producer(1_500, TRADES[venue])
    kills = amount(4 if venue == "coinbase_exchange" else 2, thorough=20)
    with Mongod() as server, pymongo.MongoClient[Any](server.uri) as client:
        collection = client.x.messages
        spill = tmp_path / "spill.db" if spilling else None
        sink = to_mongo(
            collection,
            batch_size=200,
            batch_seconds=0.05,
            queue_size=2000 if spilling else 100_000,
            spill=spill,
            attempt_seconds=0.5,
        )
        writes = Collected(producer.source.pipe(sink))
        producer.start()
        for round_ in range(kills):
            before = sink.stats.written
            until(lambda before=before: sink.stats.written > before)
            time.sleep(chance.uniform(0, 0.1))
            server.kill()
            time.sleep(chance.uniform(0, 0.1))
            if round_ == 0:  # the driver hides a short absence; one is long enough to be noticed
                until(lambda: sink.stats.retries and (sink.stats.spilled_ever or not spilling))
            server.start()
        producer.stop()
        writes.wait_for_end(30)
        assert writes.completed, writes.error
        assert bool(sink.stats.spilled_ever) is spilling
        assert sum(write.count for write in writes.items) == producer.sent
        in_order(collection, producer.sent, venue)


def test_failover_and_killed_primary_lose_nothing() -> None:
    producer = Producer(1_000)
    with ReplicaSet() as servers, pymongo.MongoClient[Any](servers.uri) as client:
        collection = client.x.messages
        sink = to_mongo(collection, batch_size=200, batch_seconds=0.05)
        writes = Collected(producer.source.pipe(sink))
        producer.start()
        until(lambda: sink.stats.written > 500)
        with pymongo.MongoClient[Any](servers.primary(client).uri) as direct:
            direct.admin.command("replSetStepDown", 3, secondaryCatchUpPeriodSecs=2)
        at_step_down = sink.stats.written
        until(lambda: sink.stats.written > at_step_down + 500, 30)
        servers.primary(client).kill()
        at_kill = sink.stats.written
        until(lambda: sink.stats.written > at_kill + 500, 30)
        producer.stop()
        writes.wait_for_end(30)
        assert writes.completed, writes.error
        in_order(collection, producer.sent)


def test_unreachable_database_does_not_slow_the_feed(tmp_path: Path) -> None:
    producer = Producer(5_000)
    with Mongod() as server, pymongo.MongoClient[Any](server.uri) as client:
        sink = to_mongo(client.x.messages, batch_seconds=0.1, queue_size=5_000, spill=tmp_path / "spill.db")
        writes = Collected(producer.source.pipe(sink))
        producer.start()
        until(lambda: sink.stats.written > 1_000)
        server.kill()
        queued = 0

        def much_is_spilled() -> bool:
            nonlocal queued
            queued = max(queued, sink.stats.queued)
            return sink.stats.spilled > 12_000 and sink.stats.lag > 3

        until(much_is_spilled)  # after three or four seconds, unless the machine is busy
        server.start()
        until(lambda: not sink.stats.spilled and sink.stats.problem is None)
        assert producer.is_alive()
        producer.stop()
        writes.wait_for_end(30)
        assert writes.completed, writes.error
        assert queued <= 5_000 + 3_000
        waits, costs = sorted(producer.waits), sorted(producer.costs)
        assert waits[int(len(waits) * 0.99)] <= 0.01  # the time between two readings of this clock
        assert costs[int(len(costs) * 0.99)] < 0.005
        assert waits[-1] < 0.5
        assert (tmp_path / "spill.db").stat().st_size < 1_000_000  # the spill released its disk space
        in_order(client.x.messages, producer.sent)


RECORDER = """
import sys
import pymongo
from reactivex.subject import Subject
from rxfeed import to_mongo
from tests.sinks.servers import TRADES
trade = TRADES[sys.argv[3]]
source = Subject()
collection = pymongo.MongoClient(sys.argv[1]).x.messages
sink = to_mongo(collection, batch_size=50, batch_seconds=0.02, queue_size=500, spill=sys.argv[2], attempt_seconds=0.2)
safe = 0
def tell(write):
    print(write.count, write.spilled, flush=True)
source.pipe(sink).subscribe(tell)
number = 0
while True:
    source.on_next(trade(number))
    number += 1
"""


@pytest.mark.parametrize("venue", TRADES)
def test_restart_after_a_kill_drains_the_spill(venue: str, tmp_path: Path) -> None:
    spill = tmp_path / "spill.db"
    with Mongod() as server:
        server.kill()
        acknowledged = 0
        command = [sys.executable, "-c", RECORDER, server.uri, str(spill), venue]
        recorder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert recorder.stdout is not None
        while acknowledged < 3_000:
            acknowledged += int(recorder.stdout.readline().split()[1])
        recorder.kill()
        acknowledged += sum(int(line.split()[1]) for line in recorder.stdout if line.endswith("\n"))
        recorder.wait()
        recorder.stdout.close()
        server.start()
        with pymongo.MongoClient[Any](server.uri) as client:
            sink = to_mongo(client.x.messages, spill=spill)
            writes = Collected(reactivex.empty().pipe(sink))
            writes.wait_for_end(30)
            assert writes.completed, writes.error
            stored = client.x.messages.count_documents({})
            assert stored >= acknowledged
            ids = [message["trade_id"] for message in client.x.messages.find(sort=[("arrival", 1)])]
            assert ids == list(range(ids[0], ids[0] + stored))


PACED = """
import sys, threading, time
import pymongo
from rxfeed import to_mongo
from tests.sinks.servers import TRADES, Producer
producer = Producer(2_000, TRADES[sys.argv[4]])
collection = pymongo.MongoClient(sys.argv[1]).x.messages
options = {"spill": sys.argv[2]} if sys.argv[2] else {}
sink = to_mongo(collection, batch_seconds=float(sys.argv[3]), **options)
producer.source.pipe(sink).subscribe()
producer.start()
while True:
    time.sleep(0.01)
    print(producer.sent, flush=True)
"""


@pytest.mark.parametrize(
    ("database", "venue"),
    [("healthy", "coinbase_advanced"), ("stopped", "coinbase_exchange"), ("killed", "coinbase_exchange")],
)
def test_loss_of_a_killed_recorder_is_bounded(database: str, venue: str, tmp_path: Path) -> None:
    """With a spill: at most what was received in the last `batch_seconds` + 2 seconds, at 2,000 messages a second."""
    spill, batch_seconds, rate = str(tmp_path / "spill.db"), 0.5, 2_000
    with Mongod() as server, pymongo.MongoClient[Any](server.uri) as client:
        command = [sys.executable, "-c", PACED, server.uri, spill, str(batch_seconds), venue]
        recorder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert recorder.stdout is not None

        seen: list[int] = [0]

        def sent(least: float) -> None:
            while seen[-1] < least:
                seen.append(int(recorder.stdout.readline()))  # pyright: ignore[reportOptionalMemberAccess]

        sent(2_000)
        if database == "stopped":
            server.pause()
        elif database == "killed":
            server.kill()
        sent(2_000 + 3.5 * rate)
        recorder.kill()
        seen += [int(line) for line in recorder.stdout if line.endswith("\n")]
        last = seen[-1]
        recorder.wait()
        recorder.stdout.close()
        if database == "stopped":
            server.resume()
        elif database == "killed":
            server.start()
        writes = Collected(reactivex.empty().pipe(to_mongo(client.x.messages, spill=spill)))
        writes.wait_for_end(30)
        assert writes.completed, writes.error
        stored = client.x.messages.count_documents({})
        assert last - stored <= (batch_seconds + 2) * rate
        ids = [message["trade_id"] for message in client.x.messages.find(sort=[("arrival", 1)])]
        assert ids == list(range(stored))


def test_loss_without_a_spill_is_bounded_in_messages_and_seconds(tmp_path: Path) -> None:
    """With an available database: `batch_seconds` and two inserts, and never more than the queue and three batches."""
    batch_seconds, rate, insert = 0.3, 2_000, 0.5
    moment = random.Random(18).uniform(1, 2)
    with Mongod() as server, pymongo.MongoClient[Any](server.uri) as client:
        command = [sys.executable, "-c", PACED, server.uri, "", str(batch_seconds), "coinbase_exchange"]
        recorder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert recorder.stdout is not None
        sent = 0
        while sent < moment * rate:
            sent = int(recorder.stdout.readline())
        recorder.kill()
        sent = max([sent, *(int(line) for line in recorder.stdout if line.endswith("\n"))])
        recorder.wait()
        recorder.stdout.close()
        ids = [message["trade_id"] for message in client.x.messages.find(sort=[("arrival", 1)])]
    assert ids == list(range(len(ids)))
    assert 0 <= sent - len(ids) <= (batch_seconds + 2 * insert) * rate <= 100_000 + 3 * 1_000
