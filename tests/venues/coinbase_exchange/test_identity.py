"""Equal ids for copies of one message, and different ids for all others."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex

from rxfeed import Message
from rxfeed.market import Origin, stamp
from rxfeed.sinks import message_id, to_mongo
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from tests.sinks.frames import FRAMES, LEVEL3, decode
from tests.support.collect import Collected
from tests.support.make import last_match, match


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("match", "BTC-USD/match/10"),
        ("last_match", "BTC-USD/last_match/9"),
        ("own match", "BTC-USD/user/u1/match/10"),
        ("rfq_match", "BTC-USD/rfq_match/30"),
        ("ticker", "BTC-USD/ticker/37475248783"),
        ("heartbeat", "BTC-USD/heartbeat/1790733802000000/136999334560"),
        ("open", "BTC-USD/full/open/38292760991"),
        ("own open", "BTC-USD/user/u1/open/38292760991"),
    ],
)
def test_id_is_made_of_message_fields(kind: str, wanted: str) -> None:
    assert message_id(decode(FRAMES[kind], 1)) == message_id(decode(FRAMES[kind], 2)) == wanted


def test_id_of_level3_messages() -> None:
    decoder = ExchangeDecoder()
    decoder.decode(LEVEL3[0])
    message = decoder.decode(LEVEL3[1])
    assert isinstance(message, Message)
    assert message_id(message) == "BTC-USD/level3/open/57560479456"


@pytest.mark.parametrize("kind", ["l2update", "snapshot", "auction", "balance", "activate"])
def test_id_of_time_and_content_is_equal_for_two_recorders(kind: str) -> None:
    one, other = decode(FRAMES[kind], 1), decode(FRAMES[kind], 2)
    changed = decode(FRAMES[kind].replace(b"1.5", b"1.6"), 1)
    assert message_id(one) == message_id(other) != message_id(changed)


@pytest.mark.parametrize("kind", ["subscriptions", "error", "status", "unknown"])
def test_id_is_made_of_receipt_and_content_without_fields(kind: str) -> None:
    one, again, other = decode(FRAMES[kind], 1), decode(FRAMES[kind], 1), decode(FRAMES[kind], 2)
    assert message_id(one) == message_id(again) != message_id(other)


def test_every_message_type_has_a_distinct_id() -> None:
    ids = [message_id(decode(frame, 5)) for frame in FRAMES.values()]
    assert len(set(ids)) == len(ids)
    assert all(len(each) < 120 for each in ids)


def test_two_parallel_recorders_write_each_message_once(collection: Any) -> None:
    trades = [match(trade_id=n) for n in range(100)]
    sinks = [to_mongo(collection, batch_size=7), to_mongo(collection, batch_size=11)]
    recorders = [Collected(reactivex.from_iterable([last_match(trade_id=5), *trades]).pipe(sink)) for sink in sinks]
    for recorder in recorders:
        recorder.wait_for_end()
    assert collection.count_documents({}) == 101
    assert sum(sink.stats.written for sink in sinks) == 101
    assert sum(sink.stats.duplicates for sink in sinks) == 101


def test_object_ids_are_made_on_request(collection: Any) -> None:
    message = stamp(match(trade_id=1), Origin(b"{}", 1, 1))
    Collected(reactivex.of(message, message).pipe(to_mongo(collection, ids="mongo"))).wait_for_end()
    assert collection.count_documents({}) == 2
