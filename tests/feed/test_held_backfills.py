"""How long trades are held for their backfill, and what is logged if that ends early."""

from __future__ import annotations

import logging

import pytest

from rxfeed.feed.backfill_fetcher import FetchedBackfill
from rxfeed.feed.backfills import Shortfall
from rxfeed.market import PriorTrade, Trade
from tests.support.stepped_repairs import PRODUCTS, A, B, SteppedConnection, prior


def begun(most: int = 10_000) -> SteppedConnection:
    """A connection of which each product has had a trade, and a backfill is requested."""
    made = SteppedConnection(backfill=30, most=most)
    for product in PRODUCTS:
        made.newest[product] = 100
        made.trade(product)
    made.repairs.step()
    assert [each.product_id for each in made.fetcher.backfills] == [*PRODUCTS]
    return made


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message.partition(" UTC could")[2] for each in caplog.records if each.levelno >= logging.WARNING]


def test_trades_are_held_while_a_backfill_waits_for_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    """The backfills of hundreds of products take their time, since a venue allows few requests a second."""
    made = begun()
    request = made.fetcher.backfills[1]
    for _ in range(500):
        made.now += 1
        made.trade(B)
        made.repairs.step()
    assert made.trades(B) == []
    made.fetcher.answers.append(FetchedBackfill(request, [], ended=True))
    made.drain()
    made.trade(B)
    assert len(made.trades(B)) == 502
    assert warnings(caplog) == []


def test_backfill_without_an_answer_ends(caplog: pytest.LogCaptureFixture) -> None:
    made = begun()
    made.now = 1000
    made.repairs.step()
    made.drain()
    assert made.fetcher.backfills == []
    assert len(made.trades(A)) == len(made.trades(B)) == 1
    expected = " be requested: they did not arrive within 620 s. The feed continues without them"
    assert warnings(caplog) == [expected, expected]


def test_too_many_held_trades_end_a_backfill_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    made = begun(most=3)
    for _ in range(3):
        made.trade(A)
    made.drain()
    made.repairs.step()
    assert len(made.trades(A)) == 4
    assert [each.product_id for each in made.fetcher.backfills] == [B]
    (warning,) = warnings(caplog)
    assert "more than 3 of its trades and heartbeats came meanwhile" in warning
    assert warning.endswith("without them; request a shorter backfill, or allow more with Repair(most=...)")


def test_end_of_the_feed_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """The request that `close` aborts has failed, and that is no reason for a warning."""
    made = begun()
    aborted = Shortfall("the attempt was aborted", "check rest_url and the network")
    for request in made.fetcher.backfills:
        made.fetcher.answers.append(FetchedBackfill(request, [], ended=True, shortfall=aborted))
    made.repairs.finish()
    assert len(made.trades(A)) == len(made.trades(B)) == 1
    assert warnings(caplog) == []


def test_removed_product_has_no_backfill_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """What has come of it is delivered at once; what is fetched is not, and a new subscription has no backfill."""
    made = begun()
    request = made.fetcher.backfills[1]
    made.trade(B)
    made.fetcher.answers.append(FetchedBackfill(request, [prior(B, 100)]))
    made.repairs.step()
    made.subscribe(A)
    made.drain()
    assert [each.product_id for each in made.fetcher.backfills] == [A]
    assert B not in made.streams.router.held
    before = len(made.out)
    made.fetcher.answers.append(FetchedBackfill(request, [prior(B, 99)]))
    made.fetcher.answers.append(FetchedBackfill(request, [], ended=True))
    made.drain()
    made.subscribe(A, B)
    made.repairs.step()
    assert len(made.out) == before
    assert [each for each in made.out if isinstance(each, Trade | PriorTrade)] == made.trades(B)
    assert [each.trade_id for each in made.trades(B)] == [101, 102]
    assert [each.product_id for each in made.fetcher.backfills] == [A]
    assert warnings(caplog) == []


def test_removed_product_has_no_repair_any_more() -> None:
    made = SteppedConnection()
    for product in PRODUCTS:
        made.trade(product, missed=5)
        made.trade(product)
    made.repairs.step()
    made.subscribe(A)
    made.drain()
    assert [each.product_id for each in made.fetcher.requests] == [A]
    assert made.gaps(B) == [2, 3, 4, 5, 6]
    assert [each.trade_id for each in made.trades(B)] == [1, 7, 8]
    made.fetcher.answer(0)
    made.drain()
    assert len(made.trades(A)) == 8
