"""Silence: no data, no pong, no heartbeat; and subscribers that take too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from rxfeed import (
    ServerClosed,
    WentSilent,
    tickers,
)
from rxfeed.feed import (
    CaughtUp,
    Clock,
    Connected,
    Disconnected,
    HeartbeatBack,
    HeartbeatMissing,
    Lagging,
)
from tests.support.collect import Collected
from tests.support.scenes import FAST, fast_feed, of, scenes, sending, tick, wait_until
from tests.support.wire import Wire, WireServer, close_frame, frame

# ---- silence


@pytest.mark.parametrize(
    "first",
    [b"", tick(1), frame('{"type":"subscriptions","channels":[]}'), frame("nonsense")],
    ids=["nothing at all", "then nothing", "only an ack", "only nonsense"],
)
def test_no_data_means_stale_and_a_reconnect(first: bytes) -> None:
    with WireServer(scenes(sending(first), sending(tick(5)))) as server:
        feed = fast_feed(server.url, stale_after=60)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(lambda items: any(getattr(m, "sequence", 0) == 5 for m in items))
    (disconnected,) = of(status, Disconnected)
    assert isinstance(disconnected.cause, WentSilent)
    assert str(disconnected.cause) == "no data for 60 s"
    waited = disconnected.at - of(status, Connected)[0].at
    assert waited.total_seconds() * FAST.speed >= 59


def test_pings_and_pongs_do_not_reset_the_watchdog() -> None:
    def pong_only(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(frame(b"hello", 9))
        while True:
            opcode, payload = wire.recv_frame()
            if opcode == 9:
                wire.send(frame(payload, 10))

    with WireServer(scenes(pong_only, sending(tick(1)))) as server:
        feed = fast_feed(server.url, stale_after=60, ping_interval=5, pong_timeout=100)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert feed.stats.pongs >= 5
    assert str(of(status, Disconnected)[0].cause) == "no data for 60 s"


def test_missing_pong_means_stale_and_a_reconnect() -> None:
    with WireServer(scenes(sending(), sending(tick(1)))) as server:
        feed = fast_feed(server.url, ping_interval=30)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert str(of(status, Disconnected)[0].cause) == "the server did not answer a ping within 10 s"


def test_slow_subscriber_is_no_silent_server() -> None:
    """While the subscriber blocks, nothing is read; waiting messages are delivered before silence is detected."""

    def block_for_seconds(message: Any) -> None:
        if message.sequence == 1:
            time.sleep(0.2)  # forty seconds of the fast clock

    def send_heartbeats(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for sequence in range(1, 60):
            wire.send(tick(sequence))
            time.sleep(0.005)
        wire.until_closed()

    with WireServer(send_heartbeats) as server:
        feed = fast_feed(server.url, stale_after=20)
        feed.subscribe(block_for_seconds)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(59)
    assert of(status, Disconnected) == []


def test_missing_heartbeat_is_reported_for_its_product_alone() -> None:
    def beat(product: str, second: int) -> bytes:
        return frame(
            f'{{"type":"heartbeat","product_id":"{product}","sequence":1,"last_trade_id":1,'
            f'"time":"2026-01-02T03:04:{second:02}.000000Z"}}'
        )

    told = threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(beat("A-B", 0) + beat("C-D", 0))
        second = 0
        while not told.is_set() and second < 59:  # only A-B has heartbeats, until the absence of the other was reported
            second += 1
            wire.send(beat("A-B", second))
            time.sleep(0.05)
        wire.send(beat("C-D", second))
        wire.until_closed()

    with WireServer(play) as server:
        # Half a second of the wall clock, between heartbeats that are a tenth of it apart.
        feed = fast_feed(server.url, {"name": "heartbeat", "product_ids": ["C-D"]}, heartbeat_timeout=100)
        status = Collected(feed.status)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, HeartbeatMissing) for s in items))
            told.set()
            status.wait_for(lambda items: any(isinstance(s, HeartbeatBack) for s in items))
    assert [each.product_id for each in of(status, HeartbeatMissing)] == ["C-D"]
    assert [each.product_id for each in of(status, HeartbeatBack)] == ["C-D"]
    assert of(status, Disconnected) == []


# ---- backlogs, and messages that take long to arrive


def answering_pings(*pieces: bytes, pause: float) -> Callable[[Wire], None]:
    """Send *pieces*, each *pause* seconds after the one before; a pong goes between two of them, as in one queue."""

    def scene(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        sending = threading.Lock()

        def answer() -> None:
            with suppress(OSError):
                while (received := wire.recv_frame())[0] != 8:
                    if received[0] == 9:
                        with sending:
                            wire.send(frame(received[1], 10))

        answers = threading.Thread(target=answer)
        answers.start()
        with suppress(OSError):
            for piece in pieces:
                with sending:
                    wire.send(piece)
                time.sleep(pause)
        answers.join()

    return scene


def padded(sequence: int, size: int) -> bytes:
    return frame(f'{{"type":"ticker","product_id":"A-B","sequence":{sequence},"price":"1.5","pad":"{"x" * size}"}}')


def test_backlog_of_a_slow_subscriber_is_no_silence() -> None:
    """The server sends four times as fast as the subscriber takes, so that each pong waits behind a backlog."""
    pieces = [b"".join(padded(n, 200) for n in range(start, start + 40)) for start in range(1, 4001, 40)]
    with WireServer(answering_pings(*pieces, pause=0.01)) as server:
        feed = fast_feed(server.url, ping_interval=30, pong_timeout=10, stale_after=60)
        feed.pipe(tickers()).subscribe(lambda each: time.sleep(0.001) if getattr(each, "sequence", 0) < 3000 else None)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(4000, 30)
    assert [getattr(each, "sequence", 0) for each in got.items] == list(range(1, 4001))
    assert of(status, Disconnected) == []
    assert of(status, Lagging)
    assert feed.stats.max_lag > 10  # the deadline of a pong has passed in the meantime


def test_backlog_is_delivered_though_no_ping_can_be_sent() -> None:
    """The server has closed the connection behind it: its reason is the cause, and not the failed ping."""

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(b"".join(padded(n, 200) for n in range(1, 401)) + close_frame(1008, "slow consumer"))
        wire.sock.close()

    with WireServer(play) as server:
        feed = fast_feed(server.url, ping_interval=10, reconnect=False)
        feed.pipe(tickers()).subscribe(lambda each: time.sleep(0.001), on_error=lambda error: None)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for_end()
    assert [getattr(each, "sequence", 0) for each in got.items] == list(range(1, 401))
    (lost,) = of(status, Disconnected)
    assert isinstance(lost.cause, ServerClosed)
    assert lost.cause.code == 1008
    assert feed.stats.pings == 1  # it reached a server that was gone, and the next one failed


def test_snapshot_on_a_slow_link_is_delivered() -> None:
    """9 MB at 1 Mbit/s take 72 s: more than pong and data may take, and no pong can overtake it."""
    snapshot = padded(1, 9_000_000)
    bytes_a_piece = 125_000  # of one second of the fast clock
    pieces = [snapshot[start : start + bytes_a_piece] for start in range(0, len(snapshot), bytes_a_piece)]
    delivered = threading.Event()

    def scene(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        began = time.monotonic()
        for number, piece in enumerate(pieces, 1):
            time.sleep(max(0.0, began + number / FAST.speed - time.monotonic()))
            wire.send(piece)
        delivered.wait(10)
        wire.until_closed()

    with WireServer(scene) as server:
        feed = fast_feed(server.url, ping_interval=30, pong_timeout=10, stale_after=60)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
            delivered.set()
    assert of(status, Disconnected) == []
    assert feed.stats.pings >= 2


def test_message_in_slow_single_bytes_is_silence() -> None:
    """A byte every two seconds does not count as data: 60 s without data end the connection."""

    def drip(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        with suppress(OSError):
            for byte in tick(1):
                wire.send(bytes([byte]))
                time.sleep(2 / FAST.speed)
            raise AssertionError("the whole message was read")

    with WireServer(scenes(drip, sending(tick(2)))) as server:
        feed = fast_feed(server.url, stale_after=60)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert [str(each.cause) for each in of(status, Disconnected)] == ["no data for 60 s"]


def test_message_that_never_ends_is_cut_off() -> None:
    def flood(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        with suppress(OSError):
            wire.send(b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))
            while True:
                wire.send(bytes(200_000))
                time.sleep(0.002)

    with WireServer(scenes(flood, sending(tick(2)))) as server:
        feed = fast_feed(server.url, stale_after=60, clock=Clock(speed=1000))
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    (disconnected,) = of(status, Disconnected)
    assert isinstance(disconnected.cause, WentSilent)
    assert str(disconnected.cause) == "a message did not arrive completely within 600 s"


# ---- slow subscribers


def test_lag_grows_while_a_subscriber_blocks() -> None:
    blocked, release = threading.Event(), threading.Event()

    def block(message: Any) -> None:
        blocked.set()
        release.wait(10)

    with WireServer(sending(tick(1))) as server:
        feed = fast_feed(server.url)
        feed.subscribe(block)
        got = Collected(feed)
        with feed:
            assert blocked.wait(5)
            wait_until(lambda: feed.stats.lag > 90)  # of the fast clock
            release.set()
            got.wait_for(1)
            wait_until(lambda: feed.stats.lag == 0)
    assert feed.stats.max_lag > 90


def test_slow_subscriber_is_reported_as_lagging() -> None:
    slow = threading.Event()

    def block_for_seconds(message: Any) -> None:
        if not slow.is_set():
            time.sleep(0.02)

    with WireServer(sending(b"".join(tick(n) for n in range(1, 400)), tick(400))) as server:
        feed = fast_feed(server.url, lag_threshold=0.5, clock=Clock())
        feed.subscribe(block_for_seconds)
        status, got = Collected(feed.status), Collected(feed)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Lagging) for s in items))
            slow.set()
            got.wait_for(400)
    assert of(status, Lagging)[0].seconds > 0.5
    assert len(of(status, Lagging)) == 1
    assert feed.stats.max_lag > 0.5


def test_end_of_lag_is_reported() -> None:
    go = threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1))
        go.wait(10)
        wire.send(tick(2))
        wire.until_closed()

    with WireServer(play) as server:
        feed = fast_feed(server.url, lag_threshold=0.1, clock=Clock())
        feed.subscribe(lambda m: time.sleep(0.2) if getattr(m, "sequence", 0) == 1 else None)
        status, got = Collected(feed.status), Collected(feed)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Lagging) for s in items))
            go.set()
            got.wait_for(2)
            status.wait_for(lambda items: any(isinstance(s, CaughtUp) for s in items))
    assert feed.stats.lag < 0.1
