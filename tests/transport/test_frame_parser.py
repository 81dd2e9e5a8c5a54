"""Events parsed from bytes, for any frames in any pieces."""

from __future__ import annotations

import os
import struct
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rxfeed.transport.events import Closed, FrameEvent, Oversized, Ping, Pong, Violation
from rxfeed.transport.frame_parser import FrameParser
from tests.support.frame_model import VIOLATION, events_of
from tests.support.wire import close_frame, frame

READ = 1 << 16


def feed(parser: FrameParser, *pieces: bytes) -> list[FrameEvent]:
    """The events when *pieces* arrive one by one, in reads of at most `READ` bytes."""
    events: list[FrameEvent] = []
    for piece in pieces:
        for start in range(0, len(piece), READ):
            some = parser.feed(piece[start : start + READ])
            assert parser.only_messages == all(isinstance(event, bytes) for event in some)
            events += some
    return events


@pytest.fixture
def parser() -> FrameParser:
    return FrameParser(1 << 20)


# ---- any bytes in any pieces

MAX_SIZE, MAX_FRAGMENTS = 600, 4
SIZES_NEAR_LIMITS = st.sampled_from([125, 126, 511, 512, 513, MAX_SIZE - 1, MAX_SIZE, MAX_SIZE + 1, 2 * MAX_SIZE])
PAYLOADS = st.binary(max_size=9) | (SIZES_NEAR_LIMITS | st.integers(0, 700)).map(
    lambda size: bytes(i % 251 for i in range(size))
)
SHORT = st.binary(max_size=9) | st.just(b"x" * 125)
MASKS = st.just(b"") | st.binary(min_size=4, max_size=4)
CONTROL_FRAMES = st.builds(frame, SHORT, st.sampled_from([9, 10]), mask=MASKS)
CLOSE_FRAMES = st.builds(
    close_frame, st.sampled_from([999, 1000, 1001, 1005, 1015, 3000, 4999, 5000]), st.text("é ", max_size=3)
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message in fragments, with control frames between them."""
    payloads, opcode, mask = (
        draw(st.lists(PAYLOADS, min_size=1, max_size=5)),
        draw(st.sampled_from([1, 2])),
        draw(MASKS),
    )
    stream = b""
    for at, payload in enumerate(payloads):
        last = at == len(payloads) - 1
        stream += frame(payload, opcode if at == 0 else 0, fin=last, mask=mask)
        if not last:
            stream += draw(st.just(b"") | CONTROL_FRAMES)
    return stream


ANY_FRAMES = st.builds(
    frame,
    PAYLOADS,
    st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11]),
    fin=st.booleans(),
    mask=MASKS,
    rsv=st.sampled_from([0, 0, 0, 1, 4]),
)
TEXTS = st.builds(frame, PAYLOADS)
# The length field of a frame may be longer than needed.
LONG_LENGTHS = st.builds(
    lambda payload, width: b"\x81" + bytes([{2: 126, 8: 127}[width]]) + len(payload).to_bytes(width, "big") + payload,
    PAYLOADS,
    st.sampled_from([2, 8]),
)
STREAMS = st.tuples(
    st.lists(st.one_of(TEXTS, messages(), CONTROL_FRAMES, LONG_LENGTHS), max_size=8).map(b"".join),
    st.one_of(st.just(b""), CLOSE_FRAMES, ANY_FRAMES, st.binary(max_size=20)),
    st.lists(TEXTS, max_size=2).map(b"".join),
).map(b"".join)


def without_reasons(events: list[FrameEvent]) -> list[FrameEvent]:
    return [VIOLATION if isinstance(event, Violation) else event for event in events]


@given(STREAMS, st.data())
def test_any_split_of_a_stream_gives_the_model_s_events(stream: bytes, data: st.DataObject) -> None:
    end = data.draw(st.just(len(stream)) | st.integers(0, len(stream)))
    cuts = sorted(data.draw(st.sets(st.integers(0, end), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, end], strict=True)]
    parser = FrameParser(MAX_SIZE, MAX_FRAGMENTS)
    events: list[FrameEvent] = []
    for piece in pieces:
        events += feed(parser, piece)
        assert parser.buffered <= MAX_SIZE + 14 + 139  # a message, an incomplete frame's header, a control frame
    assert without_reasons(events) == events_of(stream[:end], MAX_SIZE, MAX_FRAGMENTS)


@given(st.binary(max_size=60))
@example(b"\x81\x7e\x00\x00")
@example(b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff")
def test_any_bytes_one_by_one_give_the_model_s_events(stream: bytes) -> None:
    parser = FrameParser(MAX_SIZE, MAX_FRAGMENTS)
    events = feed(parser, *(stream[at : at + 1] for at in range(len(stream))))
    assert without_reasons(events) == events_of(stream, MAX_SIZE, MAX_FRAGMENTS)


# ---- frames

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 300_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [b"", b"mask"])
def test_frames_of_every_length_and_mask(parser: FrameParser, size: int, mask: bytes) -> None:
    payload = os.urandom(size)
    assert feed(parser, frame(payload, mask=mask) + frame("next")) == [payload, b"next"]


def test_many_frames_in_one_read(parser: FrameParser) -> None:
    payloads = [b"%d" % i for i in range(1000)]
    assert feed(parser, b"".join(map(frame, payloads))) == payloads


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 9, 10, 11, 500, 65_999])
@pytest.mark.parametrize("size", [100, 1_000, 66_000])
def test_frame_split_anywhere(parser: FrameParser, size: int, at: int) -> None:
    payload = os.urandom(size)
    whole = frame("before") + frame(payload) + frame("after")
    cut = len(frame("before")) + min(at, size)
    assert feed(parser, whole[:cut], whole[cut:]) == [b"before", payload, b"after"]


def test_frames_byte_by_byte(parser: FrameParser) -> None:
    payload = os.urandom(200)
    whole = frame("a") + frame(payload) + frame(b"ping", 9) + frame("b")
    pieces = (whole[i : i + 1] for i in range(len(whole)))
    assert feed(parser, *pieces) == [b"a", payload, Ping(b"ping"), b"b"]


def test_event_is_returned_with_its_last_byte(parser: FrameParser) -> None:
    for each, event in ((frame("one"), b"one"), (frame(b"?", 9), Ping(b"?")), (close_frame(1000), Closed(1000, ""))):
        assert feed(parser, each[:-1]) == []
        assert feed(parser, each[-1:]) == [event]


def test_fragments_with_control_frames_between(parser: FrameParser) -> None:
    whole = (
        frame("one")
        + frame("tw", fin=False)
        + frame(b"hello", 9)
        + frame("o ", 0, fin=False)
        + frame(b"", 10)
        + frame("three", 0)
        + frame("four")
    )
    assert feed(parser, whole) == [b"one", Ping(b"hello"), Pong(b""), b"two three", b"four"]
    assert feed(parser, *(whole[i : i + 7] for i in range(0, len(whole), 7)))[-2:] == [b"two three", b"four"]


def test_nothing_is_read_past_a_close_frame(parser: FrameParser) -> None:
    stream = frame("last") + frame("part", fin=False) + close_frame(1001, "bye") + frame("ghost")
    assert feed(parser, stream, frame("ghost")) == [b"last", Closed(1001, "bye")]
    assert parser.buffered == 0


def test_binary_messages_are_bytes(parser: FrameParser) -> None:
    assert feed(parser, frame(b"\x00\x01", 2)) == [b"\x00\x01"]


def test_messages_are_not_checked_for_utf8(parser: FrameParser) -> None:
    """The decoder reports them as malformed; the connection survives."""
    assert feed(parser, frame(b"\xff"), frame(b"\xc3", fin=False), frame(b"\xa9", 0)) == [b"\xff", "é".encode()]


def test_reason_of_a_close_that_is_not_utf8_is_readable(parser: FrameParser) -> None:
    assert feed(parser, frame(struct.pack("!H", 1008) + b"no\xff", 8)) == [Closed(1008, "no\N{REPLACEMENT CHARACTER}")]


def test_large_message_in_small_reads_costs_little() -> None:
    """Its pieces are joined once: 8 MB in reads of 1 kB take a moment, not many seconds."""
    payload, parser = b"x" * (8 << 20), FrameParser(1 << 26)
    stream = frame(payload)
    started = time.thread_time()
    assert feed(parser, *(stream[at : at + 1024] for at in range(0, len(stream), 1024))) == [payload]
    assert time.thread_time() - started < 1


# ---- violations

VIOLATIONS = {
    "rsv": (frame("x", rsv=4), "reserved bit"),
    "long ping": (frame(b"x" * 126, 9), "over 125 bytes"),
    "opcode": (frame("x", 3), "unknown opcode 3"),
    "fragmented ping": (frame("x", 9, fin=False), "control frame is fragmented"),
    "stray continuation": (frame("x", 0), "continues no message"),
    "text inside fragments": (frame("a", fin=False) + frame("b"), "begins inside another message"),
    "close of one byte": (frame(b"x", 8), "one byte"),
    "close code": (close_frame(1005), "invalid code 1005"),
}


@pytest.mark.parametrize(("bad", "reason"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_messages_before_a_violation_are_returned_first(parser: FrameParser, bad: bytes, reason: str) -> None:
    """One read has good messages and a violation; nothing that follows is returned."""
    good = [b"%d" % i for i in range(200)]
    *messages, violation = feed(parser, b"".join(map(frame, good)) + bad + frame("behind"))
    assert messages == good
    assert isinstance(violation, Violation)
    assert reason in violation.reason
    assert feed(parser, frame("behind")) == []
    assert parser.buffered == 0


@pytest.mark.parametrize("first", [0x83, 0xC1, 0x09, 0x00, 0x80])
def test_violation_is_returned_at_the_second_byte(parser: FrameParser, first: int) -> None:
    assert feed(parser, bytes([first])) == []
    (event,) = feed(parser, b"\x7f")
    assert isinstance(event, Violation)


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_long_control_frame_is_refused_at_its_header(parser: FrameParser, opcode: int) -> None:
    (event,) = feed(parser, bytes([0x80 | opcode, 127]) + struct.pack("!Q", 1 << 40))
    assert isinstance(event, Violation)
    assert "over 125 bytes" in event.reason


# ---- fragments


def test_small_fragments_of_a_large_message_cost_little() -> None:
    """No fragment copies earlier ones: 5,000 of one byte after 32 MB take a moment, not half a minute."""
    parser = FrameParser(1 << 26)
    first, small = b"x" * (32 << 20), frame("y", 0, fin=False) * 5_000
    started = time.thread_time()
    assert feed(parser, frame(first, fin=False), small, frame("z", 0)) == [first + b"y" * 5_000 + b"z"]
    assert time.thread_time() - started < 3


def test_message_of_too_many_fragments_is_refused() -> None:
    parser = FrameParser(1 << 20, max_fragments=10)
    ten = frame("a", fin=False) + frame("b", 0, fin=False) * 8 + frame("c", 0)
    assert feed(parser, ten + ten) == [b"abbbbbbbbc"] * 2
    (event,) = feed(parser, frame("a", fin=False) + frame("", 0, fin=False) * 10)
    assert isinstance(event, Violation)
    assert "over 10 fragments" in event.reason


# ---- messages over the limit

BIG = b"x" * 1001


@pytest.mark.parametrize(
    "big",
    [
        frame(BIG),
        frame(BIG, 2),
        frame(BIG, mask=b"mask"),
        frame(BIG[:600], fin=False) + frame(BIG[600:], 0),
        frame(BIG[:512], fin=False) + frame(b"ping", 9) + frame(BIG[512:], 0, fin=False) + frame("", 0),
        frame(BIG, fin=False) + frame("", 0, fin=False) + frame("", 0),
        frame(BIG[:512], fin=False, mask=b"mask") + frame(BIG[512:], 0, mask=b"mask"),
    ],
    ids=["whole", "binary", "masked", "fragments", "three fragments", "first too big", "masked fragments"],
)
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_message_over_max_size_is_skipped(big: bytes, piece: int) -> None:
    """Its beginning does not depend on the pieces, nor on a mask."""
    stream = frame("before") + big + frame("after") + frame("half", fin=False) + frame("half", 0)
    got = feed(FrameParser(1000), *(stream[i : i + piece] for i in range(0, len(stream), piece)))
    expected = [b"before", Oversized(1001, BIG[:512]), b"after", b"halfhalf"]
    assert [event for event in got if event != Ping(b"ping")] == expected


@pytest.mark.parametrize("fragments", [[BIG], [b"abc" + BIG], [b"abc", BIG], [b"a" * 600, BIG[:600], b""]])
def test_skipped_message_keeps_its_first_bytes(fragments: list[bytes]) -> None:
    last = len(fragments) - 1
    stream = b"".join(frame(each, 0 if at else 1, fin=at == last) for at, each in enumerate(fragments))
    (event,) = feed(FrameParser(1000), frame("before") + stream)[1:]
    assert event == Oversized(len(b"".join(fragments)), fragments[0][:512])


@pytest.mark.parametrize("first", [b"\x81", b"\x01", b"\x82"])
@pytest.mark.parametrize("size", [1 << 40, (1 << 63) + 5])
def test_skipped_bytes_are_never_buffered(first: bytes, size: int) -> None:
    parser = FrameParser(1000)
    feed(parser, first + b"\x7f" + struct.pack("!Q", size) + b"x" * 512)
    for _ in range(50):
        assert feed(parser, b"x" * 50_000) == []
        assert parser.buffered <= 1000


def test_new_message_within_a_skipped_one_is_a_violation() -> None:
    (event,) = feed(FrameParser(1000), frame(BIG, fin=False) + frame("text"))
    assert isinstance(event, Violation)


def test_message_of_exactly_max_size_is_returned() -> None:
    fragments = frame(b"y" * 600, fin=False) + frame(b"y" * 400, 0)
    got = feed(FrameParser(1000), frame(b"x" * 1000) + fragments + fragments)
    assert got == [b"x" * 1000, b"y" * 1000, b"y" * 1000]
