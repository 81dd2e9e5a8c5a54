"""A warm start: the trades before the first connection, in order before the live ones, and what uses them."""

from __future__ import annotations

import logging
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rxfeed import (
    ConfigError,
    Feed,
    Reconnect,
    Replay,
    moved,
    price_crossing,
    record,
    rolling_volume,
    tick_bars,
    window_volume,
)
from rxfeed.feed import Backfilled, Gap, Reconnecting
from rxfeed.market import Message, PriorTrade, Trade
from rxfeed.sim import faults
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.warm import BTC, CHANNELS, ETH, VENUES, Warm, backfilled, check_backfill, market

RULES = {"coinbase_exchange": "ExchangeRest", "coinbase_advanced": "AdvancedRest"}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("backfill", [20, timedelta(seconds=300)])
def test_trades_before_the_connection_come_first_and_once(venue: str, backfill: Any) -> None:
    with market(venue) as exchange:
        made = Warm(exchange, venue, backfill)
        since = datetime.now(UTC) - timedelta(seconds=backfill if isinstance(backfill, int) else 300)
        with made.feed:
            exchange.wait_for_clients()
            made.live(BTC)
            made.live(ETH, 5)
    for product in (BTC, ETH):
        check_backfill(made, product)
        status = next(each for each in made.status.items if isinstance(each, Backfilled) and each.product_id == product)
        counted = [each for each in made.got.items if each.backfilled and each.product_id == product]
        assert isinstance(counted[0], PriorTrade)
        assert isinstance(counted[-1], PriorTrade)
        assert (status.first, status.last) == (counted[0].trade_id, counted[-1].trade_id)
        assert all(each.time is not None and each.time >= since for each in counted)
        others = [
            each
            for each in made.got.items
            if isinstance(each, PriorTrade) and not each.backfilled and each.product_id == product
        ]
        assert others  # the one before proves that none is missing
        assert all(each.time < since + timedelta(seconds=1) for each in others)
        assert {each.epoch for each in made.got.items if each.product_id == product} == {0}
    assert made.feed.stats.gaps == made.feed.stats.duplicates == 0
    delivered = sum(isinstance(each, Trade | PriorTrade) for each in made.got.items)
    assert delivered == sum(n for kind, n in made.feed.stats.types.items() if issubclass(kind, Trade | PriorTrade))


@pytest.mark.parametrize("venue", VENUES)
def test_first_windows_are_complete_and_right(venue: str) -> None:
    with market(venue) as exchange:
        made = Warm(exchange, venue, 35)
        with made.feed:
            exchange.wait_for_clients()
            made.live(BTC, 60)
        known = {each.trade_id: each for each in made.got.items if isinstance(each, Trade | PriorTrade)}
    since = datetime.now(UTC) - timedelta(seconds=60)
    for results in (made.windows, made.candles):
        of_product = [each for each in results.items if each.product_id == BTC]
        _, *others, _ = of_product  # the first one may have begun before
        assert len(others) > 3
        assert all(each.complete for each in others)
        for each in others:
            inside = [one for one in known.values() if one.product_id == BTC and each.start <= one.time < each.end]
            assert each.count == len(inside)
            assert each.volume == sum(one.size for one in inside)
    rolling = [each for each in made.rolling.items if each.product_id == BTC]
    assert rolling[0].complete
    assert rolling[0].count > 100
    live = [each for each in made.got.items if isinstance(each, Trade) and each.product_id == BTC]
    assert len(rolling) == len(live)
    bars = [each for each in made.bars.items if each.product_id == BTC]
    assert all(each.complete for each in bars[:-1])
    assert bars[0].start < live[0].time
    assert bars[0].start > since


def test_signals_do_not_fire_on_past_trades() -> None:
    with market("coinbase_exchange") as exchange:
        made = Warm(exchange, "coinbase_exchange")
        price = exchange.book(BTC)["bids"][0][0]
        signals = Collected(made.feed.pipe(price_crossing(BTC, price)))
        moves = Collected(made.feed.pipe(moved("0.0001", 60)))
        with made.feed:
            exchange.wait_for_clients()
            made.got.wait_for(lambda items: any(each.backfilled for each in items))
            made.feed.wait(0.1)
            assert signals.items == moves.items == []


@pytest.mark.parametrize("venue", VENUES)
def test_recording_of_a_backfill_replays_the_same(venue: str, tmp_path: Path) -> None:
    with market(venue) as exchange:
        made = Warm(exchange, venue, 30)
        made.feed.pipe(record(tmp_path)).subscribe()
        with made.feed:
            exchange.wait_for_clients()
            made.live()
    for merge in (False, True):
        replay = Replay(tmp_path, merge=merge)
        got, windows = Collected(replay), Collected(replay.pipe(window_volume(5)))
        rolling, bars = Collected(replay.pipe(rolling_volume(30))), Collected(replay.pipe(tick_bars(10)))
        replay.run()
        if not merge:
            assert shown(got) == shown(made.got)
        assert windows.items == made.windows.items
        assert rolling.items == made.rolling.items
        assert bars.items == made.bars.items


def shown(got: Collected[Message]) -> list[tuple[object, ...]]:
    return [(each.unstamped, each.epoch, each.received_ns, each.backfilled) for each in got.items]


@pytest.mark.parametrize("venue", VENUES)
def test_second_session_counts_no_trade_twice(venue: str, tmp_path: Path) -> None:
    """A program that is started again: its backfill has what was missed meanwhile, and trades that were recorded."""
    with market(venue) as exchange:
        for _ in range(2):
            made = Warm(exchange, venue, 30)
            made.feed.pipe(record(tmp_path)).subscribe()
            with made.feed:
                exchange.wait_for_clients()
                made.live()
                made.live(ETH, 1)  # its backfill may end later
            exchange.step(100)
    replay = Replay(tmp_path)
    windows, status, got = Collected(replay.pipe(window_volume(5))), Collected(replay.status), Collected(replay)
    replay.run()
    known = {(each.product_id, each.trade_id): each for each in got.items if isinstance(each, Trade | PriorTrade)}
    complete = [each for each in windows.items if each.complete]
    assert len(complete) > 5
    for each in complete:
        inside = [one for one in known.values() if one.product_id == each.product_id]
        assert each.count == sum(each.start <= one.time < each.end for one in inside)
    assert not [each for each in status.items if isinstance(each, Gap)]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    "fault",
    [faults.RestStatus(code=500, count=None), faults.RestGarbage(count=None), faults.RestStatus(code=404, count=None)],
)
def test_feed_goes_on_without_a_backfill_that_fails(
    venue: str, fault: faults.Fault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rxfeed.feed.backfill_fetcher.PATIENCE", 0.3)
    with market(venue) as exchange:
        exchange.inject(fault)
        made = Warm(exchange, venue, 300, products=[BTC])
        with made.feed, caplog.at_level(logging.WARNING, "rxfeed.feed"):
            exchange.wait_for_clients()
            made.live()
    check_backfill(made)
    assert made.feed.stats.gaps == 0
    warnings = [each.message for each in caplog.records if "backfill:" in each.message]
    assert len(warnings) == 1
    assert "BTC-USD" in warnings[0]


@pytest.mark.parametrize("venue", VENUES)
def test_failures_of_a_backfill_are_requested_again(venue: str) -> None:
    with market(venue) as exchange:
        for fault in (faults.RestStatus(code=429), faults.RestGarbage(after=1), faults.RestStatus(code=500, after=2)):
            exchange.inject(fault)
        made = Warm(exchange, venue, 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.live()
    check_backfill(made)
    assert sum(each.backfilled for each in made.got.items) > 100


@pytest.mark.parametrize("venue", VENUES)
def test_backfill_that_the_venue_does_not_have_is_logged(venue: str, caplog: pytest.LogCaptureFixture) -> None:
    """The first windows are not complete, and the log has the reason."""
    nothing = {"coinbase_exchange": "[]", "coinbase_advanced": '{"trades":[]}'}[venue]
    with market(venue) as exchange:
        exchange.inject(faults.RestGarbage(payload=nothing, count=None))
        made = Warm(exchange, venue, 300, products=[BTC])
        with made.feed, caplog.at_level(logging.WARNING, "rxfeed.feed"):
            exchange.wait_for_clients()
            made.live()
    check_backfill(made)
    (warning,) = [each.message for each in caplog.records if "backfill:" in each.message]
    assert f"the venue has none before {made.ids(BTC)[0]}." in warning


@pytest.mark.parametrize("venue", VENUES)
def test_trade_that_only_the_next_connection_names_is_held(venue: str, caplog: pytest.LogCaptureFixture) -> None:
    """All connections miss trades during the backfill, and the venue sends them again after a reconnect."""
    with market(venue) as exchange:
        exchange.inject(faults.RestLatency(0.5, count=None))
        made = Warm(exchange, venue, 30, products=[BTC], redundancy=2, repair=True)
        with made.feed:
            exchange.wait_for_clients(2)
            exchange.inject(faults.Drop(3, types={"match", "market_trades"}))
            last = exchange.last_trade_id(BTC)
            while exchange.last_trade_id(BTC) <= last:
                exchange.step()
            exchange.advance(0.5)
            exchange.inject(faults.Close(1001, "going away", connection=2))
            made.live(BTC)
    ids, gaps = made.ids(BTC), [each for each in made.status.items if isinstance(each, Gap) and each.product_id]
    lost = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
    assert {*ids} | lost == {*range(min(ids), max(ids) + 1)}
    assert not {*ids} & lost
    assert made.ids(BTC, Trade) == sorted(made.ids(BTC, Trade))
    repaired = [each for each in made.got.items if each.repaired]
    assert len(repaired) == made.feed.stats.repaired > 0
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("redundancy", [1, 2])
def test_what_is_held_at_the_end_is_delivered(redundancy: int, caplog: pytest.LogCaptureFixture) -> None:
    """A close is no failure of the backfill."""
    with market("coinbase_exchange") as exchange:
        exchange.inject(faults.RestLatency(20, count=None))
        made = Warm(exchange, "coinbase_exchange", 30, products=[BTC], redundancy=redundancy)
        with made.feed:
            exchange.wait_for_clients(redundancy)
            last = exchange.last_trade_id(BTC)
            while exchange.last_trade_id(BTC) <= last:
                exchange.step()
            made.feed.wait(0.2)
            assert made.ids(BTC, Trade) == []
    assert max(made.ids(BTC, Trade)) > last
    assert not [each for each in caplog.records if "backfill:" in each.message]


@pytest.mark.parametrize("venue", VENUES)
def test_backfill_that_is_cut_by_close_is_reported_as_far_as_it_came(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"rxfeed.venues.{venue}.rest.{RULES[venue]}.most_trades", 50)
    with market(venue, age=60) as exchange:
        exchange.inject(faults.RestLatency(20, count=None, after=2))
        made = Warm(exchange, venue, 50, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            last = exchange.last_trade_id(BTC)
            until = time.monotonic() + 10
            while not (exchange.rest_requests > 2 and last < _newest_held(made)):
                assert time.monotonic() < until
                exchange.step(3)
                time.sleep(0.01)
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
    (status,) = [each for each in made.status.items if isinstance(each, Backfilled)]
    ids = made.ids(BTC)
    assert ids == [*range(ids[0], max(ids) + 1)]
    assert max(ids) > last
    counted = sorted(backfilled(made, BTC))
    assert (status.first, status.last) == (counted[0], counted[-1])
    assert len(counted) > 50
    assert made.feed.stats.gaps == made.feed.stats.repaired == 0
    assert not any(each.complete for each in made.windows.items[:1])


def _newest_held(made: Warm) -> int:
    """The id of the newest trade that waits for the backfill; 0 for none."""
    repairs = made.feed._connections.first.loop._repairs if made.feed._connections is not None else None
    held = [] if repairs is None else [each for hole in repairs._machine._holes.get(BTC, ()) for each in hole.held]
    return max((each.trade_id for each in held if isinstance(each, Trade)), default=0)


def test_gap_during_a_backfill_is_repaired() -> None:
    with market("coinbase_exchange") as exchange:
        exchange.inject(faults.RestLatency(0.2, count=2))
        made = Warm(exchange, "coinbase_exchange", 30, products=[BTC], repair=True)
        with made.feed:
            exchange.wait_for_clients()
            exchange.inject(faults.Drop(3, after=5, types={"match"}))
            made.live(BTC, 60)
    check_backfill(made)
    assert made.feed.stats.gaps == 0
    assert made.feed.stats.repaired == 3


def test_trades_that_are_no_longer_kept_are_a_gap() -> None:
    with market("coinbase_exchange") as exchange:
        gone = exchange.last_trade_id(BTC) - 50
        exchange.inject(faults.RestHole({gone}, count=None))
        made = Warm(exchange, "coinbase_exchange", 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.live(BTC, 60)
    ids = made.ids(BTC)
    assert ids == [each for each in range(ids[0], ids[-1] + 1) if each != gone]
    assert [(each.first, each.last) for each in made.status.items if isinstance(each, Gap)] == [(gone, gone)]
    trades = {each.trade_id: each for each in made.got.items if isinstance(each, Trade | PriorTrade)}
    assert trades[gone + 1].epoch == trades[gone - 1].epoch + 1
    lacking = [each for each in made.windows.items if each.start <= trades[gone + 1].time < each.end]
    assert not any(each.complete for each in lacking)
    assert [each.complete for each in made.windows.items][1:-1].count(True) > 2


@pytest.mark.parametrize("venue", VENUES)
def test_product_that_is_added_later_is_backfilled_once(venue: str) -> None:
    with market(venue) as exchange:
        made = Warm(exchange, venue, 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.live()
            made.feed.add(ETH, "trades")
            made.got.wait_for(lambda items: any(each.backfilled and each.product_id == ETH for each in items))
            made.live(ETH, 5)
            exchange.disconnect()
            exchange.wait_for_clients()
            made.live(ETH, 5)
            made.live(BTC, 5)
    backfilled = [each.product_id for each in made.status.items if isinstance(each, Backfilled)]
    assert backfilled == [BTC, ETH]
    check_backfill(made, ETH)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("redundancy", [1, 2])
def test_product_that_is_removed_during_its_backfill_has_none(
    venue: str, redundancy: int, caplog: pytest.LogCaptureFixture
) -> None:
    with market(venue) as exchange:
        exchange.inject(faults.RestLatency(0.5, count=None))
        made = Warm(exchange, venue, 30, redundancy=redundancy)
        with made.feed:
            exchange.wait_for_clients(redundancy)
            exchange.step(20)
            made.feed.remove(ETH, CHANNELS)
            made.live(BTC)
            made.live(BTC)
            assert ETH not in made.feed._streams.router.held
    assert backfilled(made, BTC)
    assert not backfilled(made, ETH)
    assert [each.product_id for each in made.status.items if isinstance(each, Backfilled)] == [BTC]
    assert not [each for each in caplog.records if "backfill:" in each.message]


def test_product_that_is_removed_during_a_reconnect_has_no_backfill() -> None:
    with market("coinbase_exchange") as exchange:
        exchange.inject(faults.RestLatency(0.3, count=None))
        made = Warm(exchange, "coinbase_exchange", 30, reconnect=Reconnect(initial=3600, maximum=3600))
        with made.feed:
            exchange.wait_for_clients()
            exchange.step(20)
            exchange.disconnect()
            made.status.wait_for(lambda items: any(isinstance(each, Reconnecting) for each in items))
            made.feed.remove(ETH, CHANNELS)
            made.status.wait_for(lambda items: any(isinstance(each, Backfilled) for each in items))
            made.feed.wait(0.3)
    assert backfilled(made, BTC)
    assert not backfilled(made, ETH)


def test_others_are_delivered_during_a_backfill() -> None:
    with market("coinbase_exchange") as exchange:
        exchange.inject(faults.RestLatency(0.5, count=None))
        made = Warm(exchange, "coinbase_exchange", 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.live()
    kinds = [each.type for each in made.got.items if each.type in ("ticker", "match", "last_match")]
    assert "ticker" in kinds[: kinds.index("last_match")]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", range(amount(1, 10)))
@pytest.mark.timeout(amount(60, 600))
def test_backfill_and_repair_have_no_seam_under_faults(venue: str, seed: int) -> None:
    dice = random.Random(seed)
    kind = {"coinbase_exchange": "match", "coinbase_advanced": "market_trades"}[venue]
    with market(venue, seed=seed) as exchange:
        exchange.inject(faults.RestLatency(0.1, count=3))
        exchange.inject(faults.RestStatus(code=429, after=1))
        made = Warm(exchange, venue, 30, repair=True, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            for _ in range(amount(4, 40)):
                exchange.inject(faults.Drop(dice.randint(1, 3), types={kind}))
                made.live(BTC, dice.randint(3, 20))
                if dice.random() < 0.3:
                    exchange.disconnect()
                    exchange.wait_for_clients()
            made.live(BTC, 30)
    ids = made.ids(BTC)
    gaps = {
        number
        for each in made.status.items
        if isinstance(each, Gap) and each.product_id == BTC
        for number in range(each.first, each.last + 1)
    }
    counted = [
        each.trade_id
        for each in made.got.items
        if isinstance(each, Trade) or (isinstance(each, PriorTrade) and each.backfilled)
    ]
    assert counted == sorted(set(counted))
    assert sorted({*ids, *gaps}) == [*range(ids[0], max(ids) + 1)]
    known = {each.trade_id: each for each in made.got.items if isinstance(each, Trade | PriorTrade)}
    for each in made.windows.items:
        if each.complete:
            assert each.count == sum(each.start <= one.time < each.end for one in known.values())


def test_backfill_needs_a_rest_api_and_a_positive_time() -> None:
    with pytest.raises(ConfigError, match="give rest_url"):
        Feed(BTC, "matches", backfill=60, rest_url="")
    for wrong in (0, -1, "60", float("inf"), 1e11, 1e300, timedelta(days=999_999_999)):
        with pytest.raises(ConfigError, match=r"backfill: .* is not a number above 0, up to 1e\+09"):
            Feed(BTC, "matches", backfill=wrong)  # type: ignore[arg-type]


def test_longest_backfill_that_is_valid_brings_all_trades() -> None:
    """That of 31 years, as of any other: the venue has no older ones."""
    with market("coinbase_exchange") as exchange:
        made = Warm(exchange, "coinbase_exchange", 1e9, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.live()
    check_backfill(made)
    assert len(backfilled(made, BTC)) > 500
