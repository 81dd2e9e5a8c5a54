"""A warm start: the trades before the first connection, in order before the live ones, and what uses them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rxfeed import (
    ConfigError,
    Feed,
    Reconnect,
    Replay,
    candles,
    moved,
    price_crossing,
    record,
    rolling_volume,
    tick_bars,
    window_volume,
)
from rxfeed.feed import Backfilled, Gap
from rxfeed.market import Message, PriorTrade, Trade
from rxfeed.sim import Exchange, faults
from tests.support.amounts import amount
from tests.support.collect import Collected

BTC, ETH = "BTC-USD", "ETH-USD"
VENUES = ["coinbase_exchange", "coinbase_advanced"]
CHANNELS = ["trades", "heartbeat", "ticker"]


class Warm:
    """A feed with a backfill, on an exchange of which the market began some *age* ago."""

    def __init__(self, exchange: Exchange, venue: str, backfill: Any = 60, **options: Any) -> None:
        self.exchange = exchange
        settings: dict[str, Any] = {"reconnect": Reconnect(initial=0, maximum=0), "stale_after": None} | options
        products = settings.pop("products", [BTC, ETH])
        self.feed = Feed(products, CHANNELS, venue=venue, url=exchange.url, backfill=backfill, **settings)
        self.got, self.status = Collected(self.feed), Collected(self.feed.status)
        self.windows = Collected(self.feed.pipe(window_volume(5)))
        self.candles = Collected(self.feed.pipe(candles(5)))
        self.rolling = Collected(self.feed.pipe(rolling_volume(30)))
        self.bars = Collected(self.feed.pipe(tick_bars(10)))

    def ids(self, product: str, kind: type[Any] = object) -> list[int]:
        trades = [each for each in [*self.got.items] if isinstance(each, Trade | PriorTrade)]
        return [each.trade_id for each in trades if each.product_id == product and isinstance(each, kind)]

    def live(self, product: str = BTC, more: int = 20) -> None:
        """Trade until the feed has so many *more* live trades of *product*."""
        wanted = self.exchange.last_trade_id(product) + more
        until = time.monotonic() + 15
        while max(self.ids(product), default=0) < wanted:
            assert time.monotonic() < until, (self.status.items[-3:], self.got.items[-1:], self.windows.error)
            self.exchange.step(3)
            time.sleep(0.002)


@contextmanager
def market(venue: str, *, age: float = 40, rate: float = 40, seed: int = 7, **options: Any) -> Iterator[Exchange]:
    """The time of the market is now, after so many seconds of trades."""
    start = datetime.now(UTC) - timedelta(seconds=age)
    with Exchange([BTC, ETH], venue=venue, seed=seed, auto=False, rate=rate, start=start, **options) as exchange:
        exchange.advance(age)
        yield exchange


def check(made: Warm, product: str = BTC) -> None:
    """All trades are there once and in order; those of the backfill are older than the live ones, with an epoch."""
    ids, live = made.ids(product), made.ids(product, Trade)
    prior = [each for each in made.ids(product, PriorTrade) if each < live[0]]
    assert prior + live == [*range(ids[0], live[-1] + 1)]
    assert ids[: len(prior)] == prior
    counted = [number for number in made.ids(product, PriorTrade) if number in _backfilled(made, product)]
    assert counted == prior[len(prior) - len(counted) :]


def _backfilled(made: Warm, product: str) -> set[int]:
    trades = [each for each in made.got.items if isinstance(each, PriorTrade) and each.product_id == product]
    return {each.trade_id for each in trades if each.backfilled}


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
        check(made, product)
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
    monkeypatch.setattr("rxfeed.feed.trade_fetcher.PATIENCE", 0.3)
    with market(venue) as exchange:
        exchange.inject(fault)
        made = Warm(exchange, venue, 300, products=[BTC])
        with made.feed, caplog.at_level(logging.WARNING, "rxfeed.feed"):
            exchange.wait_for_clients()
            made.live()
    check(made)
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
    check(made)
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
    check(made)
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
def test_what_is_held_at_the_end_is_delivered(redundancy: int) -> None:
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


def test_gap_during_a_backfill_is_repaired() -> None:
    with market("coinbase_exchange") as exchange:
        exchange.inject(faults.RestLatency(0.2, count=2))
        made = Warm(exchange, "coinbase_exchange", 30, products=[BTC], repair=True)
        with made.feed:
            exchange.wait_for_clients()
            exchange.inject(faults.Drop(3, after=5, types={"match"}))
            made.live(BTC, 60)
    check(made)
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
    check(made, ETH)


def test_others_are_delivered_during_a_backfill() -> None:
    with market("coinbase_exchange") as exchange:
        exchange.inject(faults.RestLatency(0.5, count=None))
        made = Warm(exchange, "coinbase_exchange", 30, products=[BTC])
        with made.feed:
            exchange.wait_for_clients()
            made.live()
    kinds = [each.type for each in made.got.items if each.type in ("ticker", "match", "last_match")]
    assert "ticker" in kinds[: kinds.index("last_match")]


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
    check(made)
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
        monkeypatch.setattr("rxfeed.feed.trade_fetcher.PATIENCE", 0.3)
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
    for wrong in (0, -1, "60"):
        with pytest.raises(ConfigError, match="backfill"):
            Feed(BTC, "matches", backfill=wrong)  # type: ignore[arg-type]
