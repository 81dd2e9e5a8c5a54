"""Paper orders in a recorded market: what each scenario fills, to the unit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import reactivex

from rxfeed import ConfigError, Message, lift
from rxfeed.backtest import PaperFill, PaperMarket
from rxfeed.market import Origin, stamp
from tests.backtest.desk import BTC, Desk, bought, snapshot, sold, update
from tests.support.make import at, heartbeat, last_match, ticker

# ---- taking


def test_market_order_takes_the_best_price_at_its_arrival() -> None:
    desk = Desk(latency=1)
    desk.market.market("buy", 7)
    assert desk.step(update(0.9, ("sell", 101, 2))) == []
    assert desk.step(heartbeat(2)) == [
        "1 1 buy 2 at 101 taker, 5 left",
        "1 1 buy 5 at 102 taker, 0 left",
        "1 1 filled, 0 left",
    ]


def test_order_arrives_after_all_messages_of_its_time() -> None:
    desk = Desk(latency=1)
    desk.market.market("buy", 1)
    assert desk.step(update(1, ("sell", 101, 0)), update(1, ("sell", "101.5", 3))) == []
    assert desk.step(update(1.000001, ("sell", 101, 9))) == ["1 1 buy 1 at 101.5 taker, 0 left", "1 1 filled, 0 left"]


def test_market_order_without_liquidity_is_canceled() -> None:
    desk = Desk()
    desk.market.market("sell", 12)
    assert desk.step(heartbeat(1)) == [
        "0 1 sell 5 at 100 taker, 7 left",
        "0 1 sell 5 at 99 taker, 2 left",
        "0 1 canceled, 2 left",
    ]
    desk.market.market("sell", 1)
    assert desk.step(heartbeat(2)) == ["1 2 canceled, 1 left"]


def test_limit_order_takes_up_to_its_price_and_rests() -> None:
    desk = Desk()
    desk.market.limit("buy", 101, 6)
    assert desk.step(heartbeat(1)) == ["0 1 buy 5 at 101 taker, 1 left", "0 1 open 1 at 101"]


def test_taken_size_stays_taken_while_the_recording_shows_it() -> None:
    desk = Desk()
    desk.market.market("buy", 4)
    desk.step(heartbeat(1))
    desk.market.market("buy", 2)
    assert desk.step(heartbeat(2)) == [
        "1 2 buy 1 at 101 taker, 1 left",
        "1 2 buy 1 at 102 taker, 0 left",
        "1 2 filled, 0 left",
    ]
    # Of 5 at 101, all taken, the recording shows 3 more: those can be taken, and only those.
    desk.step(update(3, ("sell", 101, 8)))
    desk.market.market("buy", 4)
    assert desk.step(heartbeat(4))[0] == "3 3 buy 3 at 101 taker, 1 left"
    # It shrinks to 2: nothing of the recorded size is left. Then the size is new.
    desk.step(update(5, ("sell", 101, 2)))
    desk.market.limit("buy", 101, 1)
    assert desk.step(update(6, ("sell", 101, 0)), update(7, ("sell", 101, 1))) == ["5 4 open 1 at 101"]
    assert desk.step(heartbeat(8)) == ["7 4 buy 1 at 101 maker, 0 left", "7 4 filled, 0 left"]


# ---- resting


def test_resting_order_queues_behind_its_price_level() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 2)
    assert desk.step(update(1, ("buy", 100, 9))) == ["0 1 open 2 at 100"]  # 4 were added behind it
    assert desk.step(sold(2, 100, 3), update(2, ("buy", 100, 6))) == []  # 2 of the first 5 are left
    assert desk.step(sold(3, 100, "2.5"), update(3, ("buy", 100, "3.5"))) == []
    assert desk.step(sold(4, 100, 4)) == ["3 1 buy 0.5 at 100 maker, 1.5 left"]
    assert desk.end() == ["4 1 buy 1.5 at 100 maker, 0 left", "4 1 filled, 0 left"]


@pytest.mark.parametrize("trade_first", [True, False])
def test_change_and_trade_of_one_time_come_in_any_order(trade_first: bool) -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 2)
    moment = [sold(1, 100, 6), update(1, ("buy", 100, 0))]
    desk.step(*(moment if trade_first else reversed(moment)))
    assert desk.step(heartbeat(2)) == ["1 1 buy 1 at 100 maker, 1 left"]
    assert desk.step(sold(3, 100, 9)) == []
    assert desk.end() == ["3 1 buy 1 at 100 maker, 0 left", "3 1 filled, 0 left"]


def test_trade_with_a_late_change_is_subtracted_once() -> None:
    desk = Desk()
    desk.step(sold(1, 100, 4), heartbeat(2))
    desk.market.market("sell", 2)
    assert desk.step(update(3, ("buy", 100, 1))) == [
        "2 1 sell 1 at 100 taker, 1 left",
        "2 1 sell 1 at 99 taker, 0 left",
        "2 1 filled, 0 left",
    ]
    desk.step(update(4, ("buy", 100, 3)))
    desk.market.market("sell", 9)
    assert desk.step(heartbeat(5))[0] == "4 2 sell 2 at 100 taker, 7 left"


def test_change_to_the_same_size_means_new_size() -> None:
    """If the size is unchanged after a trade, as much as was traded has been added behind."""
    desk = Desk()
    desk.step(sold(1, 100, 4), update(2, ("buy", 100, 5)))
    desk.market.market("sell", 5)
    assert desk.step(heartbeat(3)) == ["2 1 sell 5 at 100 taker, 0 left", "2 1 filled, 0 left"]


def test_messages_dated_ahead_move_no_time_and_fill_nothing() -> None:
    def received(message: Message, seconds: float) -> Message:
        return stamp(message, Origin(message.raw, int(at(seconds).timestamp()) * 10**9, 0))

    desk = Desk(latency=1)
    desk.step(received(heartbeat(0), 0))
    desk.market.limit("buy", 100, 1)
    assert desk.step(received(sold(3600, 100, 6), 1), received(update(3600, ("buy", 99, 4)), 1)) == []
    assert desk.market.time == at(0)
    assert desk.step(received(heartbeat(2), 2)) == ["1 1 open 1 at 100"]
    assert desk.market.book is not None
    assert desk.market.book.bids[1] == (99, 4)


def test_canceled_size_is_assumed_behind_the_order() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    desk.step(update(1, ("buy", 100, 8)), update(2, ("buy", 100, 5)))  # 3 added behind, and those 3 canceled
    assert desk.step(sold(3, 100, 4), update(3, ("buy", 100, 1)), heartbeat(4)) == []  # 1 is ahead
    assert desk.step(update(5, ("buy", 100, 0)), sold(6, 100, 1), heartbeat(7)) == [
        "6 1 buy 1 at 100 maker, 0 left",
        "6 1 filled, 0 left",
    ]


def test_better_price_fills_first_and_at_most_what_was_traded() -> None:
    desk = Desk()
    desk.market.limit("buy", "100.5", 3)
    desk.step(heartbeat(1))
    assert desk.step(sold(2, 100, 2), update(2, ("buy", 100, 3)), heartbeat(3)) == ["2 1 buy 2 at 100.5 maker, 1 left"]
    # The paper order took the taker's size, so the 5 at 100 stay; in the recording they are gone.
    desk.market.market("sell", 1)
    assert desk.step(heartbeat(4)) == ["3 2 self_trade, 1 left"]
    desk.market.cancel("paper-1")
    desk.market.market("sell", 4)
    assert desk.step(heartbeat(5)) == [
        "4 1 canceled, 1 left",
        "4 3 sell 3 at 100 taker, 1 left",
        "4 3 sell 1 at 99 taker, 0 left",
        "4 3 filled, 0 left",
    ]


def test_market_order_that_rests_across_a_paper_order_fills_it() -> None:
    desk = Desk()
    desk.market.limit("sell", "100.5", 3)
    desk.step(heartbeat(1))
    assert desk.step(update(2, ("buy", "100.7", 2)), heartbeat(3)) == ["2 1 sell 2 at 100.5 maker, 1 left"]
    # It rests in the recording, and is filled here.
    desk.market.cancel("paper-1")
    desk.market.market("sell", 1)
    assert "3 2 sell 1 at 100 taker, 0 left" in desk.step(heartbeat(4))


def test_trade_at_a_price_empties_better_levels() -> None:
    desk = Desk()
    desk.step(sold(1, 99, 1))
    desk.market.market("sell", 5)
    assert desk.step(heartbeat(2)) == ["1 1 sell 4 at 99 taker, 1 left", "1 1 canceled, 1 left"]
    # The change shows it later, and that 3 were added.
    desk.step(update(3, ("buy", 100, 3)))
    desk.market.market("sell", 5)
    assert desk.step(heartbeat(4)) == ["3 2 sell 3 at 100 taker, 2 left", "3 2 canceled, 2 left"]


def test_trades_of_other_sides_prices_and_times_fill_nothing() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    desk.market.limit("sell", 101, 1)
    assert len(desk.step(heartbeat(1))) == 2
    nothing = [
        bought(2, 100, 9),
        sold(3, "100.01", 99),
        sold(4, 100, 99, product_id="ETH-USD"),
        last_match(100, size=99, time=5, side="buy"),
        ticker(100, time=6, last_size=Decimal(99)),
        sold(5, 100, 99),  # late: the ticker was newer
        heartbeat(7),
    ]
    assert desk.step(*nothing) == []
    assert desk.end() == []


# ---- orders in flight


def test_cancel_arrives_after_latency() -> None:
    desk = Desk(latency=1)
    desk.market.limit("buy", "100.5", 2)
    desk.step(heartbeat(2))
    desk.market.cancel("paper-1")
    assert desk.step(sold(3, "100.5", "0.5"), heartbeat(4)) == [
        "3 1 buy 0.5 at 100.5 maker, 1.5 left",
        "3 1 canceled, 1.5 left",
    ]
    desk.market.cancel("paper-1")
    desk.market.cancel("nothing")
    assert desk.step(heartbeat(9)) == []


def test_cancel_does_not_overtake_its_order() -> None:
    desk = Desk(latency=1)
    desk.market.cancel(desk.market.limit("buy", 90, 1))
    assert desk.step(heartbeat(2)) == ["1 1 open 1 at 90", "1 1 canceled, 1 left"]


def test_orders_in_flight_at_the_end_never_arrive() -> None:
    desk = Desk(latency=5)
    desk.market.market("buy", 1)
    assert desk.step(heartbeat(5)) == []
    assert desk.end() == ["5 1 buy 1 at 101 taker, 0 left", "5 1 filled, 0 left"]
    desk = Desk(latency=5.000001)
    desk.market.market("buy", 1)
    assert desk.step(heartbeat(5)) == []
    assert desk.end() == []


def test_post_only_is_rejected_if_it_would_trade() -> None:
    desk = Desk(latency=1)
    desk.market.limit("buy", "100.5", 1, post_only=True)
    desk.market.limit("sell", "100.7", 1, post_only=True)
    assert desk.step(update(0.5, ("sell", "100.5", 1)), heartbeat(2)) == [
        "1 1 post_only, 1 left",
        "1 2 open 1 at 100.7",
    ]


def test_order_that_would_self_trade_is_rejected() -> None:
    desk = Desk()
    desk.market.limit("sell", 101, 1)
    desk.market.limit("buy", 101, 6)
    desk.market.limit("buy", 101, 5)
    desk.market.market("buy", 1)
    assert desk.step(heartbeat(1)) == [
        "0 1 open 1 at 101",
        "0 2 self_trade, 6 left",  # the last of its six would trade with the paper order
        "0 3 buy 5 at 101 taker, 0 left",
        "0 3 filled, 0 left",
        "0 4 self_trade, 1 left",
    ]


# ---- fees, arguments, and in a pipeline


def test_fees_are_exact_fractions_of_the_notional() -> None:
    market = PaperMarket(BTC, maker_fee="-0.0001", taker_fee="0.006")
    market.step(snapshot({"100.01": "0.12345678"}, {101: 1}))
    market.limit("buy", "100.5", 1)
    market.market("sell", "0.00000001")
    market.market("buy", "0.5")
    fills = [event for event in market.step(heartbeat(1)) if isinstance(event, PaperFill)]
    assert [(fill.price, fill.size, fill.fee) for fill in fills] == [(Decimal(101), Decimal("0.5"), Decimal("0.303"))]
    market.step(sold(2, "100.01", "0.1"))
    (fill,) = market.finish()
    assert isinstance(fill, PaperFill)
    assert (fill.price, fill.size, fill.fee) == (Decimal("100.5"), Decimal("0.1"), Decimal("-0.001005"))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda market: market.limit("bid", 1, 1), "side"),
        (lambda market: market.limit("buy", 0, 1), "price"),
        (lambda market: market.limit("buy", 1.5, 1), "price"),
        (lambda market: market.limit("buy", "1e-13", 1), "price"),
        (lambda market: market.market("buy", "0.000000001"), "size"),
        (lambda market: market.market("buy", "-1"), "size"),
        (lambda market: market.step(update(1, ("buy", 100, "1e-9"))) + market.finish(), "size"),
        (lambda _: PaperMarket(BTC, latency=-1), "latency"),
        (lambda _: PaperMarket(BTC, latency="1"), "latency"),  # type: ignore[arg-type]
        (lambda _: PaperMarket(BTC, maker_fee=0.1), "maker_fee"),  # type: ignore[arg-type]
        (lambda _: PaperMarket("", taker_fee=0), "product_id"),
    ],
)
def test_bad_arguments_are_named(call: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        call(Desk().market)


def test_paper_market_is_a_machine() -> None:
    market = PaperMarket(BTC)
    messages = [snapshot({100: 5}, {101: 5}), sold(1, 100, 9), heartbeat(2)]
    source: Any = reactivex.from_iterable(messages)
    got: list[Any] = []
    source.pipe(lift(lambda: market)).subscribe(got.append)
    assert got == []
    assert market.book is not None
    assert market.book.best_bid == (100, 5)
    assert market.time == at(2)
