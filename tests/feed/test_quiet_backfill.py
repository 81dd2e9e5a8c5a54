"""The backfill of a product without recent trades: the newest trade of the venue proves that there were none."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from rxfeed.feed import Gap
from rxfeed.market import PriorTrade, Trade
from rxfeed.sim import Exchange, faults
from tests.support.warm import BTC, ETH, VENUES, Warm, check_backfill


@contextmanager
def quiet(venue: str, monkeypatch: pytest.MonkeyPatch, seconds: float = 200) -> Iterator[Exchange]:
    """A market without a trade for so many *seconds*, of which a subscription brings none."""
    monkeypatch.setattr("rxfeed.feed.trade_repairs.FIRST_WITHIN", 0.2)
    first = {"coinbase_exchange": "last_match", "coinbase_advanced": "market_trades"}[venue]
    start, script = datetime.now(UTC) - timedelta(seconds=seconds + 20), [faults.Drop(1, types={first})]
    with Exchange([BTC, ETH], venue=venue, seed=7, auto=False, rate=40, start=start, faults=script) as exchange:
        exchange.advance(20)
        exchange._live.market.jump(seconds)
        yield exchange


def passes(made: Warm) -> None:
    """Wait until nothing is held any more."""
    until = time.monotonic() + 10
    while made.feed._streams.router.held:
        assert time.monotonic() < until, made.status.items
        time.sleep(0.01)


@pytest.mark.parametrize("venue", VENUES)
def test_quiet_product_has_complete_first_windows(
    venue: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest trade of the venue is older than the backfill, which proves that there was none since."""
    with quiet(venue, monkeypatch) as exchange, caplog.at_level(logging.WARNING, "rxfeed.feed"):
        last = exchange.last_trade_id(BTC)
        made = Warm(exchange, venue, 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.got.wait_for(lambda items: any(isinstance(each, PriorTrade) for each in items))
            passes(made)
            made.live(BTC, 100)
    ids, trades = made.ids(BTC), [each for each in made.got.items if isinstance(each, Trade | PriorTrade)]
    assert ids == [*range(last, max(ids) + 1)]
    assert isinstance(trades[0], PriorTrade)
    assert not trades[0].backfilled
    assert len({each.epoch for each in trades}) == 1
    assert len(made.windows.items) > 1
    assert all(each.complete for each in [*made.windows.items[:-1], *made.candles.items[:-1]])
    assert made.rolling.items[0].complete
    assert not [each for each in caplog.records if "backfill:" in each.message]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("repair", [False, True])
def test_old_answer_about_a_quiet_product_proves_nothing(
    venue: str, repair: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trades after the newest one of the answer, and before the first that comes, are requested, or a gap."""
    with quiet(venue, monkeypatch) as exchange:
        newest = exchange.last_trade_id(BTC)
        made = Warm(exchange, venue, 30, products=[BTC], repair=repair)
        with made.feed:
            exchange.wait_for_clients()
            made.got.wait_for(lambda items: any(isinstance(each, PriorTrade) for each in items))
            passes(made)
            exchange.inject(faults.Drop(2, types={"match", "market_trades"}))
            made.live(BTC, 60)
    ids = made.ids(BTC)
    gaps = [each for each in made.status.items if isinstance(each, Gap) and each.product_id == BTC]
    lost = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
    assert lost if not repair else not lost
    assert (made.feed.stats.repaired > 0) is repair
    assert sorted({*ids} | lost) == [*range(newest, max(ids) + 1)]
    known = {each.trade_id: each for each in made.got.items if isinstance(each, Trade | PriorTrade)}
    assert not made.windows.items[0].complete or not lost
    for each in made.windows.items:
        if each.complete:
            assert each.count == sum(each.start <= one.time < each.end for one in known.values())


@pytest.mark.parametrize("venue", VENUES)
def test_first_trade_during_the_request_of_the_newest_counts(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is before that trade is requested, and the answer about the newest ones is not used."""
    with quiet(venue, monkeypatch, 10) as exchange:
        exchange.inject(faults.RestLatency(0.5, count=1))
        made = Warm(exchange, venue, 60, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.feed.wait(0.4)
            exchange.inject(faults.Drop(2, types={"match", "market_trades"}))
            exchange.advance(0.5)
            made.live(BTC, 30)
    check_backfill(made)
    assert not [each for each in made.status.items if isinstance(each, Gap) and each.product_id == BTC]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.RestStatus(code=500, count=None), "500"),
        (faults.RestGarbage(payload="[]", count=None), "the venue has no trade of it"),
    ],
)
def test_quiet_product_is_let_through(
    fault: faults.Fault, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if reason == "500":  # the other one ends after a few answers
        monkeypatch.setattr("rxfeed.feed.backfill_fetcher.PATIENCE", 0.3)
    venue = "coinbase_exchange"
    with quiet(venue, monkeypatch) as exchange, caplog.at_level(logging.WARNING, "rxfeed.feed"):
        exchange.inject(fault)
        made = Warm(exchange, venue, 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            until = time.monotonic() + 10
            while made.feed._streams.router.held or "no trade came" not in caplog.text:
                assert time.monotonic() < until
                time.sleep(0.01)
            made.live()
    assert made.ids(BTC, PriorTrade) == []
    assert not made.windows.items[0].complete
    assert reason in caplog.text
