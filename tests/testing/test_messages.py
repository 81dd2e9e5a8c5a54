"""The makers of messages: valid structs of either venue, with defaults, for tests of users."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rxfeed import BookSnapshot, BookUpdate, ConfigError, Message, PriorTrade, Ticker, Trade, fold, testing
from rxfeed.core import Level2Book, TumblingVolume
from rxfeed.market import AnyHeartbeat, OrderDone, OrderOpened

MAKERS: list[tuple[Callable[..., Message], type[Message]]] = [
    (testing.trade, Trade),
    (testing.prior_trade, PriorTrade),
    (testing.ticker, Ticker),
    (testing.heartbeat, AnyHeartbeat),
    (testing.book, BookSnapshot),
    (testing.book_update, BookUpdate),
]


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
@pytest.mark.parametrize(("maker", "kind"), MAKERS, ids=[maker.__name__ for maker, _ in MAKERS])
def test_maker_needs_no_arguments(maker: Callable[..., Any], kind: type[Message], venue: str) -> None:
    made = maker(venue=venue, epoch=3, time=5)
    assert isinstance(made, kind)
    assert type(made).__module__.startswith(f"rxfeed.venues.{venue}.")
    assert (made.time, made.epoch) == (testing.NOON + timedelta(seconds=5), 3)
    assert made.raw.startswith(b"{")


def test_order_events_are_of_one_order() -> None:
    opened, done = testing.order_opened("a", "9.5", 2, sequence=7), testing.order_done("a", sequence=8)
    assert isinstance(opened, OrderOpened)
    assert isinstance(done, OrderDone)
    assert (opened.order_id, opened.price, opened.open_size, opened.sequence) == ("a", Decimal("9.5"), 2, 7)
    assert (done.order_id, done.sequence) == ("a", 8)


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_taker_side_is_that_of_the_trade(venue: Any) -> None:
    bought, sold = testing.trade(venue=venue), testing.trade(taker_side="sell", venue=venue)
    assert (bought.taker_side, bought.maker_side, sold.taker_side) == ("buy", "sell", "sell")


def test_times_are_of_one_day() -> None:
    times = [0, 90, "12:01:30", timedelta(minutes=1.5), datetime(2026, 1, 2, 12, 1, 30, tzinfo=UTC)]
    assert {testing.trade(time=time).time for time in times[1:]} == {testing.NOON + timedelta(seconds=90)}
    assert testing.trade().time == testing.NOON


def test_times_are_in_utc() -> None:
    """Or an hour of summer time that the clock shows twice would have one time in tests, and another in a feed."""
    twice = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    found = testing.trade(time=twice).time
    assert (found, found.tzinfo) == (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), UTC)


def test_ids_rise() -> None:
    first, second = testing.trade(), testing.trade()
    assert first.trade_id < second.trade_id


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: testing.trade(0.1), "price: 0.1 is a float"),  # type: ignore
        (lambda: testing.book(bids=[(1, 0.5)]), "size: 0.5 is a float"),  # type: ignore
        (lambda: testing.trade(time="noon"), "time: 'noon' is not a time of a day"),
        (lambda: testing.trade(time=datetime(2026, 1, 1)), "is not a datetime with a time zone"),
        (lambda: testing.trade(taker_side="up"), "taker_side: 'up' is none of"),  # type: ignore
        (lambda: testing.trade(venue="kraken"), "venue: 'kraken' is none of"),  # type: ignore
    ],
)
def test_invalid_argument_is_named(make: Callable[[], object], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        make()


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_machines_accept_what_is_made(venue: Any) -> None:
    trades = [testing.trade(size="0.5", venue=venue), testing.trade(time=60, venue=venue)]
    assert [getattr(window, "volume", None) for window in fold(TumblingVolume(60), trades)] == [Decimal("0.5"), 1]
    messages = [testing.book(venue=venue), testing.book_update(("buy", 100, 2), venue=venue)]
    assert [view.best_bid for view in fold(Level2Book("BTC-USD"), messages)] == [(99, 1), (100, 2)]
