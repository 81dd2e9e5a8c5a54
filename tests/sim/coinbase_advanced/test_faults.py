"""Every fault on frames of Advanced Trade, and the faults of its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, FrameId, faults
from tests.sim.coinbase_advanced.conftest import BTC, Client
from tests.sim.coinbase_advanced.test_channels import books
from tests.sim.raw import CLOSE, PING, TEXT, Raw

Make = Callable[..., tuple[Exchange, Client]]


def numbers(frames: list[Any]) -> list[int]:
    return [frame["sequence_num"] for frame in frames if "sequence_num" in frame]


def run(
    make: Make, *script: Any, channels: tuple[str, ...] = ("level2",), seconds: float = 3
) -> tuple[Exchange, list[Any]]:
    """The exchange after *seconds*, and every frame that its client got."""
    exchange, client = make(BTC, faults=script)
    for channel in channels:
        client.send({"type": "subscribe", "product_ids": [BTC], "channel": channel})
    exchange.wait_for_clients()
    exchange.advance(seconds)
    return exchange, client.all()


def test_drop_leaves_a_gap_in_the_numbers(make: Make) -> None:
    exchange, frames = run(make, faults.Drop(2, types={"l2_data"}, after=10))
    expected = [number for number in range(len(frames) + 2) if number not in (10, 11)]
    assert numbers(frames) == expected
    assert exchange.sent.dropped == 2
    assert exchange.log[0].concerned == (FrameId("l2_data", BTC, 10), FrameId("l2_data", BTC, 11))


def test_duplicate_repeats_the_number(make: Make) -> None:
    exchange, frames = run(make, faults.Duplicate(after=10))
    assert numbers(frames)[9:13] == [9, 10, 10, 11]
    assert exchange.sent.duplicated == 1


def test_reorder_moves_the_numbers(make: Make) -> None:
    exchange, frames = run(make, faults.Reorder(2, after=10))
    assert numbers(frames)[9:14] == [9, 11, 12, 10, 13]
    assert exchange.sent.reordered == 1


def test_trade_ids_of_dropped_frames_are_logged(make: Make) -> None:
    exchange, frames = run(make, faults.Drop(types={"market_trades"}, after=5), channels=("market_trades",), seconds=20)
    (concerned,) = exchange.log[0].concerned
    ids = {int(trade["trade_id"]) for frame in frames for trade in frame["events"][0].get("trades", ())}
    newest, count = concerned.trade_id, concerned.trades
    assert newest is not None
    assert count > 0
    missing = set(range(newest - count + 1, newest + 1))
    assert not ids & missing
    assert ids | missing == set(range(min(ids), max(ids) + 1))


def test_early_data_leaves_no_gap(make: Make) -> None:
    exchange, frames = run(make, faults.EarlyData(3))
    assert [frame["channel"] for frame in frames[:6]] == ["l2_data"] * 4 + ["subscriptions", "l2_data"]
    assert numbers(frames) == list(range(len(frames)))
    assert exchange.log[0].concerned == (FrameId("subscriptions"),)


def test_late_snapshot_comes_after_updates_without_a_gap(make: Make) -> None:
    exchange, frames = run(make, faults.LateSnapshot(3))
    kinds = [frame["events"][0].get("type") for frame in frames[:6]]
    assert kinds == [None, "update", "update", "update", "snapshot", "update"]
    assert numbers(frames) == list(range(len(frames)))
    assert exchange.sent.reordered == 1
    *_, (book, _) = books(frames[4:])
    assert sorted(book["bid"].items(), reverse=True) == exchange.book(BTC)["bids"]


def test_late_snapshot_works_on_exchange() -> None:
    with (
        Exchange([BTC], auto=False, faults=faults.LateSnapshot(2)) as exchange,
        connect(exchange.url, close_timeout=0.2) as client,
    ):
        client.send(json.dumps({"type": "subscribe", "product_ids": [BTC], "channels": ["level2_batch"]}))
        exchange.wait_for_clients()
        exchange.advance(2)
        types = [json.loads(client.recv(timeout=5))["type"] for _ in range(5)]
    assert types == ["subscriptions", "l2update", "l2update", "snapshot", "l2update"]


def test_skipped_sequence_is_a_gap_without_a_loss(make: Make) -> None:
    exchange, frames = run(make, faults.SkipSequence(3, after=10))
    assert numbers(frames) == [*range(10), *range(13, len(frames) + 3)]
    assert exchange.sent.dropped == 0
    assert [fired.fault for fired in exchange.log] == [faults.SkipSequence(3, after=10)]


def test_injected_faults_work_on_numbered_frames(make: Make) -> None:
    exchange, client = make(BTC)
    client.subscribe("level2")
    exchange.inject(faults.SkipSequence())
    exchange.inject(faults.RefusedChannel("ticker"))
    exchange.inject(faults.Drop(product_id=BTC))
    exchange.advance(1)
    assert numbers(client.all())[0] == 4
    assert client.subscribe("ticker") == [{"type": "error", "message": "authentication failure"}]


def test_faults_of_bytes_and_insertions(make: Make) -> None:
    exchange, client = make(
        BTC, faults=[faults.MalformedFrame(after=3), faults.Fragmented(3, after=5), faults.OversizedFrame(500, after=7)]
    )
    client.subscribe("level2")
    exchange.advance(2)
    texts = [client.socket.recv(timeout=5) for _ in range(exchange.sent.frames - 2)]
    parsed = [json.loads(text) for text in texts if text != faults.MalformedFrame().payload]
    assert len(parsed) == len(texts) - 1
    framed = [frame for frame in parsed if "sequence_num" in frame]
    assert numbers(framed) == list(range(2, len(framed) + 2))
    assert exchange.sent.inserted == 2
    assert exchange.sent.by_type["malformed"] == 1


@pytest.mark.parametrize("fault", [faults.BadUtf8(after=3), faults.Masked(after=3)])
def test_faults_that_break_the_protocol(make: Make, fault: faults.Fault) -> None:
    exchange, client = make(BTC, faults=fault)
    client.subscribe("level2")
    exchange.advance(2)
    with pytest.raises((ConnectionClosed, UnicodeDecodeError)):
        list(iter(client.next, None))


@pytest.mark.parametrize(
    "fault",
    [
        faults.Close(1001, "going away", after=3),
        faults.Reset(after=3),
        faults.Vanish(after=3),
        faults.SlowReaderKick(after=3),
    ],
)
def test_ends_of_a_connection_and_numbers_from_zero(make: Make, fault: faults.Fault) -> None:
    exchange, client = make(BTC, faults=fault)
    client.send({"type": "subscribe", "product_ids": [BTC], "channel": "level2"})
    exchange.wait_for_clients()
    exchange.advance(1)
    frames: list[Any] = []
    with pytest.raises(ConnectionClosed):
        frames.extend(iter(client.next, None))
    assert numbers(frames) == list(range(len(numbers(frames))))
    if isinstance(fault, faults.SlowReaderKick):
        assert frames[-1] == {"type": "error", "message": "ErrSlowConsume"}
    later = Client(exchange)
    assert numbers(later.subscribe("level2")) == [0, 1]
    later.close()


@pytest.mark.parametrize(
    "fault",
    [faults.HttpStatus(429, retry_after=1), faults.Reset(before_handshake=True), faults.Vanish(before_handshake=True)],
)
def test_faults_of_the_handshake(fault: faults.Fault) -> None:
    from dataclasses import replace

    with Exchange([BTC], venue="coinbase_advanced", auto=False, faults=replace(fault, connection=1)) as exchange:
        with pytest.raises((InvalidHandshake, OSError, EOFError)):
            connect(exchange.url)
        client = Client(exchange)
        assert numbers(client.subscribe("ticker")) == [0, 1]
        client.close()


def test_half_open_silence_and_no_pong(make: Make) -> None:
    with Exchange([BTC], venue="coinbase_advanced", auto=False) as exchange, Raw(exchange) as raw:
        request = {"type": "subscribe", "product_ids": [BTC], "channel": "level2"}
        raw.send(json.dumps(request).encode())
        assert [raw.read().message["channel"] for _ in range(2)] == ["l2_data", "subscriptions"]
        exchange.inject(faults.NoPong())
        raw.send(b"?", PING)
        exchange.inject(faults.Silence(hold=True))
        exchange.advance(0.2)
        assert raw.is_silent()
        exchange.inject(faults.Recover())
        got = raw.read()
        assert (got.opcode, got.message["sequence_num"]) == (TEXT, 2)
        exchange.inject(faults.HalfOpen())
        exchange.advance(0.2)
        while not raw.is_silent():
            assert raw.read().opcode != CLOSE


def test_refuse_closes_the_port(make: Make) -> None:
    exchange, client = make(BTC)
    client.subscribe("level2")
    exchange.inject(faults.Refuse())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(exchange.url.rpartition(":")[2])))
    exchange.inject(faults.Recover())
    assert numbers(Client(exchange).subscribe("ticker")) == [0, 1]


def test_random_faults_keep_the_ledger_whole(make: Make) -> None:
    kinds = [faults.Drop(), faults.Duplicate(), faults.Reorder(2), faults.MalformedFrame(), faults.SkipSequence()]
    exchange, client = make(faults=faults.randomly(3, every=10, kinds=kinds))
    for channel in ("level2", "market_trades", "heartbeats"):
        client.send({"type": "subscribe", "product_ids": [BTC, "ETH-USD"], "channel": channel})
    exchange.wait_for_clients()
    exchange.advance(20)
    texts = [client.socket.recv(timeout=5) for _ in range(exchange.sent.frames)]
    numbered = [json.loads(text)["sequence_num"] for text in texts if text != faults.MalformedFrame().payload]
    sent = exchange.sent
    skipped = sum(isinstance(fired.fault, faults.SkipSequence) for fired in exchange.log)
    assert skipped > 5
    assert sent.dropped > 5
    assert len(numbered) == sent.frames - sent.inserted
    # A reordered frame may still wait for those that come before it.
    missing = set(range(max(numbered) + 1)) - set(numbered)
    assert sent.dropped + skipped - 2 <= len(missing) <= sent.dropped + skipped + 2
    assert len(numbered) - len(set(numbered)) == sent.duplicated


@pytest.mark.parametrize("fault", [faults.SkipSequence(), faults.RefusedChannel()])
def test_given_frames_take_no_faults_of_a_market(fault: faults.Fault) -> None:
    with pytest.raises(ConfigError, match=f"faults: {type(fault).__name__}: given frames"):
        Exchange.serving(["{}"], venue="coinbase_advanced", faults=fault)


def test_played_frames_are_identified_by_the_venue() -> None:
    frames = [
        json.dumps({"channel": "ticker", "sequence_num": n, "events": [{"tickers": [{"product_id": name}]}]})
        for n, name in enumerate((BTC, "ETH-USD", BTC))
    ]
    fault = faults.Drop(product_id="ETH-USD")
    with (
        Exchange.serving(frames, venue="coinbase_advanced", faults=fault) as exchange,
        connect(exchange.url, close_timeout=0.2) as client,
    ):
        client.send('{"type":"subscribe","channel":"ticker"}')
        assert [json.loads(client.recv(timeout=5))["sequence_num"] for _ in range(2)] == [0, 2]
        assert exchange.log[0].concerned == (FrameId("ticker", "ETH-USD", 1),)
        assert exchange.sent.by_type == {"ticker": 2}
