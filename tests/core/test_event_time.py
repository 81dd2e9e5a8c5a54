"""Event time is limited by the messages' receipt, in every machine; and the calendar's ends are times like others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed import ConfigError, Match, Message, fold
from rxfeed.core import (
    ActiveProducts,
    Candles,
    DollarBars,
    EventClock,
    Late,
    LatestByProduct,
    Level2Book,
    Level3Book,
    PriceCrossing,
    PriceMoves,
    RunningImbalance,
    SlidingImbalance,
    SlidingVolume,
    SpreadWidening,
    Throttle,
    TickBars,
    TumblingVolume,
    VolumeBars,
)
from rxfeed.market import EPOCH, FIRST, LAST, MICROSECOND, Origin, stamp
from rxfeed.venues.coinbase_exchange import ExchangeTicker, L2Update, Snapshot
from tests.support.make import at, heartbeat, last_match, match, ticker

MACHINES: dict[str, Callable[..., Any]] = {
    "window_volume": lambda **given: TumblingVolume(60, **given),
    "window_volume, late": lambda **given: TumblingVolume(10, 30, **given),
    "candles": lambda **given: Candles(60, **given),
    "rolling_volume": lambda **given: SlidingVolume(60, **given),
    "sliding imbalance": lambda **given: SlidingImbalance(60, **given),
    "running imbalance": lambda **given: RunningImbalance(**given),
    "tick_bars": lambda **given: TickBars(2, **given),
    "volume_bars": lambda **given: VolumeBars(3, **given),
    "dollar_bars": lambda **given: DollarBars(150, **given),
    "moved": lambda **given: PriceMoves(5, 60, **given),
    "throttle": lambda **given: Throttle(10, **given),
    "latest": lambda **given: LatestByProduct(60, **given),
    "presence": lambda **given: ActiveProducts(60, **given),
    "order_book": lambda **given: Level2Book("BTC-USD", **given),
}
WITHOUT_A_CLOCK: dict[str, Callable[[], Any]] = {
    "windows without a trade": lambda: TumblingVolume(3600 * 24 * 365, 0, True),
    "candles without a trade": lambda: Candles(10**9, 10**9, True),
    "crossing": lambda: PriceCrossing("BTC-USD", 100),
    "spread": lambda: SpreadWidening(1),
    "full_book": lambda: Level3Book("BTC-USD"),
}
PLACED = ("window_volume", "window_volume, late", "candles", "rolling_volume", "sliding imbalance")
"""The machines that place results in time: a trade that is dated ahead is late for them."""


def received(message: Any, seconds: float) -> Any:
    """*message*, received *seconds* after noon."""
    return stamp(message, Origin(message.raw, (at(seconds) - EPOCH) // MICROSECOND * 1000, message.epoch))


# ---- the limit


@pytest.mark.parametrize("ahead", [60.000001, 3600, 5 * 365 * 86400])
@pytest.mark.parametrize("name", PLACED)
def test_trade_dated_ahead_is_late_and_closes_no_window(name: str, ahead: float) -> None:
    machine, seen = MACHINES[name](), list[Any]()
    machine.clock.report = lambda clock, item: seen.append(item)
    stream: list[Any] = [received(last_match(time=-600, trade_id=1), -600)]
    stream += [received(match(time=n, trade_id=n + 2), n) for n in range(300)]
    whole = fold(MACHINES[name](), stream)
    wrong = received(match(time=100 + ahead, trade_id=999), 100)
    outputs = fold(machine, [*stream[:101], wrong, *stream[101:]])
    assert [each.trade for each in outputs if isinstance(each, Late)] == [wrong]
    assert seen == [wrong]
    results = [each for each in outputs if not isinstance(each, Late)]
    assert [_without_complete(each) for each in results] == [_without_complete(each) for each in whole]
    # What the trade may belong to lacks it.
    assert [each for each in results if each.start < at(100) <= each.end and each.complete] == []
    assert [each for each in results if each.end <= at(60) and each.start > at(0) and not each.complete] == []
    assert any(each.complete for each in results if each.start > at(100))


def _without_complete(result: Any) -> tuple[Any, ...]:
    return tuple(getattr(result, name) for name in result.__struct_fields__ if name != "complete")


@pytest.mark.parametrize("name", MACHINES)
def test_times_up_to_the_limit_and_without_receipt_count(name: str) -> None:
    machine, seen = MACHINES[name](max_ahead=10), list[Any]()
    machine.clock.report = lambda clock, item: seen.append(item)
    for n in range(0, 100, 20):
        machine.step(received(match(time=n + 10), n))
        machine.step(match(time=n + 10**6))
    assert seen == []
    assert not MACHINES[name](max_ahead=None).clock.is_ahead(received(match(time=10**9), 0), at(10**9))


@pytest.mark.parametrize("name", ["running imbalance", "tick_bars", "volume_bars", "dollar_bars"])
def test_trade_dated_ahead_counts_at_the_limit(name: str) -> None:
    """Rolling windows and bars, which have no late trades, count it at the latest credible time."""
    stream = [received(match(time=n, size=2), n) for n in range(10)]
    stream.insert(5, received(match(time=10**6, size=2), 5))
    outputs = fold(MACHINES[name](), stream)
    assert max(each.end for each in outputs) == at(5 + 60)
    if name.endswith("bars"):
        assert sum(each.volume for each in outputs) == 22
    else:
        assert outputs[-1].count == 11


def test_heartbeat_and_last_match_dated_ahead_are_ignored() -> None:
    trades = [received(match(time=n, trade_id=n + 2), n) for n in range(0, 300, 7)]
    wrong = [received(heartbeat(10**7, last_trade_id=10), 50), received(last_match(time=10**7, trade_id=9), 50)]
    machines = [lambda: TumblingVolume(60, 0, True), lambda: Candles(60, 0, True), lambda: SlidingVolume(60)]
    for make in machines:
        machine: Any = make()
        assert fold(machine, [*trades[:9], *wrong, *trades[9:]]) == fold(make(), trades)  # type: ignore[arg-type]


def test_items_dated_ahead_do_not_stop_other_machines() -> None:
    def tickers(*times: tuple[float, float], product_id: str = "BTC-USD") -> list[ExchangeTicker]:
        return [received(ticker(100 + n, time=t, product_id=product_id), r) for n, (t, r) in enumerate(times)]

    first, wrong, second, third = tickers((0, 0), (9999, 1), (5, 5), (10, 10))
    assert fold(Throttle(10), [first, wrong, second, third]) == [first, wrong, third]
    moving = [received(ticker(price, time=t), 5) for price, t in ((100, 0), (101, 10**6), (106, 5))]
    assert [(move.before, move.price) for move in fold(PriceMoves(5, 60), moving)] == [(100, 106)]
    others = tickers((0, 0), (30, 30), product_id="A-B")
    assert fold(ActiveProducts(60), [others[0], wrong, others[1], *tickers((50, 50))]) == []


def test_time_of_a_book_is_limited() -> None:
    ten = Decimal(10)
    snapshot = Snapshot(product_id="BTC-USD", bids=((ten, ten),), asks=(), time=at(0))
    update = L2Update(product_id="BTC-USD", changes=(("buy", ten, Decimal(1)),), time=at(10**6))
    views = fold(Level2Book("BTC-USD"), [received(snapshot, 0), received(update, 1)])
    assert [view.time for view in views] == [at(0), at(61)]


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("wrong", [-1, float("nan"), "60", True])
def test_bad_limit_is_rejected(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigError, match="max_ahead"):
        MACHINES[name](max_ahead=wrong)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0] * 6 + [-30, 50, 61, 3600, 10**8])), max_size=50),
    st.sampled_from([0, 10, 60]),
)
def test_results_are_those_of_the_credible_trades(steps: list[tuple[int, int]], max_ahead: int) -> None:
    """For all results but `complete`, which may only turn False; and the late ones are the others."""
    receipt, stream = 0, list[Any]()
    for number, (on, ahead) in enumerate(steps):
        receipt += on
        stream.append(received(match(100 + number, time=receipt + ahead, trade_id=number + 1), receipt))
    credible = [each for each in stream if each.time <= each.received + timedelta(seconds=max_ahead)]
    for name in PLACED:
        outputs = fold(MACHINES[name](max_ahead=max_ahead), stream)
        expected = fold(MACHINES[name](max_ahead=None), credible)
        results = [each for each in outputs if not isinstance(each, Late)]
        wanted = [each for each in expected if not isinstance(each, Late)]
        assert [_without_complete(each) for each in results] == [_without_complete(each) for each in wanted]
        assert all(was.complete or not now.complete for now, was in zip(results, wanted, strict=True))
        late = [each.trade for each in outputs if isinstance(each, Late)]
        was_late = {each.trade.trade_id for each in expected if isinstance(each, Late)}
        assert late == [each for each in stream if each not in credible or each.trade_id in was_late]


# ---- the calendar's ends

ENDS = st.sampled_from([FIRST, FIRST + MICROSECOND, FIRST + timedelta(days=1), LAST, LAST - timedelta(days=1)])
TIMES = ENDS | st.sampled_from([at(0), at(60), at(61)]) | st.datetimes(timezones=st.just(FIRST.tzinfo))  # type: ignore[arg-type]
KINDS: dict[str, Callable[[datetime, str, int], Message]] = {
    "match": lambda time, product, n: match(100 + n % 9, time=time, product_id=product, trade_id=n),
    "ticker": lambda time, product, n: ticker(
        100 + n % 9, time=time, product_id=product, best_bid=Decimal(90), best_ask=Decimal(99)
    ),
    "heartbeat": lambda time, product, n: heartbeat(time, product_id=product, last_trade_id=n),
    "last_match": lambda time, product, n: last_match(time=time, product_id=product, trade_id=n),
    "snapshot": lambda time, product, n: Snapshot(
        product_id=product, bids=((Decimal(9), Decimal(1)),), asks=(), time=time
    ),
}


@pytest.mark.parametrize("name", [*MACHINES, *WITHOUT_A_CLOCK])
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), TIMES, st.sampled_from(["BTC-USD", "ETH-USD"]), TIMES), max_size=12
    )
)
def test_machines_accept_the_ends_of_the_calendar(name: str, items: list[tuple[str, datetime, str, datetime]]) -> None:
    """Nothing is raised, and windows hold each trade once, or it is late."""
    stream = [
        stamp(made, Origin(made.raw, max(0, (receipt - EPOCH) // MICROSECOND * 1000), 0))
        for n, (kind, time, product, receipt) in enumerate(items)
        for made in [KINDS[kind](time, product, n)]
    ]
    machine = (MACHINES.get(name) or WITHOUT_A_CLOCK[name])()
    outputs = [output for message in stream for output in [*machine.step(message)]] + [*machine.finish()]
    if name.startswith(("window", "candles")):
        held = sum(1 if isinstance(each, Late) else each.count for each in outputs)
        assert held == sum(isinstance(each, Match) for each in stream)
    for output in outputs:
        assert getattr(output, "start", FIRST) <= getattr(output, "end", LAST)


def test_presence_and_throttle_accept_the_first_time() -> None:
    item = ticker(1, time=FIRST)
    assert len(fold(LatestByProduct(60), [item, item])) == 2
    assert fold(ActiveProducts(60), [item, ticker(1, time=FIRST, product_id="A-B")]) == []
    assert fold(Throttle(60), [item, item]) == [item]


def test_clock_limits_times_by_the_receipt_time() -> None:
    clock = EventClock(60)
    assert not clock.is_ahead(received(match(time=0), 0), at(0))
    assert clock.limit == at(60)
    assert clock.limited(received(match(time=100), 10), at(100)) == at(70)
