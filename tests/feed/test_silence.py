"""Silence: no data, no pong, no heartbeat; and subscribers that take too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from rxfeed import tickers
from rxfeed.errors import ServerClosed, WentSilent
from rxfeed.feed import (
    CaughtUp,
    Connected,
    Disconnected,
    FeedStatus,
    HeartbeatBack,
    HeartbeatMissing,
    Lagging,
)
from rxfeed.market import Ticker
from tests.support.clocks import ManualClock
from tests.support.collect import Collected
from tests.support.progress import ReadProgress
from tests.support.scenes import fast_feed, of, passing, scenes, sending, tick, wait_until
from tests.support.wire import Wire, WireServer, close_frame, frame

# ---- silence


@pytest.mark.parametrize(
    "first",
    [b"", tick(1), frame('{"type":"subscriptions","channels":[]}'), frame("nonsense")],
    ids=["nothing at all", "then nothing", "only an ack", "only nonsense"],
)
def test_no_data_means_stale_and_a_reconnect(first: bytes) -> None:
    clock, times = ManualClock(), dict[type, float]()

    def note(event: FeedStatus) -> None:
        times.setdefault(type(event), clock.seconds)

    with WireServer(scenes(passing(clock, first), sending(tick(5)))) as server:
        feed = fast_feed(server.url, stale_after=60, clock=clock)
        feed.status.subscribe(note)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(lambda items: any(getattr(m, "sequence", 0) == 5 for m in items))
    (disconnected,) = of(status, Disconnected)
    assert isinstance(disconnected.cause, WentSilent)
    assert str(disconnected.cause) == "no data for 60 s"
    assert times[Disconnected] - times[Connected] >= 59


def test_pings_and_pongs_do_not_reset_the_watchdog() -> None:
    clock = ManualClock()

    def pong_only(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(frame(b"hello", 9))
        while True:
            opcode, payload = wire.recv_frame()
            if opcode == 9:
                wire.send(frame(payload, 10))
            clock.advance(5)

    with WireServer(scenes(pong_only, sending(tick(1)))) as server:
        feed = fast_feed(server.url, stale_after=60, ping_interval=5, pong_timeout=100, clock=clock)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert feed.stats.pongs >= 5
    assert str(of(status, Disconnected)[0].cause) == "no data for 60 s"


def test_missing_pong_means_stale_and_a_reconnect() -> None:
    clock = ManualClock()
    with WireServer(scenes(passing(clock), sending(tick(1)))) as server:
        feed = fast_feed(server.url, ping_interval=30, clock=clock)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert str(of(status, Disconnected)[0].cause) == "the server did not answer a ping within 10 s"


def test_slow_subscriber_is_no_silent_server() -> None:
    """While the subscriber blocks, nothing is read; waiting messages are delivered before silence is detected."""
    clock = ManualClock()
    blocked, sent, again = threading.Event(), threading.Event(), threading.Event()

    def block_for_seconds(message: Any) -> None:
        if message.sequence == 1:  # with messages that wait behind it
            blocked.set()
            assert sent.wait(30)
            clock.advance(40)
        elif message.sequence == 59:  # without any
            clock.advance(40)
            again.set()

    def send_heartbeats(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1))
        blocked.wait(30)
        wire.send(b"".join(map(tick, range(2, 60))))
        sent.set()
        again.wait(30)
        time.sleep(0.05)
        wire.send(tick(60))
        wire.until_closed()

    with WireServer(send_heartbeats) as server:
        feed = fast_feed(server.url, stale_after=20, clock=clock)
        feed.subscribe(block_for_seconds)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(60)
    assert of(status, Disconnected) == []


def test_missing_heartbeat_is_reported_for_its_product_alone() -> None:
    def beat(product: str, second: int) -> bytes:
        return frame(
            f'{{"type":"heartbeat","product_id":"{product}","sequence":1,"last_trade_id":1,'
            f'"time":"2026-01-02T03:{second // 60:02}:{second % 60:02}.000000Z"}}'
        )

    clock, told = ManualClock(), threading.Event()
    received = threading.Semaphore(0)

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(beat("A-B", 0) + beat("C-D", 0))
        received.acquire(timeout=30)
        second = 0
        while not told.is_set() and second < 3599:  # only A-B has heartbeats, until the report of the other's absence
            clock.advance(20)
            time.sleep(0.001)
            second += 1
            wire.send(beat("A-B", second))
            received.acquire(timeout=30)
        wire.send(beat("C-D", second))
        wire.until_closed()

    with WireServer(play) as server:
        channel = {"name": "heartbeat", "product_ids": ["C-D"]}
        feed = fast_feed(server.url, channel, heartbeat_timeout=100, clock=clock)
        feed.subscribe(lambda message: received.release())
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
    clock = ManualClock()

    def take(each: Ticker) -> None:
        if getattr(each, "sequence", 0) < 3000:
            time.sleep(0.001)
            clock.advance(0.2)

    pieces = [b"".join(padded(n, 200) for n in range(start, start + 40)) for start in range(1, 4001, 40)]
    with WireServer(answering_pings(*pieces, pause=0.01)) as server:
        silence: dict[str, Any] = {"ping_interval": 30, "pong_timeout": 10, "stale_after": 60}
        feed = fast_feed(server.url, **silence, lag_threshold=1, clock=clock)
        feed.pipe(tickers()).subscribe(take)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(4000, 30)
    assert [getattr(each, "sequence", 0) for each in got.items] == list(range(1, 4001))
    assert of(status, Disconnected) == []
    assert of(status, Lagging)
    assert feed.stats.max_lag > 10  # the deadline of a pong has passed in the meantime


def test_backlog_is_delivered_though_no_ping_can_be_sent() -> None:
    """The server has closed the connection behind it: its reason is the cause, and not the failed ping."""
    clock, gone = ManualClock(), threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(b"".join(padded(n, 200) for n in range(1, 401)) + close_frame(1008, "slow consumer"))
        wire.sock.close()
        gone.set()

    def take(each: Ticker) -> None:
        assert gone.wait(30)
        clock.advance(0.2)

    with WireServer(play) as server:
        feed = fast_feed(server.url, ping_interval=10, reconnect=False, clock=clock)
        feed.pipe(tickers()).subscribe(take, on_error=lambda error: None)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for_end()
    assert [getattr(each, "sequence", 0) for each in got.items] == list(range(1, 401))
    (lost,) = of(status, Disconnected)
    assert isinstance(lost.cause, ServerClosed)
    assert lost.cause.code == 1008
    assert feed.stats.pings == 1  # it reached a server that was gone, and the next one failed


def test_snapshot_on_a_slow_link_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """9 MB at 1 Mbit/s take 72 s: more than pong and data may take, and no pong can overtake it."""
    clock, read = ManualClock(), ReadProgress(monkeypatch)
    began = clock.seconds
    snapshot = padded(1, 9_000_000)
    bytes_a_second = 125_000

    def scene(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for start in range(0, len(snapshot), bytes_a_second):
            piece = snapshot[start : start + bytes_a_second]
            wire.send(piece)
            read.reaches(start + len(piece))
            clock.advance(1)
        wire.until_closed()

    with WireServer(scene) as server:
        feed = fast_feed(server.url, ping_interval=30, pong_timeout=10, stale_after=60, clock=clock)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1, 30)
    assert of(status, Disconnected) == []
    assert feed.stats.pings >= 2
    assert clock.seconds - began >= 72


def test_message_in_slow_single_bytes_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte every two seconds does not count as data: 60 s without data end the connection."""
    clock, read = ManualClock(), ReadProgress(monkeypatch)

    def drip(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        with suppress(OSError):
            for size, byte in enumerate(tick(1), 1):
                wire.send(bytes([byte]))
                if not read.reaches(size):
                    return
                clock.advance(2)
        raise AssertionError("the whole message was read")

    with WireServer(scenes(drip, sending(tick(2)))) as server:
        feed = fast_feed(server.url, stale_after=60, clock=clock)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert [str(each.cause) for each in of(status, Disconnected)] == ["no data for 60 s"]


def test_message_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, read = ManualClock(), ReadProgress(monkeypatch)

    def flood(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        with suppress(OSError):
            wire.send(b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))
            size = 10
            while read.reaches(size):
                clock.advance(1)
                wire.send(bytes(20_000))
                size += 20_000

    with WireServer(scenes(flood, sending(tick(2)))) as server:
        feed = fast_feed(server.url, stale_after=60, clock=clock)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1, 30)
    (disconnected,) = of(status, Disconnected)
    assert isinstance(disconnected.cause, WentSilent)
    assert str(disconnected.cause) == "a message did not arrive completely within 600 s"


# ---- slow subscribers


def test_lag_grows_while_a_subscriber_blocks() -> None:
    clock = ManualClock()
    blocked, release = threading.Event(), threading.Event()

    def block(message: Any) -> None:
        blocked.set()
        release.wait(30)

    with WireServer(sending(tick(1))) as server:
        feed = fast_feed(server.url, clock=clock)
        feed.subscribe(block)
        got = Collected(feed)
        with feed:
            assert blocked.wait(30)
            clock.advance(91)
            assert feed.stats.lag > 90
            release.set()
            got.wait_for(1)
            wait_until(lambda: feed.stats.lag == 0)
    assert feed.stats.max_lag > 90


def test_slow_subscriber_is_reported_as_lagging() -> None:
    clock = ManualClock()
    with WireServer(sending(b"".join(tick(n) for n in range(1, 400)), tick(400))) as server:
        feed = fast_feed(server.url, lag_threshold=0.5, clock=clock)
        feed.subscribe(lambda message: clock.advance(0.02) if message.sequence < 300 else None)  # pyright: ignore[reportAttributeAccessIssue]
        status, got = Collected(feed.status), Collected(feed)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Lagging) for s in items))
            got.wait_for(400)
    assert of(status, Lagging)[0].seconds > 0.5
    assert len(of(status, Lagging)) == 1
    assert feed.stats.max_lag > 0.5


def test_end_of_lag_is_reported() -> None:
    clock, go = ManualClock(), threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1))
        go.wait(30)
        wire.send(tick(2))
        wire.until_closed()

    with WireServer(play) as server:
        feed = fast_feed(server.url, lag_threshold=0.1, clock=clock)
        feed.subscribe(lambda m: clock.advance(0.2) if getattr(m, "sequence", 0) == 1 else None)
        status, got = Collected(feed.status), Collected(feed)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Lagging) for s in items))
            go.set()
            got.wait_for(2)
            status.wait_for(lambda items: any(isinstance(s, CaughtUp) for s in items))
    assert feed.stats.lag < 0.1
