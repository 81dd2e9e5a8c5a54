"""Parts of the sink's tests: a set of servers, a collection that fails as scripted, a source at a rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pymongo
import pytest
from bson.codec_options import CodecOptions
from pymongo import WriteConcern
from pymongo.errors import AutoReconnect, BulkWriteError, DocumentTooLarge, NotPrimaryError
from reactivex.subject import Subject

from rxfeed import Match, Message
from rxfeed.market import FrameOrigin, Origin, stamp
from rxfeed.sim.mongod import Mongod, find_mongod
from rxfeed.venues.coinbase_advanced import MarketTrade
from tests.support.make import NOON, match
from tests.support.stopwatch import Stopwatch

needs_mongod = pytest.mark.skipif(
    find_mongod() is None, reason="no mongod: neither on PATH nor from the wheel of the `demo` extra (Linux x86-64)"
)


def trade(number: int) -> Match:
    """The trade with this id and sequence, received now."""
    message = match(trade_id=number, sequence=number)
    return stamp(message, Origin(b"{}", time.time_ns(), 1))


def advanced_trade(number: int) -> MarketTrade:
    """The same on Advanced Trade, as the second of two trades of a frame."""
    message = MarketTrade(
        product_id="BTC-USD",
        trade_id=number,
        price=Decimal(100),
        size=Decimal(1),
        time=NOON,
        side="sell",
        sequence_num=number // 2,
    )
    return stamp(message, FrameOrigin(b"{}", time.time_ns(), 1, (1, 1)))


TRADES: dict[str, Callable[[int], Message]] = {"coinbase_exchange": trade, "coinbase_advanced": advanced_trade}


class Producer(threading.Thread):
    """Trades 0, 1, 2, ... at *rate* a second until `stop`.

    The time in which the machine did not run this process does not count, so that the rate stays possible. For each
    trade, `waits` has the seconds until the subscribers returned, and `costs` those for which they used the processor.
    """

    def __init__(self, rate: float, make: Callable[[int], Any] = trade) -> None:
        super().__init__(name="producer", daemon=True)
        self.source: Subject[Any] = Subject()
        self.sent = 0
        self.waits: list[float] = []
        self.costs: list[float] = []
        self._make = make
        self._rate = rate
        self._over = threading.Event()

    def run(self) -> None:
        with Stopwatch() as stopwatch:
            while not self._over.wait(0.005):
                while self.sent < stopwatch.seconds * self._rate:
                    item = self._make(self.sent)
                    at, used = stopwatch.seconds, time.thread_time()
                    self.source.on_next(item)
                    self.waits.append(stopwatch.seconds - at)
                    self.costs.append(time.thread_time() - used)
                    self.sent += 1
        self.source.on_completed()

    def stop(self) -> None:
        self._over.set()
        self.join()


class ReplicaSet:
    """Three members that elect a new primary within about two seconds."""

    def __init__(self) -> None:
        self.members = [Mongod(replica_set="rs") for _ in range(3)]

    def __enter__(self) -> ReplicaSet:
        for member in self.members:
            member.start()
        config = {
            "_id": "rs",
            "members": [{"_id": n, "host": f"127.0.0.1:{m.port}"} for n, m in enumerate(self.members)],
            "settings": {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200},
        }
        with pymongo.MongoClient[Any](self.members[0].uri) as client:
            client.admin.command("replSetInitiate", config)
        with pymongo.MongoClient[Any](self.uri) as client:
            until(lambda: len(client.secondaries) == 2 and client.primary is not None)
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.kill()
            member.close()

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(f'127.0.0.1:{m.port}' for m in self.members)}/?replicaSet=rs"

    def primary(self, client: pymongo.MongoClient[Any]) -> Mongod:
        client.admin.command("ping")
        assert client.primary is not None
        return next(m for m in self.members if client.primary and m.port == client.primary[1])


def until(condition: Callable[[], Any], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


Fault = str
FAULTS: tuple[Fault, ...] = ("before", "after", "half", "not_primary", "wtimeout", "rollback", "conflicts", "too_big")


class Scripted:
    """A collection in memory. Each insert meets the next of *faults*, and none when they are used up.

    A document with `poison` is refused; one that was acknowledged must never come again.
    """

    name, full_name = "messages", "x.messages"
    database = SimpleNamespace(client=SimpleNamespace(options=SimpleNamespace(timeout=None)))
    codec_options: CodecOptions[Any] = CodecOptions()

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.write_concern = WriteConcern()
        self.faults = list(faults)
        self.stored: dict[Any, dict[str, Any]] = {}
        self.acknowledged: set[Any] = set()
        self.calls = 0

    def with_options(self, write_concern: WriteConcern) -> Scripted:
        self.write_concern = write_concern
        return self

    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        assert not ordered
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        plain = [dict(document) for document in documents]
        ids = {document["_id"] for document in plain}
        assert not ids & self.acknowledged, "what was acknowledged was sent again"
        if fault == "before":
            raise AutoReconnect("gone")
        if fault == "not_primary":
            raise NotPrimaryError("not primary", {"code": 10107})
        if fault == "too_big" and any("poison" in document for document in plain):
            raise DocumentTooLarge("too large")
        taken = plain[::2] if fault in ("half", "conflicts") else plain
        errors: list[dict[str, Any]] = []
        fresh = set()
        for index, document in enumerate(plain):
            if document not in taken:
                errors.append({"index": index, "code": 112, "errmsg": "WriteConflict"})
            elif "poison" in document:
                errors.append({"index": index, "code": 121, "errmsg": "Document failed validation"})
            elif document["_id"] in self.stored:
                errors.append({"index": index, "code": 11000, "errmsg": "dup", "keyPattern": {"_id": 1}})
            else:
                self.stored[document["_id"]] = document
                fresh.add(document["_id"])
        if fault in ("after", "half"):
            raise AutoReconnect("gone")
        if fault in ("wtimeout", "rollback"):
            if fault == "rollback":
                for each in fresh:
                    del self.stored[each]
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": [{"code": 64, "errmsg": "timeout"}]})
        failed = {error["index"] for error in errors}
        self.acknowledged |= {document["_id"] for index, document in enumerate(plain) if index not in failed}
        if errors:
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})


__all__ = ["FAULTS", "Fault", "Producer", "ReplicaSet", "Scripted", "needs_mongod", "trade", "until"]


class Away(Scripted):
    """Fails until `back` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.back = threading.Event()

    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        if not self.back.is_set():
            raise AutoReconnect("away")
        super().insert_many(documents, ordered)
