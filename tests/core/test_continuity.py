"""Continuity: what was missed, what came twice, and the epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Done, Message, Received
from rxfeed.core import Continuity, Missed
from rxfeed.messages import Level3Noop
from tests.support.make import at, heartbeat, last_match, match, ticker

BTC = "BTC-USD"


def order(sequence: int, *, time: Any = None, product_id: str = BTC, **fields: Any) -> Received:
    return Received(
        product_id=product_id,
        sequence=sequence,
        order_id="o",
        side="buy",
        time=at(sequence if time is None else time),
        **fields,
    )


def trade(trade_id: int, **fields: Any) -> Message:
    given: dict[str, Any] = {"time": trade_id, "sequence": trade_id} | fields
    return match(trade_id=trade_id, **given)


def noop(sequence: int) -> Level3Noop:
    return Level3Noop(product_id=BTC, sequence=sequence, time=at(sequence))


def watching(*channels: str) -> Continuity:
    continuity = Continuity()
    continuity.watch((channel, BTC) for channel in channels)
    return continuity


def run(continuity: Continuity, messages: Iterable[Message]) -> tuple[list[Any], list[Any]]:
    """What is delivered, and what was missed as (channel, first, last)."""
    delivered = [message for message in messages if continuity.step(message)]
    missed = [(each.channel, each.first, each.last) for each in continuity.missed]
    return delivered, missed


@pytest.mark.parametrize(
    ("channel", "make"), [("full", order), ("matches", trade), ("level3", noop)], ids=["full", "matches", "level3"]
)
class TestNumbersThatRiseByOne:
    def test_unbroken(self, channel: str, make: Any) -> None:
        messages = [make(n) for n in range(5, 10)]
        assert run(watching(channel), messages) == (messages, [])

    def test_a_gap_is_said_once_and_goes_on(self, channel: str, make: Any) -> None:
        messages = [make(n) for n in (5, 8, 9)]
        continuity = watching(channel)
        assert run(continuity, messages) == (messages, [(channel, 6, 7)])
        assert continuity.epoch(BTC) == 1
        assert continuity.epoch("ETH-USD") == 0

    def test_duplicates_and_late_ones_are_dropped(self, channel: str, make: Any) -> None:
        five, six, eight, late = make(5), make(6), make(8), make(7)
        continuity = watching(channel)
        delivered, missed = run(continuity, [five, six, six, five, eight, late])
        assert delivered == [five, six, eight]
        assert missed == [(channel, 7, 7)]

    def test_after_a_reconnect_the_numbers_go_on(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        assert continuity.step(make(5))
        continuity.reconnected()
        assert continuity.epoch(BTC) == 1
        assert continuity.step(make(6))
        assert continuity.missed == []
        continuity.reconnected()
        assert continuity.step(make(10))
        assert [(m.first, m.last) for m in continuity.missed] == [(7, 9)]
        assert continuity.epoch(BTC) == 3

    def test_what_is_sent_again_after_a_reconnect_is_dropped(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        before = [make(n) for n in (5, 6, 7)]
        run(continuity, before)
        continuity.reconnected()
        delivered, missed = run(continuity, [make(6), make(7), make(8)])
        assert [m.sequence for m in delivered] == [8]
        assert missed == []

    def test_a_market_that_began_anew_is_followed(self, channel: str, make: Any) -> None:
        continuity = watching(channel)
        run(continuity, [make(500)])
        continuity.reconnected()
        fresh = [_later(make, n) for n in (1, 2, 3)]
        assert run(continuity, fresh) == (fresh, [])


def _later(make: Any, number: int) -> Message:
    if make is noop:
        return Level3Noop(product_id=BTC, sequence=number, time=at(1000 + number))
    return make(number, time=1000 + number)


def test_products_do_not_touch_one_another() -> None:
    continuity = Continuity()
    continuity.watch([("full", BTC), ("full", "ETH-USD")])
    messages = [order(1), order(100, product_id="ETH-USD"), order(2), order(102, product_id="ETH-USD"), order(3)]
    assert run(continuity, messages)[0] == messages
    assert continuity.missed == [Missed("ETH-USD", "full", 101, 101)]
    assert (continuity.epoch(BTC), continuity.epoch("ETH-USD")) == (0, 1)


def test_the_sequence_of_a_match_on_matches_alone_may_jump() -> None:
    messages = [trade(1, sequence=10), trade(2, sequence=57)]
    assert run(watching("matches"), messages) == (messages, [])


def test_orders_of_a_product_whose_full_channel_is_not_ours_are_not_checked() -> None:
    messages = [order(1), order(7), order(3)]
    assert run(watching("user"), messages) == (messages, [])


def test_private_messages_without_a_sequence_pass() -> None:
    messages = [order(1), Received(product_id=BTC, order_id="o", side="buy", time=at(0)), order(2)]
    assert run(watching("full"), messages) == (messages, [])


def test_a_ticker_must_only_not_go_back() -> None:
    first, second, third = ticker(1, sequence=5), ticker(1, sequence=9), ticker(1, sequence=12)
    delivered, missed = run(Continuity(), [first, second, first, second, third])
    assert delivered == [first, second, third]
    assert missed == []


def test_the_first_ticker_of_a_new_connection_may_repeat_the_last() -> None:
    continuity = Continuity()
    again = ticker(1, sequence=5)
    assert continuity.step(again)
    continuity.reconnected()
    assert continuity.step(again)


# ---- last_match


def test_a_last_match_says_what_was_missed_between_two_connections() -> None:
    continuity = watching("matches")
    run(continuity, [last_match(trade_id=3), trade(4)])
    continuity.reconnected()
    delivered, missed = run(continuity, [last_match(trade_id=6), trade(7)])
    assert len(delivered) == 2
    assert missed == [("matches", 5, 6)]


def test_a_last_match_that_we_had_says_that_nothing_was_missed() -> None:
    continuity = watching("matches")
    run(continuity, [last_match(trade_id=3), trade(4)])
    continuity.reconnected()
    assert run(continuity, [last_match(trade_id=4), trade(5)])[1] == []


def test_trades_that_overtake_their_last_match() -> None:
    messages = [trade(8), last_match(trade_id=7), trade(9)]
    assert run(watching("matches"), messages) == (messages, [])


# ---- heartbeats


def test_a_trade_that_has_not_come_by_the_next_heartbeat_was_dropped() -> None:
    continuity = watching("matches", "heartbeat")
    run(continuity, [trade(4), heartbeat(5, last_trade_id=6)])
    assert continuity.missed == []  # it may have overtaken them
    assert run(continuity, [trade(5), heartbeat(6, last_trade_id=6)])[1] == [("matches", 6, 6)]
    assert continuity.epoch(BTC) == 1
    assert not continuity.step(trade(6))  # too late: it has been reported


def test_a_heartbeat_tells_of_orders_too() -> None:
    continuity = watching("full", "heartbeat")
    beats = [heartbeat(t) for t in (5, 6)]
    first, second = (type(b)(product_id=BTC, sequence=8, last_trade_id=1, time=b.time) for b in beats)
    assert run(continuity, [order(7), first, second])[1] == [("full", 8, 8)]


def test_a_heartbeat_before_the_first_message_of_a_connection_says_nothing() -> None:
    continuity = watching("matches", "heartbeat")
    run(continuity, [trade(4)])
    continuity.reconnected()
    run(continuity, [heartbeat(5, last_trade_id=9), heartbeat(6, last_trade_id=9)])
    assert continuity.missed == []
    # The next trade tells all of it, once.
    assert run(continuity, [trade(10)])[1] == [("matches", 5, 9)]


# ---- two channels that send the same


def test_full_and_matches_send_each_match_twice_and_it_is_delivered_once() -> None:
    continuity = watching("full", "matches")
    five, six = match(sequence=5, trade_id=1, time=5), match(sequence=6, trade_id=2, time=6)
    done = Done(product_id=BTC, order_id="o", side="buy", time=at(7), sequence=7, reason="filled")
    assert run(continuity, [five, five, six, done, six]) == ([five, six, done], [])


def test_the_copy_may_run_ahead() -> None:
    continuity = watching("full", "matches")
    ahead = match(sequence=7, trade_id=1, time=7)
    messages = [order(5), ahead, order(6), ahead, order(8)]
    assert run(continuity, messages) == ([messages[0], ahead, messages[2], messages[4]], [])


def test_the_copy_may_be_the_first_that_comes() -> None:
    continuity = watching("full", "matches")
    ahead, five = match(sequence=6, trade_id=1, time=6), order(5)
    assert run(continuity, [ahead, five, ahead, order(7)])[0][:2] == [ahead, five]
    assert continuity.missed == []


def test_a_gap_does_not_name_what_the_copy_brought() -> None:
    continuity = watching("full", "matches")
    ahead = match(sequence=7, trade_id=1, time=7)
    delivered, missed = run(continuity, [order(5), ahead, order(10)])
    assert len(delivered) == 3
    assert missed == [("full", 6, 6), ("full", 8, 9)]


def test_one_s_own_orders_come_twice_with_user() -> None:
    continuity = watching("full", "user")
    mine = order(6, user_id="me")
    assert run(continuity, [order(5), mine, mine, order(7)])[1] == []
    assert continuity.step(order(9, user_id="me"))
    assert continuity.missed == []
    assert run(continuity, [order(8), order(9, user_id="me"), order(10)])[1] == []


# ---- what is watched


def test_a_product_that_was_left_and_joined_again_has_no_gap() -> None:
    continuity = watching("full", "matches", "level3")
    run(continuity, [order(5), noop(5)])
    continuity.watch([])
    continuity.watch([("full", BTC), ("level3", BTC)])
    assert run(continuity, [order(50), noop(60)])[1] == []


def test_an_interruption_raises_every_epoch() -> None:
    continuity = watching("full")
    run(continuity, [order(5), order(7)])
    continuity.interrupted()
    assert (continuity.epoch(BTC), continuity.epoch("A-B"), continuity.epoch(None)) == (2, 1, 1)


# ---- properties

NUMBERS = st.lists(st.integers(0, 60), max_size=60)


@pytest.mark.parametrize(("channel", "make"), [("full", order), ("matches", trade), ("level3", noop)])
@given(numbers=NUMBERS)
def test_every_number_is_delivered_once_or_in_one_gap_or_before_the_first(
    channel: str, make: Any, numbers: list[int]
) -> None:
    """Whatever comes, in whatever order and however often."""
    continuity = watching(channel)
    delivered, missed = run(continuity, [make(n) for n in numbers])
    got = [m.trade_id if channel == "matches" else m.sequence for m in delivered]
    assert got == sorted(set(got))
    gapped = [n for _, first, last in missed for n in range(first, last + 1)]
    assert len(gapped) == len(set(gapped))
    assert not set(gapped) & set(got)
    if got:
        assert sorted([*got, *gapped]) == list(range(got[0], got[-1] + 1))
    assert continuity.epoch(BTC) == len({first for _, first, _ in missed})


@given(
    st.integers(1, 30),
    st.sets(st.integers(0, 29)),
    st.lists(st.tuples(st.integers(0, 29), st.integers(1, 6)), max_size=12),
)
def test_full_and_matches_together_lose_and_double_nothing(
    count: int, matched: set[int], copies: list[tuple[int, int]]
) -> None:
    """`full` in order; copies of its matches from `matches` up to six places ahead or behind: each arrives once."""
    stream: list[Any] = [
        match(sequence=n, trade_id=n, time=n) if n in matched else order(n, time=n) for n in range(count)
    ]
    sent: list[tuple[float, Message]] = [(float(n), m) for n, m in enumerate(stream)]
    for n, shift in copies:
        if n < count and n in matched:
            sent.append((n + shift - 3.5, stream[n]))
    sent.sort(key=lambda each: each[0])
    continuity = watching("full", "matches")
    delivered, missed = run(continuity, [m for _, m in sent])
    assert missed == []
    assert sorted(m.sequence for m in delivered if m.sequence is not None) == list(range(count))


@given(st.lists(st.sampled_from(["next", "skip", "again", "reconnect", "unreadable"]), max_size=40))
def test_epochs_rise_exactly_when_something_may_have_been_missed(events: list[str]) -> None:
    continuity, number, epoch = watching("full"), 10, 0
    continuity.step(order(number))
    for event in events:
        before = continuity.epoch(BTC)
        if event in ("next", "skip"):
            number += 1 if event == "next" else 3
            assert continuity.step(order(number))
        elif event == "again":
            assert not continuity.step(order(number))
        elif event == "reconnect":
            continuity.reconnected()
        else:
            continuity.interrupted()
        epoch = before + (event in ("skip", "reconnect", "unreadable"))
        assert continuity.epoch(BTC) == epoch


# ---- one connection among others


def test_the_first_one_of_a_connection_may_be_of_a_market_that_began_anew() -> None:
    continuity = watching("matches")
    run(continuity, [trade(500)])
    again, anew = trade(499), trade(1, time=1000)
    assert not continuity.step_first(again)
    assert continuity.last("matches", BTC) == 500
    assert not continuity.step(anew)
    assert continuity.step_first(anew)
    assert continuity.last("matches", BTC) == 1
    assert continuity.missed == []


def test_a_first_one_that_was_there_already_leaves_heartbeats_as_they_are() -> None:
    continuity = watching("matches")
    run(continuity, [trade(5), heartbeat(6, last_trade_id=7)])
    assert not continuity.step_first(trade(5))
    assert run(continuity, [heartbeat(7, last_trade_id=7)])[1] == [("matches", 6, 7)]


def test_after_a_reconnect_the_newest_ticker_comes_again_and_older_ones_do_not() -> None:
    continuity = Continuity()
    old, newest, anew = (ticker(1, time=at_, sequence=n) for at_, n in ((1, 5), (2, 6), (3, 4)))
    assert run(continuity, [old, newest, newest])[0] == [old, newest]
    continuity.reconnected()
    assert run(continuity, [old, newest, newest])[0] == [newest]
    continuity.reconnected()
    assert run(continuity, [anew])[0] == [anew]
    assert continuity.last("ticker", BTC) == 4


def test_a_first_ticker_is_of_a_market_that_began_anew_where_its_time_says_so() -> None:
    continuity = Continuity()
    assert continuity.step(ticker(1, time=2, sequence=6))
    assert not continuity.step_first(ticker(1, time=2, sequence=6))
    assert not continuity.step_first(ticker(1, time=1, sequence=5))
    assert continuity.step_first(ticker(1, time=3, sequence=5))


def test_what_may_be_lost_of_one_product_raises_its_epoch_alone() -> None:
    continuity = Continuity()
    continuity.lost(BTC)
    continuity.lost(None)
    assert [continuity.epoch(product) for product in (BTC, None, "ETH-USD")] == [1, 1, 0]
    continuity.interrupted()
    assert [continuity.epoch(product) for product in (BTC, None, "ETH-USD")] == [2, 2, 1]
