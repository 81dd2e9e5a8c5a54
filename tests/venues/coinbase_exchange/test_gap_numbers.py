"""ExchangeGaps: numbers that rise by one, those that begin anew, tickers, and numbers that are wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rxfeed import Message
from rxfeed.core import Missed
from rxfeed.venues.coinbase_exchange import (
    ExchangeTicker,
    Received,
)
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from tests.support.make import at, heartbeat, last_match, ticker
from tests.venues.coinbase_exchange.gap_steps import BTC, at_time, noop, order, restarts, run, trade, watching


@pytest.mark.parametrize(
    ("channel", "make"), [("full", order), ("matches", trade), ("level3", noop)], ids=["full", "matches", "level3"]
)
class TestNumbersThatRiseByOne:
    def test_consecutive_numbers_are_delivered(self, channel: str, make: Any) -> None:
        messages = [make(n) for n in range(5, 10)]
        assert run(watching(channel), messages) == (messages, [])

    def test_gap_is_reported_once(self, channel: str, make: Any) -> None:
        messages = [make(n) for n in (5, 8, 9)]
        continuity = watching(channel)
        assert run(continuity, messages) == (messages, [(channel, 6, 7)])
        assert continuity.epoch(BTC) == 1
        assert continuity.epoch("ETH-USD") == 0

    def test_duplicates_and_late_messages_are_dropped(self, channel: str, make: Any) -> None:
        five, six, eight, late = make(5), make(6), make(8), make(7)
        continuity = watching(channel)
        delivered, missed = run(continuity, [five, six, six, five, eight, late])
        assert delivered == [five, six, eight]
        assert missed == [(channel, 7, 7)]

    def test_numbers_continue_after_a_reconnect(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        assert continuity.step(make(5))
        continuity.reconnected()
        assert continuity.epoch(BTC) == 1
        assert continuity.step(make(6))
        assert continuity.missed == []
        continuity.reconnected()
        assert continuity.step(make(10))
        assert [(m.first, m.last) for m in continuity.missed if isinstance(m, Missed)] == [(7, 9)]
        assert continuity.epoch(BTC) == 3

    def test_messages_repeated_after_a_reconnect_are_dropped(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        before = [make(n) for n in (5, 6, 7)]
        run(continuity, before)
        continuity.reconnected()
        delivered, missed = run(continuity, [make(6), make(7), make(8)])
        assert [m.sequence for m in delivered] == [8]
        assert missed == []

    def test_restarted_market_is_followed(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        run(continuity, [make(500)])
        continuity.reconnected()
        fresh = [_later(make, n) for n in (1, 2, 3)]
        assert run(continuity, fresh) == (fresh, [])
        assert restarts(continuity) == [(channel, 500, 1)]

    def test_numbers_that_restart_within_a_connection_are_delivered(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        before, fresh = [make(n) for n in range(500, 600)], [_later(make, n) for n in range(1, 100)]
        assert run(continuity, [*before, *fresh]) == ([*before, *fresh], [])
        assert restarts(continuity) == [(channel, 599, 1)]
        assert continuity.epoch(BTC) == 1

    @pytest.mark.parametrize("wrong", [10**15, 3, 102])
    def test_one_wrong_number_loses_nothing_after_it(self, channel: str, make: Any, wrong: int) -> None:
        """If the wrong number is higher, the one that it replaced is reported as a gap; later ones are delivered."""
        continuity = watching(channel)
        before, after = [make(n) for n in range(95, 101)], [_later(make, n) for n in range(101, 200)]
        strange = at_time(make, wrong, 1000.5)
        delivered, missed = run(continuity, [*before, strange, *after])
        assert delivered == [*before, strange, *after]
        assert missed == ([(channel, 101, wrong - 1)] if wrong > 101 else [])
        assert continuity.epoch(BTC) >= 1

    @pytest.mark.parametrize("wrong", [10**15, 3])
    @pytest.mark.parametrize("begun", [True, False])
    def test_wrong_number_with_a_wrong_time_loses_nothing_after_it(
        self, channel: str, make: Any, begun: bool, wrong: int
    ) -> None:
        """The time cannot be right: it is five years after the receipt."""
        continuity = watching(channel)
        continuity.received(int(at(0).timestamp()) * 10**9)
        before, after = [make(n) for n in range(35, 41)] * begun, [make(n) for n in range(41, 50)]
        strange = at_time(make, wrong, 150_000_000)
        delivered, missed = run(continuity, [*before, strange, *after])
        assert delivered == [*before, strange, *after]
        gaps = {(True, 10**15): [(41, 10**15 - 1)], (False, 3): [(4, 40)]}.get((begun, wrong), [])
        assert missed == [(channel, *gap) for gap in gaps]

    def test_late_messages_and_copies_are_dropped_in_any_order(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        sent = [make(n) for n in (98, 99, 100, 105, 99, 100, 102, 104, 105, 106, 107, 103, 106)]
        delivered, missed = run(continuity, sent)
        assert delivered == [*sent[:4], *sent[9:11]]
        assert missed == [(channel, 101, 104)]
        assert restarts(continuity) == []

    @pytest.mark.parametrize("begun", [True, False])
    def test_wrong_number_with_a_credible_wrong_time_loses_nothing(self, channel: str, make: Any, begun: bool) -> None:
        """No message after it is newer."""
        continuity = watching(channel)
        before, after = [make(n) for n in range(35, 41)] * begun, [make(n) for n in range(41, 100)]
        strange = at_time(make, 10**15, 140)
        delivered, _ = run(continuity, [*before, strange, *after])
        assert delivered == [*before, strange, *after]
        assert restarts(continuity) == [(channel, 10**15, 41)]
        assert continuity.epoch(BTC) == 1 + begun

    def test_numbers_and_times_that_go_back_are_delivered(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        before = [_later(make, n) for n in range(500, 600)]
        after = [at_time(make, n, 700 + n) for n in range(480, 600)]
        assert run(continuity, [*before, *after]) == ([*before, *after], [])
        assert restarts(continuity) == [(channel, 599, 480)]

    def test_two_late_messages_are_dropped_and_a_third_delivers_them(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        run(continuity, [make(n) for n in range(500, 600)])
        late = [make(n) for n in (1, 2, 3)]
        assert [continuity.step(each) for each in late] == [False, False, True]
        assert continuity.released == late[:2]
        assert restarts(continuity) == [(channel, 599, 1)]

    def test_numbers_below_zero_change_nothing(self, channel: str, make: Any) -> None:
        sent = [make(5), at_time(make, -1, 5.5), make(6)]
        continuity = watching(channel)
        assert run(continuity, sent) == (sent, [])
        assert continuity.epoch(BTC) == 0


def _later(make: Any, number: int) -> Message:
    return at_time(make, number, 1000 + number)


def test_products_are_independent() -> None:
    continuity = ExchangeGaps()
    continuity.watch([("full", BTC), ("full", "ETH-USD")])
    messages = [order(1), order(100, product_id="ETH-USD"), order(2), order(102, product_id="ETH-USD"), order(3)]
    assert run(continuity, messages)[0] == messages
    assert continuity.missed == [Missed("ETH-USD", "full", 101, 101)]
    assert (continuity.epoch(BTC), continuity.epoch("ETH-USD")) == (0, 1)


def test_sequence_may_jump_on_matches_alone() -> None:
    messages = [trade(1, sequence=10), trade(2, sequence=57)]
    assert run(watching("matches"), messages) == (messages, [])


def test_orders_without_a_full_subscription_are_not_checked() -> None:
    messages = [order(1), order(7), order(3)]
    assert run(watching("user"), messages) == (messages, [])


def test_private_messages_without_a_sequence_pass() -> None:
    messages = [order(1), Received(product_id=BTC, order_id="o", side="buy", time=at(0)), order(2)]
    assert run(watching("full"), messages) == (messages, [])


def test_ticker_sequence_must_not_decrease() -> None:
    first, second, third = ticker(1, sequence=5), ticker(1, sequence=9), ticker(1, sequence=12)
    delivered, missed = run(ExchangeGaps(), [first, second, first, second, third])
    assert delivered == [first, second, third]
    assert missed == []


def test_first_ticker_of_a_new_connection_may_repeat_the_last() -> None:
    continuity = ExchangeGaps()
    again = ticker(1, sequence=5)
    assert continuity.step(again)
    continuity.reconnected()
    assert continuity.step(again)


def test_newest_ticker_repeats_after_a_reconnect() -> None:
    continuity = ExchangeGaps()
    old, newest, anew = (ticker(1, time=at_, sequence=n) for at_, n in ((1, 5), (2, 6), (3, 4)))
    assert run(continuity, [old, newest, newest])[0] == [old, newest]
    continuity.reconnected()
    assert run(continuity, [old, newest, newest])[0] == [newest]
    continuity.reconnected()
    assert run(continuity, [anew])[0] == [anew]
    assert continuity.last("ticker", BTC) == 4


# ---- wrong numbers of heartbeats, last matches and tickers


def test_heartbeat_that_names_a_wrong_number_loses_no_trade() -> None:
    continuity = watching("matches", "heartbeat")
    beats = [heartbeat(n, last_trade_id=10**15) for n in (4, 5)]
    trades = [trade(n) for n in range(5, 100)]
    delivered, missed = run(continuity, [trade(4), *beats, *trades])
    assert delivered[3:] == trades
    assert missed == [("matches", 5, 10**15)]
    # The next heartbeat is right, and gaps are found as before.
    run(continuity, [heartbeat(100, last_trade_id=99), trade(102)])
    assert run(continuity, [])[1][1:] == [("matches", 100, 101)]


def test_gap_shown_by_a_heartbeat_is_reported_once() -> None:
    continuity = watching("matches", "heartbeat")
    beats = [heartbeat(n, last_trade_id=6) for n in (5, 6, 7, 8)]
    assert run(continuity, [trade(4), *beats, trade(9)])[1] == [("matches", 5, 6), ("matches", 7, 8)]
    assert continuity.epoch(BTC) == 2


def test_last_match_with_a_wrong_number_loses_no_trade() -> None:
    continuity = watching("matches")
    trades = [trade(n) for n in range(5, 100)]
    assert run(continuity, [last_match(trade_id=10**15, time=4.5), *trades])[0][1:] == trades
    assert restarts(continuity) == [("matches", 10**15, 5)]


@pytest.mark.parametrize("time", [0.0, 4.5, 60.0])
@pytest.mark.parametrize("connections", [1, 2])
def test_wrong_first_last_match_loses_no_trade(connections: int, time: float) -> None:
    continuity = watching("matches")
    before = [trade(n) for n in range(1, 5)] if connections == 2 else []
    run(continuity, before)
    if before:
        continuity.reconnected()
    trades = [trade(n) for n in range(5, 204)]
    assert run(continuity, [last_match(trade_id=10**15, time=time), *trades])[0][1:] == trades
    assert restarts(continuity) == [("matches", 10**15, 5)]
    assert run(continuity, [trade(204)])[0]


def test_low_last_match_loses_no_trade() -> None:
    continuity = watching("matches")
    trades = [trade(n) for n in range(5, 100)]
    delivered, missed = run(continuity, [*trades[:50], last_match(trade_id=2, time=1000), *trades[50:]])
    assert [each for each in delivered if each in trades] == trades
    assert missed == []


def test_repeats_after_a_reconnect_deliver_nothing_twice() -> None:
    continuity = watching("matches")
    trades = [trade(n) for n in range(5, 100)]
    run(continuity, trades)
    continuity.reconnected()
    again = [last_match(trade_id=99), *trades[-20:], trade(100)]
    assert run(continuity, again) == ([again[0], again[-1]], [])
    assert restarts(continuity) == []


def test_tickers_follow_a_restarted_sequence() -> None:
    continuity = ExchangeGaps()
    wrong = ticker(1, time=0.5, sequence=10**15)
    after = [ticker(1, time=n, sequence=n) for n in range(1, 50)]
    assert run(continuity, [wrong, *after])[0] == [wrong, *after]
    assert restarts(continuity) == [("ticker", 10**15, 1)]
    assert continuity.epoch(BTC) == 1


def test_tickers_without_a_time_follow_a_restart_at_the_third() -> None:
    continuity = ExchangeGaps()
    tickers = [ExchangeTicker(product_id=BTC, price=Decimal(1), sequence=n) for n in (10**15, 1, 2, 2, 3, 4)]
    delivered, _ = run(continuity, tickers)
    assert [each.sequence for each in delivered] == [10**15, 1, 2, 3, 4]
    assert restarts(continuity) == [("ticker", 10**15, 1)]
