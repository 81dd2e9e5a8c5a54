"""`python -m benchmarks.sink`: documents a second through the sink, and in a bare `insert_many` loop beside it."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import Any, Literal

import msgspec
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from reactivex.subject import Subject

from benchmarks.frames import load
from rxfeed import Message, raw_document, to_mongo, typed_document
from rxfeed.messages import Origin, stamp
from rxfeed.protocol import Decoder
from rxfeed.sim.mongod import Mongod

Kind = Literal["raw", "typed"]
BATCH = 1000


def messages_of(payloads: list[bytes]) -> list[Message]:
    """As messages; frames that are repeated are made new ones, of later years."""
    decode = Decoder().decode
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


def bare(collection: Collection[Any], messages: list[Message], kind: Kind) -> float:
    make: Callable[[Message], dict[str, Any]] = raw_document if kind == "raw" else typed_document
    batches = [list(map(make, messages[at : at + BATCH])) for at in range(0, len(messages), BATCH)]
    majority = collection.with_options(write_concern=WriteConcern("majority"))
    started = time.perf_counter()
    for batch in batches:
        majority.insert_many(batch, ordered=False)
    return time.perf_counter() - started


def sink(collection: Collection[Any], messages: list[Message], kind: Kind) -> float:
    source: Subject[Message] = Subject()
    done = Event()
    source.pipe(to_mongo(collection, documents=kind, batch_size=BATCH)).subscribe(
        on_error=lambda error: print(error), on_completed=done.set
    )
    started = time.perf_counter()
    for message in messages:
        source.on_next(message)
    source.on_completed()
    done.wait()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink", description=__doc__)
    parser.add_argument("--messages", type=int, default=40_000, help="per run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each, alternating (default %(default)s)")
    parser.add_argument("--mongo", help="a server's URL (default: a private one)")
    arguments = parser.parse_args()
    origin, payloads = load(arguments.messages)
    messages = messages_of(payloads)
    print(f"{len(messages):,} messages of {origin}, batches of {BATCH}, medians of {arguments.runs} alternating runs")
    with ExitStack() as stack:
        url = arguments.mongo or stack.enter_context(Mongod()).uri
        database = stack.enter_context(MongoClient[Any](url))["rxfeed_benchmark"]
        seconds: dict[tuple[str, Kind], list[float]] = {}
        kinds: tuple[Kind, ...] = ("raw", "typed")
        for _ in range(arguments.runs):
            for kind in kinds:
                for runner in (bare, sink):
                    took = runner(database.messages, messages, kind)
                    if database.messages.count_documents({}) != len(messages):
                        raise SystemExit("documents are missing")
                    database.drop_collection("messages")
                    seconds.setdefault((runner.__name__, kind), []).append(took)
    for kind in kinds:
        rates = [len(messages) / statistics.median(seconds[name, kind]) for name in ("bare", "sink")]
        print(f"{kind:>6}: insert_many {rates[0]:>8,.0f}/s, sink {rates[1]:>8,.0f}/s, ratio {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
