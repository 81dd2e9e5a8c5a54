"""The server: every byte arrives, prepared or not; paced messages are stamped; a client may disconnect at any time."""

from __future__ import annotations

import socket
from array import array
from collections.abc import Iterator
from itertools import chain, islice
from typing import cast

import pytest
import websocket

from benchmarks.frames import rounds
from benchmarks.load_server import ClientConnection, LoadServer, Tape, load_server, pace
from benchmarks.wire import cut, framed
from tests.benchmarks.test_frames import trade

PAYLOADS = [trade(number) for number in range(1, 101)]


def expected(count: int) -> list[bytes]:
    return list(islice(chain.from_iterable(rounds(PAYLOADS)), count))


@pytest.fixture(scope="module")
def server() -> Iterator[LoadServer]:
    with load_server(PAYLOADS, prepared=250) as server:
        yield server


def subscribed(url: str) -> websocket.WebSocket:
    client = websocket.create_connection(url, timeout=10)
    client.send("{}")
    return client


def received(client: websocket.WebSocket, count: int) -> list[bytes]:
    return [client.recv_data()[1] for _ in range(count)]


@pytest.mark.parametrize("count", [1, 100, 299, 1234])
def test_every_message_arrives_in_order(count: int) -> None:
    # The rounds of a server continue, so only a new server starts at the first.
    with load_server(PAYLOADS, prepared=250) as server:
        client = subscribed(server.url(count))
        assert received(client, count) == expected(count)
        client.shutdown()


def test_reported_size_is_the_bytes_received(server: LoadServer) -> None:
    client = subscribed(server.url(200))
    left, data = server.size(200), b""
    assert isinstance(client.sock, socket.socket)
    while left > len(data):
        data += client.sock.recv(1 << 16)
    assert cut(data) == (expected(200), b"")
    client.shutdown()


def test_chunk_ends_where_a_frame_does() -> None:
    tape = Tape([b"x" * 1000] * 700, 700)
    chunks = [bytes(chunk) for chunk in tape.chunks(650)]
    assert len(chunks) > 1
    assert [cut(chunk)[1] for chunk in chunks] == [b""] * len(chunks)
    assert b"".join(chunks) == framed(b"x" * 1000) * 650


@pytest.mark.parametrize("burst", [1, 50])
def test_paced_bursts_are_stamped_with_their_times(server: LoadServer, burst: int) -> None:
    client = subscribed(server.url(200, 2000, burst))
    assert received(client, 200) == expected(200)
    client.shutdown()
    times = server.sent()
    assert len(times) == 200
    assert list(times) == sorted(times)
    assert times[0] > 0
    assert all(len(set(times[at : at + burst])) == 1 for at in range(0, 200, burst))


class Slow:
    """A client with a simulated clock that accepts a fixed number of bytes at each offer, and none at the first."""

    def __init__(self, room: int, deaf_until: int) -> None:
        self.now = 0
        self.taken = b""
        self._room, self._deaf_until = room, deaf_until

    def monotonic_ns(self) -> int:
        return self.now

    def listen(self, seconds: float, *, until_writable: bool = False) -> None:
        # If there is something to write, the client becomes writable later.
        self.now += min(round(seconds * 1e9), 10_000) if until_writable else round(seconds * 1e9)

    def answer(self) -> None:
        pass

    def send_some(self, data: memoryview) -> int:
        size = min(self._room, len(data)) if self.now >= self._deaf_until else 0
        self.taken += data[:size]
        return size


def test_slow_reader_is_late_by_the_server_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(room=100, deaf_until=1_000_000_000)
    monkeypatch.setattr("benchmarks.load_server.time", slow)
    tape = Tape(PAYLOADS, 100)
    times = array("q", bytes(8 * 100))
    pace(cast(ClientConnection, slow), tape, 100, 1000, 1, times)
    assert times.tolist() == [at * 1_000_000 for at in range(100)]
    assert slow.taken == bytes(tape.blob)
    assert slow.now > 1_000_000_000


def test_burst_is_sent_at_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(room=1_000_000, deaf_until=0)
    monkeypatch.setattr("benchmarks.load_server.time", slow)
    tape = Tape(PAYLOADS, 100)
    times = array("q", bytes(8 * 100))
    pace(cast(ClientConnection, slow), tape, 100, 5000, 40, times)
    assert times.tolist() == [0] * 40 + [8_000_000] * 40 + [16_000_000] * 20
    assert slow.taken == bytes(tape.blob)


def test_early_disconnect_frees_the_server_for_the_next_client(server: LoadServer) -> None:
    for plan in (server.url(250), server.url(250, 100)):
        client = subscribed(plan)
        received(client, 3)
        client.shutdown()
    assert 3 <= len(server.sent()) < 250
    client = subscribed(server.url(50))
    assert received(client, 50) == expected(50)
    client.shutdown()


def test_ping_is_answered_between_frames(server: LoadServer) -> None:
    client = subscribed(server.url(250, 1000))
    client.ping("here")
    seen = [client.recv_data_frame(control_frame=True) for _ in range(251)]
    pongs = [frame.data for opcode, frame in seen if opcode == websocket.ABNF.OPCODE_PONG]
    assert pongs == [b"here"]
    assert [frame.data for opcode, frame in seen if opcode == websocket.ABNF.OPCODE_TEXT] == expected(250)
    client.shutdown()
    server.sent()


@pytest.mark.timeout(240)  # 40,000 frames in both directions
def test_pings_of_a_slow_reader_are_answered() -> None:
    """More pings than the socket buffers hold: the server reads them while it waits for room to write."""
    with load_server([b'{"n":"' + b"x" * 1000 + b'"}'] * 100, prepared=20_000) as server:
        client = subscribed(server.url(20_000))
        pongs = texts = 0
        for _ in range(20_000):
            client.ping("keepalive")
        while texts < 20_000 or pongs < 20_000:
            opcode, _ = client.recv_data_frame(control_frame=True)
            texts += opcode == websocket.ABNF.OPCODE_TEXT
            pongs += opcode == websocket.ABNF.OPCODE_PONG
        client.shutdown()
