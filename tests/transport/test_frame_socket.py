"""The socket of a connection: one read at a time, frames sent within a deadline, and the error of a failed send."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rxfeed import ConnectionLost, Secret
from rxfeed.transport.frame_socket import FrameSocket
from tests.support.wire import Wire


class Pair:
    """A `FrameSocket` and its server's end."""

    def __init__(self, unread: bytes = b"", send_timeout: float = 1.0) -> None:
        client, self.server = socket.socketpair()
        self.frames = FrameSocket(client, unread, send_timeout)

    def close(self) -> None:
        self.frames.close()
        self.server.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


class SlowSocket:
    """A socket that takes one byte at each send, after *seconds*."""

    def __init__(self, seconds: float) -> None:
        self.sent, self.timeouts = b"", list[float]()
        self._seconds = seconds

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def send(self, data: memoryview) -> int:
        time.sleep(self._seconds)
        self.sent += bytes(data[:1])
        return 1


def test_bytes_of_the_handshake_are_received_first() -> None:
    pair = Pair(b"early")
    pair.server.sendall(b"late")
    assert pair.frames.more
    assert [pair.frames.receive(), pair.frames.receive()] == [b"early", b"late"]
    pair.close()


def test_receive_without_data_is_empty(pair: Pair) -> None:
    assert pair.frames.receive() == b""
    assert not pair.frames.more


def test_full_read_shows_that_more_may_wait(pair: Pair) -> None:
    pair.server.sendall(b"x" * (122_880 + 1))
    sizes = [(len(pair.frames.receive()), pair.frames.more) for _ in range(2)]
    assert sizes == [(122_880, True), (1, False)]


def test_end_of_the_stream_is_reported(pair: Pair) -> None:
    pair.server.close()
    with pytest.raises(ConnectionLost, match="without a close frame"):
        pair.frames.receive()


def test_frames_are_sent_masked(pair: Pair) -> None:
    pair.frames.send_message("text é")
    pair.frames.send_message(Secret("signed"))
    pair.frames.send_ping(b"?")
    pair.frames.send_pong(b"!")
    assert pair.frames.send_close()
    wire = Wire(pair.server)
    frames = [wire.recv_frame() for _ in range(5)]
    assert frames == [(1, "text é".encode()), (1, b"signed"), (9, b"?"), (10, b"!"), (8, b"\x03\xe8")]


def test_close_frame_is_sent_once(pair: Pair) -> None:
    assert pair.frames.send_close()
    assert not pair.frames.send_close()


def test_failed_send_is_kept_and_ends_all_sending(pair: Pair) -> None:
    pair.server.sendall(b"last words")
    pair.server.close()
    with pytest.raises(OSError) as caught:  # noqa: PT011  # which one depends on the system
        pair.frames.send_message("hello")
    assert pair.frames.send_failure is caught.value
    pair.frames.send_pong(b"!")
    assert not pair.frames.send_close()
    assert pair.frames.send_failure is caught.value
    assert pair.frames.receive() == b"last words"


def test_failed_pong_raises_nothing(pair: Pair) -> None:
    pair.server.close()
    pair.frames.send_pong(b"!")
    assert isinstance(pair.frames.send_failure, OSError)


def test_send_to_a_server_that_does_not_read_times_out() -> None:
    pair = Pair(send_timeout=0.1)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        pair.frames.send_message("x" * 10_000_000)
    assert time.monotonic() - started < 5
    pair.close()


def test_parts_of_one_frame_share_a_deadline() -> None:
    slow: Any = SlowSocket(0.01)
    with pytest.raises(TimeoutError):
        FrameSocket(slow, b"", 0.1).send_message("x" * 100_000)
    assert 1 <= len(slow.sent) <= 11


def test_short_writes_are_continued() -> None:
    slow: Any = SlowSocket(0)
    FrameSocket(slow, b"", 5.0).send_ping(b"hello")
    assert len(slow.sent) == 2 + 4 + 5
    assert slow.timeouts[-1] < 1  # reading has its own time-out again
