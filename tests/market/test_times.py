"""Times are truncated to microseconds, and a leap second is the last microsecond of its minute."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Feed
from rxfeed.market import Malformed, Message
from rxfeed.market.times import ENDING, PLAIN, ends_with_microseconds, finer, in_microseconds
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange import messages as m
from tests.support.collect import Collected
from tests.venues.coinbase_exchange.test_decode import LAYOUT, VECTORS
from tests.venues.coinbase_exchange.test_numbers import LEVEL3

TIMED = [json.loads(frame) for frame, _, _ in VECTORS]
NAMES = ("time", "timestamp", "updated")
FIELDS = [(frame, name) for frame in TIMED for name in NAMES if name in frame and frame["type"] != "activate"]
TIMES = [
    ("2026-01-02T00:00:59.9999998Z", datetime(2026, 1, 2, 0, 0, 59, 999999, UTC)),
    ("2026-01-02T00:00:59.999999999999Z", datetime(2026, 1, 2, 0, 0, 59, 999999, UTC)),
    ("2026-01-02 00:00:59.1234567Z", datetime(2026, 1, 2, 0, 0, 59, 123456, UTC)),
    ("2026-01-02t00:00:59.1234567z", datetime(2026, 1, 2, 0, 0, 59, 123456, UTC)),
    ("2026-01-02T01:00:59.9999999+01:00", datetime(2026, 1, 2, 0, 0, 59, 999999, UTC)),
    ("2016-12-31T23:59:60.5Z", datetime(2016, 12, 31, 23, 59, 59, 999999, UTC)),
    ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, UTC)),
    ("2017-01-01T00:59:60.123456789+01:00", datetime(2016, 12, 31, 23, 59, 59, 999999, UTC)),
    ("9999-12-31T23:59:59.9999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ("2026-01-02T00:00:59.999999Z", datetime(2026, 1, 2, 0, 0, 59, 999999, UTC)),
    ("2026-01-02T00:00:59Z", datetime(2026, 1, 2, 0, 0, 59, 0, UTC)),
]


@pytest.mark.parametrize(("text", "expected"), TIMES)
def test_time_of_any_type_is_truncated_to_microseconds(text: str, expected: datetime) -> None:
    assert len(FIELDS) >= 15
    for frame, name in FIELDS:
        for separators in ((",", ":"), (", ", ": ")):
            message: Any = ExchangeDecoder().decode(json.dumps(frame | {name: text}, separators=separators).encode())
            assert not isinstance(message, Malformed), message
            assert (message.updated if name == "updated" else message.time) == expected


@pytest.mark.parametrize(("text", "expected"), TIMES)
def test_level3_time_is_truncated_to_microseconds(text: str, expected: datetime) -> None:
    decoder = ExchangeDecoder()
    decoder.decode(LAYOUT)
    for array in LEVEL3:
        message = decoder.decode(json.dumps([*array[:-1], text]).encode())
        assert isinstance(message, Message)
        assert message.time == expected


@pytest.mark.parametrize("text", ["2026-01-02T00:00:61Z", "2026-01-02T00:60:00.1234567Z", "2026-01-02T00:00:60.Z"])
def test_invalid_time_is_malformed(text: str) -> None:
    assert isinstance(ExchangeDecoder().decode(json.dumps(TIMED[3] | {"time": text}).encode()), Malformed)


def test_other_texts_are_unchanged() -> None:
    text = "2026-01-02T00:00:59.9999998Z"
    frame = json.dumps({"type": "error", "message": text, "reason": f'"time":"{text}"'}).encode()
    assert ExchangeDecoder().decode(frame) == m.ExchangeError(message=text, reason=f'"time":"{text}"')
    assert in_microseconds(frame) is frame


ROUNDED = [
    ("2026-01-02T23:59:59.9999998Z", datetime(2026, 1, 2, 23, 59, 59, 999999, UTC)),
    ("2026-01-02 23:59:59.9999995Z", datetime(2026, 1, 3, tzinfo=UTC)),
    ("2026-01-02t23:59:59.9999994Z", datetime(2026, 1, 2, 23, 59, 59, 999999, UTC)),
    ("2026-01-02t23:59:58.1234565Z", datetime(2026, 1, 2, 23, 59, 58, 123457, UTC)),
    ("2026-01-02 23:59:58.1234575Z", datetime(2026, 1, 2, 23, 59, 58, 123458, UTC)),
    ("2026-01-02 23:59:58.123457499999Z", datetime(2026, 1, 2, 23, 59, 58, 123457, UTC)),
    ("2026-01-02 23:59:58.123456Z", datetime(2026, 1, 2, 23, 59, 58, 123456, UTC)),
]
EXCHANGE_TRADE = (
    '{"type":"match","trade_id":%d,"maker_order_id":"a","taker_order_id":"b","side":"buy","size":"1","price":"1",'
    '"product_id":"BTC-USD","sequence":%d,"time":"%s"}'
)
ADVANCED_TRADE = (
    '{"channel":"market_trades","timestamp":"2026-01-02T23:59:59Z","sequence_num":%d,"events":[{"type":"update","trades":'
    '[{"product_id":"BTC-USD","trade_id":"%d","price":"1","size":"1","time":"%s","side":"BUY"}]}]}'
)


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_feed_rounds_only_finer_times_without_an_upper_case_t(venue: str) -> None:
    """To the nearest microsecond, a half of one upwards. The venues write the letter in upper case."""
    texts = [text for text, _ in ROUNDED]
    trade = EXCHANGE_TRADE if venue == "coinbase_exchange" else ADVANCED_TRADE
    frames = [trade % (at, at + 1, text) for at, text in enumerate(texts)]
    with Exchange.serving(frames, then="close", venue=venue) as exchange:
        feed = Feed("BTC-USD", "trades", venue=venue, url=exchange.url, reconnect=False)
        got = Collected(feed)
        with feed:
            got.wait_for_end()
    assert [each.time for each in got.items] == [expected for _, expected in ROUNDED]


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))


@given(MOMENTS, st.integers(1, 15), st.sampled_from(FIELDS))
def test_quick_test_finds_every_time_that_needs_truncation(
    moment: datetime, digits: int, field: tuple[dict[str, Any], str]
) -> None:
    fraction = f"{moment.microsecond:06d}999999999"[:digits]
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z"
    frame, name = field
    raw = json.dumps(frame | {name: text}, separators=(",", ":")).encode()
    if digits > 6 and frame["type"] != "balance":
        assert raw[ENDING] != PLAIN
        assert finer(raw)
        assert not ends_with_microseconds(raw)
        assert not ends_with_microseconds(raw[:-1] + b',"trade_id":1,"last_size":"1.5"}')
    expected = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=UTC)
    message: Any = ExchangeDecoder().decode(raw)
    got = message.updated if name == "updated" else message.time
    assert timedelta(0) == got - expected
