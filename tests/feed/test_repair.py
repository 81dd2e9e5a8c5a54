"""Missed trades are requested while the feed runs: what is held, delivered, in which order, and what is lost."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from rxfeed import ConfigError, Feed, Replay, order_book, record, window_volume
from rxfeed.feed import Gap, Repair, Repaired
from rxfeed.market import BookUpdate, Heartbeat, Message, Ticker, Trade
from rxfeed.sim import faults
from rxfeed.venues.coinbase_exchange import ExchangeTicker
from tests.support.amounts import amount
from tests.support.clocks import ManualClock
from tests.support.collect import Collected
from tests.support.repairs import FAULTY, PRODUCTS, TRADES, TRADES_CHANNEL, Pair, check, pair, random_fault

BTC, ETH = PRODUCTS
VENUES = ["coinbase_exchange", "coinbase_advanced"]


def drop(made: Pair, count: int = 2) -> None:
    """Drop so many frames with trades, and let the next ones come."""
    made.exchange.inject(faults.Drop(count, types=TRADES[made.venue], connection=FAULTY))


def lose(made: Pair, count: int = 2) -> None:
    """The same, until the loss is detected."""
    drop(made, count)
    made.until(lambda: made.held() or made.faulty.all_of(Gap | Repaired))


@pytest.mark.parametrize("venue", VENUES)
def test_missed_trades_are_delivered_in_order_and_marked(venue: str) -> None:
    with pair(venue) as made:
        before = made.faulty.trades(BTC)[-1].epoch
        lose(made)
        made.until(lambda: made.faulty.all_of(Repaired))
        made.settle()
    counts = check(made)
    repaired = [each for each in made.faulty.got.items if each.repaired]
    assert counts["repaired"] == len(repaired) > 0
    assert (counts["lost"], counts["incomplete"]) == (0, 0)
    plain = {each.trade_id: each for product in PRODUCTS for each in made.calm.trades(product)}
    for each in repaired:
        assert isinstance(each, Trade)
        other = plain[each.trade_id]
        assert (each.price, each.size, each.time, each.maker_side) == (
            other.price,
            other.size,
            other.time,
            other.maker_side,
        )
        assert str(each.trade_id).encode() in each.raw
        assert b"type" not in each.raw
        assert each.received_ns > 0
    if venue == "coinbase_exchange":  # where a connection numbers its frames, it is not known what was in them
        assert made.faulty.trades(BTC)[-1].epoch == before


def test_others_are_delivered_while_trades_are_held() -> None:
    """By the order of delivery: what came while the answer was awaited came before the trades that waited."""
    with pair("coinbase_exchange") as made:
        made.exchange.inject(faults.RestLatency(0.3))
        lose(made, 1)
        held = made.held()
        (product,) = held
        (other,) = {*PRODUCTS} - held
        mark = made.exchange.last_trade_id(product), made.exchange.last_trade_id(other)
        for _ in range(20):
            made.exchange.step(5)
        news = made.exchange.last_trade_id(product), made.exchange.last_trade_id(other)
        assert news[0] > mark[0]
        assert news[1] > mark[1]
        made.until(lambda: made.faulty.all_of(Repaired))
        made.settle()
    check(made)
    items = made.faulty.got.items
    first = next(place for place, each in enumerate(items) if each.repaired)
    before = items[:first]
    tickers = [each.trade_id for each in before if isinstance(each, ExchangeTicker) and each.product_id == product]
    trades = {
        p: [each.trade_id for each in before if isinstance(each, Trade) and each.product_id == p] for p in PRODUCTS
    }
    assert news[0] in tickers
    assert max(trades[other]) >= news[1]
    assert max(trades[product]) < mark[0]


def test_books_are_delivered_while_trades_are_held() -> None:
    """By the order of delivery, and with the epoch of a book that lacks nothing."""
    with pair("coinbase_exchange") as made:
        made.exchange.inject(faults.RestLatency(0.4, count=None))
        feed = Feed(PRODUCTS, ["matches", "level2_batch", "heartbeat"], url=made.exchange.url, repair=True)
        got, books = Collected(feed), Collected(feed.pipe(order_book(BTC)))
        with feed:
            made.until(lambda: books.items and books.items[-1].ready and BTC in _traded(got))
            made.exchange.inject(faults.Drop(1, types={"match"}, product_id=BTC, connection=FAULTY))
            made.until(lambda: BTC in feed._streams.router.held)
            held_at = len(got.items)
            updates = len(books.items)
            made.until(lambda: any(each.repaired for each in [*got.items]))
        place = next(place for place, each in enumerate(got.items) if each.repaired)
        meanwhile = got.items[held_at:place]
    assert sum(isinstance(each, BookUpdate) and each.product_id == BTC for each in meanwhile) > 3
    assert not any(isinstance(each, Trade) and each.product_id == BTC for each in meanwhile)
    assert len(books.items) > updates
    assert all(each.ready for each in books.items[updates:])
    assert {each.epoch for each in got.items if isinstance(each, BookUpdate)} == {0}


def _traded(got: Collected[Message]) -> set[str | None]:
    return {each.product_id for each in [*got.items] if isinstance(each, Trade)}


@pytest.mark.parametrize("venue", VENUES)
def test_failures_are_requested_again(venue: str) -> None:
    with pair(venue, repair=Repair(patience=8)) as made:
        for fault in (
            faults.RestStatus(code=429),
            faults.RestGarbage(after=1),
            faults.RestStatus(code=500, after=2),
            faults.RestGarbage(payload='{"trades":[]}', after=3),
        ):
            made.exchange.inject(fault)
        lose(made)
        made.until(lambda: made.faulty.all_of(Repaired))
        made.settle()
    assert check(made)["lost"] == 0


@pytest.mark.parametrize("venue", VENUES)
def test_what_does_not_come_in_time_is_a_gap(venue: str) -> None:
    with pair(venue, repair=Repair(patience=0.3)) as made:
        made.exchange.inject(faults.RestLatency(30, count=None))
        lose(made, 1)
        made.until(lambda: made.faulty.gaps(BTC, TRADES_CHANNEL[venue]) or made.faulty.gaps(ETH, TRADES_CHANNEL[venue]))
        made.settle()
    counts = check(made)  # a later answer would be out of order
    assert counts["repaired"] == 0
    assert counts["lost"] > 0
    (gap, *_) = [each for each in made.faulty.all_of(Gap) if each.product_id is not None]
    trades = made.faulty.trades(gap.product_id)
    after = next(place for place, each in enumerate(trades) if each.trade_id == gap.last + 1)
    assert trades[after - 1].trade_id == gap.first - 1
    assert trades[after].epoch > trades[after - 1].epoch


HOSTILE: dict[str, dict[str, Any]] = {
    "old": {"time": "1970-01-01T00:00:00Z"},
    "future": {"time": "9999-12-31T23:59:59Z"},
    "price": {"price": "NaN"},
    "size": {"size": "-1"},
    "id": {"trade_id": 2**64},
    "product": {"product_id": "DOGE-USD", "time": "1970-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("wrong", HOSTILE)
def test_hostile_answers_are_not_delivered(venue: str, wrong: str) -> None:
    with pair(venue, repair=Repair(patience=0.3)) as made:
        numbers = range(made.exchange.last_trade_id(BTC) + 1, made.exchange.last_trade_id(BTC) + 20)
        side = {"coinbase_exchange": "buy", "coinbase_advanced": "BUY"}[venue]
        now = made.exchange.time.isoformat().replace("+00:00", "Z")
        items = [
            {"trade_id": number, "product_id": BTC, "side": side, "price": "1", "size": "1", "time": now}
            | HOSTILE[wrong]
            for number in reversed(numbers)
        ]
        payload = json.dumps(items if venue == "coinbase_exchange" else {"trades": items})
        made.exchange.inject(faults.RestGarbage(payload=payload, count=None))
        only = BTC if venue == "coinbase_exchange" else None
        made.exchange.inject(faults.Drop(1, types=TRADES[venue], connection=FAULTY, product_id=only))
        made.until(lambda: made.faulty.all_of(Gap | Repaired))
        made.settle()
    counts = check(made)
    assert counts["repaired"] == 0
    assert counts["lost"] > 0


def test_only_the_epoch_of_trades_rises_where_they_are_lost() -> None:
    with pair("coinbase_exchange", repair=Repair(patience=0.2)) as made:
        made.exchange.inject(faults.RestStatus(code=500, count=None))
        lose(made, 1)
        made.until(lambda: made.faulty.all_of(Gap))
        made.settle()
    check(made)
    assert {each.epoch for each in made.faulty.got.items if isinstance(each, Ticker | Heartbeat)} == {0}
    assert {each.epoch for each in made.faulty.got.items if isinstance(each, Trade)} == {0, 1}


def test_trades_that_are_no_longer_kept_are_lost_before_the_time_is_up() -> None:
    with pair("coinbase_exchange", repair=Repair(patience=60)) as made:
        first = made.exchange.last_trade_id(BTC) + 1
        made.exchange.inject(faults.RestHole(range(first, first + 1000, 2), count=None))
        made.exchange.inject(faults.Drop(4, types={"match"}, product_id=BTC, connection=FAULTY))
        made.until(lambda: made.faulty.all_of(Gap))
        made.settle()
    counts = check(made)
    assert counts["repaired"] == counts["lost"] == 2


def test_more_than_may_be_missing_is_a_gap_at_once() -> None:
    with pair("coinbase_exchange", repair=Repair(most=1)) as made:
        made.exchange.inject(faults.Drop(4, types={"match"}, product_id=BTC, connection=FAULTY))
        made.until(lambda: made.faulty.all_of(Gap))
        made.settle()
    assert check(made)["lost"] >= 4


@pytest.mark.parametrize("venue", VENUES)
def test_interruption_without_a_loss_leaves_windows_complete(venue: str) -> None:
    with pair(venue) as made:
        made.exchange.inject(faults.Drop(30, connection=FAULTY))
        made.exchange.inject(faults.Vanish(after=30, connection=FAULTY))
        made.until(lambda: made.faulty.feed.stats.connections == 2)
        made.exchange.wait_for_clients(2)
        made.settle()
    counts = check(made)
    assert counts["repaired"] > 0
    assert (counts["lost"], counts["incomplete"]) == (0, 0)


def test_what_is_held_at_the_end_is_delivered_with_its_gap() -> None:
    with pair("coinbase_exchange", repair=Repair(patience=60)) as made:
        made.exchange.inject(faults.RestLatency(20, count=None))
        lose(made, 1)
        made.exchange.step(20)
        (product,) = made.held()
        wanted = made.exchange.last_trade_id(product)
        made.until(lambda: wanted in _ids_of_tickers(made, product))  # each comes after its trade
    ids, gaps = made.faulty.ids(product), made.faulty.gaps(product, "matches")
    assert gaps
    assert sorted([*ids, *gaps]) == list(range(ids[0], ids[-1] + 1))
    assert ids[-1] >= wanted
    assert made.faulty.got.completed


@pytest.mark.parametrize("venue", VENUES)
def test_recording_of_repairs_replays_the_same(venue: str, tmp_path: Path) -> None:
    with pair(venue) as made:
        # A feed that records; its connection has the faults, too.
        feed = Feed(PRODUCTS, TRADES_CHANNEL[venue], venue=venue, url=made.exchange.url, repair=True)
        got, windows = Collected(feed), Collected(feed.pipe(window_volume(2)))
        feed.pipe(record(tmp_path)).subscribe()
        with feed:
            made.until(lambda: sum(isinstance(each, Trade) for each in [*got.items]) > 20)
            drop(made, 3)
            made.until(lambda: any(each.repaired for each in [*got.items]))
            made.settle()
            count = len(got.items)
            made.until(lambda: len(got.items) > count + 5)
    again = Replay(tmp_path)
    played, results = Collected(again), Collected(again.pipe(window_volume(2)))
    again.run()
    assert _trades(played) == _trades(got)
    assert results.items == windows.items
    assert sum(each.repaired for each in played.items) == again.stats.repaired == feed.stats.repaired > 0


def _ids_of_tickers(made: Pair, product: str) -> list[int]:
    tickers = [each for each in [*made.faulty.got.items] if isinstance(each, ExchangeTicker)]
    return [each.trade_id for each in tickers if each.product_id == product and each.trade_id is not None]


def _trades(got: Collected[Message]) -> list[tuple[object, ...]]:
    return [
        (each.product_id, each.trade_id, each.price, each.size, each.epoch, each.repaired, each.received_ns)
        for each in got.items
        if isinstance(each, Trade)
    ]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.timeout(amount(60, 600))
@pytest.mark.parametrize("seed", range(amount(1, 10)))
def test_windows_are_right_or_incomplete_under_random_faults(venue: str, seed: int) -> None:
    """The time of what is held is up at random moments, and only at these: a busy machine repairs as much."""
    dice, clock = random.Random(seed), ManualClock()
    repair = Repair(patience=100_000)  # of the clock, which is also the time that a request may take
    with pair(venue, seed=seed, repair=repair, clock=clock, ping_interval=None) as made:
        drop(made)
        made.until(lambda: made.faulty.all_of(Repaired))  # the faults of a short run may hit every request
        for _ in range(amount(120, 2400)):  # quarters of a second of the market
            made.advance(0.25)
            if dice.random() < 0.1:
                made.exchange.inject(random_fault(venue, dice, made.exchange.last_trade_id(BTC)))
            if dice.random() < 0.03:
                clock.advance(100_000)
        made.settle()
    counts = check(made)
    assert counts["repaired"] > 0
    assert counts["complete"] > 20


def test_repair_of_the_longest_patience_requests_at_once() -> None:
    """A request that has no answer is sent again long before: no request takes more than a minute."""
    with pair("coinbase_exchange", repair=Repair(patience=1e9)) as made:
        lose(made)
        made.until(lambda: made.faulty.all_of(Repaired))
        made.settle()
    assert check(made)["lost"] == 0


def test_repair_needs_a_rest_api() -> None:
    with pytest.raises(ConfigError, match="repair: 3 is neither"):
        Feed(BTC, "matches", repair=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="give rest_url"):
        Feed(BTC, "matches", repair=True, rest_url="")
