"""The requests of missed trades: which paths, in which pieces the answers are passed on, and on how many threads."""

from __future__ import annotations

import logging
import threading

import pytest

from tests.support.fetching import BTC, TIME, Client, fetching, item, page, trade


def test_trades_are_passed_on_in_small_pieces() -> None:
    """The thread of the feed waits for the interpreter while one is made."""
    client = Client(page)
    with fetching(client) as made:
        made.fetcher.request(BTC, 101, 2600, trade(2601))
        made.until_ended(1)
    assert [each for piece in made.pieces for each in piece] == [*range(2600, 100, -1)]
    assert max(map(len, made.pieces)) <= 50
    limits = [path.partition("limit=")[2] for path in client.paths]
    assert limits == ["1000&after=2601", "1000&after=1601", "500&after=601"]


def test_invalid_trade_of_an_answer_is_requested_again() -> None:
    """The others of the answer are passed on at once."""
    answers = iter([[item(3), item(2, price="none"), item(1)], [item(3), item(2), item(1)]])
    with fetching(Client(lambda path: next(answers))) as made:
        made.fetcher.request(BTC, 1, 3, trade(4))
        made.until_ended(1)
    assert made.pieces == [[3, 1], [2]]


def test_invalid_trades_that_are_not_missing_do_no_harm() -> None:
    with fetching(Client(lambda path: [item(3), item(2, price="none"), item(1, size="-1")])) as made:
        made.fetcher.request(BTC, 3, 3, trade(4))
        made.until_ended(1)
    assert made.pieces == [[3]]


def test_one_thread_serves_requests_one_after_the_other() -> None:
    """The start of a thread delays the feed's."""
    before = {*threading.enumerate()}
    with fetching(Client(page)) as made:
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

    with fetching(Client(answer)) as made:
        for number in range(1, 9):
            made.fetcher.request(BTC, number, number, trade(number + 1))
        made.until_ended(8)
    assert sorted(each for piece in made.pieces for each in piece) == [*range(1, 9)]


def test_repair_does_not_wait_for_backfills() -> None:
    """They may be as many as there are threads, and long."""
    released = threading.Event()

    def answer(path: str) -> object:
        if BTC not in path:
            released.wait(30)
        return page(path)

    with fetching(Client(answer)) as made:
        for number in range(20):
            made.fetcher.backfill(f"A{number}-USD", trade(9), TIME)
        made.fetcher.request(BTC, 7, 7, trade(8))
        made.until_ended(1)
        assert made.pieces == [[7]]
        released.set()
        made.until_ended(21)


def test_repair_that_is_not_requested_in_time_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The requests before it have used its time: nothing else shows why there is a gap."""
    client = Client(page)
    with fetching(client, patience=1e-9) as made, caplog.at_level(logging.INFO, "rxfeed.feed"):
        for number in (1, 2):
            made.fetcher.request(BTC, number, number, trade(number + 1))
            made.until_ended(number)
    assert client.paths == []
    assert [each.levelno for each in caplog.records] == [logging.WARNING, logging.INFO]
    assert "trades 1 to 1 of BTC-USD did not arrive within 1e-09 s" in caplog.records[0].message
