"""Holes in trade ids: what is held, what comes out, and in which order, against a slow model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rxfeed.core import LostTrades, Repair, RepairedTrades, TradeRepair
from rxfeed.errors import ConfigError
from rxfeed.venues.coinbase_exchange import Match

PRODUCT = "BTC-USD"
START = datetime(2024, 1, 1, tzinfo=UTC)


def trade(number: int, product: str = PRODUCT) -> Match:
    return Match(
        product_id=product,
        time=START + timedelta(seconds=number),
        trade_id=number,
        sequence=number,
        price=Decimal(100),
        size=Decimal(1),
        side="buy",
        maker_order_id="m",
        taker_order_id="t",
    )


def shown(outputs: object) -> list[object]:
    return [each.trade_id if isinstance(each, Match) else each for each in outputs]  # type: ignore[attr-defined]


def test_trade_repair_outputs_missing_before_held() -> None:
    repair = TradeRepair(Repair(patience=5))
    assert repair.missed(PRODUCT, 3, 4, 10.0)
    assert repair.hold(trade(5), 10.0) == []
    assert repair.fetched(PRODUCT, [trade(4), trade(3)], 11.5) == [
        RepairedTrades(PRODUCT, 3, 4, 1.5),
        trade(3),
        trade(4),
        trade(5),
    ]
    assert not repair.holds(PRODUCT)


def test_trade_repair_reports_what_does_not_come_in_its_place() -> None:
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 6, 10.0)
    repair.hold(trade(7), 10.0)
    assert repair.fetched(PRODUCT, [trade(4)], 11.0) == []
    assert repair.due(14.9) == []
    assert shown(repair.due(15.0)) == [
        LostTrades(PRODUCT, 3, 3),
        RepairedTrades(PRODUCT, 4, 4, 5.0),
        4,
        LostTrades(PRODUCT, 5, 6),
        7,
    ]


def test_trade_repair_later_answer_is_dropped() -> None:
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 3, 10.0)
    repair.due(15.0)
    assert repair.fetched(PRODUCT, [trade(3)], 15.1) == []


def test_trade_repair_second_hole_waits_for_the_first() -> None:
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 3, 10.0)
    repair.hold(trade(4), 10.0)
    repair.missed(PRODUCT, 5, 5, 12.0)
    repair.hold(trade(6), 12.0)
    assert repair.fetched(PRODUCT, [trade(5)], 12.5) == []
    assert shown(repair.fetched(PRODUCT, [trade(3)], 13.0)) == [
        RepairedTrades(PRODUCT, 3, 3, 3.0),
        3,
        4,
        RepairedTrades(PRODUCT, 5, 5, 1.0),
        5,
        6,
    ]


def test_trade_repair_exhausted_hole_is_closed_at_once() -> None:
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 3, 10.0)
    repair.hold(trade(4), 10.0)
    assert shown(repair.exhausted(PRODUCT, 3, 3, 10.5)) == [LostTrades(PRODUCT, 3, 3), 4]


def test_trade_repair_holds_no_more_than_its_bound() -> None:
    repair = TradeRepair(Repair(patience=5, most=2))
    assert not repair.missed(PRODUCT, 1, 3, 10.0)
    assert repair.missed(PRODUCT, 1, 2, 10.0)
    assert repair.hold(trade(3), 10.0) == repair.hold(trade(4), 10.0) == []
    assert shown(repair.hold(trade(5), 10.0)) == [LostTrades(PRODUCT, 1, 2), 3, 4, 5]


def test_trade_repair_other_products_are_not_held() -> None:
    repair = TradeRepair(Repair())
    repair.missed(PRODUCT, 3, 3, 10.0)
    assert repair.holds(PRODUCT)
    assert not repair.holds("ETH-USD")
    assert not repair.holds(None)


def test_trade_repair_remaining_is_the_first_deadline() -> None:
    repair = TradeRepair(Repair(patience=5))
    assert repair.remaining(10.0) is None
    repair.missed("ETH-USD", 1, 1, 12.0)
    repair.missed(PRODUCT, 1, 1, 10.0)
    assert repair.remaining(11.0) == 4.0


def test_trade_repair_holds_a_trade_behind_the_last_hole_before_it() -> None:
    repair = TradeRepair(Repair())
    repair.missed(PRODUCT, 3, 3, 10.0)
    repair.missed(PRODUCT, 6, 6, 10.0)  # of one frame with the trades 4, 5 and 7
    assert [repair.hold(trade(number), 10.0) for number in (4, 5, 7)] == [[], [], []]
    assert repair.hold(trade(2), 10.0) == [trade(2)]
    assert shown(repair.fetched(PRODUCT, [trade(3)], 10.0)) == [RepairedTrades(PRODUCT, 3, 3, 0.0), 3, 4, 5]
    assert shown(repair.fetched(PRODUCT, [trade(6)], 10.0)) == [RepairedTrades(PRODUCT, 6, 6, 0.0), 6, 7]


def test_trade_repair_missing_trade_that_still_comes_fills_its_hole() -> None:
    repair = TradeRepair(Repair())
    repair.missed(PRODUCT, 3, 4, 10.0)
    assert repair.hold(trade(4), 10.0) == []
    assert shown(repair.hold(trade(3), 10.0)) == [RepairedTrades(PRODUCT, 3, 4, 0.0), 3, 4]


def test_trade_repair_bounds_what_a_product_may_lack() -> None:
    repair = TradeRepair(Repair(most=4))
    assert repair.missed(PRODUCT, 1, 3, 10.0)
    assert not repair.can_repair(PRODUCT, 5, 6)
    assert not repair.missed(PRODUCT, 5, 6, 10.0)
    assert repair.missed(PRODUCT, 5, 5, 10.0)


@pytest.mark.parametrize(
    "arguments", [*({"patience": each} for each in (0, -1, float("nan"), 1e10, 1e300)), {"most": 0}]
)
def test_repair_refuses_values_that_cannot_be(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        Repair(**arguments)  # type: ignore[arg-type]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.just(0)),
        st.tuples(st.just("drop"), st.integers(1, 4)),
        st.tuples(st.just("answer"), st.integers(0, 40)),
        st.tuples(st.just("late"), st.integers(0, 40)),
        st.tuples(st.just("wait"), st.integers(1, 3)),
        st.tuples(st.just("give up"), st.integers(0, 40)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 12))
def test_trade_repair_output_is_in_order_and_accounts_for_each_id(steps: list[tuple[str, int]], most: int) -> None:
    """Whatever comes when: each id is output once, as a trade or as lost, and ids rise."""
    repair, now, number = TradeRepair(Repair(patience=4, most=most)), 0.0, 0
    outputs: list[object] = []
    holes: list[tuple[int, int]] = []
    for step, value in steps:
        if step == "trade":
            number += 1
            outputs += repair.hold(trade(number), now) if repair.holds(PRODUCT) else [trade(number)]
        elif step == "drop":
            first, number = number + 1, number + value
            if repair.missed(PRODUCT, first, number, now):
                holes.append((first, number))
            else:
                outputs += [*repair.finish(now, PRODUCT), LostTrades(PRODUCT, first, number)]
        elif step == "answer":
            outputs += repair.fetched(PRODUCT, [trade(value), trade(value + 1)], now)
        elif step == "late" and repair.holds(PRODUCT):
            if any(first <= value <= last for first, last in holes) and value > known(outputs):
                outputs += repair.hold(trade(value), now)
        elif step == "give up" and holes:
            outputs += repair.exhausted(PRODUCT, *holes[value % len(holes)], now)
        elif step == "wait":
            now += value
            outputs += repair.due(now)
    outputs += repair.finish(now)
    assert ids_of(outputs) == list(range(1, number + 1))
    assert repair.remaining(now) is None


def ids_of(outputs: list[object]) -> list[int]:
    ids: list[int] = []
    for output in outputs:
        if isinstance(output, LostTrades):
            ids += range(output.first, output.last + 1)
        elif isinstance(output, Match):
            ids.append(output.trade_id)
    return ids


def known(outputs: list[object]) -> int:
    """The last id that was output."""
    return max(ids_of(outputs), default=0)


def test_trade_repair_refuses_a_trade_whose_time_is_not_in_the_hole() -> None:
    """It would be counted in a window that is over, or has not begun."""
    for wrong in (-10, 10**6):
        repair = TradeRepair(Repair(patience=5))
        repair.missed(PRODUCT, 3, 4, 10.0, after=trade(2).time)
        repair.hold(trade(5), 10.0)
        moved = replace(trade(4), time=trade(4).time + timedelta(seconds=wrong))
        assert repair.fetched(PRODUCT, [trade(3), moved], 11.0) == []
        assert shown(repair.due(15.0)) == [RepairedTrades(PRODUCT, 3, 3, 5.0), 3, LostTrades(PRODUCT, 4, 4), 5]


def test_trade_repair_refuses_what_is_newer_than_the_heartbeat() -> None:
    """A heartbeat named the last trade of the hole, and no trade after it has come."""
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 4, 10.0, after=trade(2).time, before=trade(5).time)
    wrong = replace(trade(4), time=trade(5).time + timedelta(seconds=2))
    assert repair.fetched(PRODUCT, [trade(3), wrong], 11.0) == []
    assert shown(repair.fetched(PRODUCT, [trade(4)], 12.0)) == [RepairedTrades(PRODUCT, 3, 4, 2.0), 3, 4]


def test_trade_repair_drops_what_is_newer_than_the_next_trade() -> None:
    """That trade comes after the answer, and there may be another hole between the two."""
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 4, 10.0, after=trade(2).time)
    repair.missed(PRODUCT, 5, 5, 10.0)
    wrong = replace(trade(4), time=trade(9).time)
    assert repair.fetched(PRODUCT, [wrong], 11.0) == []
    assert repair.hold(trade(6), 11.0) == []
    assert repair.fetched(PRODUCT, [trade(3)], 11.0) == []
    assert shown(repair.fetched(PRODUCT, [trade(4), trade(5)], 12.0)) == [
        *(RepairedTrades(PRODUCT, 3, 4, 2.0), 3, 4),
        *(RepairedTrades(PRODUCT, 5, 5, 2.0), 5, 6),
    ]


def test_trade_repair_keeps_a_missing_trade_that_came_with_any_time() -> None:
    """It came from the venue, after others: only what was fetched is doubted."""
    repair = TradeRepair(Repair(patience=5))
    repair.missed(PRODUCT, 3, 4, 10.0, after=trade(2).time)
    came = replace(trade(4), time=trade(9).time)
    assert repair.hold(came, 10.0) == repair.hold(trade(5), 10.0) == []
    assert shown(repair.fetched(PRODUCT, [trade(3)], 10.0)) == [RepairedTrades(PRODUCT, 3, 4, 0.0), 3, 4, 5]
