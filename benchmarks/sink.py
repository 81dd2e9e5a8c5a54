"""`python -m benchmarks.sink`: documents a second through the sink, and with code without it.

`sink`: typed messages from a Feed's router into `to_mongo`, batches of 1,000. `durable`: the same, and every document
is synced in a spill on this machine's disk before it is sent. `insert_many`: a bare loop over the same documents, made
in advance, with the write concern of the sink. `insert_one`: each message, parsed to a dict, in the callback, as in
cbpro. The server is a private mongod, the one member of a replica set, as usual in production: there every
acknowledged write is in the journal. Medians of alternating runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, Literal

import msgspec
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection

from benchmarks.frames import load
from benchmarks.report import Report, with_json
from benchmarks.ways import CHANNELS, giving
from rxfeed import Feed, Message, to_mongo
from rxfeed.market import Origin, stamp
from rxfeed.sim.mongod import Mongod
from rxfeed.sinks import raw_document, typed_document
from rxfeed.venues.coinbase_exchange import ExchangeDecoder

Kind = Literal["raw", "typed"]
KINDS: tuple[Kind, ...] = ("raw", "typed")
BATCH = 1000
SET = "benchmark"
_TIME_LIMIT = 600.0  # seconds: the limit of every wait here


def messages_of(payloads: list[bytes]) -> list[Message]:
    """The frames as messages; repeated frames get times of later years, so that all are different."""
    decode = ExchangeDecoder().decode
    seen: Counter[bytes] = Counter()
    messages: list[Message] = []
    now = time.time_ns()
    for payload in payloads:
        again = seen[payload]
        seen[payload] += 1
        frame = _later(payload, again) if again else payload
        message = decode(frame)
        if isinstance(message, Message):
            messages.append(stamp(message, Origin(frame, now + len(messages), 1)))
    return messages


def _later(payload: bytes, years: int) -> bytes:
    content: dict[str, Any] = msgspec.json.decode(payload)
    for name in ("sequence", "trade_id"):
        if isinstance(content.get(name), int):
            content[name] += years * 10**9
    if isinstance(content.get("time"), str):
        content["time"] = f"{int(content['time'][:4]) + years}{content['time'][4:]}".replace("-02-29", "-02-28")
    return msgspec.json.encode(content)


def insert_many(collection: Collection[Any], messages: list[Message], kind: Kind) -> float:
    make: Callable[[Message], dict[str, Any]] = raw_document if kind == "raw" else typed_document
    batches = [list(map(make, messages[at : at + BATCH])) for at in range(0, len(messages), BATCH)]
    majority = collection.with_options(write_concern=WriteConcern("majority"))
    started = time.perf_counter()
    for batch in batches:
        majority.insert_many(batch, ordered=False)
    return time.perf_counter() - started


def insert_one(collection: Collection[Any], frames: Iterable[bytes]) -> float:
    started = time.perf_counter()
    for frame in frames:
        collection.insert_one(msgspec.json.decode(frame))
    return time.perf_counter() - started


def sink(collection: Collection[Any], messages: list[Message], kind: Kind, spill: Path | None = None) -> float:
    """Seconds for all *messages*; with *spill* in durable mode."""
    products = sorted({message.product_id for message in messages if message.product_id is not None})
    feed = Feed(products, CHANNELS, url="ws://127.0.0.1:1")
    done = Event()
    errors: list[Exception] = []

    def failed(error: Exception) -> None:
        errors.append(error)
        done.set()

    operator = to_mongo(collection, documents=kind, batch_size=BATCH, spill=spill, durable=spill is not None)
    feed.pipe(operator).subscribe(on_error=failed, on_completed=done.set)
    give = giving(feed)
    started = time.perf_counter()
    for message in messages:
        give(message)
    feed._streams.end(None)
    if not done.wait(_TIME_LIMIT) or errors:
        raise SystemExit(f"the sink failed: {errors}")
    return time.perf_counter() - started


def run(messages: list[Message], singles: int, runs: int, collection: Collection[Any], spill: Path) -> Report:
    """Documents a second, and the verdicts; the first *singles* messages are inserted one by one.

    *spill*: the file of the durable mode.
    """
    report = Report("sink")
    ways: dict[str, tuple[int, Callable[[], float]]] = {
        "insert_one": (singles, lambda: insert_one(collection, [message.raw for message in islice(messages, singles)]))
    }
    for kind in KINDS:
        ways[f"insert_many {kind}"] = len(messages), lambda kind=kind: insert_many(collection, messages, kind)
        ways[f"sink {kind}"] = len(messages), lambda kind=kind: sink(collection, messages, kind)
    ways["durable typed"] = len(messages), lambda: sink(collection, messages, "typed", spill)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, (count, way) in ways.items():
            seconds[name].append(way())
            if collection.count_documents({}) != count:
                raise SystemExit(f"{name}: documents are missing")
            collection.drop()
    rates = {name: count / statistics.median(seconds[name]) for name, (count, _) in ways.items()}
    report.rows += [
        {"way": name, "documents": count, "a_second": round(rates[name])} for name, (count, _) in ways.items()
    ]
    raw, typed = (rates[f"sink {kind}"] / rates[f"insert_many {kind}"] for kind in KINDS)
    report.at_least("sink, raw documents: speed by a bare insert_many loop's", raw, 0.8)
    report.at_least("sink, typed documents: speed by a bare insert_many loop's", typed, 0.5)
    report.at_least("sink, durable: speed by the sink's without it", rates["durable typed"] / rates["sink typed"], 0.5)
    for kind in KINDS:
        report.at_least(f"sink, {kind} documents: by insert_one's", rates[f"sink {kind}"] / rates["insert_one"], 40)
    return report


def private(server: Mongod) -> str:
    """The URL of *server*, after it has become the primary of its replica set."""
    with MongoClient[Any](server.uri) as client:
        members = [{"_id": 0, "host": f"127.0.0.1:{server.port}"}]
        client.admin.command("replSetInitiate", {"_id": SET, "members": members})
        while not client.admin.command("hello")["isWritablePrimary"]:
            time.sleep(0.05)
    return server.uri


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink", description=__doc__)
    parser.add_argument("--messages", type=int, default=40_000, help="per run (default %(default)s)")
    parser.add_argument("--singles", type=int, default=2000, help="for insert_one (default %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="of each, alternating (default %(default)s)")
    parser.add_argument("--mongo", help="a server's URL (default: a private one)")
    with_json(parser)
    arguments = parser.parse_args()
    origin, payloads = load(arguments.messages)
    messages = messages_of(payloads)
    print(f"{len(messages):,} messages of {origin}, batches of {BATCH}, medians of {arguments.runs} alternating runs")
    with ExitStack() as stack:
        url = arguments.mongo or private(stack.enter_context(Mongod(replica_set=SET)))
        database = stack.enter_context(MongoClient[Any](url))["rxfeed_benchmark"]
        spill = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "spill.db"
        report = run(messages, arguments.singles, arguments.runs, database.messages, spill)
    for row in report.rows:
        print(f"{row['way']:>18} {row['a_second']:>9,} documents/s")
    report.show()
    report.save(arguments.json)


if __name__ == "__main__":
    main()
