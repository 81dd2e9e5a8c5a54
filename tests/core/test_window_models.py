"""Windows, candles, rolling sums and bars against slow, obvious models: any interleaving of products, late, duplicate,
gapped and out-of-order messages, with heartbeats and last matches between."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Match, Message, fold
from rxfeed.core import (
    Candles,
    DollarBars,
    Late,
    RunningImbalance,
    SlidingImbalance,
    SlidingVolume,
    TickBars,
    TumblingVolume,
    VolumeBars,
)
from rxfeed.venues.coinbase_exchange import ExchangeHeartbeat, LastMatch
from tests.support.make import heartbeat, last_match, match

DAWN = datetime(1970, 1, 1, tzinfo=UTC)
Item = tuple[str, int, Any, Any, str, str, int, int]

ITEMS: st.SearchStrategy[list[Item]] = st.lists(
    st.tuples(
        st.sampled_from(["trade"] * 6 + ["beat", "last", "duplicate"]),
        st.integers(-20, 120) | st.integers(0, 20_000).map(lambda each: each / 1000),  # seconds on, mostly ahead
        st.decimals("0.01", "1000", places=2),
        st.decimals("0.00000001", "100", places=8),
        st.sampled_from(["BTC-USD", "ETH-USD"]),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from([0] * 9 + [1]),  # how far the epoch rises
        st.sampled_from([1] * 9 + [-2, 3, 10**15]),  # how far the trade ids do
    ),
    max_size=40,
)


def messages(items: list[Item]) -> list[Message]:
    made: list[Message] = []
    time, epochs, ids = 0.0, defaultdict(int), defaultdict(lambda: 10)
    for kind, on, price, size, product, side, gap, ahead in items:
        if kind == "duplicate" and made:
            made.append(made[-1])
            continue
        at = time + on
        time = max(time, at)
        epochs[product] += gap
        ids[product] = max(0, ids[product] + ahead)
        common: dict[str, Any] = {"time": at, "product_id": product, "epoch": epochs[product]}
        if kind == "beat":
            ids[product] -= 1
            made.append(heartbeat(last_trade_id=ids[product], **common))
        else:
            make = last_match if kind == "last" else match
            made.append(make(price, size=size, side=side, trade_id=ids[product], **common))
    return made


def floor(time: datetime, seconds: int) -> datetime:
    return DAWN + (time - DAWN) // timedelta(seconds=seconds) * timedelta(seconds=seconds)


# ---- a model of windows: every trade and every time that passed is kept, and all is looked at again at each message


@dataclass
class Slow:
    """One product, in full."""

    seconds: int
    lateness: int
    empty: bool
    epoch: int
    first: Message
    now: Any
    trades: list[Match] = field(default_factory=list)
    torn_until: Any = None  # what begins up to here may lack something
    known: int = 0
    expecting: bool = False
    named: tuple[int, Any] = (-1, None)
    waived: int = -1  # named, but not received, and not awaited any more
    begun: Any = None  # the first window that is output empty
    closed: Any = None

    def limit(self, time: datetime) -> datetime:
        return floor(time - timedelta(seconds=self.lateness), self.seconds)


def slow_windows(stream: list[Message], seconds: int, lateness: int, empty: bool) -> list[Any]:
    """(product, start, trades, complete) and ("late", id)."""
    products: dict[str, Slow] = {}
    output: list[Any] = []
    width = timedelta(seconds=seconds)

    def close(p: Slow, limit: datetime, torn: bool = False) -> None:
        product = p.first.product_id
        starts = {floor(t.time, seconds) for t in p.trades}
        if p.begun is not None:
            each = p.begun
            while each < limit:
                starts.add(each)
                each += width
        for start in sorted(start for start in starts if p.closed <= start < limit):
            trades = [t for t in p.trades if start <= t.time < start + width]
            output.append((product, start, trades, not torn and p.torn_until < start))

    def passes(p: Slow, time: datetime) -> None:
        if empty and p.begun is None:
            p.begun = floor(time, seconds)
        limit = max(p.limit(time), p.closed)
        close(p, limit)
        p.closed = limit

    for message in stream:
        assert isinstance(message, Match | LastMatch | ExchangeHeartbeat)
        assert message.time is not None
        beat = isinstance(message, ExchangeHeartbeat)
        number = message.last_trade_id if beat else message.trade_id
        p = products.get(message.product_id)
        new = p is None
        if p is None:
            p = Slow(seconds, lateness, empty, message.epoch, message, message.time)
            p.torn_until, p.known, p.expecting = message.time, number, beat
            p.closed = p.limit(message.time)
            products[message.product_id] = p
        changed = message.epoch != p.epoch
        gap = changed and number != p.known + isinstance(message, Match)
        p.epoch = message.epoch
        if beat:
            if p.named[0] > p.known and p.named[0] != p.waived:
                p.waived, gap = p.named[0], True
            if number < p.waived:
                p.waived = -1
            passed = message.time if number <= p.known or number <= p.waived else p.named[1] or p.first.time
        else:
            if isinstance(message, Match) and p.expecting and not changed and number > p.known + 1:
                gap = True
            if isinstance(message, LastMatch) and not p.expecting and number > p.known:
                gap = True  # a trade of before the subscription that was not delivered
            if changed or new:
                p.known = number
            if isinstance(message, LastMatch) and p.expecting and not changed:
                p.torn_until = min(p.torn_until, message.time)
            if p.expecting:
                p.known = number
            p.known = max(p.known, number)
            p.expecting = False
            passed = message.time
        assert passed is not None
        if gap:
            p.torn_until = max(p.now, message.time)
        if beat:
            p.named = (number, message.time)
        if isinstance(message, LastMatch):
            continue
        p.now = max(p.now, passed)
        if isinstance(message, Match):
            if message.time < p.closed:
                output.append(("late", message.trade_id))
                continue
            passes(p, message.time)
            p.trades.append(message)
        else:
            passes(p, passed)
    for p in products.values():
        close(p, max([floor(t.time, seconds) for t in p.trades] + [floor(p.now, seconds)]) + width, torn=True)
    return output


WINDOWS = (st.sampled_from([1, 10, 60]), st.sampled_from([0, 5, 90]), st.booleans())


@given(ITEMS, *WINDOWS)
def test_windows_equal_those_of_a_slow_model(items: list[Item], seconds: int, lateness: int, empty: bool) -> None:
    stream = messages(items)
    expected = slow_windows(stream, seconds, lateness, empty)
    got = fold(TumblingVolume(seconds, lateness, empty), stream)
    assert len(got) == len(expected)
    for window, slow in zip(got, expected, strict=True):
        if isinstance(window, Late):
            assert slow == ("late", window.trade.trade_id)
            continue
        product, start, trades, complete = slow
        assert (window.product_id, window.start, window.end) == (product, start, start + timedelta(seconds=seconds))
        assert (window.count, window.complete) == (len(trades), complete)
        assert window.volume == sum((Fraction(t.size) for t in trades), Fraction())
        assert window.notional == sum((Fraction(t.size) * Fraction(t.price) for t in trades), Fraction())
        assert window.buy_volume == sum((Fraction(t.size) for t in trades if t.side == "sell"), Fraction())
        assert window.volume == window.buy_volume + window.sell_volume


@given(ITEMS, *WINDOWS)
def test_candles_equal_those_of_a_slow_model(items: list[Item], seconds: int, lateness: int, empty: bool) -> None:
    stream = messages(items)
    # Of the last matches only the first of a product is a close before its first candle.
    closes: dict[str, Decimal] = {}
    seen_last: dict[str, Decimal] = {}
    expected = slow_windows(stream, seconds, lateness, empty)
    for message in stream:
        if isinstance(message, LastMatch):
            seen_last.setdefault(message.product_id, message.price)
    for candle, slow in zip(fold(Candles(seconds, lateness, empty), stream), expected, strict=True):
        if isinstance(candle, Late):
            assert slow == ("late", candle.trade.trade_id)
            continue
        product, start, trades, complete = slow
        assert (candle.product_id, candle.start, candle.complete, candle.count) == (
            product,
            start,
            complete,
            len(trades),
        )
        prices = [candle.open, candle.high, candle.low, candle.close]
        if not trades:
            assert prices in ([closes.get(product)] * 4, [seen_last.get(product)] * 4)
            continue
        trades = sorted(trades, key=lambda t: (t.time, t.trade_id))
        first, last = (
            [t for t in trades if (t.time, t.trade_id) == key] for key in (_key(trades[0]), _key(trades[-1]))
        )
        assert prices == [
            first[0].price,
            max(t.price for t in trades),
            min(t.price for t in trades),
            last[-1].price,
        ]
        assert candle.volume == sum((Fraction(t.size) for t in trades), Fraction())
        closes[product] = last[-1].price


def _key(trade: Match) -> tuple[datetime, int]:
    return trade.time, trade.trade_id


@given(ITEMS, *WINDOWS)
def test_no_trade_is_lost_or_counted_twice(items: list[Item], seconds: int, lateness: int, empty: bool) -> None:
    stream = messages(items)
    outputs = fold(TumblingVolume(seconds, lateness, empty), stream)
    counted = sum(each.count for each in outputs if not isinstance(each, Late))
    assert counted + sum(isinstance(each, Late) for each in outputs) == sum(isinstance(m, Match) for m in stream)


@given(ITEMS, st.integers(0, 40), st.sampled_from([0, 90]))
def test_complete_windows_are_never_contradicted(items: list[Item], joined: int, lateness: int) -> None:
    """In order of time, a complete window has every trade of its span, also those before the subscription."""
    trades = sorted((m for m in messages([("trade", *rest[1:]) for rest in items])), key=lambda m: m.time or DAWN)
    truth: dict[Any, int] = defaultdict(int)
    for trade in trades:
        assert isinstance(trade, Match)
        truth[trade.product_id, floor(trade.time, 60)] += 1
    for window in fold(TumblingVolume(60, lateness), trades[joined:]):
        if not isinstance(window, Late) and window.complete:
            assert window.count == truth[window.product_id, window.start]


# ---- the last seconds


def slow_spans(stream: list[Message], seconds: int) -> list[Any]:
    """(start, trades, complete) at every trade, and "late"."""
    output: list[Any] = []
    for here, message in enumerate(stream):
        if not isinstance(message, Match):
            continue
        past = [
            m for m in stream[: here + 1] if m.product_id == message.product_id and isinstance(m, Match | LastMatch)
        ]
        trades: list[Match] = []
        since, now = past[0].time, past[0].time
        assert since is not None
        assert now is not None
        epoch, known = past[0].epoch, past[0].trade_id
        for m in past:
            if m.epoch != epoch:
                if m.trade_id != known + isinstance(m, Match):
                    since = max(now, m.time)
                epoch, known = m.epoch, m.trade_id
            elif isinstance(m, LastMatch) and m.trade_id > known:
                since = max(now, m.time)
            known = max(known, m.trade_id)
            if isinstance(m, Match):
                now = max(now, m.time)
                if not trades or m.time >= trades[-1].time:
                    trades.append(m)
        if trades[-1] is not message:
            output.append("late")
            continue
        start = message.time - timedelta(seconds=seconds)
        output.append((start, [t for t in trades if t.time > start], since <= start))
    return output


@given(ITEMS, st.sampled_from([1, 10, 60]))
def test_rolling_sums_equal_those_of_a_slow_model(items: list[Item], seconds: int) -> None:
    stream = messages([item for item in items if item[0] != "duplicate"])
    expected = slow_spans(stream, seconds)
    for rolling, slow in zip(fold(SlidingVolume(seconds), stream), expected, strict=True):
        if isinstance(rolling, Late):
            assert slow == "late"
            continue
        start, trades, complete = slow
        assert (rolling.start, rolling.count, rolling.complete) == (start, len(trades), complete)
        assert rolling.volume == sum((Fraction(t.size) for t in trades), Fraction())
        assert rolling.notional == sum((Fraction(t.size) * Fraction(t.price) for t in trades), Fraction())
        assert (rolling.high, rolling.low) == (max(t.price for t in trades), min(t.price for t in trades))
    for imbalance, slow in zip(fold(SlidingImbalance(seconds), stream), expected, strict=True):
        if not isinstance(imbalance, Late):
            assert imbalance.volume == sum(signed(t) * Fraction(t.size) for t in slow[1])
            assert imbalance.notional == sum(signed(t) * Fraction(t.size) * Fraction(t.price) for t in slow[1])
            assert imbalance.count == sum(signed(t) for t in slow[1])


def gaps_before(trades: list[Match]) -> list[bool]:
    """For each trade of a product, whether trades directly before it are missing."""
    gaps: list[bool] = []
    for here, trade in enumerate(trades):
        epochs = [t.epoch for t in trades[:here]]
        same = [t.trade_id for t in trades[:here] if t.epoch == epochs[-1]]
        gaps.append(bool(here) and trade.epoch != epochs[-1] and trade.trade_id != max(same) + 1)
    return gaps


def signed(trade: Match) -> int:
    return 1 if trade.side == "sell" else -1  # the maker's side


@given(ITEMS)
def test_imbalance_equals_that_of_a_slow_model(items: list[Item]) -> None:
    stream = messages(items)
    past: dict[str, list[Match]] = defaultdict(list)
    outputs = iter(fold(RunningImbalance(), stream))
    for message in stream:
        if isinstance(message, Match):
            trades = past[message.product_id]
            trades.append(message)
            imbalance = next(outputs)
            assert imbalance.volume == sum(signed(t) * Fraction(t.size) for t in trades)
            assert (imbalance.start, imbalance.end) == (min(t.time for t in trades), max(t.time for t in trades))
            assert imbalance.complete is not any(gaps_before(trades))


# ---- bars


def slow_bars(trades: list[Match], full: Fraction, measure: Any) -> list[tuple[list[Match], Fraction, bool]]:
    """The trades of each bar, how full it is, and whether no gap is in it: cut from one long line."""
    bars: list[tuple[list[Match], Fraction, bool]] = []
    cut: list[tuple[Match, Fraction, bool]] = []
    filled = Fraction()
    for trade, gap in zip(trades, gaps_before(trades), strict=True):
        rest = measure(trade)
        while filled + rest >= full:
            part = full - filled
            cut.append((trade, part, gap))
            bars.append(([t for t, _, _ in cut], full, not any(g for _, _, g in cut)))
            cut, filled, rest, gap = [], Fraction(), rest - part, False
        if rest:
            cut.append((trade, rest, gap))
            filled += rest
    if cut:
        bars.append(([t for t, _, _ in cut], filled, False))
    return bars


MEASURES: dict[str, tuple[Any, int, Any, str]] = {
    "ticks": (TickBars, 3, lambda t: Fraction(1), "count"),
    "volume": (VolumeBars, 20, lambda t: Fraction(t.size), "volume"),
    "money": (DollarBars, 3000, lambda t: Fraction(t.size) * Fraction(t.price), "notional"),
}


@pytest.mark.parametrize("name", MEASURES)
@given(items=ITEMS)
def test_bars_equal_those_of_a_slow_model(name: str, items: list[Item]) -> None:
    machine, full, measure, field_name = MEASURES[name]
    stream = messages(items)
    got = fold(machine(full), stream)
    for product in ("BTC-USD", "ETH-USD"):
        trades = [m for m in stream if isinstance(m, Match) and m.product_id == product]
        expected = slow_bars(
            trades, {"ticks": Fraction(3), "volume": Fraction(20), "money": Fraction(3000)}[name], measure
        )
        mine = [bar for bar in got if bar.product_id == product]
        assert [(getattr(bar, field_name), bar.complete, bar.count) for bar in mine] == [
            (filled, complete, len(parts)) for parts, filled, complete in expected
        ]
        for bar, (parts, _, _) in zip(mine, expected, strict=True):
            prices = [t.price for t in parts]
            assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
            assert (bar.start, bar.end) == (min(t.time for t in parts), max(t.time for t in parts))
        assert sum(Fraction(bar.volume) for bar in mine) == sum(Fraction(t.size) for t in trades)
        assert sum(Fraction(bar.notional) for bar in mine) == sum(Fraction(t.size) * Fraction(t.price) for t in trades)
        bought = sum(Fraction(t.size) for t in trades if t.side == "sell")
        assert sum(Fraction(bar.buy_volume) for bar in mine) == bought
