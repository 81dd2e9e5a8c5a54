"""Streams that lose messages, subjects of odd products, times without messages, and ends in every state."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reactivex.subject import Subject

from rxfeed import Match, Replay
from rxfeed.errors import AuthenticationFailed
from rxfeed.market import Trade
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, to_nats
from rxfeed.tape.connection import TapeAddress, TapeConnection
from rxfeed.testing import trade
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.support.stopwatch import at_most
from tests.tape.tapes import messages_of, played, publish, with_client


def ids(got: Collected[Any]) -> list[int]:
    return [each.trade_id for each in got.items if isinstance(each, Match)]


@pytest.mark.parametrize("products", [None, ["BTC-USD"]], ids=["all", "filtered"])
def test_connected_consumer_reports_messages_deleted_before_it_reads_them(
    products: Any, server: NatsServer, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is slow, so that it does not request more, and retention deletes what comes next."""
    total = 6_000
    publish(Replay([trade(trade_id=number) for number in range(total)]), server.url, stream)
    feed = NatsFeed(server.url, products, stream=stream, since="all", until="now")
    feed._reader.inbox._most = 100  # pyright: ignore[reportPrivateUsage]
    got = Collected(feed)
    purged = threading.Event()

    def first(message: Any) -> None:
        if not purged.is_set():
            purged.set()
            until(lambda: feed._reader._requested == 0)  # pyright: ignore[reportPrivateUsage]
            with_client(server.url, lambda _, js: js.purge_stream(stream, seq=5_000))

    feed.subscribe(first)
    with caplog.at_level(logging.WARNING, "rxfeed.tape"):
        feed.serve()
    found = ids(got)
    assert found[-1] == total - 1
    assert 0 < len(found) < total
    holes = [at for at in range(1, len(found)) if found[at] != found[at - 1] + 1]
    assert len(holes) == 1
    assert "messages before they were read" in caplog.text
    assert got.items[holes[0]].epoch > got.items[holes[0] - 1].epoch


def test_server_that_is_killed_between_parts_of_a_payload(caplog: pytest.LogCaptureFixture) -> None:
    with NatsServer("max_payload: 4096") as server:
        feed = NatsFeed(server.url, since="all")
        early = Collected(feed)
        source: Subject[Any] = Subject()
        sink = to_nats(server.url, attempt_seconds=1)
        got = Collected(source.pipe(sink))
        messages = [large(number) for number in range(20)]
        with feed:
            for number, message in enumerate(messages):
                source.on_next(message)
                if number in (5, 12):
                    time.sleep(0.002)
                    server.kill()
                    server.start()
            source.on_completed()
            got.wait_for_end()
            early.wait_for(20)
        assert [each.raw for each in early.items] == [each.raw for each in messages]
        assert [each.raw for each in played(server.url, "rxfeed").items] == [each.raw for each in messages]
        names = [(each.headers or {})["Nats-Msg-Id"] for each in messages_of(server.url, "rxfeed")]
        assert len(set(names)) == len(names)


def large(number: int) -> Trade:
    """A trade with a frame of 30 kB."""
    return trade(trade_id=number, maker_order_id="x" * 30_000)


def test_message_that_a_changed_server_cannot_take_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    """It was numbered with the former limit; those behind it are published."""
    with NatsServer() as server:
        source: Subject[Any] = Subject()
        sink = to_nats(server.url)
        got = Collected(source.pipe(sink))
        source.on_next(trade(trade_id=1))
        until(lambda: sink.stats.published > 2)
        server.pause()
        source.on_next(large(2))
        source.on_next(trade(trade_id=3))
        until(lambda: sink.stats.in_flight >= 2 and not sink._writer._queue)  # type: ignore[union-attr]
        server.kill()
        server.start(config="max_payload: 8192")
        source.on_completed()
        got.wait_for_end()
        assert got.error is None
        assert sink.stats.dead == 1
        assert ids(played(server.url, "rxfeed")) == [1, 3]
    assert "more than the server takes now" in caplog.text


def test_since_in_the_future_and_before_the_beginning(server: NatsServer, stream: str) -> None:
    now = datetime.now(UTC)
    publish(Replay([trade(trade_id=number) for number in range(5)]), server.url, stream)
    for since, expected in ((now + timedelta(days=1), []), (datetime(1970, 1, 1, tzinfo=UTC), list(range(5)))):
        feed = NatsFeed(server.url, stream=stream, since=since, until="now")
        got = Collected(feed)
        with at_most(5):
            feed.serve()
        assert ids(got) == expected
        assert got.completed


def test_odd_products_are_read_by_their_names(server: NatsServer, stream: str) -> None:
    odd = ["A.B", "*", ">", "_", "%", "a b", "ä€", "x" * 100, "$JS.API"]
    publish(Replay([trade(trade_id=1, product_id=each) for each in odd]), server.url, stream)
    assert [each.product_id for each in played(server.url, stream).items] == odd
    for each in ("A.B", "_", "ä€"):
        assert [item.product_id for item in played(server.url, stream, products=each).items] == [each]


def test_two_feeds_in_one_process_are_independent(server: NatsServer, stream: str) -> None:
    publish(Replay([trade(trade_id=number) for number in range(100)]), server.url, stream)
    feeds = [NatsFeed(server.url, stream=stream, since="all") for _ in range(2)]
    got = [Collected(each) for each in feeds]
    for each in feeds:
        each.connect()
    for each in got:
        each.wait_for(100)
    feeds[0].close()
    source: Subject[Any] = Subject()
    end = Collected(source.pipe(to_nats(server.url, stream=stream)))
    source.on_next(trade(trade_id=100))
    got[1].wait_for(101)
    source.on_completed()
    end.wait_for_end()
    feeds[1].close()
    assert [ids(each) for each in got] == [list(range(100)), list(range(101))]


@pytest.mark.parametrize("state", ["no server", "no stream", "paused", "waiting", "reading", "unconnected"])
def test_feed_is_closed_soon_in_every_state(state: str, server: NatsServer, stream: str) -> None:
    mine = NatsServer().start() if state == "paused" else None
    url = "nats://127.0.0.1:1" if state == "no server" else (mine or server).url
    if state in ("waiting", "reading", "paused"):
        count = 8_000 if state == "reading" else 10
        publish(Replay([trade(trade_id=number) for number in range(count)]), url, stream)
    feed = NatsFeed(url, stream=stream, since="all")
    got = Collected(feed)
    try:
        if state != "unconnected":
            feed.connect()
        if state in ("no server", "no stream"):
            until(lambda: feed.problem)
        elif state != "unconnected":
            got.wait_for(10)
        if mine is not None:
            mine.pause()
        with at_most(3):
            feed.close()
    finally:
        if mine is not None:
            mine.resume()
            mine.close()
    assert not [each for each in threading.enumerate() if each.name == f"rxfeed-nats-rxfeed-read-{stream}"]


def test_publisher_is_closed_soon_while_the_server_does_not_answer() -> None:
    with NatsServer() as server:
        sink = to_nats(server.url)
        got = Collected((source := Subject[Any]()).pipe(sink))
        source.on_next(trade(trade_id=1))
        until(lambda: sink.stats.published > 2)
        server.pause()
        source.on_next(trade(trade_id=2))
        with at_most(3):
            assert sink.close(0.5).unwritten == 1
        got.wait_for_end()
        server.resume()


def test_refused_credentials_are_one_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), NatsServer('authorization { token: "right" }') as server:
        got = Collected((source := Subject[Any]()).pipe(to_nats(server.url, token="very-hidden")))
        source.on_next(trade(trade_id=1))
        got.wait_for_end()
    assert isinstance(got.error.__cause__, AuthenticationFailed)  # type: ignore[union-attr]
    assert str(got.error).count("does not accept the credentials") == 1
    assert "very-hidden" not in caplog.text + repr(got.error)


def test_connection_that_is_stopped_while_it_connects_leaves_no_socket(recwarn: pytest.WarningsRecorder) -> None:
    """The server accepts it, and then does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        feed = NatsFeed(f"nats://127.0.0.1:{listening.getsockname()[1]}")
        Collected(feed)
        feed.connect()
        accepted, _ = listening.accept()
        with accepted, at_most(3):
            feed.close()
            accepted.settimeout(3)
            assert accepted.recv(1) == b""
    gc.collect()
    assert not [each for each in recwarn if issubclass(each.category, ResourceWarning)]


def test_connection_to_a_server_that_does_not_read_leaves_no_socket(recwarn: pytest.WarningsRecorder) -> None:
    """It is stopped while messages wait in its socket."""
    waiting = threading.Event()

    async def session(client: Any, lost: Any) -> None:
        asyncio.get_running_loop().call_later(0.5, waiting.set)
        while not lost.is_set():  # until the socket takes no more
            await client.publish("subject", bytes(1 << 18))

    ended: list[Exception | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = TapeAddress(f"nats://127.0.0.1:{listening.getsockname()[1]}")
        connection = TapeConnection(address, "test", session, lambda problem: None, ended.append)
        connection.start()
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b'INFO {"server_id":"x","max_payload":1048576,"headers":true}\r\n')
            received = b""
            while not received.endswith(b"PING\r\n"):
                received += accepted.recv(4096)
            accepted.sendall(b"PONG\r\n")
            assert waiting.wait(10)
            with at_most(5):
                connection.stop()
                connection.thread.join()
    assert ended == [None]
    gc.collect()
    assert not [each for each in recwarn if issubclass(each.category, ResourceWarning)]
