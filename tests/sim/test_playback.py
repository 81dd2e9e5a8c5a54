"""Recordings and given frames, over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rxfeed.errors import ConfigError, RecordingDamaged, RxfeedError
from rxfeed.recording.reading import Recording
from rxfeed.sim import Exchange

REAL = Path(__file__).parents[3] / "shared" / "data" / "coinbase-exchange-2021-04-17.jsonl.gz"
FRAMES = ['{"type":"subscriptions","channels":[]}', '{"type":"ticker",  "price":"1"}', "not JSON, ü", ""]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A request, and FRAMES, a quarter of a second apart."""
    lines = [{"t": 100.0, "dir": "sent", "data": '{"type":"subscribe"}'}]
    lines += [{"t": 101 + place / 4, "dir": "recv", "data": text} for place, text in enumerate(FRAMES)]
    path = tmp_path / "recording.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def texts(client: Any, count: int) -> list[str]:
    return [client.socket.recv(timeout=5) for _ in range(count)]


def code(client: Any) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        client.socket.recv(timeout=5)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def test_recording_is_played_unchanged_to_each_client(recording: Path, new_client: Any) -> None:
    with Exchange.replay(recording, speed=None, then="close") as exchange:
        for _ in range(2):
            client = new_client(exchange)
            client.send({"type": "unsubscribe"})
            client.send({"type": "subscribe"})
            with suppress(ConnectionClosed):  # it may be over by now
                client.send({"type": "subscribe"})
            assert texts(client, len(FRAMES)) == FRAMES
            assert code(client) == 1000
        assert exchange.sent.by_type == {"subscriptions": 2, "ticker": 2, "malformed": 4}


def test_recording_has_its_own_pace_times_the_speed(recording: Path, new_client: Any) -> None:
    with Exchange.replay(recording, speed=5) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        texts(client, 1)
        begin = time.monotonic()
        texts(client, len(FRAMES) - 1)
        assert time.monotonic() - begin >= 0.75 / 5 - 0.05


def test_connection_can_be_kept_after_the_last_frame(recording: Path, new_client: Any) -> None:
    with Exchange.replay(recording, speed=None) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        texts(client, len(FRAMES))
        exchange.drain()
        assert client.socket.ping().wait(5)
        assert exchange.connections == 1


def test_malformed_line_closes_with_its_place(recording: Path, new_client: Any) -> None:
    with recording.open("a") as file:
        file.write("{\n")
    with Exchange.replay(recording, speed=None) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        with pytest.raises(ConnectionClosed) as caught:
            texts(client, 9)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1011
        assert "line 6, byte 325: " in caught.value.rcvd.reason


@pytest.mark.skipif(not REAL.exists(), reason=f"the real recording {REAL.name} is not here")
def test_real_recording_is_played_unchanged(new_client: Any) -> None:
    expected = [raw.decode() for _, raw in Recording(REAL).frames()]
    with Exchange.replay(REAL, speed=None) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        assert texts(client, len(expected)) == expected
        counted = Counter(json.loads(text)["type"] for text in expected)
        assert exchange.sent.by_type == counted


def test_slow_reader_gets_everything_before_the_close(new_client: Any) -> None:
    frames = [f'{{"type":"big","n":{number},"filler":"{"x" * 50_000}"}}' for number in range(300)]
    with Exchange.serving(frames, then="close") as exchange:
        client = new_client(exchange)
        client.subscribe("full")
        with pytest.raises(TimeoutError):
            list(iter(lambda: exchange.drain(timeout=0.2), True))  # until the sockets are full
        assert texts(client, 300) == frames
        assert code(client) == 1000


def test_given_bytes_are_sent_as_text_even_if_not_utf8(new_client: Any) -> None:
    with Exchange.serving([b'{"type":"\xff"}', b"\x00", '"ü"']) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        assert client.socket.recv(timeout=5, decode=False) == b'{"type":"\xff"}'
        assert client.socket.recv(timeout=5) == "\x00"
        assert client.socket.recv(timeout=5) == '"ü"'
        assert exchange.sent.by_type == {"malformed": 2, "untyped": 1}


def test_frames_of_bad_bytes_are_text_frames(new_client: Any) -> None:
    with Exchange.serving([b"\xff"]) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        # A text frame that is not UTF-8 is what a strict client rejects.
        with pytest.raises(ConnectionClosed) as caught:
            client.socket.recv(timeout=5)
        assert caught.value.sent is not None
        assert caught.value.sent.code == 1007


def test_given_frames_can_be_sent_at_a_rate(new_client: Any) -> None:
    with Exchange.serving(["1"] * 4, speed=20) as exchange:
        client = new_client(exchange)
        client.send({"type": "subscribe"})
        texts(client, 1)
        begin = time.monotonic()
        texts(client, 3)
        assert time.monotonic() - begin >= 0.15 - 0.05


def test_client_that_vanishes_stops_its_playback(new_client: Any) -> None:
    with Exchange.serving(["1", "2", "3"], speed=0.01) as exchange:
        client = new_client(exchange)
        client.subscribe("full")
        texts(client, 1)
        client.socket.socket.shutdown(socket.SHUT_RDWR)
        client.close()
        other = new_client(exchange)
        other.subscribe("full")
        texts(other, 1)
        assert (exchange.connections, exchange.accepted) == (1, 2)


def test_given_frames_have_no_market() -> None:
    with Exchange.serving([]) as exchange:
        for call in (exchange.step, exchange.pause, exchange.resume, lambda: exchange.book("BTC-USD")):
            with pytest.raises(RxfeedError, match="no market"):
                call()


def test_bad_arguments_are_named(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(ConfigError, match="frames: 'ab'"):
        Exchange.serving("ab")
    with pytest.raises(ConfigError, match="frames: 5 "):
        Exchange.serving(["a", 5])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="then: 'loop' is none of"):
        Exchange.replay(recording, then="loop")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="speed: 0"):
        Exchange.replay(recording, speed=0)
    with pytest.raises(ConfigError, match="argument: 'seed'"):
        Exchange.replay(recording, seed=1)
    with pytest.raises(RecordingDamaged, match="No such file"):
        Exchange.replay(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(RecordingDamaged, match="empty, line 1, byte 0: it is empty"):
        Exchange.replay(tmp_path / "empty")
