"""The requests of backfills: in which order, how often a page is requested, and when a backfill ends early."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from rxfeed.errors import ConnectFailed
from rxfeed.feed.backfill_turns import backfill_turns
from rxfeed.secrets import Secret
from tests.support.fetching import BTC, TIME, Client, fetching, item, page, trade

FETCHER = "rxfeed.feed.backfill_fetcher"


def test_backfill_is_passed_on_in_small_pieces() -> None:
    with fetching(Client(page)) as made:
        made.fetcher.backfill(BTC, trade(301), TIME)
        made.until_ended(1)
    assert [each for piece in made.pieces for each in piece] == [*range(300, 0, -1)]
    assert max(map(len, made.pieces)) <= 50


def test_backfill_without_an_end_ends_when_it_is_not_used() -> None:
    """A server that has one more trade for each request, for ever."""
    reached = threading.Event()

    def one(path: str) -> list[dict[str, Any]]:
        number = int(path.rpartition("after=")[2]) - 1
        if number < 10**12 - 5:
            reached.set()
        return [item(number)]

    client = Client(one)
    with fetching(client) as made:
        made.fetcher.backfill(BTC, trade(10**12), TIME)
        assert reached.wait(30)
        made.fetcher.end_backfill(BTC)
        made.until_ended(1)
        count = len(client.paths)
        made.fetcher.request(BTC, 7, 7, trade(8))
        made.until_ended(2)
    assert len(client.paths) == count + 1


def test_long_backfill_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{FETCHER}._THREADS", 1)
    begun = threading.Event()

    def answer(path: str) -> object:
        assert begun.wait(30)
        return page(path)

    client = Client(answer)
    with fetching(client) as made:
        made.fetcher.backfill("LONG-USD", trade(4001), TIME)
        made.fetcher.backfill("SHORT-USD", trade(2), TIME)
        begun.set()
        made.until_ended(2)
    products = [path.split("/")[2] for path in client.paths]
    assert products[:3] == ["LONG-USD", "SHORT-USD", "LONG-USD"]
    assert made.shortfalls == {"LONG-USD": None, "SHORT-USD": None}


def test_product_that_fails_does_not_delay_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{FETCHER}._THREADS", 1)
    monkeypatch.setattr(f"{FETCHER}.PATIENCE", 0.3)

    def answer(path: str) -> object:
        if "BAD" in path:
            raise ConnectFailed("no answer")
        return page(path)

    with fetching(Client(answer)) as made:
        for number in range(4):
            made.fetcher.backfill(f"BAD{number}-USD", trade(9), TIME)
        made.fetcher.backfill(BTC, trade(9), TIME)
        made.until_ended(1)
        assert made.shortfalls == {BTC: None}
        made.until_ended(5)
    reasons = {product: each and (each.reason, each.remedy) for product, each in made.shortfalls.items()}
    assert reasons == {
        BTC: None,
        **{f"BAD{number}-USD": ("no answer", "check rest_url and the network") for number in range(4)},
    }


def test_outage_ends_also_what_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of products would be held for as long as their attempts take, one after the other."""
    monkeypatch.setattr(f"{FETCHER}.PATIENCE", 0.2)

    def answer(path: str) -> object:
        raise ConnectFailed("no answer")

    client = Client(answer)
    with fetching(client, turn=lambda: 0.05) as made:
        for number in range(200):
            made.fetcher.backfill(f"A{number}-USD", trade(9), TIME)
        made.until_ended(200)
        assert {each and each.reason for each in made.shortfalls.values()} == {"no answer"}
        assert len(client.paths) < 200
        client.answer = page
        made.fetcher.backfill(BTC, trade(9), TIME)
        made.until_ended(201)
    assert made.shortfalls[BTC] is None


def test_backfill_waits_for_its_turn_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a venue allows few requests a second is no failure."""
    monkeypatch.setattr(f"{FETCHER}.PATIENCE", 0.0)
    with fetching(Client(page), turn=lambda: 0.02) as made:
        for number in range(40):
            made.fetcher.backfill(f"A{number}-USD", trade(9), TIME)
        made.until_ended(40)
    assert {*made.shortfalls.values()} == {None}


def _endless(path: str) -> list[dict[str, Any]]:
    """A server that has one more page for each request, for ever."""
    newest = int(path.rpartition("after=")[2]) - 1
    return [item(number) for number in range(newest, newest - 100, -1)]


def test_backfill_without_an_end_has_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{FETCHER}.MOST", 250)
    client = Client(_endless)
    with fetching(client) as made:
        made.fetcher.backfill(BTC, trade(10**12), TIME)
        made.until_ended(1)
    assert [each for piece in made.pieces for each in piece] == [*range(10**12 - 1, 10**12 - 251, -1)]
    shortfall = made.shortfalls[BTC]
    assert shortfall is not None
    assert (shortfall.reason, shortfall.remedy) == ("there are more than 500,000", "request a shorter backfill")
    assert len(client.paths) == 3


def test_backfill_without_an_end_has_a_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{FETCHER}.LONGEST", 0.2)
    with fetching(Client(_endless)) as made:
        made.fetcher.backfill(BTC, trade(10**12), TIME)
        made.until_ended(1)
    shortfall = made.shortfalls[BTC]
    assert shortfall is not None
    assert shortfall.reason == "they did not arrive within 600 s"
    assert made.pieces


@pytest.mark.parametrize(("seconds", "kept"), [(0.001, True), (1.0, True), (1.1, False)])
def test_trade_a_little_newer_than_the_next_id_is_used(seconds: float, kept: bool) -> None:
    """At the beginning of a page, as within one; what is much newer is requested again, and is a gap."""
    with fetching(Client(lambda path: [item(2, seconds), item(1)])) as made:
        made.fetcher.backfill(BTC, trade(3), TIME)
        made.until_ended(1)
    assert made.pieces == ([[2, 1]] if kept else [[1]])


def test_times_that_rise_from_trade_to_trade_are_no_list() -> None:
    """Each is within the slack of its neighbour, and all together are in the future."""
    answers = count()

    def answer(path: str) -> object:
        rising = next(answers) == 0
        return [item(number, (9 - number) * 0.9 if rising else 0) for number in range(8, 0, -1)]

    client = Client(answer)
    with fetching(client) as made:
        made.fetcher.backfill(BTC, trade(9), TIME - timedelta(seconds=1))
        made.until_ended(1)
    assert [each for piece in made.pieces for each in piece] == [*range(8, 0, -1)]
    assert len(client.paths) == 2


def test_backfills_leave_turns_to_repairs() -> None:
    """All requests of a process to one server have one limit, of which its backfills use a part."""
    server = Secret("http://127.0.0.1:9/a")
    turns = [backfill_turns(server, None, 10.0) for _ in range(5)]
    waits = [turn() for turn in turns]
    assert waits[0] == 0
    assert waits[4] == pytest.approx(0.5, abs=0.1)
    assert backfill_turns(Secret("http://127.0.0.2:9"), None, 10.0)() == 0


def test_each_page_is_requested_once() -> None:
    client = Client(page)
    with fetching(client) as made:
        for product in ("A-USD", "B-USD", "C-USD"):
            made.fetcher.backfill(product, trade(2501), TIME)
        made.until_ended(3)
    assert {*Counter(client.paths).values()} == {1}
    assert sum(map(len, made.pieces)) == 7500
