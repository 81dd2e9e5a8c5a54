"""A subscription to candles of the past requests no more than is taken, on one connection, and leaves none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import SerialDisposable
from reactivex.scheduler import (
    CurrentThreadScheduler,
    EventLoopScheduler,
    ImmediateScheduler,
    NewThreadScheduler,
    VirtualTimeScheduler,
)

from rxfeed import Candle
from rxfeed.errors import FrameMalformed, RequestRejected
from rxfeed.feed import candles_history
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer

START = datetime(2026, 9, 1, tzinfo=UTC)
PAGE = 300
SCHEDULERS: list[Callable[[], abc.SchedulerBase | None]] = [
    lambda: None,
    ImmediateScheduler,
    CurrentThreadScheduler,
    CurrentThreadScheduler.singleton,
    NewThreadScheduler,
]


class Pages(WireServer):
    """Has a candle of each minute. `requests`: those of each connection. After *most* requests, *last* is the answer.

    An empty *last* is no answer: then `reached` is set at the request, and `left` when the client has gone.
    """

    def __init__(self, most: int | None = None, last: bytes = b"") -> None:
        super().__init__(self._answer)
        self.requests: list[int] = []
        self.reached, self.left = threading.Event(), threading.Event()
        self._most = most
        self._last = last

    def __enter__(self) -> Pages:
        super().__enter__()
        return self

    def candles(self, pages: int) -> Observable[Candle]:
        until = START + timedelta(minutes=pages * PAGE)
        return candles_history("BTC-USD", START, until, 60, url=self.url.replace("ws", "http"))

    def _answer(self, wire: Wire) -> None:
        number = len(self.requests)
        self.requests.append(0)
        while True:
            wire.request = b""
            wire.read_request()
            self.requests[number] += 1
            if self._most is None or sum(self.requests) <= self._most:
                wire.send(_ok(_candles(wire.request)))
            elif self._last:
                wire.send(self._last)
            else:
                self.reached.set()
                wire.until_disconnected()
                self.left.set()
                return


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _candles(request: bytes) -> bytes:
    query = parse_qs(urlsplit(request.split()[1].decode()).query)
    first, last = (int(datetime.fromisoformat(query[name][0]).timestamp()) for name in ("start", "end"))
    return json.dumps([[at, 1, 4, 2, 3, 5] for at in range(first, last + 1, 60)]).encode()


@pytest.mark.parametrize("make", SCHEDULERS)
@pytest.mark.parametrize("operator", [ops.take(10), ops.first()])
def test_no_page_is_requested_after_the_last_that_is_taken(
    operator: Callable[[Observable[Candle]], Observable[Candle]], make: Callable[[], abc.SchedulerBase | None]
) -> None:
    with nothing_left_behind(), Pages() as server:
        found = _collected(server.candles(4).pipe(operator), make())
        found.wait_for_end()
    assert found.error is None
    assert found.items[0].start == START
    assert server.requests == [1]


@pytest.mark.parametrize("make", [*SCHEDULERS, EventLoopScheduler])
def test_subscriber_that_disposes_gets_no_further_candle(make: Callable[[], abc.SchedulerBase | None]) -> None:
    found: list[Candle] = []
    ended = threading.Event()
    subscription = SerialDisposable()

    def take(candle: Candle) -> None:
        found.append(candle)
        if len(found) == PAGE + 5:
            subscription.dispose()

    scheduler = make()
    with nothing_left_behind(), Pages() as server:
        candles = server.candles(4).pipe(ops.finally_action(ended.set))
        # Within a trampoline, `subscribe` returns before the first candle, as in a pipeline.
        CurrentThreadScheduler.singleton().schedule(
            lambda *_: setattr(subscription, "disposable", candles.subscribe(take, scheduler=scheduler))
        )
        assert ended.wait(10)
        if isinstance(scheduler, EventLoopScheduler):
            scheduler.dispose()
    assert len(found) == PAGE + 5
    assert server.requests == [2]


def test_request_that_runs_fails_at_once_if_disposed() -> None:
    with nothing_left_behind(), Pages(most=1) as server, at_most(5):
        found = _collected(server.candles(3), NewThreadScheduler())
        assert server.reached.wait(5)
        found.subscription.dispose()
        assert server.left.wait(5)
    assert len(found.items) == PAGE
    assert not found.completed
    assert found.error is None


def test_nothing_is_requested_if_disposed_before_it_begins() -> None:
    scheduler = VirtualTimeScheduler()
    with nothing_left_behind(), Pages() as server:
        found = _collected(server.candles(1), scheduler)
        found.subscription.dispose()
        scheduler.start()
        again = _collected(server.candles(1), scheduler)
        scheduler.start()
    assert (found.items, found.completed, server.requests) == ([], False, [1])
    assert again.completed


def test_pages_have_one_connection_and_the_thread_that_subscribes() -> None:
    threads: set[int] = set()
    with nothing_left_behind(), Pages() as server:
        stream = server.candles(3).pipe(ops.do_action(lambda _: threads.add(threading.get_ident())))
        found, again = Collected(stream), Collected(stream)
    assert [each.start for each in found.items] == [START + timedelta(minutes=each) for each in range(3 * PAGE)]
    assert found.items == again.items
    assert threads == {threading.get_ident()}
    assert server.requests == [3, 3]  # each subscription has its own


@pytest.mark.parametrize(
    ("last", "kind"),
    [(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", RequestRejected), (_ok(b"no JSON"), FrameMalformed)],
)
def test_connection_is_closed_after_an_error(last: bytes, kind: type[Exception]) -> None:
    with Pages(most=1, last=last) as server, nothing_left_behind():
        found = Collected(server.candles(3))
    assert isinstance(found.error, kind)
    assert len(found.items) == PAGE


def test_connection_is_closed_if_a_subscriber_raises() -> None:
    def fails(_: Any) -> None:
        raise ZeroDivisionError

    with nothing_left_behind(), Pages() as server:
        with pytest.raises(ZeroDivisionError):
            server.candles(3).subscribe(fails)
        assert server.requests == [1]


def _collected(source: Observable[Candle], scheduler: abc.SchedulerBase | None) -> Collected[Candle]:
    return Collected(Observable(lambda observer, _=None: source.subscribe(observer, scheduler=scheduler)))
