"""Candles from the REST API: pages, bounds, and equality with those of the operator."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from reactivex import operators as ops

from rxfeed import Candle, ConfigError, Feed, RxfeedError, candles
from rxfeed.errors import FrameMalformed, RequestRejected
from rxfeed.feed import candles_history
from rxfeed.market import FIRST, LAST, Trade
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.scenes import wait_until

BTC = "BTC-USD"
VENUES = ["coinbase_exchange", "coinbase_advanced"]
CHANNEL = {"coinbase_exchange": "matches", "coinbase_advanced": "market_trades"}
MINUTE = timedelta(minutes=1)
START = datetime(2026, 9, 1, 12, 0, 5, tzinfo=UTC)


def history(exchange: Exchange, venue: str, since: datetime, until: datetime, seconds: int = 60) -> Collected[Candle]:
    return Collected(candles_history(BTC, since, until, seconds, venue=venue, url=exchange.rest_url))


@pytest.mark.parametrize("venue", VENUES)
def test_candles_of_several_pages_are_in_order_and_within_the_bounds(venue: str) -> None:
    with Exchange([BTC], venue=venue, seed=9, auto=False, start=START) as exchange:
        since, until = START - timedelta(hours=14), START - timedelta(minutes=1)
        found = history(exchange, venue, since, until)
        assert exchange.rest_requests >= 3
        one = history(exchange, venue, since, until, 3600)
    assert found.completed
    starts = [each.start for each in found.items]
    assert starts == sorted(set(starts))
    assert since <= starts[0]
    assert starts[-1] < until
    assert len(starts) > 500
    assert {each.end - each.start for each in found.items} == {timedelta(minutes=1)}
    assert all(each.complete and each.product_id == BTC for each in found.items)
    for hour in one.items:  # longer candles are those of their minutes
        minutes = [each for each in found.items if hour.start <= each.start < hour.end]
        if hour.end <= until:
            assert hour.volume == sum(each.volume for each in minutes)
            assert (hour.open, hour.close) == (minutes[0].open, minutes[-1].close)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [((2, 30, 0), (2, 30, 1), 1), ((2, 50, 1), (4, 0, 0), 1 + 1 / 6), ((0, 0, 0), (2, 30, 1), 3.5)],
)
def test_hour_that_the_clock_repeats_is_requested(
    venue: str, since: tuple[int, int, int], until: tuple[int, int, int], hours: float
) -> None:
    """At the end of summer time: an hour, a minute and the fold of it."""
    first, end = (
        datetime(2026, 10, 25, hour, minute, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
        for hour, minute, fold in (since, until)
    )
    with Exchange([BTC], venue=venue, seed=9, auto=False, start=datetime(2026, 10, 25, 4, tzinfo=UTC)) as exchange:
        found = history(exchange, venue, first, end)
        in_utc = history(exchange, venue, first.astimezone(UTC), end.astimezone(UTC))
    starts = [each.start for each in found.items]
    assert starts == [each.start for each in in_utc.items]
    assert {each.tzinfo for each in starts} == {UTC}
    assert len(starts) > 20 * hours
    assert first.astimezone(UTC) <= starts[0] <= starts[-1] < first.astimezone(UTC) + timedelta(hours=hours)


@pytest.mark.parametrize("venue", VENUES)
def test_candles_are_those_of_the_operator(venue: str) -> None:
    with Exchange([BTC], venue=venue, seed=9, auto=False, start=START, rate=20) as exchange:
        feed = Feed(BTC, CHANNEL[venue], venue=venue, url=exchange.url)
        made, got = Collected(feed.pipe(candles(60))), Collected(feed)
        with feed:
            exchange.wait_for_clients(1)
            exchange.advance(200)
            last = exchange.last_trade_id(BTC)
            exchange.advance(5)
            wait_until(lambda: any(isinstance(each, Trade) and each.trade_id >= last for each in [*got.items]))
            found = history(exchange, venue, START + timedelta(seconds=55), START + timedelta(seconds=170))
    ours = {each.start: each for each in made.items if each.complete}
    assert len(found.items) == 2
    for each in found.items:
        assert (each.notional, each.vwap, each.count) == (None, None, None)
        other = ours[each.start]
        names = ("product_id", "start", "end", "open", "high", "low", "close", "volume", "complete")
        assert [getattr(each, name) for name in names] == [getattr(other, name) for name in names]


def test_candle_that_has_not_ended_is_not_complete() -> None:
    with Exchange([BTC], seed=9, auto=False, start=datetime.now(UTC)) as exchange:
        exchange.step(50)
        now = datetime.now(UTC)
        found = history(exchange, "coinbase_exchange", now - timedelta(hours=3), now + timedelta(hours=1), 3600)
    assert [each.complete for each in found.items] == [True] * (len(found.items) - 1) + [False]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(faults.RestStatus(code=404), RequestRejected), (faults.RestGarbage(), FrameMalformed)],
    ids=["status", "garbage"],
)
def test_failed_page_fails_the_stream(fault: faults.Fault, kind: type[RxfeedError]) -> None:
    with Exchange([BTC], seed=9, auto=False, start=START, faults=[fault]) as exchange:
        found = history(exchange, "coinbase_exchange", START - timedelta(hours=1), START)
        assert isinstance(found.error, kind)
        again = history(exchange, "coinbase_exchange", START - timedelta(hours=1), START)
    assert again.completed


@pytest.mark.parametrize(("starts", "reason"), [((0, 60, 60), "two begin at"), ((0, 61), "of 60 s: one begins at")])
def test_candles_that_cannot_be_of_one_grid_fail_the_stream(starts: tuple[int, ...], reason: str) -> None:
    first = int(START.timestamp()) // 60 * 60 - 3000
    payload = json.dumps([[first + each, 1, 2, 1, 2, 5] for each in starts])
    with Exchange([BTC], seed=9, auto=False, start=START, faults=[faults.RestGarbage(payload=payload)]) as exchange:
        found = history(exchange, "coinbase_exchange", START - timedelta(hours=1), START)
    assert isinstance(found.error, FrameMalformed)
    assert reason in str(found.error)
    assert found.items == []


@pytest.mark.parametrize("payload", ["{}", '""', '{"candles":[]}'])
def test_answer_that_is_no_list_is_not_an_empty_one(payload: str) -> None:
    with Exchange([BTC], seed=9, auto=False, start=START, faults=[faults.RestGarbage(payload=payload)]) as exchange:
        found = history(exchange, "coinbase_exchange", START - timedelta(hours=1), START)
    assert isinstance(found.error, FrameMalformed)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("since", "until", "end"),
    [
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), FIRST + 3 * MINUTE, FIRST + 3 * MINUTE),
        (LAST - 3 * MINUTE, datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), LAST),
    ],
    ids=["first", "last"],
)
def test_bounds_may_be_those_of_the_calendar(venue: str, since: datetime, until: datetime, end: datetime) -> None:
    """Also where their time in UTC is off it."""
    starts = [FIRST + 2 * MINUTE, LAST.replace(second=0, microsecond=0)]
    rows = [[int(each.timestamp()), 1, 1, 1, 1, 1] for each in starts]
    names = ("start", "low", "high", "open", "close", "volume")
    named = [dict(zip(names, map(str, row), strict=True)) for row in rows]
    payload = json.dumps(rows if venue == "coinbase_exchange" else {"candles": named})
    with Exchange([BTC], venue=venue, auto=False, faults=[faults.RestGarbage(payload=payload)]) as exchange:
        found = history(exchange, venue, since, until)
        assert exchange.rest_requests == 1
    assert found.error is None
    assert [(each.start in starts, each.end) for each in found.items] == [(True, end)]


def test_no_page_is_requested_after_the_last_candle_that_is_taken() -> None:
    with Exchange([BTC], seed=9, auto=False, start=START) as exchange:
        stream = candles_history(BTC, START - timedelta(hours=14), START, 60, url=exchange.rest_url)
        assert exchange.rest_requests == 0  # nothing is subscribed to it
        taken = stream.pipe(ops.take(2), ops.to_list()).run()
        assert len(taken) == 2
        assert exchange.rest_requests == 1


def test_arguments_of_candle_history_are_checked() -> None:
    for since, seconds, text in (
        (START.replace(tzinfo=None), 60, "since"),
        (START, 7, "seconds: 7 is not the length of a candle"),
    ):
        with pytest.raises(ConfigError, match=text):
            candles_history(BTC, since, START, seconds)
