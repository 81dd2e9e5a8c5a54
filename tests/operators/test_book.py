"""order_book and full_book: shared by their subscribers, begun by snapshots that fail, are slow, or too old."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import reactivex
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, ConnectFailed, Message, Reconnect
from rxfeed.core.book_snapshot import Level3Snapshot
from rxfeed.core.book_view import BookView, FullBookView
from rxfeed.errors import FrameMalformed
from rxfeed.feed import rest_snapshot
from rxfeed.operators import FilterableSource, MessageFilter
from rxfeed.operators.book import full_book, order_book
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import L2Update, Open, Snapshot
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.make import at, in_epoch
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer

BTC = "BTC-USD"
AT_ONCE = Reconnect(initial=0, maximum=0)
ONE = Decimal(1)


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    with nothing_left_behind():
        yield


def snapshot(price: int = 9) -> Snapshot:
    return Snapshot(product_id=BTC, bids=((Decimal(price), ONE),), asks=())


def update(size: int, price: int = 9) -> L2Update:
    return L2Update(product_id=BTC, changes=(("buy", Decimal(price), Decimal(size)),))


def opened(sequence: int) -> Open:
    return Open(
        product_id=BTC,
        time=at(sequence),
        order_id=str(sequence),
        side="buy",
        price=Decimal(9),
        remaining_size=ONE,
        sequence=sequence,
    )


def best(items: list[Any]) -> list[Any]:
    return [view.best_bid and int(view.best_bid[1]) for view in items]


# ---- order_book


def test_book_is_shared_and_late_subscribers_get_the_newest_view() -> None:
    source: Subject[Message] = Subject()
    made = source.pipe(order_book(BTC))
    first = Collected(made)
    for message in (snapshot(), update(2)):
        source.on_next(message)
    late = Collected(made)
    source.on_next(update(3))
    assert (best(first.items), best(late.items)) == ([1, 2, 3], [2, 3])
    first.subscription.dispose()
    source.on_next(update(4))
    assert (best(first.items), best(late.items)) == ([1, 2, 3], [2, 3, 4])
    late.subscription.dispose()
    assert not source.observers
    # Without subscribers the book was not updated, so it starts again.
    again = Collected(made)
    assert again.items == []
    source.on_next(snapshot())
    assert best(again.items) == [1]
    source.on_completed()
    assert again.completed


def test_cold_source_restarts_for_subscribers_after_its_end() -> None:
    made = reactivex.of(snapshot(), update(2)).pipe(order_book(BTC, depth=1))
    assert best(Collected(made).items) == best(Collected(made).items) == [1, 2]
    assert Collected(reactivex.throw(ValueError("no")).pipe(order_book(BTC))).error is not None


def test_subscriber_that_raises_is_unsubscribed_alone() -> None:
    source: Subject[Message] = Subject()
    made = source.pipe(order_book(BTC))
    errors: list[Exception] = []

    def refuse(view: BookView) -> None:
        raise ValueError("no")

    made.subscribe(refuse, errors.append)
    good = Collected(made)
    source.on_next(snapshot())
    source.on_next(update(2))
    assert best(good.items) == [1, 2]
    assert [str(error) for error in errors] == ["no"]


def test_subscriber_may_unsubscribe_during_an_item() -> None:
    source: Subject[Message] = Subject()
    made = source.pipe(order_book(BTC))
    made.pipe(ops.take(1)).subscribe(lambda view: None)
    source.on_next(snapshot())
    assert not source.observers


class Choosing(FilterableSource):
    """A source that records the filters that were selected."""

    def __init__(self, source: Observable[Message]) -> None:
        super().__init__()
        self.filters: list[MessageFilter] = []
        self._source = source

    def _subscribe_core(
        self, observer: abc.ObserverBase[Message], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._source.subscribe(observer)

    def select(self, message_filter: MessageFilter) -> Observable[Any]:
        self.filters.append(message_filter)
        return self


def test_book_subscribes_to_its_messages_only() -> None:
    source = Choosing(reactivex.of(snapshot(), opened(1)))
    assert best(Collected(source.pipe(order_book(BTC))).items) == [1]
    Collected(source.pipe(full_book(BTC, Snapshots(book_at(1))))).subscription.dispose()
    assert [message_filter.products for message_filter in source.filters] == [frozenset([BTC])] * 2
    assert source.filters[0].includes(Snapshot)
    assert source.filters[1].includes(Open)


# ---- full_book


class Snapshots:
    """Returns *answers* in turn, and then repeats the last; records the times of the requests."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []
        self.threads: set[str] = set()

    def __call__(self, product_id: str) -> Any:
        assert product_id == BTC
        self.asked.append(time.monotonic())
        self.threads.add(threading.current_thread().name)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


def book_at(sequence: int, *names: str) -> Level3Snapshot:
    return Level3Snapshot(sequence=sequence, bids=tuple((Decimal(9), ONE, name) for name in names), asks=())


def wait_until(ready: Callable[[], Any], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_messages_do_not_wait_for_the_snapshot() -> None:
    source: Subject[Message] = Subject()
    gate = threading.Event()
    snapshots = Snapshots(lambda: gate.wait(30) and book_at(2, "a", "b"))
    got: Collected[FullBookView] = Collected(source.pipe(full_book(BTC, snapshots)))
    with at_most(1):
        for sequence in (2, 3, 4):
            source.on_next(opened(sequence))
    assert got.items == []
    gate.set()
    (view,) = got.wait_for(1)
    assert [order.order_id for order in view.orders("buy")] == ["a", "b", "3", "4"]
    source.on_next(opened(5))
    assert best(got.items) == [4, 5]
    assert snapshots.threads == {"rxfeed-book"}
    source.on_completed()
    assert got.completed


def test_gap_resynchronises_and_a_late_subscriber_sees_the_book() -> None:
    source: Subject[Message] = Subject()
    operator = full_book(BTC, Snapshots(book_at(1, "a"), book_at(3, "b")), retry=AT_ONCE)
    made = source.pipe(operator)
    got = Collected(made)
    source.on_next(opened(1))
    got.wait_for(1)
    source.on_next(opened(4))
    got.wait_for(3)
    late = Collected(made)
    assert [view.ready for view in got.items] == [True, False, True]
    assert late.items == got.items[-1:]
    assert best(late.items) == [2]
    assert (operator.stats.gaps, operator.stats.snapshots) == (1, 2)
    source.on_error(ValueError("over"))
    assert str(got.error) == str(late.error) == "over"


def test_failed_snapshot_is_retried_with_back_off() -> None:
    source: Subject[Message] = Subject()
    dict_of_it = {"sequence": 3, "bids": [["9", "1", "a"]], "asks": []}
    snapshots = Snapshots(ConnectFailed("503"), b"<html>", book_at(0), dict_of_it)
    operator = full_book(BTC, snapshots, retry=Reconnect(initial=0.1, maximum=0.2))
    got = Collected(source.pipe(operator))
    source.on_next(opened(2))
    (view,) = got.wait_for(1)
    assert view.sequence == 3
    assert len(snapshots.asked) == 4
    assert all(after - before >= 0.09 for before, after in zip(snapshots.asked, snapshots.asked[1:], strict=False))
    assert (operator.stats.failures, operator.stats.snapshots) == (3, 1)
    got.subscription.dispose()


def test_what_fails_again_and_again_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    source: Subject[Message] = Subject()
    failures = [ValueError("no"), ConnectFailed("503"), ValueError("no")]
    got = Collected(source.pipe(full_book(BTC, Snapshots(*failures, book_at(3, "b")), retry=AT_ONCE)))
    source.on_next(opened(2))
    got.wait_for(1)
    got.subscription.dispose()
    (warning,) = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert "no snapshot of BTC-USD: ValueError: no: " in warning


def test_the_end_of_all_tries() -> None:
    source: Subject[Message] = Subject()
    snapshots = Snapshots(ValueError("no"))
    got = Collected(source.pipe(full_book(BTC, snapshots, retry=Reconnect(initial=0, maximum=0, retries=2))))
    source.on_next(opened(2))
    got.wait_for_end()
    assert isinstance(got.error, ConnectFailed)
    assert isinstance(got.error.__cause__, ValueError)
    assert len(snapshots.asked) == 3
    wait_until(lambda: not source.observers)


def test_unsubscribing_while_it_waits_ends_its_thread() -> None:
    source: Subject[Message] = Subject()
    got = Collected(source.pipe(full_book(BTC, Snapshots(ValueError("no")), retry=Reconnect(initial=60))))
    source.on_next(opened(2))
    wait_until(lambda: any(thread.name == "rxfeed-book" for thread in threading.enumerate()))
    got.subscription.dispose()


def test_only_the_newest_request_is_answered() -> None:
    source: Subject[Message] = Subject()
    gate = threading.Event()
    snapshots = Snapshots(lambda: gate.wait(30) and book_at(99, "old"), book_at(1, "new"))
    got = Collected(source.pipe(full_book(BTC, snapshots, retry=AT_ONCE)))
    source.on_next(opened(98))
    wait_until(lambda: snapshots.asked)
    source.on_next(in_epoch(opened(1), 1))
    gate.set()
    (view,) = got.wait_for(1)
    assert [order.order_id for order in view.orders("buy")] == ["new"]
    assert len(snapshots.asked) == 2
    got.subscription.dispose()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: order_book(""), "product_id"),
        (lambda: order_book(BTC, 0), "depth"),
        (lambda: full_book(""), "product_id"),
        (lambda: full_book(BTC, "url"), "snapshot"),  # type: ignore[arg-type]
        (lambda: full_book(BTC, retry=True), "retry"),  # type: ignore[arg-type]
        (lambda: full_book(BTC, buffer=0), "buffer"),
        (lambda: rest_snapshot("ftp://host"), "url"),
        (lambda: rest_snapshot("nothing"), "url"),
        (lambda: rest_snapshot(timeout=0), "timeout"),
    ],
)
def test_bad_arguments_are_named(make: Callable[[], Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()


# ---- rest_snapshot


def test_snapshot_from_the_local_exchange() -> None:
    with Exchange([BTC], seed=2, auto=False) as exchange:
        take = rest_snapshot(exchange.rest_url + "/")
        book = take(BTC)
        assert book.sequence == exchange.sequence(BTC)
        assert book.bids[0][0] == exchange.book(BTC)["bids"][0][0]
        assert exchange.rest_requests == 1
        with pytest.raises(ConnectFailed, match="404"):
            take("NO/NE-USD")
    with pytest.raises(ConnectFailed, match="refused"):
        take(BTC)


def answering(*pieces: bytes) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.read_request()
        for piece in pieces:
            wire.send(piece)

    return play


@pytest.mark.parametrize(
    ("pieces", "error", "text"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n[]"], FrameMalformed, "not a level 3 book"),
        ([b"HTTP/1.1 503 Busy\r\n\r\n"], ConnectFailed, "503 Busy"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"], ConnectFailed, "the connection ended after 1 bytes"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"], FrameMalformed, "truncated"),
        ([b"what?\r\n\r\n"], ConnectFailed, "what"),
        ([], ConnectFailed, "closed"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000], ConnectFailed, "over 1,000 bytes"),
    ],
)
def test_invalid_rest_answers_are_errors(pieces: list[bytes], error: type[Exception], text: str) -> None:
    with WireServer(answering(*pieces)) as server:
        take = rest_snapshot(f"http://127.0.0.1:{server.port}", timeout=30, max_size=1000)
        with pytest.raises(error, match=text):
            take(BTC)


def test_missing_rest_answer_is_an_error() -> None:
    with WireServer(Wire.until_disconnected) as server, pytest.raises(ConnectFailed, match="timed out"):
        rest_snapshot(f"http://127.0.0.1:{server.port}", timeout=0.1)(BTC)
