"""Repairs in small parts: whatever comes in between, each trade comes once, in order, or is in a gap."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.feed import Gap, Repaired
from rxfeed.feed.trade_fetcher import FetchedTrades
from rxfeed.market import Heartbeat, Ticker, Trade
from tests.support.stepped_repairs import PRODUCTS, A, B, SteppedConnection, fetched

Step = tuple[str, int, int]


@pytest.fixture
def connection() -> Iterator[SteppedConnection]:
    with patch("rxfeed.feed.repair_output._AT_ONCE", 2):
        yield SteppedConnection()


def test_others_are_delivered_between_the_parts_of_a_repair(connection: SteppedConnection) -> None:
    connection.trade(A, missed=100)
    connection.fetcher.answer(0)
    connection.out.clear()
    connection.repairs.step()
    parts = 0
    while connection.repairs.pending:
        before = len(connection.out)
        connection.trade(B)
        assert connection.out[before:] == connection.trades(B)[-1:]
        connection.ticker(A)
        connection.repairs.step()
        assert len(connection.trades(A)) <= 2 * (parts := parts + 1) + 2
    assert parts >= 50
    assert [each.trade_id for each in connection.trades(A)] == [*range(2, 103)]
    assert sum(isinstance(each, Ticker) for each in connection.out) == parts


def test_trades_that_come_between_the_parts_are_behind_them(connection: SteppedConnection) -> None:
    connection.trade(A, missed=20)
    connection.fetcher.answer(0)
    connection.repairs.step()
    for _ in range(50):  # more than there are parts: the queue becomes empty all the same
        connection.trade(A)
        connection.heartbeat(A)
        connection.repairs.step()
    assert not connection.repairs.pending
    assert A not in connection.streams.router.held
    assert [each.trade_id for each in connection.trades(A)] == [*range(1, 73)]
    assert {each.epoch for each in connection.trades(A)} == {0}


def test_gap_that_is_found_between_the_parts_comes_in_its_place(connection: SteppedConnection) -> None:
    connection.trade(A, missed=20)
    connection.trade(A, missed=5)
    connection.fetcher.answer(0)
    connection.fetcher.answer(1)  # the second one has none
    connection.repairs.step()
    connection.trade(A)
    assert connection.gaps(A) == []
    connection.drain()
    gap = next(place for place, each in enumerate(connection.out) if isinstance(each, Gap))
    before, after = (
        [each for each in part if isinstance(each, Trade) and each.product_id == A]
        for part in (connection.out[:gap], connection.out[gap:])
    )
    assert (before[-1].trade_id, after[0].trade_id) == (22, 28)
    assert ({each.epoch for each in before}, {each.epoch for each in after}) == ({0}, {1})


def test_end_delivers_all_parts(connection: SteppedConnection) -> None:
    connection.trade(A, missed=20)
    connection.trade(B, missed=20)
    connection.fetcher.answer(0)
    connection.fetcher.answer(0)
    connection.repairs.step()
    connection.repairs.finish()
    for product in PRODUCTS:
        assert [each.trade_id for each in connection.trades(product)] == [*range(1, 23)]
    assert sum(isinstance(each, Repaired) for each in connection.out) == 2


def test_gap_that_is_too_large_comes_before_its_trade(connection: SteppedConnection) -> None:
    """Also while parts of another product wait."""
    connection.trade(A, missed=30)
    connection.fetcher.answer(0)
    connection.repairs.step()
    connection.trade(B, missed=20_000)
    connection.drain()
    gap = next(place for place, each in enumerate(connection.out) if isinstance(each, Gap))
    trade = next(place for place, each in enumerate(connection.out) if each is connection.trades(B)[-1])
    assert gap < trade
    assert [each.epoch for each in connection.trades(B)] == [0, 1]


def test_trade_of_an_answer_is_not_newer_than_the_heartbeat(connection: SteppedConnection) -> None:
    """The first heartbeat names the trade, the second one shows that it is missing, and no trade comes."""
    connection.newest[A] += 1
    connection.heartbeat(A)
    connection.heartbeat(A)
    connection.repairs.step()
    (request,) = connection.fetcher.requests
    for seconds, delivered in ((4, 1), (1, 2)):
        connection.fetcher.answers.append(FetchedTrades(request, [fetched(A, 2, seconds)]))
        connection.repairs.step()
        connection.drain()
        assert len(connection.trades(A)) == delivered


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(0, 1), st.sampled_from([0, 0, 0, 1, 2, 7, 20])),
        st.tuples(st.sampled_from(["heartbeat", "ticker", "step", "step"]), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 1), st.sampled_from([0, 0, 0, 1, 2, 3])),
        st.tuples(st.just("time"), st.integers(0, 1), st.integers(1, 6)),
        st.tuples(st.just("drain"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4), st.sampled_from([3, 30, 10_000]))
def test_every_interleaving_keeps_order_and_accounts_for_each_id(steps: list[Step], at_once: int, most: int) -> None:
    with patch("rxfeed.feed.repair_output._AT_ONCE", at_once):
        made = SteppedConnection(patience=5, most=most)
        tickers = heartbeats = 0
        for kind, which, number in steps:
            product = PRODUCTS[which]
            if kind == "trade":
                made.trade(product, number)
            elif kind == "heartbeat":
                made.heartbeat(product)
                heartbeats += 1
            elif kind == "ticker":
                made.ticker(product)
                tickers += 1
                assert isinstance(made.out[-1], Ticker), "which never wait"
            elif kind == "answer":
                made.fetcher.answer(number)
            elif kind == "time":
                made.now += number
            elif kind == "step":
                made.repairs.step()
            else:
                made.drain()
        made.repairs.finish()
    assert not made.streams.router.held
    assert sum(isinstance(each, Ticker) for each in made.out) == tickers
    assert sum(isinstance(each, Heartbeat) for each in made.out) == heartbeats
    for product in PRODUCTS:
        _check(made, product)


def _check(made: SteppedConnection, product: str) -> None:
    last, epoch, excused = 0, 0, set[int]()
    for each in made.out:
        if isinstance(each, Gap) and each.product_id == product:
            excused |= {*range(each.first, each.last + 1)}
        elif isinstance(each, Trade) and each.product_id == product:
            missing = {*range(last + 1, each.trade_id)}
            assert missing <= excused, "a gap comes before what follows it"
            assert each.trade_id > last, "each once, and in order"
            assert (each.epoch > epoch) == bool(missing), "an epoch rises for what was lost, and for nothing else"
            last, epoch = each.trade_id, each.epoch
    assert last == made.newest[product]
    assert len(made.trades(product)) + len(made.gaps(product)) == last
    repaired = [each for each in made.out if isinstance(each, Repaired) and each.product_id == product]
    numbers = [number for each in repaired for number in range(each.first, each.last + 1)]
    assert numbers == [each.trade_id for each in made.trades(product) if each.repaired]
