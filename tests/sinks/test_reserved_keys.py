"""Keys of a frame that have the names of the sink's own: nothing of the frame is lost, and nothing of the sink's."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import bson
import pytest
import reactivex
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Message, SinkError
from rxfeed.sinks import from_mongo, message_id, raw_document, to_mongo, typed_document
from rxfeed.sinks.documents import RESERVED, frame_content
from tests.sinks.frames import FRAMES, decode
from tests.support.collect import Collected

NS = 1_787_628_957_200_123_456


def unknown(content: dict[str, Any], received_ns: int = NS, epoch: int = 3) -> Message:
    return decode(json.dumps({"type": "rainbow", "product_id": "BTC-USD"} | content).encode(), received_ns, epoch)


def stored(collection: Any, messages: list[Message], documents: Any) -> list[Message]:
    writes = Collected(reactivex.from_iterable(messages).pipe(to_mongo(collection, documents=documents)))
    writes.wait_for_end()
    assert writes.completed
    assert sum(write.duplicates for write in writes.items) == 0
    read = Collected(from_mongo(collection))
    read.wait_for_end()
    assert read.completed, read.error
    return read.items


IDS: list[Any] = ["x", "x", None, None, 7, {"$oid": "x"}, ["a"]]


@pytest.mark.parametrize("documents", ["typed", "raw"])
def test_id_field_of_a_frame_is_not_the_document_id(collection: Any, documents: str) -> None:
    messages = [unknown({"_id": each, "n": n}, NS + n) for n, each in enumerate(IDS)]
    back = stored(collection, messages, documents)
    assert sorted(json.dumps(m.content, sort_keys=True) for m in back) == sorted(
        json.dumps(m.content, sort_keys=True) for m in messages
    )
    assert {each["_id"] for each in collection.find()} == {message_id(message) for message in messages}


OWN: dict[str, Any] = {
    "received": "yesterday",
    "received_ns": "none",
    "epoch": {"a": 1},
    "arrival": [1],
    "level3": ["open", 1],
    "_wire": {"_id": 1},
    "_id": None,
}


@pytest.mark.parametrize("documents", ["typed", "raw"])
@pytest.mark.parametrize("names", [[name] for name in OWN] + [list(OWN)], ids=lambda names: "+".join(names))
def test_reserved_keys_of_a_frame_are_read_back(collection: Any, documents: str, names: list[str]) -> None:
    message = unknown({name: OWN[name] for name in names})
    (back,) = stored(collection, [message], documents)
    assert back.content == message.content
    if documents == "typed":
        assert (back.received_ns, back.epoch) == (NS, 3)
        document = collection.find_one()
        assert (document["received_ns"], document["epoch"]) == (NS, 3)
        assert isinstance(document["received"], datetime)


NAMES = st.sampled_from([*sorted(RESERVED), "n", "time"])
VALUES = st.sampled_from([None, 0, "x", [1], {"_id": 2}])


@given(st.dictionaries(NAMES, VALUES), st.booleans())
def test_frame_content_is_the_frame_s(content: dict[str, Any], typed: bool) -> None:
    message = unknown(content)
    document = (typed_document if typed else raw_document)(message)
    assert "_id" not in document
    assert frame_content(bson.decode(bson.encode(document | {"_id": 1, **({"arrival": 5} if typed else {})}))) == (
        message.content
    )


def test_raw_documents_of_earlier_versions_keep_their_keys(collection: Any) -> None:
    """They were the frame and an `_id`, so that `received` and `epoch` in them are the frame's."""
    content = {"type": "rainbow", "received": "then", "epoch": 9, "_wire": "of the frame"}
    collection.insert_one({"_id": "old", **content})
    read = Collected(from_mongo(collection))
    read.wait_for_end()
    assert [message.content for message in read.items] == [content]


BASE: dict[str, Any] = {
    **typed_document(decode(FRAMES["match"], NS)),
    "_id": "bad",
    "arrival": bson.Int64(NS),
}
BAD: dict[str, dict[str, Any]] = {
    "no epoch": {"epoch": ...},
    "an epoch of text": {"epoch": "1"},
    "a receipt of text": {"received_ns": "x"},
    "an arrival of text": {"arrival": "x"},
    "an arrival that is null": {"arrival": None},
    "no arrival, a receipt of text": {"arrival": ..., "received_ns": "x"},
    "no receipt, Decimal128 in its place": {"received_ns": bson.Decimal128("1")},
    "no price": {"price": ...},
    "a price that is a document": {"price": {"a": 1}},
    "a time that no calendar has": {"time": DatetimeMS(10**17)},
    "microseconds of text": {"time_us": "x"},
    "a type of a number": {"type": 7},
    "no type": {"type": ...},
    "raw": {"received_ns": ..., "arrival": ..., "price": "x", "time": "2026-01-01T00:00:00Z"},
    "raw, its time is no time": {"received_ns": ..., "arrival": ..., "time": "soon"},
    "raw, a date after all others": {"received_ns": ..., "arrival": ..., "time": DatetimeMS(10**15)},
    "raw, a date before all others": {"received_ns": ..., "arrival": ..., "time": DatetimeMS(-(10**15))},
    "raw, level3 of nothing": {"received_ns": ..., "arrival": ..., "level3": []},
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_document_is_a_sink_error_with_its_id(collection: Any, kind: str) -> None:
    document = {name: value for name, value in (BASE | BAD[kind]).items() if value is not ...}
    collection.insert_one(document)
    errors: list[Exception] = []
    from_mongo(collection).subscribe(on_error=errors.append)
    (error,) = errors
    assert isinstance(error, SinkError)
    assert "'bad'" in str(error)
