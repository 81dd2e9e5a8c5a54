"""Faults of frames: those that are added, changed, moved and left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import websocket
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.sim import Exchange, Fired, FrameId, faults
from rxfeed.venues.coinbase_exchange.auth import Credentials
from tests.sim.raw import CLOSE, PING, PONG, TEXT, Got, Raw

CREDENTIALS = Credentials("key", "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=", "passphrase")
START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
CONT = 0


def exchange(*script: Any, **options: Any) -> Exchange:
    return Exchange(seed=5, auto=False, start=START, credentials=CREDENTIALS, faults=script, **options)


def full(client: Any, *channels: str, steps: int = 50, products: tuple[str, ...] = ("BTC-USD",)) -> list[Any]:
    """Every message of `full` (or of *channels*), the acknowledgement first."""
    client.subscribe(*channels or ("full",), products=products, sign=True)
    client.exchange.step(steps)
    return client.all()


def sequences(messages: list[Any], product_id: str = "BTC-USD") -> list[int]:
    return [m["sequence"] for m in messages if m.get("product_id") == product_id and m["type"] != "heartbeat"]


@pytest.mark.parametrize("payload", ['{"type":"ticker","sequence":12', b'{"type":"ma', b"", "nonsense"])
def test_malformed(payload: str | bytes, new_client: Any) -> None:
    with exchange(faults.MalformedFrame(payload, after=2)) as server:
        client = new_client(server)
        client.subscribe("heartbeat")
        server.advance(3)
        texts = [client.socket.recv(timeout=30) for _ in range(server.sent.frames)]
        assert texts[2] == (payload if isinstance(payload, str) else payload.decode())
        assert (server.sent.frames, server.sent.inserted, server.sent.by_type["malformed"]) == (5, 1, 1)


def test_bad_utf8() -> None:
    with exchange(faults.BadUtf8(after=1)) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        assert raw.read().message["type"] == "subscriptions"
        bad = raw.read()
        assert (bad.opcode, bad.fin) == (TEXT, True)
        with pytest.raises(UnicodeDecodeError):
            bad.payload.decode()
        assert server.sent.by_type == {"subscriptions": 1, "malformed": 1}
        with connect(server.url) as client:
            client.send('{"type":"subscribe"}')
            client.recv(timeout=30)
            with pytest.raises(ConnectionClosedError, match="1007"):
                client.recv(timeout=30)


@pytest.mark.parametrize("size", [64, 125, 126, 65_535, 65_536, 65_536 + 33, 10_000_000])
def test_oversized(size: int) -> None:
    with exchange(faults.OversizedFrame(size, after=1)) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        raw.read()
        raw.send(b"?", PING)
        server.advance(1)
        big = raw.read()
        assert (big.opcode, big.fin, len(big.payload)) == (TEXT, True, size)
        assert big.message["type"] == "oversized"
        # The answer to a ping, like the next frame, comes behind it.
        assert {raw.read().opcode, raw.read().opcode} == {PONG, TEXT}
        server.drain()
        assert server.sent.by_type == {"subscriptions": 1, "oversized": 1, "heartbeat": 1}


def test_oversized_is_made_while_it_is_read(new_client: Any) -> None:
    with exchange() as server:
        with connect(server.url, max_size=1_000_000, close_timeout=1) as client:
            server.inject(faults.OversizedFrame(2**62))
            with pytest.raises(ConnectionClosedError, match=r"1009.*no close frame received"):
                client.recv(timeout=30)
        with Raw(server) as raw:
            server.inject(faults.OversizedFrame(2**40))
            assert raw.sock.recv(10) == b"\x81\x7f" + (2**40).to_bytes(8)
            server.disconnect(1001)
            while raw.sock.recv(1 << 20):
                pass
        assert (server.sent.frames, server.sent.inserted, server.sent.lost) == (0, 2, 2)


@pytest.mark.parametrize("pieces", [2, 3, 7])
def test_fragmented(pieces: int, new_client: Any) -> None:
    with exchange(faults.Fragmented(pieces, count=2, types={"heartbeat"})) as server:
        with Raw(server) as raw:
            raw.subscribe("heartbeat", "ticker")
            server.wait_for_clients()
            server.advance(1)
            assert [raw.read().message["type"] for _ in range(2)] == ["subscriptions", "ticker"]
            while (got := raw.read()).fin:
                assert got.message["type"] == "ticker"
            rest = [raw.read() for _ in range(2 * pieces - 2)]
            assert [(each.opcode, each.fin) for each in (got, *rest)] == [
                (TEXT, False),
                *[(PING, True), (CONT, False)] * (pieces - 2),
                (PING, True),
                (CONT, True),
            ]
            payload = got.payload + b"".join(each.payload for each in rest if each.opcode == CONT)
            assert json.loads(payload)["type"] == "heartbeat"
        client = new_client(server)
        client.subscribe("heartbeat")
        server.advance(3)
        assert [client.next()["type"] for _ in range(4)] == ["subscriptions"] + ["heartbeat"] * 3


def test_masked() -> None:
    with exchange(faults.Masked(types={"heartbeat"})) as server:
        with Raw(server) as raw:
            raw.subscribe("heartbeat")
            server.wait_for_clients()
            server.advance(2)
            ack, first, second = (raw.read() for _ in range(3))
            assert [got.mask for got in (ack, first, second)] == [b"", b"\x37\xfa\x21\x3d", b""]
            assert [got.message["type"] for got in (first, second)] == ["heartbeat"] * 2
        with connect(server.url) as client:
            client.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["heartbeat"]}')
            client.recv(timeout=30)
            server.advance(1)
            with pytest.raises(ConnectionClosedError, match="1002"):
                client.recv(timeout=30)


def test_drop_leaves_a_gap_that_is_in_the_log(new_client: Any) -> None:
    fault = faults.Drop(3, after=10)
    with exchange(fault) as server:
        before = server.sequence("BTC-USD")
        got = sequences(full(new_client(server)))
        last = server.sequence("BTC-USD")
        missing = sorted(set(range(before + 1, last + 1)) - set(got))
        # The acknowledgement is the first of the ten.
        assert missing == [before + 10, before + 11, before + 12]
        (fired,) = server.log
        assert (fired.connection, fired.fault, fired.frames) == (1, fault, 10)
        assert [each.sequence for each in fired.concerned] == missing
        assert server.sent.dropped == 3
        assert server.sent.frames + server.sent.dropped == last - before + 1


@pytest.mark.parametrize("channel", ["full", "level3"])
def test_faults_pick_their_frames(channel: str, new_client: Any) -> None:
    fault = faults.Drop(1_000, types={"match"}, product_id="ETH-USD")
    with exchange(fault) as server:
        messages = full(new_client(server), channel, steps=200, products=("BTC-USD", "ETH-USD"))
        as_arrays = [m for m in messages if isinstance(m, list)] or [[m["type"], m.get("product_id")] for m in messages]
        assert {product_id for type, product_id, *_ in as_arrays if type == "match"} == {"BTC-USD"}
        (fired,) = server.log
        assert {(each.type, each.product_id) for each in fired.concerned} == {("match", "ETH-USD")}
        assert len(fired.concerned) == server.sent.dropped > 5
        assert all(isinstance(each.sequence, int) for each in fired.concerned)
        assert {each.trade_id is None for each in fired.concerned} == {channel == "level3"}


def test_duplicate(new_client: Any) -> None:
    with exchange(faults.Duplicate(2, types={"match", "done"}, after=5)) as server:
        got = sequences(full(new_client(server)))
        twice = [sequence for sequence, again in pairwise(got) if sequence == again]
        assert [each.sequence for each in server.log[0].concerned] == twice
        assert (len(twice), server.sent.duplicated) == (2, 2)


@pytest.mark.parametrize("distance", [1, 4])
def test_reorder(distance: int, new_client: Any) -> None:
    with exchange(faults.Reorder(distance, types={"open", "received", "done"}, after=5)) as server:
        before = server.sequence("BTC-USD")
        messages = full(new_client(server))
        got = sequences(messages)
        assert sorted(got) == list(range(before + 1, server.sequence("BTC-USD") + 1))
        (late,) = server.log[0].concerned
        place = got.index(late.sequence or 0)
        passed = [m for m in messages[1:][:place] if m["sequence"] > (late.sequence or 0)]
        assert sum(m["type"] != "match" for m in passed) == distance
        assert (server.sent.reordered, server.sent.dropped, server.sent.lost) == (1, 0, 0)


def test_reordered_frames_left_at_the_end_are_lost() -> None:
    fault = faults.Reorder(100, types={"heartbeat"})
    with exchange(fault, faults.Close(1001, after=4)) as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        server.advance(5)
        assert [raw.read().message["type"] for _ in range(3)] == ["subscriptions", "heartbeat", "heartbeat"]
        assert raw.read().opcode == CLOSE
        assert (server.sent.frames, server.sent.reordered, server.sent.lost) == (3, 1, 1)


def test_early_data(new_client: Any) -> None:
    with exchange(faults.EarlyData(3)) as server:
        client = new_client(server)
        client.subscribe("ticker", "matches", "level2_batch", "heartbeat")
        server.advance(1)
        types = [message["type"] for message in client.all()]
        assert types.index("subscriptions") == 3
        assert server.log == [Fired(1, faults.EarlyData(3), 0, (FrameId("subscriptions"),))]


@pytest.mark.parametrize("seconds", [3600, -86_400])
def test_clock_jump(seconds: int, new_client: Any) -> None:
    with exchange(faults.ClockJump(seconds, after=3)) as server:
        client = new_client(server)
        client.subscribe("heartbeat")
        server.advance(4)
        times = [datetime.fromisoformat(message["time"]) for message in client.all()[1:]]
        jump = timedelta(seconds=seconds)
        steady = [times[0] + timedelta(seconds=place) for place in range(4)]
        assert times == [*steady[:2], steady[2] + jump, steady[3] + jump]
        assert server.time == START + timedelta(seconds=4) + jump
        server.inject(faults.ClockJump(-seconds))
        assert server.time == START + timedelta(seconds=4)
        assert server.log[1] == Fired(0, faults.ClockJump(-seconds), 0)


def test_given_frames_have_faults_but_no_clock(new_client: Any) -> None:
    with Exchange.serving(["1", "2", "3", "4"], faults=[faults.Drop(2, after=1)], then="close") as server:
        client = new_client(server)
        client.send({"type": "subscribe"})
        assert [client.next(), client.next()] == [1, 4]
        assert server.log[0].concerned == (FrameId("untyped"), FrameId("untyped"))
        with pytest.raises(RxfeedError, match="no market"):
            server.inject(faults.ClockJump(1))
    with pytest.raises(ConfigError, match="ClockJump"):
        Exchange.serving(["1"], faults=[faults.ClockJump(1)])


def test_websocket_client_reads_what_it_can() -> None:
    script = (faults.Fragmented(4), faults.MalformedFrame(after=1), faults.OversizedFrame(2_000_000, after=1))
    with exchange(*script) as server:
        sock = websocket.create_connection(server.url, timeout=5)
        sock.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["heartbeat"]}')
        texts = [str(sock.recv()) for _ in range(3)]
        sock.shutdown()
        assert json.loads(texts[0])["type"] == "subscriptions"
        assert [len(text) for text in texts[1:]] == [30, 2_000_000]


def test_inject_counts_from_now_on() -> None:
    with exchange() as server, Raw(server) as raw:
        raw.subscribe("heartbeat")
        server.wait_for_clients()
        server.advance(3)
        server.inject(faults.Close(1001, after=2))
        server.inject(faults.MalformedFrame(after=1))
        server.inject(faults.MalformedFrame(connection=2))
        server.advance(3)
        got = [raw.read() for _ in range(8)]
        assert [each.opcode for each in got] == [TEXT] * 7 + [CLOSE]
        assert got[5] == Got(TEXT, b'{"type":"ticker","sequence":12')
        assert [(fired.connection, fired.frames) for fired in server.log] == [(1, 5), (1, 6)]
