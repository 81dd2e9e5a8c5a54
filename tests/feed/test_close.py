"""close(): from any thread, with any behaviour of the server, within a bounded time, and without leaks."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from rxfeed import Feed, Message
from rxfeed.feed import Connecting, Gap
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer, frame, playing

TRADE = (
    '{"type":"match","trade_id":%d,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1","price":"2",'
    '"product_id":"A-B","sequence":2,"time":"2026-08-25T03:35:57.198335Z"}'
)
GAP = frame(TRADE % 1) + frame(TRADE % 3)
TICK = frame('{"type":"ticker","product_id":"A-B","sequence":1,"price":"1.5"}')


def test_close_from_another_thread_a_hundred_times() -> None:
    with Exchange(auto=False) as exchange:
        warm(exchange)
        with nothing_left_behind():
            for _ in range(100):
                feed = Feed("BTC-USD", ["ticker", "matches"], url=exchange.url)
                got = Collected(feed)
                feed.connect()
                got.wait_for(1)
                with at_most(2):
                    feed.close()
                assert got.completed


def test_close_from_a_subscriber_a_hundred_times() -> None:
    with Exchange(auto=False) as exchange:
        warm(exchange)
        with nothing_left_behind():
            for _ in range(100):
                feed = Feed("BTC-USD", "ticker", url=exchange.url)
                feed.subscribe(lambda message, feed=feed: feed.close())
                got = Collected(feed)
                feed.connect()
                with at_most(2):
                    assert feed.wait(30)
                assert got.completed


def test_close_on_a_silent_server_a_hundred_times() -> None:
    """It answers the handshake and nothing else, not even the close frame: 100 at once, since each waits a second."""
    with WireServer(playing(TICK)) as server:
        Feed("A-B", "ticker", url=server.url).close()
        with nothing_left_behind():
            feeds = [Feed("A-B", "ticker", url=server.url) for _ in range(100)]
            gots = [Collected(feed) for feed in feeds]
            for feed in feeds:
                feed.connect()
            for got in gots:
                got.wait_for(1)
            late: list[AssertionError] = []

            def close(feed: Feed) -> None:
                try:
                    with at_most(2):
                        feed.close()
                except AssertionError as error:
                    late.append(error)

            closers = [threading.Thread(target=close, args=(feed,)) for feed in feeds]
            for closer in closers:
                closer.start()
            for closer in closers:
                closer.join()
            assert late == []
            for got in gots:
                got.wait_for_end()


def test_no_message_after_close() -> None:
    with WireServer(playing(TICK * 500)) as server:
        feed = Feed("A-B", "ticker", url=server.url)
        got = Collected(feed)
        feed.subscribe(lambda message: feed.close())
        feed.connect()
        assert feed.wait(30)
        assert len(got.items) == 1
        assert got.completed


@pytest.mark.parametrize("first", [frame("nonsense"), GAP], ids=["malformed", "gap"])
def test_no_message_after_close_from_a_side_stream(first: bytes) -> None:
    with WireServer(playing(first + TICK * 5)) as server:
        feed = Feed("A-B", "ticker", url=server.url)
        got = Collected(feed)
        feed.malformed.subscribe(lambda each: feed.close())
        feed.status.subscribe(lambda status: feed.close() if isinstance(status, Gap) else None)
        feed.connect()
        assert feed.wait(30)
        assert [m.type for m in got.items] == (["match"] if first is GAP else [])
        assert got.completed


@pytest.mark.parametrize("phase", ["connecting", "in the handshake", "in the TLS handshake"])
def test_close_while_connecting(phase: str) -> None:
    reached = threading.Event()

    def play(wire: Wire) -> None:
        reached.set()
        wire.until_disconnected()

    with WireServer(play) as server, nothing_left_behind():
        url = server.url.replace("ws:", "wss:") if "TLS" in phase else server.url
        feed = Feed("A-B", "ticker", url=url)
        got, status = Collected(feed), Collected(feed.status)
        feed.connect()
        if phase == "connecting":
            status.wait_for(lambda items: any(isinstance(s, Connecting) for s in items))
        else:
            assert reached.wait(30)
        with at_most(2):
            feed.close()
        got.wait_for_end()
        assert got.completed


def test_close_before_connect() -> None:
    with nothing_left_behind():
        feed = Feed("A-B", "ticker", url="ws://127.0.0.1:9")
        got = Collected(feed)
        feed.close()
        feed.close()
        assert got.completed


def test_close_twice_and_from_two_threads() -> None:
    with WireServer(playing(TICK)) as server, nothing_left_behind():
        feed = Feed("A-B", "ticker", url=server.url)
        got = Collected(feed)
        feed.connect()
        got.wait_for(1)
        closers = [threading.Thread(target=feed.close) for _ in range(5)]
        with at_most(3):
            for closer in closers:
                closer.start()
            for closer in closers:
                closer.join()
        feed.close()
        assert got.completed


def test_close_returns_in_time_while_a_subscriber_is_busy() -> None:
    release, busy = threading.Event(), threading.Event()
    with WireServer(playing(TICK)) as server:
        feed = Feed("A-B", "ticker", url=server.url)

        def block_for_seconds(message: Message) -> None:
            busy.set()
            release.wait(30)

        feed.subscribe(block_for_seconds)
        feed.connect()
        assert busy.wait(30)
        with at_most(2):
            feed.close(timeout=0.3)
        assert not feed.wait(0)
        release.set()
        assert feed.wait(30)


SCRIPT = """
import sys
from rxfeed import Feed, Message
feed = Feed("BTC-USD", "ticker", url=sys.argv[1])
feed.subscribe(lambda message: print("got", message.type, flush=True), print, lambda: print("completed", flush=True))
feed.run()
print("run returned")
"""


def test_ctrl_c_closes_run_cleanly() -> None:
    with Exchange(auto=False) as exchange:
        command = [sys.executable, "-c", SCRIPT, exchange.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("got")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert out.splitlines()[-2:] == ["completed", "run returned"]
    assert err == ""
    assert process.returncode == 0


def warm(exchange: Exchange) -> None:
    """What is made once and kept (the selectors' module, the trampoline) is no leak."""
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    feed.subscribe(lambda message: feed.close())
    feed.run()
