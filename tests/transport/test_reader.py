"""Frames cut from the buffer, for any pieces and any frames between them."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import ABNF, WebSocketProtocolException

from rxfeed import ConnectionLost
from rxfeed.transport.reader import BufferedWebSocket, Oversized
from tests.support.wire import close_frame, frame


class Line:
    """A reader and the socket that feeds it."""

    def __init__(self, max_size: int = 1 << 20) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.reader = BufferedWebSocket(max_size, 1.0)
        self.reader.sock = ours
        self.reader.connected = True

    def feed(self, *pieces: bytes) -> list[Any]:
        """The frames that are returned when *pieces* arrive one by one."""
        taken: list[Any] = []
        for piece in pieces:
            for start in range(0, len(piece), 60_000):
                self.theirs.sendall(piece[start : start + 60_000])
                self.reader.fill()
                taken += self.reader.take()
        return [(item.opcode, item.data) if isinstance(item, ABNF) else item for item in taken]

    def close(self) -> None:
        self.theirs.close()
        self.reader.shutdown()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 300_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [b"", b"mask"])
def test_frames_of_every_length_and_mask(line: Line, size: int, mask: bytes) -> None:
    payload = os.urandom(size)
    assert line.feed(frame(payload, mask=mask) + frame("next")) == [payload, b"next"]


def test_many_frames_in_one_read(line: Line) -> None:
    payloads = [b"%d" % i for i in range(1000)]
    assert line.feed(b"".join(map(frame, payloads))) == payloads


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 9, 10, 11, 500, 65_999])
@pytest.mark.parametrize("size", [100, 1_000, 66_000])
def test_frame_split_anywhere(line: Line, size: int, at: int) -> None:
    payload = os.urandom(size)
    whole = frame("before") + frame(payload) + frame("after")
    cut = len(frame("before")) + min(at, size)
    assert line.feed(whole[:cut], whole[cut:]) == [b"before", payload, b"after"]


def test_frames_byte_by_byte(line: Line) -> None:
    payload = os.urandom(200)
    whole = frame("a") + frame(payload) + frame(b"ping", 9) + frame("b")
    assert line.feed(*(whole[i : i + 1] for i in range(len(whole)))) == [b"a", payload, (9, b"ping"), b"b"]


def test_fragments_with_control_frames_between(line: Line) -> None:
    whole = (
        frame("one")
        + frame("tw", fin=False)
        + frame(b"hello", 9)
        + frame("o ", 0, fin=False)
        + frame(b"", 10)
        + frame("three", 0)
        + frame("four")
    )
    assert line.feed(whole) == [b"one", (9, b"hello"), (10, b""), b"two three", b"four"]
    assert line.feed(*(whole[i : i + 7] for i in range(0, len(whole), 7)))[-2:] == [b"two three", b"four"]


def test_ping_is_answered(line: Line) -> None:
    line.feed(frame(b"are you there", 9))
    answer = line.theirs.recv(100)
    masked = answer[2:6]
    assert answer[0] == 0x8A
    assert bytes(b ^ masked[i % 4] for i, b in enumerate(answer[6:])) == b"are you there"


def test_nothing_is_read_past_a_close_frame(line: Line) -> None:
    assert line.feed(frame("last") + close_frame(1001, "bye") + frame("ghost")) == [
        b"last",
        (8, struct.pack("!H", 1001) + b"bye"),
    ]


def test_close_frame_is_returned_after_the_peer_disconnected(line: Line) -> None:
    line.theirs.sendall(close_frame(1000, "bye"))
    line.theirs.close()
    line.reader.fill()
    (item,) = line.reader.take()
    assert isinstance(item, ABNF)


def test_binary_messages_are_bytes(line: Line) -> None:
    assert line.feed(frame(b"\x00\x01", 2)) == [b"\x00\x01"]


@pytest.mark.parametrize(
    "bad",
    [frame("x", 3), frame("x", rsv=4), frame("x", 9, fin=False), frame("x", 0), frame("a", fin=False) + frame("b")],
    ids=["opcode", "rsv", "fragmented ping", "stray continuation", "text inside fragments"],
)
def test_protocol_violation_is_an_error(line: Line, bad: bytes) -> None:
    with pytest.raises(WebSocketProtocolException):
        line.feed(bad)


VIOLATIONS = [
    frame("x", rsv=4),
    frame(b"x" * 126, 9),
    frame("x", 3),
    frame("x", 0),
    frame(b"x", 8),
    frame("a", fin=False) + frame("b"),
]


@pytest.mark.parametrize("bad", VIOLATIONS, ids=["rsv", "long ping", "opcode", "continuation", "close", "inside"])
def test_messages_before_a_violation_are_returned_first(line: Line, bad: bytes) -> None:
    """One read holds good messages and a violation: the messages are returned, and the next call raises."""
    good = [b"%d" % i for i in range(200)]
    assert line.feed(b"".join(map(frame, good)) + bad + frame("behind")) == good
    for _ in range(2):
        with pytest.raises(WebSocketProtocolException):
            line.reader.take()


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_long_control_frame_is_refused_at_its_header(line: Line, opcode: int) -> None:
    with pytest.raises(WebSocketProtocolException, match="over 125 bytes"):
        line.feed(bytes([0x80 | opcode, 127]) + struct.pack("!Q", 1 << 40))


def test_messages_behind_an_unanswerable_ping_are_read(line: Line) -> None:
    line.theirs.sendall(frame("one") + frame(b"there?", 9) + frame("two") + frame(b"?", 9) + close_frame(1001, "bye"))
    line.theirs.close()
    line.reader.fill()
    one, ping, two, _, close = line.reader.take()
    assert (one, two) == (b"one", b"two")
    assert isinstance(ping, ABNF)
    assert isinstance(close, ABNF)
    assert close.opcode == ABNF.OPCODE_CLOSE
    assert isinstance(line.reader.send_failure, OSError)
    assert line.reader.failure is None


def test_small_fragments_of_a_large_message_cost_little() -> None:
    """No fragment copies earlier ones: 5,000 of one byte after 32 MB take a moment, not half a minute."""
    line = Line(max_size=1 << 26)
    first, small = b"x" * (32 << 20), frame("y", 0, fin=False) * 5_000
    try:
        started = time.thread_time()
        assert line.feed(frame(first, fin=False), small, frame("z", 0)) == [first + b"y" * 5_000 + b"z"]
        assert time.thread_time() - started < 3
    finally:
        line.close()


def test_message_of_too_many_fragments_is_refused(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxfeed.transport.reader._MOST_FRAGMENTS", 10)
    ten = frame("a", fin=False) + frame("b", 0, fin=False) * 8 + frame("c", 0)
    assert line.feed(ten + ten) == [b"abbbbbbbbc"] * 2
    with pytest.raises(WebSocketProtocolException, match="over 10 fragments"):
        line.feed(frame("a", fin=False) + frame("", 0, fin=False) * 10)


BIG = b"x" * 1001


@pytest.mark.parametrize(
    "big",
    [
        frame(BIG),
        frame(BIG, 2),
        frame(BIG, mask=b"mask"),
        frame(BIG[:600], fin=False) + frame(BIG[600:], 0),
        frame(BIG[:500], fin=False) + frame(b"ping", 9) + frame(BIG[500:], 0, fin=False) + frame("", 0),
        frame(BIG, fin=False) + frame("", 0, fin=False) + frame("", 0),
        frame(BIG[:500], fin=False, mask=b"mask") + frame(BIG[500:], 0, mask=b"mask"),
    ],
    ids=["whole", "binary", "masked", "fragments", "three fragments", "first too big", "masked fragments"],
)
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_message_over_max_size_is_skipped(big: bytes, piece: int) -> None:
    line = Line(max_size=1000)
    try:
        stream = frame("before") + big + frame("after") + frame("half", fin=False) + frame("half", 0)
        got = line.feed(*(stream[i : i + piece] for i in range(0, len(stream), piece)))
        assert [item for item in got if item != (9, b"ping")] == [b"before", Oversized(1001), b"after", b"halfhalf"]
    finally:
        line.close()


@pytest.mark.parametrize("fragments", [[BIG], [b"abc" + BIG], [b"abc", BIG], [b"a" * 600, BIG[:600], b""]])
def test_skipped_message_keeps_its_first_bytes(fragments: list[bytes]) -> None:
    line = Line(max_size=1000)
    try:
        last = len(fragments) - 1
        stream = b"".join(frame(each, 0 if at else 1, fin=at == last) for at, each in enumerate(fragments))
        (item,) = line.feed(frame("before") + stream)[1:]
        assert item.size == len(b"".join(fragments))
        assert item.beginning == fragments[0][:512]
    finally:
        line.close()


@pytest.mark.parametrize("first", [b"\x81", b"\x01", b"\x82"])
@pytest.mark.parametrize("size", [1 << 40, (1 << 63) + 5])
def test_skipped_bytes_are_never_buffered(first: bytes, size: int) -> None:
    line = Line(max_size=1000)
    try:
        line.feed(first + b"\x7f" + struct.pack("!Q", size))
        for _ in range(50):
            assert line.feed(b"x" * 50_000) == []
            held = len(line.reader._buffer) - line.reader._position + line.reader._tail_size
            assert held <= 1000
    finally:
        line.close()


def test_new_message_within_a_skipped_one_is_a_violation() -> None:
    line = Line(max_size=1000)
    try:
        with pytest.raises(WebSocketProtocolException):
            line.feed(frame(BIG, fin=False) + frame("text"))
    finally:
        line.close()


def test_message_of_exactly_max_size_is_returned() -> None:
    line = Line(max_size=1000)
    try:
        fragments = frame(b"y" * 600, fin=False) + frame(b"y" * 400, 0)
        assert line.feed(frame(b"x" * 1000) + fragments + fragments) == [b"x" * 1000, b"y" * 1000, b"y" * 1000]
    finally:
        line.close()


def test_end_of_the_stream_is_reported(line: Line) -> None:
    line.theirs.close()
    with pytest.raises(ConnectionLost, match="without a close frame"):
        line.reader.fill()


FRAMES = st.lists(
    st.tuples(
        st.sampled_from(["text", "masked", "fragments", "ping", "binary"]),
        st.binary(max_size=140) | st.binary(max_size=9),
    ),
    max_size=12,
)


@given(FRAMES, st.data())
def test_any_frames_in_any_pieces(frames: list[tuple[str, bytes]], data: st.DataObject) -> None:
    stream, expected = b"", []
    for kind, payload in frames:
        if kind == "ping":
            stream += frame(payload[:125], 9)
            expected.append((9, payload[:125]))
            continue
        expected.append(payload)
        if kind == "fragments":
            middle = len(payload) // 2
            stream += frame(payload[:middle], fin=False) + frame(payload[middle:], 0)
        else:
            stream += frame(payload, 2 if kind == "binary" else 1, mask=b"mask" if kind == "masked" else b"")
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(stream))), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    line = Line()
    try:
        assert line.feed(*(piece for piece in pieces if piece)) == expected
    finally:
        line.close()
