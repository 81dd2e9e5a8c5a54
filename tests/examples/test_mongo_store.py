"""Every message that was sent is one document."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bson import Decimal128
from pymongo import MongoClient

from rxfeed.sim import Exchange
from rxfeed.sim.mongod import Mongod


def key(message: dict[str, Any]) -> tuple[str, ...]:
    """What a message and its typed document have in common."""
    return tuple(str(message.get(name)) for name in ("type", "product_id", "sequence", "trade_id", "price", "side"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 45
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"


def test_pipeline_stores_typed_documents(exchange: Exchange, mongod: Mongod, run: Any, witness: Any) -> None:
    listener = witness("ticker", "matches")
    script = run("mongo_store", "--url", exchange.url, "--mongo", f"{mongod.uri}/typed")
    exchange.wait_for_clients(2)
    exchange.step(4_000)
    messages = listener.received()
    assert len(messages) > 1_000
    printed = script.until(lambda lines: bool(lines) and lines[-1].endswith(f", {len(messages)} in all"))
    assert sum(int(line.split()[1]) for line in printed) == len(messages)
    assert script.interrupt()[-1].endswith(f", {len(messages)} in all")

    with MongoClient[dict[str, Any]](mongod.uri) as mongo:
        documents = list(mongo["typed"]["messages"].find())
    assert sorted(map(key, documents)) == sorted(map(key, messages))
    match = next(document for document in documents if document["type"] == "match")
    assert isinstance(match["price"], Decimal128)
    assert isinstance(match["time"], datetime)


def test_classic_client_stores_messages_as_sent(exchange: Exchange, mongod: Mongod, run: Any, witness: Any) -> None:
    listener = witness("ticker", "matches")
    script = run("mongo_store_legacy", "--url", exchange.url, "--mongo", f"{mongod.uri}/legacy")
    exchange.wait_for_clients(2)
    exchange.step(4_000)
    messages = listener.received()
    assert len(messages) > 1_000

    with MongoClient[dict[str, Any]](mongod.uri) as mongo:
        collection = mongo["legacy"]["messages"]
        until(lambda: collection.count_documents({}) >= len(messages))
        assert script.interrupt() == [f"{len(messages)} documents in legacy.messages"]
        documents = list(collection.find({}, {"_id": False}))
    assert sorted(map(json.dumps, documents)) == sorted(map(json.dumps, messages))


def test_ctrl_c_loses_no_received_message(exchange: Exchange, mongod: Mongod, run: Any, witness: Any) -> None:
    listener = witness("ticker", "matches")
    script = run("mongo_store", "--url", exchange.url, "--mongo", f"{mongod.uri}/interrupted")
    exchange.wait_for_clients(2)
    exchange.step(20_000)
    script.until(bool)
    total = int(script.interrupt()[-1].split()[-3])
    messages = listener.received()

    with MongoClient[dict[str, Any]](mongod.uri) as mongo:
        documents = list(mongo["interrupted"]["messages"].find())
    assert len(documents) == total
    assert sorted(map(key, documents)) == sorted(map(key, messages[:total]))
