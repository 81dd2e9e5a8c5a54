"""Faults that end a connection, or all of it but the socket."""

from __future__ import annotations

from typing import Any

import pytest
import websocket
from websockets.exceptions import ConnectionClosed

from rxfeed.sim import Exchange, Fired, faults
from tests.sim.raw import CLOSE, PING, TEXT, Got, Raw


def exchange(*script: faults.Fault, **options: Any) -> Exchange:
    return Exchange(seed=5, auto=False, faults=script, **options)


def beats(exchange: Exchange, raw: Raw, count: int) -> None:
    """Subscribe, let time pass, and read the acknowledgement and *count* heartbeats."""
    raw.subscribe("heartbeat")
    exchange.wait_for_clients()
    exchange.advance(10)
    assert [raw.read().message["type"] for _ in range(1 + count)] == ["subscriptions"] + ["heartbeat"] * count


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (1001, "going away", b"\x03\xe9going away"),
        (1000, "deprecated hostname", b"\x03\xe8deprecated hostname"),
        (None, "", b""),
        (1005, "", b"\x03\xed"),
        (1006, "abnormal", b"\x03\xeeabnormal"),
        (0, "zero", b"\0\0zero"),
        (65_535, "ü" * 61, b"\xff\xff" + "ü".encode() * 61),
    ],
)
def test_close_after_a_number_of_frames(code: int | None, reason: str, payload: bytes) -> None:
    fault = faults.Close(code, reason, after=4)
    with exchange(fault) as server, Raw(server) as raw:
        beats(server, raw, 3)
        assert raw.read() == Got(CLOSE, payload)
        raw.send(payload, CLOSE)
        assert raw.at_end()
        assert server.connections == 0
        assert server.log == [Fired(1, fault, 4)]
        assert server.sent.by_type == {"subscriptions": 1, "heartbeat": 3}


def test_close_at_once_as_a_retired_host(new_client: Any) -> None:
    with exchange(faults.Close(1000, "deprecated hostname", connection=1)) as server:
        client = new_client(server)
        with pytest.raises(ConnectionClosed) as caught:
            client.next()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1000, "deprecated hostname")
        new_client(server).subscribe("heartbeat")


def test_empty_close_as_websocket_client_sees_it() -> None:
    with exchange() as server:
        sock = websocket.create_connection(server.url, timeout=5)
        server.inject(faults.Close(None))
        assert sock.recv_data(control_frame=True) == (CLOSE, b"")
        sock.shutdown()


def test_client_that_does_not_answer_a_close_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxfeed.sim.server.CLOSING", 0.1)
    with exchange(faults.Close(1012)) as server, Raw(server) as raw:
        assert raw.read() == Got(CLOSE, b"\x03\xf4")
        with pytest.raises((EOFError, ConnectionError)):
            raw.read()


def flood(*script: faults.Fault) -> Exchange:
    """An exchange that sends 2,000 frames of 10 kB at once, more than sockets hold."""
    return Exchange.serving(["x" * 10_000] * 2_000, speed=1e9, backlog=3_000, faults=script)


def test_slow_reader_gets_everything_before_its_close() -> None:
    with flood(faults.Close(1001, after=1_900)) as server, Raw(server) as raw:
        raw.subscribe()
        while not server.log:
            pass
        assert server.sent.frames < 1_900
        assert [raw.read().opcode for _ in range(1_901)] == [TEXT] * 1_900 + [CLOSE]
        assert (server.sent.frames, server.sent.lost) == (1_900, 0)


def test_reset_ends_the_connection_with_rst() -> None:
    with exchange(faults.Reset(after=3)) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        server.advance(10)
        with pytest.raises(ConnectionResetError):
            list(iter(raw.read, None))
        assert server.connections == 0
        assert server.sent.frames == 3


def test_reset_does_not_wait_for_a_slow_reader() -> None:
    with flood(faults.Reset(after=1_900)) as server, Raw(server) as raw:
        raw.subscribe()
        while not server.log:
            pass
        ledger = server.sent
        assert ledger.lost > 0
        assert ledger.frames + ledger.lost == 1_900
        assert ledger == server.sent_to(1)
        with pytest.raises(ConnectionResetError):
            list(iter(raw.read, None))


def test_vanish_is_an_end_without_a_close_frame() -> None:
    with exchange(faults.Vanish(after=3)) as server, Raw(server) as raw:
        beats(server, raw, 2)
        assert raw.at_end()
        raw.send(b"", PING)
        raw.subscribe("ticker")
        assert raw.at_end()
        assert server.connections == 0
        assert len(server.requests) == 1


def test_half_open_reads_and_sends_nothing(new_client: Any) -> None:
    with exchange(faults.HalfOpen(after=3, connection=1)) as server, Raw(server) as raw:
        beats(server, raw, 2)
        raw.send(b"?", PING)
        raw.subscribe("ticker")
        assert raw.is_silent()
        assert (server.connections, server.pings, len(server.requests)) == (0, 0, 1)
        # What is not read fills the buffers, until nothing more can be sent.
        raw.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            raw.sock.sendall(bytes(50_000_000))
        # The others are not affected.
        other = new_client(server)
        other.subscribe("heartbeat")
        server.advance(1)
        assert [other.next()["type"] for _ in range(2)] == ["subscriptions", "heartbeat"]
    raw.sock.close()


def test_silence_answers_pings(new_client: Any) -> None:
    with exchange(faults.Silence(after=2), faults.Recover(after=6)) as server:
        client = new_client(server)
        client.subscribe("heartbeat")
        server.advance(3)
        assert client.socket.ping().wait(5)
        assert server.sent.frames == 2
        server.advance(5)
        times = [client.next().get("time", "")[17:19] for _ in range(server.sent.frames)]
        first = int(times[1])
        assert [(int(time) - first) % 60 for time in times[1:]] == [0, 5, 6, 7]
        assert server.sent.dropped == 4


def test_silence_may_delay_frames(new_client: Any) -> None:
    with exchange() as server:
        client = new_client(server)
        client.subscribe("heartbeat")
        client.all()
        server.inject(faults.Silence(hold=True))
        server.advance(5)
        assert client.socket.ping().wait(5)
        assert server.sent.frames == 1
        server.inject(faults.Recover())
        assert len(client.all()) == 5
        assert server.sent.dropped == server.sent.lost == 0


@pytest.mark.parametrize("hold", [False, True])
def test_silence_ends_by_itself(hold: bool) -> None:
    with exchange(faults.Silence(0.2, hold=hold)) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        assert server.sent.frames == 0
        while not server.sent.frames:
            server.advance(1)
        assert raw.read().message["type"] == ("subscriptions" if hold else "heartbeat")


def test_silence_with_too_many_delayed_frames_is_a_slow_reader() -> None:
    with exchange(faults.Silence(hold=True), backlog=1000, rate=1) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        server.advance(1000)
        assert raw.read().message["message"] == "ErrSlowConsume"
        assert raw.read() == Got(CLOSE, b"\x03\xf0ErrSlowConsume")
        assert (server.sent.frames, server.sent.lost) == (1, 1000)


@pytest.mark.parametrize("inject", [False, True])
def test_end_during_silence_happens(inject: bool) -> None:
    end = faults.Close(1001, after=None if inject else 8)
    with exchange(faults.Silence(hold=True, after=2), *[] if inject else [end]) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        server.advance(7)
        if inject:
            server.inject(end)
        assert [raw.read().opcode for _ in range(3)] == [TEXT, TEXT, CLOSE]
        assert (server.sent.frames, server.sent.lost) == (2, 6)


def test_no_pong_leaves_pings_unanswered(new_client: Any) -> None:
    with exchange(faults.NoPong()) as server, Raw(server) as raw:
        raw.send(b"?", PING)
        beats(server, raw, 2)
        assert server.pings == 1
        server.inject(faults.Recover())
        for _ in range(8):
            raw.read()
        assert raw.ping(b"!") == Got(10, b"!")


def test_slow_reader_kick_disconnects() -> None:
    with exchange(faults.SlowReaderKick(after=3)) as server, Raw(server) as raw:
        beats(server, raw, 2)
        assert raw.read().message == {
            "type": "error",
            "message": "ErrSlowConsume",
            "reason": "too many backed-up messages",
        }
        assert raw.read() == Got(CLOSE, b"\x03\xf0ErrSlowConsume")
        assert (server.sent.frames, server.sent.inserted) == (4, 1)


def test_no_fault_fires_after_the_end() -> None:
    script = (faults.Close(1001, after=2), faults.MalformedFrame(after=2), faults.Drop(after=3))
    with exchange(*script) as server, Raw(server) as raw:
        beats(server, raw, 1)
        assert raw.read() == Got(CLOSE, b"\x03\xe9")
        server.inject(faults.MalformedFrame())
        assert [fired.fault for fired in server.log] == [faults.Close(1001, after=2)]
