"""A feed that the caller drives, step by step, against the local exchange."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rxfeed.errors import ConnectFailed, FeedClosed, ServerClosed
from rxfeed.feed import SteppedFeed
from rxfeed.market import Message
from rxfeed.sim import Exchange
from tests.support.leaks import nothing_left_behind


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        yield exchange


def test_open_returns_connected_and_subscribed(exchange: Exchange) -> None:
    with nothing_left_behind():
        feed = SteppedFeed("BTC-USD", "ticker", url=exchange.url)
        feed.open()
        exchange.wait_for_clients()
        assert feed.sock is not None
        assert not feed.over
        feed.close()
        assert feed.over
        assert feed.cause is None
    assert feed.sock is None
    assert exchange.connections == 0


def test_steps_deliver_in_the_calling_thread(exchange: Exchange) -> None:
    feed = SteppedFeed("BTC-USD", "matches", url=exchange.url)
    threads: list[threading.Thread] = []
    messages: list[Message] = []
    feed.subscribe(lambda message: threads.append(threading.current_thread()))
    feed.subscribe(messages.append)
    with nothing_left_behind():
        feed.open()
        exchange.wait_for_clients()
        exchange.step(300)
        while len(messages) < exchange.sent.frames:
            assert feed.step(5)
        other = threading.Thread(target=feed.step, args=(0.0,))
        other.start()
        other.join()
        feed.close()
    assert set(threads) <= {threading.current_thread(), other}


def test_step_waits_no_longer_than_asked(exchange: Exchange) -> None:
    feed = SteppedFeed("BTC-USD", "auctionfeed", url=exchange.url)
    feed.open()
    feed.step(5)  # the acknowledgement
    began = time.monotonic()
    assert feed.step(0.05)
    assert time.monotonic() - began < 3
    feed.close()


def test_close_of_another_thread_ends_a_step_that_waits(exchange: Exchange) -> None:
    feed = SteppedFeed("BTC-USD", "auctionfeed", url=exchange.url)
    feed.open()
    waiting = threading.Thread(target=lambda: [None for _ in iter(feed.step, False)])
    with nothing_left_behind():
        waiting.start()
        feed.close()
        waiting.join(5)
    assert not waiting.is_alive()
    assert exchange.connections == 0


def test_refused_connection_is_the_cause() -> None:
    feed = SteppedFeed("BTC-USD", "ticker", url="ws://127.0.0.1:9", reconnect=False)
    feed.open()
    assert feed.over
    assert isinstance(feed.cause, ConnectFailed)


def test_close_frame_ends_the_steps_with_its_cause(exchange: Exchange) -> None:
    feed = SteppedFeed("BTC-USD", "ticker", url=exchange.url, reconnect=False)
    feed.open()
    exchange.wait_for_clients()
    exchange.disconnect(1001, "bye")
    while feed.step():
        pass
    assert isinstance(feed.cause, ServerClosed)
    with pytest.raises(FeedClosed):
        feed.open()


def test_subscriber_cannot_step(exchange: Exchange) -> None:
    feed = SteppedFeed("BTC-USD", "ticker", url=exchange.url)
    errors: list[Exception] = []

    def step(message: Message) -> None:
        feed.step()

    feed.subscribe(step, errors.append)
    feed.open()
    exchange.wait_for_clients()
    while not errors:
        feed.step(5)
    feed.close()
    assert isinstance(errors[0], RuntimeError)


def test_exit_of_a_subscriber_ends_the_feed_and_is_raised(exchange: Exchange) -> None:
    feed = SteppedFeed("BTC-USD", "ticker", url=exchange.url)

    def leave(message: Message) -> None:
        raise SystemExit(3)

    feed.subscribe(leave)
    with nothing_left_behind():
        feed.open()
        exchange.wait_for_clients()
        with pytest.raises(SystemExit):
            list(iter(feed.step, False))
    assert feed.over
