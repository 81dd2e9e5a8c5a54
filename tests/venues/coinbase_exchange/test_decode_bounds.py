"""A long frame of no listed type is decoded in bounded memory, and keeps its name."""

from __future__ import annotations

import tracemalloc

import pytest

from rxfeed.market import Malformed, Message, Unknown
from rxfeed.venues.coinbase_exchange import ExchangeDecoder

MANY = b"[]," * 4_000_000


def decoded(raw: bytes) -> tuple[Message | Malformed, int]:
    """The message, and the most memory that decoding it took."""
    tracemalloc.start()
    try:
        return ExchangeDecoder().decode(raw), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_long_unknown_message_keeps_type_and_product() -> None:
    message, _ = decoded(b'{"type":"news","product_id":"A-B","x":[' + MANY + b"1]}")
    assert isinstance(message, Unknown)
    assert (message.type, message.product_id) == ("news", "A-B")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"type":"news","x":[', b"1]}"),
        (b'{"type":"match","x":[', b"1]}"),
        (b'{"type":[', b"1]}"),
        (b'["open",', b"1]"),
    ],
)
def test_long_frame_of_any_shape_takes_little_memory(before: bytes, after: bytes) -> None:
    raw = before + MANY + after
    message, most = decoded(raw)
    assert isinstance(message, Unknown | Malformed)
    assert most < 3 * len(raw)


@pytest.mark.parametrize(
    ("before", "each", "after"),
    [
        (b'{"type":"snapshot","product_id":"A-B","asks":[],"bids":[', b"[1,1],", b"[1,1]]}"),
        (b'{"type":"l2update","product_id":"A-B","changes":[', b'["buy",1,1],', b'["buy",1,1]]}'),
        (b'{"type":"status","product_id":"A-B","currencies":[],"products":[', b'{"id":""},', b'{"id":""}]}'),
    ],
)
def test_a_listed_type_with_too_many_values_is_not_decoded(before: bytes, each: bytes, after: bytes) -> None:
    raw = before + each * (2_100_000 // each.count(b",")) + after
    message, most = decoded(raw)
    assert isinstance(message, Malformed)
    assert message.reason == "wrong shape: over 2,000,000 values"
    assert message.product_id == "A-B"
    assert message.type == before[9:].partition(b'"')[0].decode()
    assert most < 3 * len(raw)
