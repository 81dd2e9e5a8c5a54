"""Active products, the newest item of each product, and throttling."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConfigError, fold
from rxfeed.core import ActiveProducts, DollarBars, LatestByProduct, Throttle, TickBars, VolumeBars
from rxfeed.core.numbers import EXACT
from rxfeed.market import ChannelSubscription
from rxfeed.venues.coinbase_exchange import ExchangeSubscriptions, ExchangeTicker
from tests.support.make import match, ticker


def answer(*products: str) -> ExchangeSubscriptions:
    return ExchangeSubscriptions(channels=(ChannelSubscription(name="matches", product_ids=products),))


def of(product: str, time: float = 0, **fields: Any) -> ExchangeTicker:
    return ticker(1, product_id=product, time=time, **fields)


def test_product_leaves_when_no_channel_lists_it() -> None:
    presence = ActiveProducts()
    assert fold(presence, [answer("A"), of("A"), of("B"), answer("A", "B")]) == []
    for product in "AB":
        presence.step(of(product))
    assert presence.step(answer("B", "C")) == ("A",)
    assert presence.step(answer("B", "C")) == ()
    assert presence.step(answer()) == ("B",)


def test_product_leaves_when_idle() -> None:
    presence = ActiveProducts(idle=60)
    assert fold(ActiveProducts(60), [of("A", 0), of("B", 30), of("A", 59), of("C", 89.9)]) == []
    for product, time in (("A", 0), ("B", 30), ("C", 50)):
        presence.step(of(product, time))
    assert presence.step(of("D", 95)) == ("A", "B")
    assert len(presence) == 2


def test_one_wrong_time_removes_no_product_for_good() -> None:
    presence = ActiveProducts(idle=60)
    presence.step(of("A", 0))
    assert presence.step(of("B", 10**9)) == ("A",)
    assert presence.step(of("A", 1)) == ()
    assert presence.step(of("A", 62)) == ("B",)


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 30))))
def test_idle_products_equal_those_of_a_slow_model(items: list[tuple[str, int]]) -> None:
    time, presence, newest = 0, ActiveProducts(40), {}
    for product, on in items:
        time += on
        newest[product] = time
        gone = {each for each, last in newest.items() if last <= time - 40}
        assert set(presence.step(of(product, time))) == gone
        for each in gone:
            del newest[each]
        assert len(presence) == len(newest)


def test_newest_items_exclude_products_that_left() -> None:
    machine: LatestByProduct[Any] = LatestByProduct()
    first = of("A")
    (latest,) = machine.step(first)
    machine.step(of("B"))
    machine.step(of("A", 1))
    assert (set(latest), latest["A"] is first) == ({"A", "B"}, False)
    (same,) = machine.step(answer("B"))
    assert same is latest
    assert set(latest) == {"B"}
    assert machine.step(answer("B")) == ()
    with pytest.raises(TypeError):
        latest["C"] = first  # type: ignore[index]


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(-3, 12), st.sampled_from([0] * 6 + [1]))),
    st.sampled_from([0.5, 1, 5]),
)
def test_throttle_equals_a_slow_model(items: list[tuple[str, int, int]], seconds: float) -> None:
    tenths = epoch = 0
    emitted: list[ExchangeTicker] = []
    machine: Throttle[ExchangeTicker] = Throttle(seconds)
    for product, on, gap in items:
        tenths, epoch = tenths + on, epoch + gap
        item = of(product, tenths / 10, epoch=epoch)
        before = [each for each in emitted if each.product_id == product]
        assert item.time is not None
        wanted = (
            not before or before[-1].epoch != epoch or (item.time - before[-1].time).total_seconds() >= seconds  # type: ignore[operator]
        )
        assert machine.step(item) == ((item,) if wanted else ())
        emitted += [item] * wanted


def test_items_without_a_product_are_not_throttled() -> None:
    assert len(fold(Throttle(60), [answer("A"), answer("A")])) == 2


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ActiveProducts(0), "idle"),
        (lambda: Throttle(-1), "seconds"),
        (lambda: TickBars(0), "trades"),
        (lambda: TickBars(1.5), "trades"),  # type: ignore[arg-type]
        (lambda: VolumeBars(0), "volume"),
        (lambda: DollarBars(0.1), "notional"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_named(make: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        make()


@pytest.mark.parametrize("machine", [VolumeBars("0.5"), DollarBars(50)], ids=["volume", "dollar"])
@pytest.mark.parametrize("size", ["1e39", "123456.75"])
def test_a_trade_that_fills_too_many_bars_ends_one(machine: VolumeBars | DollarBars, size: str) -> None:
    """Its bar has all of it and is not complete; other products and the next bars are as ever."""
    other = "ETH-USD"
    out = [
        *machine.step(match(100, size="0.25")),
        *machine.step(match(100, size="0.125", product_id=other)),
        *machine.step(match(100, size=size)),
        *machine.step(match(100, size="0.5")),
        *machine.step(match(100, size="0.375", product_id=other)),
    ]
    total = EXACT.add(Decimal("0.25"), Decimal(size))
    assert [(bar.product_id, bar.volume, bar.count, bar.complete) for bar in out] == [
        ("BTC-USD", total, 2, False),
        ("BTC-USD", Decimal("0.5"), 1, True),
        (other, Decimal("0.5"), 2, True),
    ]
