"""What a document holds, and that no message is changed by making one."""

import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, Int64, decode, encode

from rxfeed import Message
from rxfeed.market import Origin, stamp
from rxfeed.sinks import raw_document, typed_document
from rxfeed.venues.coinbase_exchange import ExchangeDecoder, L2Update

MATCH = (
    b'{"type":"match","trade_id":10,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"0.00000001",'
    b'"price":"80691.530","product_id":"BTC-USD","sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z","new":1}'
)
RECEIVED = datetime(2026, 8, 25, 3, 35, 57, 200123, tzinfo=UTC)


def decoded(raw: bytes) -> Message:
    message = ExchangeDecoder().decode(raw)
    assert isinstance(message, Message)
    return stamp(message, Origin(raw, int(RECEIVED.timestamp()) * 10**9 + 200_123_456, 4))


def test_typed_document() -> None:
    message = decoded(MATCH)
    before = repr(message)
    assert typed_document(message) == {
        "type": "match",
        "product_id": "BTC-USD",
        "time": datetime(2026, 8, 25, 3, 35, 57, 198335, tzinfo=UTC),
        "time_us": Int64(1787628957198335),
        "trade_id": 10,
        "sequence": 134905860111,
        "side": "sell",
        "price": Decimal128("80691.530"),
        "size": Decimal128("1E-8"),
        "maker_order_id": "m",
        "taker_order_id": "t",
        "received": RECEIVED,
        "received_ns": Int64(1787628957200123456),
        "epoch": 4,
    }
    assert repr(message) == before


def test_nested_fields() -> None:
    message = decoded(
        b'{"type":"l2update","product_id":"A-B","changes":[["buy","1.5","0"]],"time":"2026-08-25T03:35:57Z"}'
    )
    assert isinstance(message, L2Update)
    assert typed_document(message)["changes"] == [["buy", Decimal128("1.5"), Decimal128("0")]]
    status = decoded(
        b'{"type":"status","products":[{"id":"A-B","quote_increment":"0.01"}],"currencies":'
        b'[{"id":"A","supported_networks":[{"id":"n","min_withdrawal_amount":1e-08}]}]}'
    )
    document = typed_document(status)
    assert document["products"] == [{"id": "A-B", "quote_increment": Decimal128("0.01")}]
    assert document["currencies"][0]["supported_networks"][0]["min_withdrawal_amount"] == Decimal128("1E-8")
    acknowledged = decoded(b'{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["A-B"]}]}')
    assert typed_document(acknowledged)["channels"] == [{"name": "ticker", "product_ids": ["A-B"]}]


def test_every_document_is_bson() -> None:
    for raw in (MATCH, b'{"type":"new","a":[{"b":null}]}', b'{"type":"error","message":"x"}'):
        message = decoded(raw)
        for document in (typed_document(message), raw_document(message)):
            assert decode(encode(document))["type"] == message.type


def test_raw_document_is_the_frame() -> None:
    document = raw_document(decoded(MATCH))
    assert document["price"] == "80691.530"
    assert document["new"] == 1
    assert "received" not in document


def test_unknown_message_keeps_all_fields() -> None:
    document = typed_document(decoded(b'{"type":"rainbow","colours":["red"]}'))
    assert document["type"] == "rainbow"
    assert document["colours"] == ["red"]
    assert document["epoch"] == 4


def test_level3_arrays_are_documents() -> None:
    decoder = ExchangeDecoder()
    decoder.decode(b'{"type":"level3","schema":{"noop":["type","product_id","sequence","time"]}}')
    raw = b'["noop","BTC-USD","1","2023-03-28T23:24:03.185394Z"]'
    message = decoder.decode(raw)
    assert isinstance(message, Message)
    stamp(message, Origin(raw, 0, 0))
    assert typed_document(message)["sequence"] == 1
    assert raw_document(message) == {"type": "noop", "level3": ["noop", "BTC-USD", "1", "2023-03-28T23:24:03.185394Z"]}


def test_numbers_keep_every_digit() -> None:
    message = decoded(MATCH.replace(b"80691.530", b"1234567890123.12345678"))
    assert typed_document(message)["price"].to_decimal() == Decimal("1234567890123.12345678")


@pytest.mark.parametrize("document", [typed_document, raw_document])
def test_frame_longer_than_any_document_is_not_decoded(document: Any) -> None:
    """Its content would take thirty times its size."""
    message = decoded(b'{"type":"rainbow","x":[' + b"[]," * 6_000_000 + b"1]}")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than MongoDB's limit of 16,777,216"):
            document(message)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
