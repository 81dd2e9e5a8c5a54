"""What is read back is what was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import bson
import msgspec
import pytest
import reactivex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reactivex import operators as ops

from rxfeed import Message, SinkError, matches, window_volume
from rxfeed.errors import ConfigError
from rxfeed.sim.mongod import Mongod
from rxfeed.sinks import from_mongo, make_indexes, make_time_series, to_mongo, typed_document
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from tests.sinks.frames import FRAMES, LEVEL3, decode
from tests.support.collect import Collected
from tests.support.make import at, match

DAY = int(datetime(2026, 8, 25, tzinfo=UTC).timestamp()) * 10**9


def everything() -> list[Message]:
    """Of each kind one, all in one nanosecond or two; level3 after its schema."""
    decoder = ExchangeDecoder()
    frames = [*FRAMES.values(), *LEVEL3]
    return [decode(raw, DAY + 123_456_789 + n // 9, n, decoder) for n, raw in enumerate(frames)]


def stored(collection: Any, messages: list[Message], **options: Any) -> None:
    writes = Collected(reactivex.from_iterable(messages).pipe(to_mongo(collection, **options)))
    writes.wait_for_end()
    assert writes.completed
    assert collection.count_documents({}) == len(messages)


def read(collection: Any, *arguments: Any, **named: Any) -> list[Message]:
    collected = Collected(from_mongo(collection, *arguments, **named))
    collected.wait_for_end()
    assert collected.completed, collected.error
    return collected.items


def fields(message: Message) -> tuple[Any, ...]:
    return (
        type(message),
        {name: value for name, value in msgspec.structs.asdict(message).items() if name != "_origin"},
    )


def test_typed_change_without_its_optional_fields_is_read(collection: Any) -> None:
    """The change of a stop order that was triggered has no side, as those of level3."""
    change = b'{"type":"change","order_id":"o","price":"1","new_size":"2"}'
    messages = [decode(change, DAY), decode(FRAMES["match"], DAY + 1)]
    stored(collection, messages)
    assert [fields(message) for message in read(collection)] == [fields(message) for message in messages]


def test_typed_documents(collection: Any) -> None:
    messages = everything()
    stored(collection, messages, batch_size=5)
    back = read(collection)
    assert list(map(repr, back)) == list(map(repr, messages))
    assert list(map(fields, back)) == list(map(fields, messages))
    assert [(m.received_ns, m.received, m.epoch) for m in back] == [
        (m.received_ns, m.received, m.epoch) for m in messages
    ]


def test_raw_documents_are_read_back(collection: Any) -> None:
    messages = everything()
    stored(collection, messages, documents="raw")
    back = read(collection)
    assert sorted(map(repr, back)) == sorted(map(repr, messages))
    assert sorted(json.dumps(m.content) for m in back) == sorted(json.dumps(m.content) for m in messages)


def test_raw_documents_are_ordered_by_time(collection: Any) -> None:
    messages: list[Message] = [match(time=n, trade_id=n) for n in range(50)]
    stored(collection, messages, documents="raw")
    assert [m.time for m in read(collection, None, at(10), at(20))] == [at(n) for n in range(10, 20)]


FRACTIONS = ["", ".0", ".000001", ".4", ".45", ".4500", ".450000001", ".5", ".500001", ".999999999"]


@given(st.permutations([(second, fraction) for second in ("03", "04", "05") for fraction in FRACTIONS]))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_raw_documents_are_ordered_by_fractions_of_seconds(collection: Any, order: list[tuple[str, str]]) -> None:
    """`...04Z` comes before `...04.5Z`; equal times come by sequence."""
    collection.delete_many({})
    collection.insert_many(
        {
            "type": "ticker",
            "product_id": "A-B",
            "price": "1",
            "sequence": n,
            "time": f"2026-01-02T03:04:{second}{part}Z",
        }
        for n, (second, part) in enumerate(order)
    )
    wanted = sorted(range(len(order)), key=lambda n: (Decimal(order[n][0] + order[n][1]), n))
    assert [m.sequence for m in read(collection)] == wanted  # pyright: ignore[reportAttributeAccessIssue]
    since = datetime(2026, 1, 2, 3, 4, 4, 450_000, tzinfo=UTC)
    until = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    within = [n for n in wanted if Decimal("4.45") <= Decimal(order[n][0] + order[n][1]) < 5]
    assert [m.sequence for m in read(collection, "A-B", since, until)] == within  # pyright: ignore[reportAttributeAccessIssue]


def test_raw_documents_of_all_shapes_are_ordered_by_time(collection: Any) -> None:
    """`time`, `timestamp`, Unix seconds and level3's arrays in one order; what has none comes first."""
    day, btc = "2023-03-28T23:24:", {"product_id": "BTC-USD", "sequence": 1}
    frames: list[Any] = [
        {"type": "auction", "auction_state": "x", "timestamp": day + "01Z"} | btc,
        {"type": "activate", "product_id": "BTC-USD", "order_id": "", "timestamp": "1680045842.5"},
        {"type": "level3", "level3": json.loads(LEVEL3[4])},
        {"type": "level3", "level3": json.loads(LEVEL3[1])},
        {"type": "rainbow", "product_id": "BTC-USD", "time": "2023-03-28T23:24:03.2Z"},
        {"type": "heartbeat", "last_trade_id": 1, "time": day + "02Z"} | btc,
        {"type": "subscriptions", "channels": []},
    ]  # fmt: skip
    collection.insert_many(frames)
    kinds = ["subscriptions", "auction", "heartbeat", "activate", "open", "done", "rainbow"]
    assert [message.type for message in read(collection)] == kinds
    since = datetime(2023, 3, 28, 23, 24, 2, tzinfo=UTC)
    assert [message.type for message in read(collection, "BTC-USD", since)] == kinds[2:]
    assert [message.type for message in read(collection, None, None, since)] == kinds[:2]


def test_documents_are_selected_by_product_and_receipt(collection: Any) -> None:
    make_indexes(collection)
    raw = FRAMES["match"]
    messages = [
        decode(raw.replace(b'"trade_id":10', b'"trade_id":%d' % n).replace(b"BTC", product), DAY + n * 1_000)
        for n in range(20)
        for product in (b"BTC", b"ETH")
    ]
    stored(collection, messages)
    since = datetime(2026, 8, 25, tzinfo=UTC) + timedelta(microseconds=5)
    back = read(collection, "ETH-USD", since, since + timedelta(microseconds=3))
    assert [(m.product_id, m.received_ns - DAY) for m in back] == [("ETH-USD", n * 1_000) for n in (5, 6, 7)]


def test_pipeline_over_stored_documents(collection: Any) -> None:
    messages = [match(size=1, time=n, trade_id=n) for n in range(120)]
    stored(collection, messages)  # pyright: ignore[reportArgumentType]
    windows = Collected(from_mongo(collection).pipe(window_volume(60)))
    windows.wait_for_end()
    assert [w.volume for w in windows.items] == [60, 60]
    assert from_mongo(collection).pipe(matches(), ops.count()).run() == 120


def test_documents_of_the_first_release_are_read_back(collection: Any) -> None:
    messages: list[Message] = [decode(FRAMES["match"], DAY + n, n) for n in range(5)]
    collection.insert_many([typed_document(message) for message in reversed(messages)])
    stored_later: list[Message] = [match(trade_id=n, time=n) for n in range(3)]
    Collected(reactivex.from_iterable(stored_later).pipe(to_mongo(collection))).wait_for_end()
    assert [m.received_ns for m in read(collection)][3:] == [DAY + n for n in range(5)]


def test_reading_stops_without_subscribers(collection: Any) -> None:
    stored(collection, [match(trade_id=n) for n in range(500)])
    first = Collected(from_mongo(collection).pipe(ops.take(3)))
    first.wait_for_end()
    assert len(first.items) == 3


def test_document_that_is_no_message_ends_the_stream(collection: Any) -> None:
    collection.insert_one(
        {"_id": "x", "arrival": bson.Int64(1), "received_ns": bson.Int64(1), "epoch": 1, "type": "match"}
    )
    collected = Collected(from_mongo(collection))
    collected.wait_for_end()
    assert isinstance(collected.error, SinkError)
    assert "'x' is no message" in str(collected.error)


def test_document_of_another_venue_names_the_argument(collection: Any) -> None:
    collection.insert_one({"_id": "x", "frame": {"channel": "candles", "sequence_num": 1, "events": []}})
    collected = Collected(from_mongo(collection))
    collected.wait_for_end()
    assert "another venue than coinbase_exchange, give from_mongo their venue" in str(collected.error)


def test_time_without_a_zone_is_rejected(collection: Any) -> None:
    with pytest.raises(ConfigError, match="since"):
        from_mongo(collection, since=datetime(2026, 1, 1))


def test_indexes_ttl_and_time_series_are_created(collection: Any) -> None:
    names = make_indexes(collection, expire_after=timedelta(days=90))
    assert names == make_indexes(collection, expire_after=timedelta(days=90))
    assert collection.index_information()["received_1"]["expireAfterSeconds"] == 90 * 86400
    plan = collection.find({"product_id": "A-B"}, sort=[("time", 1)]).explain()
    assert "product_id_1_time_1" in json.dumps(plan["queryPlanner"]["winningPlan"])
    series = make_time_series(collection.database, "series", expire_after=timedelta(days=1))
    stored(series, everything())
    assert list(map(repr, read(series))) == list(map(repr, everything()))


def test_secrets_are_never_shown(caplog: pytest.LogCaptureFixture, mongod: Any, tmp_path: Any) -> None:
    import pymongo

    uri = mongod.uri.replace("://", "://me:s3cr3t@")
    with pymongo.MongoClient[Any](uri) as client:
        sink = to_mongo(client.x.y, spill=tmp_path / "spill.db")
        writes = Collected(reactivex.from_iterable(everything()).pipe(sink))
        writes.wait_for_end(20)
        assert isinstance(writes.error, SinkError)
        told = [
            caplog.text,
            str(writes.error),
            repr(writes.error),
            repr(sink),
            repr(sink.stats),
            repr(writes.error.__cause__),
        ]
        assert "s3cr3t" not in "".join(told)
        assert b"s3cr3t" not in (tmp_path / "spill.db").read_bytes()
        assert sink.stats.problem


def test_write_concern_is_given_or_majority(collection: Any, mongod: Mongod) -> None:
    from pymongo import WriteConcern
    from pymongo.monitoring import CommandListener

    seen: list[Any] = []

    class Listener(CommandListener):
        def started(self, event: Any) -> None:
            if event.command_name == "insert":
                seen.append(event.command.get("writeConcern"))

        def succeeded(self, event: Any) -> None: ...

        def failed(self, event: Any) -> None: ...

    import pymongo

    with pymongo.MongoClient[Any](mongod.uri, event_listeners=[Listener()]) as client:
        mine = client[collection.database.name].messages
        stored(mine, [match(trade_id=1)])
        other = client[collection.database.name].others.with_options(write_concern=WriteConcern(1, j=True))
        stored(other, [match(trade_id=1)])
    assert seen == [{"w": "majority"}, {"w": 1, "j": True}]
    with pytest.raises(ConfigError, match="write concern of 0"):
        to_mongo(collection.with_options(write_concern=WriteConcern(0)))
