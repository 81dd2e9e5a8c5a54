"""A line holds a frame byte for byte, and the connection's events are read back equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Malformed, errors
from rxfeed.feed import status as s
from rxfeed.feed.status import FeedStatus
from rxfeed.market import ChannelSubscription
from rxfeed.recording.events import status_line, status_of
from rxfeed.recording.format import decode_line, decode_lines, frame_line, malformed_line
from rxfeed.venues.coinbase_exchange import ExchangeDecoder

NS = 1_790_733_802_123_456_789

STATUS: list[FeedStatus] = [
    s.Idle(),
    s.Connecting(url="wss://host", attempt=3),
    s.Connected(url="wss://host"),
    s.Subscribed(channels=(ChannelSubscription("matches", ("BTC-USD",)),), missing=(("status", None),)),
    s.Rejected(message="Failed to subscribe", reason=None),
    s.Unacknowledged(pairs=(("market_trades", "FOO-BAR"), ("status", None)), seconds=3.0),
    s.Gap(product_id="BTC-USD", channel="matches", first=3, last=4),
    s.Repaired(product_id="BTC-USD", channel="market_trades", first=7, last=9),
    s.Backfilled(product_id="BTC-USD", channel="matches", first=7, last=9, seconds=0.5),
    s.SequenceReset(product_id="BTC-USD", channel="matches", last=500, first=1),
    s.HeartbeatMissing(product_id="BTC-USD", seconds=5.0),
    s.HeartbeatBack(product_id="BTC-USD"),
    s.ProductRenamed(product_id="BTC-USDC", delivered="BTC-USD"),
    s.ProductListed(product_id="NEW-USD"),
    s.ProductDelisted(product_id="OLD-USD"),
    s.ConnectionRemoved(connection=2),
    s.BookSwitched(product_id="BTC-USD", connection=2),
    s.Renewed(connection=31),
    s.Lagging(seconds=1.5),
    s.CaughtUp(),
    s.RecordingTruncated(path="a.jsonl.zst", line=7, offset=1024, reason="no end line"),
    s.Ended(cause=None),
]
CAUSES: list[Exception] = [
    errors.ConnectionLost("gone"),
    errors.WentSilent("no data"),
    errors.ServerClosed(1001, "going away"),
    errors.HostRetired(1000, "deprecated hostname"),
    errors.HandshakeRejected("no", 503, {}),
    errors.AuthenticationFailed("Invalid API Key"),
    errors.SinkError("full", 0),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_status_named_torn_in_older_recordings_is_read() -> None:
    truncated = s.RecordingTruncated(path="a.jsonl.zst", line=7, offset=1024, reason="no end line")
    (new,) = decode_lines(status_line(truncated))
    (old,) = decode_lines(status_line(truncated).replace(b'"RecordingTruncated"', b'"Torn"'))
    assert isinstance(status_of(old), s.RecordingTruncated)
    assert status_of(old) == status_of(new)


@given(
    st.dictionaries(st.text(), json_values),
    st.sampled_from([None, 2, "\t"]),
    st.sampled_from([b"", b" ", b"\r\n"]),
    st.booleans(),
)
@pytest.mark.timeout(240)  # a file for each example
def test_frame_is_read_back_byte_for_byte_from_one_line(
    content: dict[str, Any], indent: Any, around: bytes, ascii_only: bool
) -> None:
    raw = (
        around
        + json.dumps({**content, "type": "news"}, indent=indent, ensure_ascii=ascii_only).encode(
            "utf-8", "surrogatepass"
        )
        + around
    )
    if isinstance(ExchangeDecoder().decode(raw), Malformed):
        return  # a lone surrogate
    text = frame_line(raw, NS, 7)
    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    (line,) = decode_lines(text)
    assert (line.raw(), line.ns, line.epoch, line.malformed) == (raw, NS, 7, None)
    assert json.loads(text)["ns"] == NS


def test_frame_of_one_line_is_written_unchanged() -> None:
    assert frame_line(b'{"type":"x","size":"1.50"}', 1, 0) == b'{"ns":1,"epoch":0,"frame":{"type":"x","size":"1.50"}}\n'
    assert frame_line(b'["open","A-B"]', 1, 0) == b'{"ns":1,"epoch":0,"frame":["open","A-B"]}\n'


@given(st.binary())
def test_malformed_frame_is_read_back_byte_for_byte_with_its_reason(raw: bytes) -> None:
    text = malformed_line(Malformed(raw, "not JSON: it is not", NS))
    assert text.count(b"\n") == 1
    line = decode_line(text)
    assert (line.raw(), line.ns, line.malformed) == (raw, NS, "not JSON: it is not")


@pytest.mark.parametrize("text", ['{"ns":1}', '{"ns":1,"base64":"***"}'])
def test_line_without_a_frame_has_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|without a frame"):
        decode_line(text).raw()


@pytest.mark.parametrize("status", STATUS, ids=lambda status: type(status).__name__)
def test_status_is_read_back_equal(status: FeedStatus) -> None:
    assert status_of(decode_line(status_line(status))) == status


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: type(cause).__name__)
def test_error_is_read_back_with_type_and_text(cause: Exception) -> None:
    for status in (
        s.Disconnected(cause=cause),
        s.Reconnecting(attempt=2, delay=1.5, cause=cause),
        s.Ended(cause=cause),
    ):
        again: Any = status_of(decode_line(status_line(status)))
        assert type(again) is type(status)
        assert type(again.cause) is type(cause)
        assert str(again.cause) == str(cause)
        assert vars(again.cause) == vars(cause)
        assert again.at == status.at


def test_every_status_type_is_tested() -> None:
    tried = {type(status) for status in STATUS} | {s.Disconnected, s.Reconnecting}
    assert set(FeedStatus.__subclasses__()) == tried


def test_headers_of_an_answer_are_not_recorded() -> None:
    cause = errors.HandshakeRejected("no", 401, {"set-cookie": "secret"})
    assert b"secret" not in status_line(s.Disconnected(cause=cause))


def test_foreign_error_is_recorded_with_its_name() -> None:
    again: Any = status_of(decode_line(status_line(s.Ended(cause=KeyError("x")))))
    assert type(again.cause) is errors.ConnectionLost
    assert str(again.cause) == "KeyError: 'x'"


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (errors.RecordingDamaged("a.jsonl", 1, 0, "empty"), errors.RxfeedError),
        (errors.RequestRejected("no", 429, "Slow", {}, b"", 1.0), errors.ConnectFailed),
        (errors.ExtraMissing("polars", "a frame", "pip install polars"), errors.ConfigError),
    ],
)
def test_error_with_unrecorded_attributes_becomes_its_base(cause: Exception, kind: type[Exception]) -> None:
    again: Any = status_of(decode_line(status_line(s.Ended(cause=cause))))
    assert type(again.cause) is kind
    assert str(again.cause) == str(cause)


def test_status_of_a_later_version_is_skipped() -> None:
    assert status_of(decode_line('{"ns":1,"status":{"type":"Tomorrow","x":1}}')) is None


def test_invalid_status_is_an_error() -> None:
    with pytest.raises(ValueError, match="product_id"):
        status_of(decode_line('{"ns":1,"status":{"type":"Gap","channel":"x","first":1,"last":2}}'))
