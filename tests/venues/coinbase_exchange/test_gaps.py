"""GapDetector: missing messages, duplicates, and epochs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Message, Unknown
from rxfeed.core import Missed, Restarted, Resubscribed
from rxfeed.market import ChannelSubscription, Malformed
from rxfeed.venues import COINBASE_EXCHANGE
from rxfeed.venues.coinbase_exchange import (
    Done,
    ExchangeDecoder,
    ExchangeHeartbeat,
    ExchangeSubscriptions,
    ExchangeTicker,
    L2Update,
    Match,
    Received,
)
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from rxfeed.venues.coinbase_exchange.messages import ExchangeAuction, Level3Noop
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


def watching(*channels: str) -> ExchangeGaps:
    continuity = ExchangeGaps()
    continuity.watch((channel, BTC) for channel in channels)
    return continuity


def run(continuity: ExchangeGaps, messages: Iterable[Message]) -> tuple[list[Any], list[Any]]:
    """The delivered messages, and the gaps as (channel, first, last)."""
    delivered: list[Message] = []
    for message in messages:
        if continuity.step(message):
            delivered += [*continuity.released, message]
            continuity.released = []
        assert not continuity.released
    missed = [(each.channel, each.first, each.last) for each in continuity.missed if isinstance(each, Missed)]
    return delivered, missed


def restarts(continuity: ExchangeGaps) -> list[tuple[str, int, int]]:
    """The restarted sequences, as (channel, last, first)."""
    return [(each.channel, each.last, each.first) for each in continuity.missed if isinstance(each, Restarted)]


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


def at_time(make: Any, number: int, time: float) -> Message:
    if make is noop:
        return Level3Noop(product_id=BTC, sequence=number, time=at(time))
    return make(number, time=time)


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


# ---- last_match


def test_last_match_shows_trades_missed_by_a_reconnect() -> None:
    continuity = watching("matches")
    run(continuity, [last_match(trade_id=3), trade(4)])
    continuity.reconnected()
    delivered, missed = run(continuity, [last_match(trade_id=6), trade(7)])
    assert len(delivered) == 2
    assert missed == [("matches", 5, 6)]


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


# ---- unknown types


def unknown(sequence: int | None, level3: bool = False) -> Unknown:
    return Unknown(type="new", product_id=BTC, sequence=sequence, level3=level3)


@pytest.mark.parametrize(("channel", "make"), [("full", order), ("level3", noop)])
def test_number_of_an_unknown_type_is_no_gap(channel: str, make: Any) -> None:
    level3 = channel == "level3"
    sent = [make(5), unknown(6, level3), make(7), make(8), unknown(10, level3), make(12), unknown(None, level3)]
    continuity = watching(channel)
    assert run(continuity, sent) == (sent, [(channel, 9, 9), (channel, 11, 11)])
    assert continuity.epoch(BTC) == 1


def test_unknown_type_that_repeats_a_number_drops_nothing() -> None:
    """As a ticker repeats the sequence of its match."""
    sent = [order(5), unknown(6), order(6), unknown(6), unknown(1), unknown(10**15), order(7)]
    continuity = watching("full")
    assert run(continuity, sent) == (sent, [])
    assert continuity.epoch(BTC) == 0


def auction(sequence: int) -> ExchangeAuction:
    return ExchangeAuction(product_id=BTC, sequence=sequence, auction_state="collection", time=at(5))


def test_number_of_an_auction_is_no_gap() -> None:
    sent = [order(5), auction(6), order(7), auction(7), auction(10**15), order(8), auction(10), order(11)]
    continuity = watching("full", "auctionfeed")
    assert run(continuity, sent) == (sent, [("full", 9, 9)])


@pytest.mark.parametrize(
    ("channel", "make", "frame"),
    [
        ("full", order, '{"type":"open","product_id":"BTC-USD","sequence":%s,"price":"NaN"}'),
        ("level3", noop, '["open","BTC-USD","%s"]'),
    ],
)
def test_number_of_a_malformed_frame_is_no_gap(channel: str, make: Any, frame: str) -> None:
    continuity = watching(channel)
    run(continuity, [make(5)])
    for number in (6, "true", '"x"', 10**15, 5, -1):
        malformed = ExchangeDecoder().decode((frame % number).encode())
        assert isinstance(malformed, Malformed)
        continuity.malformed(malformed)
    continuity.malformed(Malformed(b"", "over max_size"))
    assert run(continuity, [make(7), make(9)])[1] == [(channel, 8, 8)]


def test_heartbeat_after_an_unknown_type_shows_no_gap() -> None:
    continuity = watching("full", "heartbeat")
    beats = [ExchangeHeartbeat(product_id=BTC, sequence=6, last_trade_id=1, time=at(n)) for n in (6, 7, 8)]
    assert run(continuity, [order(5), unknown(6), *beats, order(7)])[1] == []
    assert continuity.epoch(BTC) == 0


# ---- channels that are unsubscribed and resubscribed

CHANNELS = ["full", "matches", "level3", "ticker", "ticker_batch", "level2", "level2_batch", "user", "heartbeat"]


@pytest.mark.parametrize("channel", [*CHANNELS, "auctionfeed", "rfq_matches"])
def test_resubscribed_channel_raises_its_products_epochs(channel: str) -> None:
    pairs = [(channel, BTC), (channel, "ETH-USD"), ("status", None)]
    continuity = ExchangeGaps()
    continuity.watch(pairs)
    assert continuity.epoch(BTC) == 0
    continuity.watch(pairs[1:])
    assert continuity.epoch(BTC) == 1
    continuity.watch(pairs)
    assert continuity.epoch(BTC) == 2
    # Messages before the acknowledgement may still belong to the old subscription.
    alias = {"level2_batch": "level2_50", "ticker_batch": "ticker_1000"}.get(channel, channel)
    for _ in range(2):
        continuity.step(ExchangeSubscriptions(channels=(ChannelSubscription(alias, (BTC, "ETH-USD")),)))
        assert continuity.epoch(BTC) == (2 if "level2" in channel else 3)
    assert (continuity.epoch("ETH-USD"), continuity.epoch(None)) == (0, 0)


@pytest.mark.parametrize(("channel", "make"), [("full", order), ("matches", trade), ("level3", noop)])
def test_messages_of_the_old_subscription_show_no_gap(channel: str, make: Any) -> None:
    """The unsubscribe and the subscribe take their time, and trades are missed between them."""
    continuity = watching(channel, "heartbeat")
    other = [("heartbeat", BTC)]
    run(continuity, [make(5)])
    continuity.watch(other)
    run(continuity, [make(6), *beats(10, 20)])
    continuity.watch([(channel, BTC), *other])
    run(continuity, [make(7), *beats(30, 40), make(45)])
    continuity.step(ExchangeSubscriptions(channels=(ChannelSubscription(channel, (BTC,)),)))
    delivered, missed = run(continuity, [make(46), make(47), make(47), make(50)])
    assert len(delivered) == 3
    assert missed == [(channel, 48, 49)]


def beats(*numbers: int) -> list[ExchangeHeartbeat]:
    return [ExchangeHeartbeat(product_id=BTC, sequence=n, last_trade_id=n, time=at(n)) for n in numbers]


def test_first_subscription_raises_no_epoch() -> None:
    continuity = watching("matches")
    continuity.watch([("matches", BTC), ("ticker", BTC), ("user", None)])
    assert continuity.epoch(BTC) == 0


def test_unsubscribed_channel_of_all_products_raises_all_epochs() -> None:
    continuity = ExchangeGaps()
    continuity.watch([("user", None), ("ticker", BTC)])
    continuity.watch([("ticker", BTC)])
    assert [continuity.epoch(each) for each in (BTC, "ETH-USD", None)] == [1, 1, 1]


def test_book_is_renewed_if_its_product_leaves_another_channel() -> None:
    """The epoch of the book rises too, so the book is requested again. An unsubscribed channel is not renewed."""
    continuity = watching("level2", "ticker")
    continuity.watch([("level2", BTC)])
    assert continuity.missed == [Resubscribed(BTC)]
    continuity.missed = []
    continuity.watch([])
    assert continuity.missed == []


def test_first_ticker_of_a_resubscription_may_repeat() -> None:
    continuity = watching("ticker")
    newest = ticker(1, time=1, sequence=5)
    assert continuity.step(newest)
    continuity.watch([])
    continuity.watch([("ticker", BTC)])
    assert continuity.step(newest)
    assert not continuity.step(newest)


# ---- products without a subscription


def test_products_that_are_not_subscribed_to_take_bounded_memory() -> None:
    continuity = watching("matches", "ticker")
    for number in range(30_000):
        for make in (trade(1, product_id=f"P{number}"), ticker(1, product_id=f"P{number}")):
            assert continuity.step(make)
        continuity.lost(f"P{number}")
    assert max(len(continuity._runs), len(continuity._tickers), len(continuity._epochs)) <= 10_010
    # Subscribed products are delivered as before.
    assert run(continuity, [trade(1), trade(3)])[1] == [("matches", 2, 2)]


def test_newest_ticker_repeats_after_a_reconnect() -> None:
    continuity = ExchangeGaps()
    old, newest, anew = (ticker(1, time=at_, sequence=n) for at_, n in ((1, 5), (2, 6), (3, 4)))
    assert run(continuity, [old, newest, newest])[0] == [old, newest]
    continuity.reconnected()
    assert run(continuity, [old, newest, newest])[0] == [newest]
    continuity.reconnected()
    assert run(continuity, [anew])[0] == [anew]
    assert continuity.last("ticker", BTC) == 4


def test_possible_loss_of_one_product_raises_its_epoch_alone() -> None:
    continuity = ExchangeGaps()
    continuity.lost(BTC)
    continuity.lost(None)
    assert [continuity.epoch(product) for product in (BTC, None, "ETH-USD")] == [1, 1, 0]
    continuity.interrupted()
    assert [continuity.epoch(product) for product in (BTC, None, "ETH-USD")] == [2, 2, 1]


@pytest.mark.parametrize("product", [BTC, None])
def test_rise_after_the_loss_of_tickers_is_above_all(product: str | None) -> None:
    continuity = ExchangeGaps()
    for _ in range(3):
        continuity.doubt(BTC, [ExchangeTicker])
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [3, 0, 0]
    assert continuity.highest == 3
    if product is None:
        continuity.interrupted()
    else:
        continuity.lost(product)
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [4, 4, 4]


@pytest.mark.parametrize(
    ("kind", "epochs"),
    [
        ("match", [1, 0, 1, 0, 0]),
        ("last_match", [1, 0, 0, 0, 0]),
        ("l2update", [0, 1, 0, 0, 0]),
        ("snapshot", [0, 1, 0, 0, 0]),
        ("done", [0, 0, 1, 0, 0]),
        ("ticker", [0, 0, 0, 1, 0]),
        ("rfq_match", [0, 0, 0, 0, 0]),
        ("auction", [1, 1, 1, 1, 1]),
        ("news", [1, 1, 1, 1, 1]),
        (None, [1, 1, 1, 1, 1]),
    ],
)
def test_malformed_frame_raises_the_epochs_of_its_kinds(kind: str | None, epochs: list[int]) -> None:
    """Of trades, books by price, order events, tickers and heartbeats."""
    continuity = ExchangeGaps()
    of_kinds = [
        trade(1),
        L2Update(product_id=BTC, changes=(), time=at(1)),
        order(1),
        ticker(1),
        heartbeat(1),
    ]
    renew = continuity.doubt(BTC, COINBASE_EXCHANGE.types_named(kind))
    assert [continuity.epoch_of(each) for each in of_kinds] == epochs
    assert renew == (epochs[1] == 1)
    assert continuity.epoch_of(trade(1, product_id="ETH-USD")) == 0


def test_malformed_frame_without_a_product_affects_all_subscribed_ones() -> None:
    continuity = watching("matches", "level2_batch")
    assert not continuity.doubt(None, [Match])
    update = L2Update(product_id=BTC, changes=(), time=at(1))
    assert [continuity.epoch_of(each) for each in (trade(1), update, heartbeat(1))] == [1, 0, 0]
    assert continuity.doubt(None, [])
    assert [continuity.epoch_of(each) for each in (trade(1), update, heartbeat(1))] == [2, 2, 2]


def test_every_rise_is_above_all_epochs_of_the_product() -> None:
    continuity = ExchangeGaps()
    continuity.doubt(BTC, [ExchangeTicker])
    continuity.doubt(BTC, [Match])
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [1, 2, 0]
    continuity.lost(BTC)
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [3, 3, 3]


def test_trade_id_of_a_malformed_match_is_not_missing() -> None:
    continuity = watching("matches")
    assert run(continuity, [trade(1)])[1] == []
    continuity.malformed(Malformed(b'{"type":"match","product_id":"BTC-USD","trade_id":2,"price":"NaN"}', ""))
    assert run(continuity, [trade(3), trade(5)])[1] == [("matches", 4, 4)]


def test_losses_of_tickers_take_bounded_memory() -> None:
    continuity = ExchangeGaps()
    for number in range(25_000):
        continuity.doubt(f"P{number}", [ExchangeTicker])
        assert continuity.epoch_of(ticker(1, product_id=f"P{number}")) > 0
    assert len(continuity.of_kinds) <= 10_000
