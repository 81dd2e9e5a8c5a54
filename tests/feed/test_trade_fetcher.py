"""The requests of missed trades: which paths, in which pieces the answers are passed on, and on how many threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from rxfeed.feed.trade_fetcher import FetchedBackfill, TradeFetcher
from rxfeed.transport import HttpClient, Response
from rxfeed.venues import COINBASE_EXCHANGE, RestTrade

BTC = "BTC-USD"
TIME = datetime(2026, 1, 2, 12, tzinfo=UTC)


class _Client:
    """A client of which *answer* makes the content of each response from its path."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        self.paths: list[str] = []
        self._answer = answer

    def get(self, path: str) -> Response:
        self.paths.append(path)
        return Response(200, {}, json.dumps(self._answer(path)).encode())

    def close(self) -> None: ...


class _Nudged:
    """A fetcher with *client*, and what it has answered."""

    def __init__(self, client: _Client) -> None:
        self._answered = threading.Condition()
        self.fetcher = TradeFetcher(COINBASE_EXCHANGE, lambda timeout: cast(HttpClient, client), 60, self._nudge)
        self.ended = 0
        self.pieces: list[list[int]] = []

    def _nudge(self) -> None:
        with self._answered:
            self._answered.notify_all()

    def until_ended(self, count: int) -> None:
        with self._answered:
            while self.ended < count:
                while self.fetcher.answers:
                    answer = self.fetcher.answers.popleft()
                    self.ended += answer.ended
                    if answer.trades:
                        self.pieces.append([each.trade_id for each in answer.trades])
                    if isinstance(answer, FetchedBackfill):
                        assert not answer.failure
                if self.ended < count:
                    assert self._answered.wait(30)


@contextmanager
def fetching(client: _Client) -> Generator[_Nudged]:
    made = _Nudged(client)
    try:
        yield made
    finally:
        made.fetcher.close()


def item(number: int, **other: object) -> dict[str, Any]:
    time = TIME.isoformat().replace("+00:00", "Z")
    return {"trade_id": number, "side": "buy", "price": "10", "size": "1", "time": time, **other}


def trade(number: int) -> RestTrade:
    return RestTrade(product_id=BTC, trade_id=number, price=Decimal(10), size=Decimal(1), time=TIME, maker_side="buy")


def page(path: str) -> list[dict[str, Any]]:
    query = dict(each.split("=") for each in path.partition("?")[2].split("&"))
    newest = int(query["after"]) - 1
    return [item(number) for number in range(newest, max(0, newest - int(query["limit"])), -1)]


def test_trades_are_passed_on_in_small_pieces() -> None:
    """The thread of the feed waits for the interpreter while one is made."""
    client = _Client(page)
    with fetching(client) as made:
        made.fetcher.request(BTC, 101, 2600, trade(2601))
        made.until_ended(1)
    assert [each for piece in made.pieces for each in piece] == [*range(2600, 100, -1)]
    assert max(map(len, made.pieces)) <= 50
    limits = [path.partition("limit=")[2] for path in client.paths]
    assert limits == ["1000&after=2601", "1000&after=1601", "500&after=601"]


def test_backfill_is_passed_on_in_small_pieces() -> None:
    with fetching(_Client(page)) as made:
        made.fetcher.backfill(BTC, trade(301), TIME)
        made.until_ended(1)
    assert [each for piece in made.pieces for each in piece] == [*range(300, 0, -1)]
    assert max(map(len, made.pieces)) <= 50


def test_invalid_trade_of_an_answer_is_requested_again() -> None:
    """The others of the answer are passed on at once."""
    answers = iter([[item(3), item(2, price="none"), item(1)], [item(3), item(2), item(1)]])
    with fetching(_Client(lambda path: next(answers))) as made:
        made.fetcher.request(BTC, 1, 3, trade(4))
        made.until_ended(1)
    assert made.pieces == [[3, 1], [2]]


def test_invalid_trades_that_are_not_missing_do_no_harm() -> None:
    with fetching(_Client(lambda path: [item(3), item(2, price="none"), item(1, size="-1")])) as made:
        made.fetcher.request(BTC, 3, 3, trade(4))
        made.until_ended(1)
    assert made.pieces == [[3]]


def test_one_thread_serves_requests_one_after_the_other() -> None:
    """The start of a thread delays the feed's."""
    before = {*threading.enumerate()}
    with fetching(_Client(page)) as made:
        for number in range(1, 9):
            made.fetcher.request(BTC, number, number, trade(number + 1))
            made.until_ended(number)
        started = {*threading.enumerate()} - before
    assert sum(each.name == "rxfeed-repair" for each in started) == 1


def test_several_threads_serve_requests_at_one_time() -> None:
    served, meeting = threading.local(), threading.Barrier(4)

    def answer(path: str) -> object:
        if not hasattr(served, "met"):  # each of four threads has one of the first four
            served.met = True
            meeting.wait(30)
        return page(path)

    with fetching(_Client(answer)) as made:
        for number in range(1, 9):
            made.fetcher.request(BTC, number, number, trade(number + 1))
        made.until_ended(8)
    assert sorted(each for piece in made.pieces for each in piece) == [*range(1, 9)]


def test_backfill_without_an_end_ends_when_it_is_not_used() -> None:
    """A server that has one more trade for each request, for ever."""
    reached = threading.Event()

    def one(path: str) -> list[dict[str, Any]]:
        number = int(path.rpartition("after=")[2]) - 1
        if number < 10**12 - 5:
            reached.set()
        return [item(number)]

    client = _Client(one)
    with fetching(client) as made:
        made.fetcher.backfill(BTC, trade(10**12), TIME)
        assert reached.wait(30)
        made.fetcher.end_backfill(BTC)
        made.until_ended(1)
        count = len(client.paths)
        made.fetcher.request(BTC, 7, 7, trade(8))
        made.until_ended(2)
    assert len(client.paths) == count + 1
