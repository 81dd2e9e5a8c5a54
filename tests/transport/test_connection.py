"""An open connection: what it receives, sends and answers, against a server that sends any bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from rxfeed import ConnectionLost
from rxfeed.errors import ProtocolViolated
from rxfeed.transport import Closed, Connection, Pong, TransportOptions, Wakeup
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer, close_frame, frame, playing


def connection(url: str, wakeup: Wakeup, **options: object) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)  # pyright: ignore[reportArgumentType]


def test_messages_pongs_and_close_are_received(wakeup: Wakeup) -> None:
    def play(wire: Wire) -> None:
        wire.shake()
        assert wire.recv_frame() == (1, b"hello")
        opcode, payload = wire.recv_frame()
        assert opcode == 9
        wire.send(frame("one") + frame(payload, 10) + frame("two"))
        wire.send(close_frame(1001, "going away"))
        wire.until_disconnected()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("hello")
        client.ping(b"now")
        before = time.time_ns()
        events = []
        while len(events) < 4:
            events += client.receive(5)
        assert events == [b"one", Pong(b"now"), b"two", Closed(1001, "going away")]
        assert before <= client.received_ns <= time.time_ns()
        client.close()


@pytest.mark.parametrize(
    ("sent", "closed"),
    [
        (close_frame(1000, "bye"), Closed(1000, "bye")),
        (close_frame(4001), Closed(4001, "")),
        (frame(b"", 8), Closed(1005, "")),
    ],
)
def test_close_has_code_and_reason(wakeup: Wakeup, sent: bytes, closed: Closed) -> None:
    with WireServer(playing(sent)) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        assert client.receive(5) == [closed]
        client.close()


def test_receive_returns_at_its_timeout_or_wakeup(wakeup: Wakeup) -> None:
    with WireServer(playing()) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        assert client.receive(0.01) == []
        wakeup.set()
        with at_most(5):
            assert client.receive(30) == []
        client.close()


def test_lost_connection_is_an_error(wakeup: Wakeup) -> None:
    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        with pytest.raises(ConnectionLost):
            client.receive(5)
        client.close()


def test_broken_frames_are_a_library_error(wakeup: Wakeup) -> None:
    with WireServer(playing(frame("x", 3))) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        with pytest.raises(ProtocolViolated):
            client.receive(5)
        client.close()


def test_messages_before_a_violation_are_received_first(wakeup: Wakeup) -> None:
    """The failure comes at once with the next call, though the server sends nothing more."""
    good = [b"%d" % i for i in range(200)]
    with WireServer(playing(b"".join(map(frame, good)) + frame("x", rsv=4))) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        got: list[object] = []
        while len(got) < len(good):
            got += client.receive(5)
        assert got == good
        with at_most(5), pytest.raises(ProtocolViolated, match="reserved bit"):
            client.receive(30)
        client.close()


def test_messages_before_a_failed_send_are_received_first(wakeup: Wakeup) -> None:
    """No more than a receive buffer holds; then the server's own reason, in place of the failed send."""
    good = [b"%0300d" % i for i in range(100)]
    gone = threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(b"".join(map(frame, good)) + close_frame(1008, "too slow"))
        wire.sock.close()
        gone.set()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        assert gone.wait(30)
        deadline = time.monotonic() + 5
        with contextlib.suppress(ConnectionLost):  # the first ping goes out, and the answer is that the server is gone
            while time.monotonic() < deadline:
                client.ping(b"?")
        assert client.send_failed
        got: list[object] = []
        while len(got) <= len(good):
            got += client.receive(5)
        assert got == [*good, Closed(1008, "too slow")]
        with pytest.raises(ConnectionLost):
            client.receive(5)
        client.close()


class Joined:
    """A connection over a pair of sockets, of which the test holds the server's."""

    def __init__(self, wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch, unread: bytes = b"") -> None:
        client, self.server = socket.socketpair()
        monkeypatch.setattr("rxfeed.transport.connection.dial", lambda *_: client)
        monkeypatch.setattr("rxfeed.transport.connection.upgrade", lambda *_: unread)
        self.connection = connection("ws://127.0.0.1:1", wakeup, send_timeout=0.3)
        self.connection.open()

    def close(self) -> None:
        self.server.close()
        self.connection.close()


@pytest.fixture
def joined(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Joined]:
    joined = Joined(wakeup, monkeypatch)
    yield joined
    joined.close()


def test_ping_is_answered(joined: Joined) -> None:
    joined.server.sendall(frame(b"are you there", 9) + frame("next"))
    assert joined.connection.receive(5) == [b"next"]
    assert Wire(joined.server).recv_frame() == (10, b"are you there")


def test_close_frame_is_answered_once(joined: Joined) -> None:
    joined.server.sendall(close_frame(1001, "bye"))
    assert joined.connection.receive(5) == [Closed(1001, "bye")]
    joined.connection.close()
    assert Wire(joined.server).recv_frame() == (8, b"\x03\xe8")
    assert joined.server.recv(100) == b""


def test_close_frame_is_returned_after_the_server_disconnected(joined: Joined) -> None:
    joined.server.sendall(close_frame(1000, "bye"))
    joined.server.close()
    assert joined.connection.receive(5) == [Closed(1000, "bye")]


def test_messages_behind_an_unanswerable_ping_are_read(joined: Joined) -> None:
    stream = frame("one") + frame(b"there?", 9) + frame("two") + frame(b"?", 9) + close_frame(1001, "bye")
    joined.server.sendall(stream)
    joined.server.close()
    assert joined.connection.receive(5) == [b"one", b"two", Closed(1001, "bye")]
    assert joined.connection.send_failed
    with pytest.raises(ConnectionLost) as caught:
        joined.connection.receive(5)
    assert not isinstance(caught.value, ProtocolViolated)


def test_pings_before_a_violation_are_answered(joined: Joined) -> None:
    joined.server.sendall(frame(b"?", 9) + frame("x", rsv=4))
    for _ in range(2):
        with pytest.raises(ProtocolViolated, match="reserved bit"):
            joined.connection.receive(5)
    assert Wire(joined.server).recv_frame() == (10, b"?")


def test_bytes_of_an_incomplete_frame_are_counted(joined: Joined) -> None:
    whole = frame(b"x" * 100)
    for piece, arriving in ((whole[:1], 1), (whole[1:50], 50), (whole[50:] + whole[:9], 0), (whole[9:20], 11)):
        joined.server.sendall(piece)
        joined.connection.receive(5)
        assert joined.connection.arriving == arriving


def test_close_waits_for_the_server_s_close_frame(joined: Joined) -> None:
    def play() -> None:
        wire = Wire(joined.server)
        wire.send(frame("late") + frame("par", fin=False))
        assert wire.recv_frame()[0] == 8
        wire.send(close_frame(1000))

    server = threading.Thread(target=play)
    server.start()
    started = time.monotonic()
    joined.connection.close(timeout=30)
    assert time.monotonic() - started < 5
    server.join()


def test_close_after_a_failed_send_does_not_wait(joined: Joined) -> None:
    """Its frame was sent in part, so a close frame behind it would be read as a part of it."""
    joined.server.setblocking(False)
    with pytest.raises(ConnectionLost, match="does not read"):
        joined.connection.send("x" * 10_000_000)
    started = time.monotonic()
    joined.connection.close(timeout=30)
    assert time.monotonic() - started < 5


def test_close_without_an_answer_is_bounded(wakeup: Wakeup) -> None:
    with WireServer(playing()) as server, nothing_left_behind():
        client = connection(server.url, wakeup)
        client.open()
        with at_most(2):
            client.close(timeout=0.2)
