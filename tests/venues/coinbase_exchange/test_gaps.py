"""ExchangeGaps: last matches, heartbeats, copies and subscriptions; every number is delivered once or missed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Match, Message
from rxfeed.core import RepairedNumbers
from rxfeed.venues.coinbase_exchange import Done
from tests.support.make import at, heartbeat, last_match, match
from tests.venues.coinbase_exchange.gap_steps import BTC, noop, order, restarts, run, trade, watching

# ---- last_match


def test_last_match_shows_trades_missed_by_a_reconnect() -> None:
    continuity = watching("matches")
    run(continuity, [last_match(trade_id=3), trade(4)])
    continuity.reconnected()
    delivered, missed = run(continuity, [last_match(trade_id=6), trade(7)])
    assert len(delivered) == 2
    assert missed == [("matches", 5, 6)]


@pytest.mark.parametrize("first", [[], [4], [4, 5]])
def test_last_match_with_the_next_id_is_the_trade_that_was_missed(first: list[int]) -> None:
    """Also if no trade has come since the last one before the first connection."""
    continuity = watching("matches")
    run(continuity, [last_match(trade_id=3), *map(trade, first)])
    continuity.reconnected()
    missed = len(first) + 4
    assert not continuity.step(last_match(trade_id=missed, time=missed))
    assert isinstance(continuity.new, Match)
    assert (continuity.new.trade_id, continuity.missed) == (missed, [RepairedNumbers(BTC, "matches", missed, missed)])
    delivered, gaps = run(continuity, [trade(missed), trade(missed + 1), trade(missed + 3)])
    assert [each.trade_id for each in delivered] == [missed + 1, missed + 3]
    assert gaps == [("matches", missed + 2, missed + 2)]


def test_known_last_match_shows_that_no_trade_was_missed() -> None:
    continuity = watching("matches")
    run(continuity, [last_match(trade_id=3), trade(4)])
    continuity.reconnected()
    assert run(continuity, [last_match(trade_id=4), trade(5)])[1] == []


def test_trades_may_precede_their_last_match() -> None:
    messages = [trade(8), last_match(trade_id=7), trade(9)]
    assert run(watching("matches"), messages) == (messages, [])


# ---- heartbeats


def test_trade_missing_at_the_next_heartbeat_is_a_gap() -> None:
    continuity = watching("matches", "heartbeat")
    run(continuity, [trade(4), heartbeat(5, last_trade_id=6)])
    assert continuity.missed == []  # it may have overtaken them
    assert run(continuity, [trade(5), heartbeat(6, last_trade_id=6)])[1] == [("matches", 6, 6)]
    assert continuity.epoch(BTC) == 1
    assert continuity.step(trade(6))  # no heartbeat alone sets the last number


def test_heartbeat_shows_missing_orders() -> None:
    continuity = watching("full", "heartbeat")
    beats = [heartbeat(t) for t in (5, 6)]
    first, second = (type(b)(product_id=BTC, sequence=8, last_trade_id=1, time=b.time) for b in beats)
    assert run(continuity, [order(7), first, second])[1] == [("full", 8, 8)]


def test_heartbeat_before_the_first_message_shows_no_gap() -> None:
    continuity = watching("matches", "heartbeat")
    run(continuity, [trade(4)])
    continuity.reconnected()
    run(continuity, [heartbeat(5, last_trade_id=9), heartbeat(6, last_trade_id=9)])
    assert continuity.missed == []
    # The next trade shows the whole gap, once.
    assert run(continuity, [trade(10)])[1] == [("matches", 5, 9)]


# ---- two channels that send the same


def test_match_of_full_and_matches_is_delivered_once() -> None:
    continuity = watching("full", "matches")
    five, six = match(sequence=5, trade_id=1, time=5), match(sequence=6, trade_id=2, time=6)
    done = Done(product_id=BTC, order_id="o", side="buy", time=at(7), sequence=7, reason="filled")
    assert run(continuity, [five, five, six, done, six]) == ([five, six, done], [])


def test_copy_of_a_match_may_arrive_first() -> None:
    continuity = watching("full", "matches")
    ahead = match(sequence=7, trade_id=1, time=7)
    messages = [order(5), ahead, order(6), ahead, order(8)]
    assert run(continuity, messages) == ([messages[0], ahead, messages[2], messages[4]], [])


def test_copy_may_be_the_first_message() -> None:
    continuity = watching("full", "matches")
    ahead, five = match(sequence=6, trade_id=1, time=6), order(5)
    assert run(continuity, [ahead, five, ahead, order(7)])[0][:2] == [ahead, five]
    assert continuity.missed == []


def test_gap_excludes_matches_received_as_copies() -> None:
    continuity = watching("full", "matches")
    ahead = match(sequence=7, trade_id=1, time=7)
    delivered, missed = run(continuity, [order(5), ahead, order(10)])
    assert len(delivered) == 3
    assert missed == [("full", 6, 6), ("full", 8, 9)]


def test_own_orders_on_full_and_user_are_delivered_once() -> None:
    continuity = watching("full", "user")
    mine = order(6, user_id="me")
    assert run(continuity, [order(5), mine, mine, order(7)])[1] == []
    assert continuity.step(order(9, user_id="me"))
    assert continuity.missed == []
    assert run(continuity, [order(8), order(9, user_id="me"), order(10)])[1] == []


# ---- what is subscribed to


def test_resubscribed_product_has_no_gap() -> None:
    continuity = watching("full", "matches", "level3")
    run(continuity, [order(5), noop(5)])
    continuity.watch([])
    continuity.watch([("full", BTC), ("level3", BTC)])
    assert run(continuity, [order(50), noop(60)])[1] == []


def test_interruption_raises_every_epoch() -> None:
    continuity = watching("full")
    run(continuity, [order(5), order(7)])
    continuity.interrupted()
    assert (continuity.epoch(BTC), continuity.epoch("A-B"), continuity.epoch(None)) == (2, 1, 1)


# ---- properties

NUMBERS = st.lists(st.integers(0, 60), max_size=60)


@pytest.mark.parametrize(("channel", "make"), [("full", order), ("matches", trade), ("level3", noop)])
@given(numbers=NUMBERS)
def test_every_number_is_delivered_once_or_in_one_gap(channel: str, make: Any, numbers: list[int]) -> None:
    """Any messages, in any order and number."""
    continuity = watching(channel)
    delivered, missed = run(continuity, [make(n) for n in numbers])
    got = [m.trade_id if channel == "matches" else m.sequence for m in delivered]
    if restarts(continuity):  # three late messages in a row: a copy of an earlier number may continue them
        return
    assert len(got) == len(set(got))
    assert got == sorted(got)
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
def test_full_with_matches_is_delivered_exactly_once(
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
def test_epochs_rise_exactly_for_possible_losses(events: list[str]) -> None:
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
