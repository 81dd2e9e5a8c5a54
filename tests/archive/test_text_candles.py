"""Candles of lines with texts are those of the same lines as messages, whatever comes in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.archive.machines import Machines, packed, unpacked
from rxfeed.archive.text_candles import ConsecutiveTrade, TextCandles, TradeNumbers
from rxfeed.core import Candle, Candles, Late
from rxfeed.market import Message, Origin, TradeText, microseconds, stamp
from rxfeed.testing import heartbeat, prior_trade
from rxfeed.venues import venue
from tests.support.make import NOON

NOON_US = microseconds(NOON)

# Most trades are in the window of the one before, have the next id, and no epoch rises.
AT = [0] * 40 + [1, 1, -1, -1, 3, -6, 12]
NUMBERS = [0] * 20 + [1, 3, -2]
RISES = [0] * 40 + [1]

trades = st.builds(
    lambda product, at, number, price, size, epoch, delay, side: (
        "trade",
        {"product_id": product, "at": at, "number": number, "price": price, "size": size, "side": side},
        epoch,
        delay,
    ),
    product=st.sampled_from(["A-B", "C-D"]),
    at=st.sampled_from(AT),
    number=st.sampled_from(NUMBERS),
    price=st.decimals(1, 10, places=2),
    size=st.decimals(0, 3, places=3),
    epoch=st.sampled_from(RISES),
    delay=st.sampled_from([0] * 40 + [1, -100]),
    side=st.sampled_from(["buy", "sell"]),
)
others = st.builds(
    lambda kind, product, at, number, epoch: (kind, {"product_id": product, "at": at, "number": number}, epoch, 0),
    kind=st.sampled_from(["heartbeat", "last_match"]),
    product=st.sampled_from(["A-B", "C-D"]),
    at=st.sampled_from(AT),
    number=st.sampled_from(NUMBERS),
    epoch=st.sampled_from(RISES),
)
Item = tuple[str, dict[str, Any], int, int]


def made(items: Sequence[Item]) -> list[tuple[Any, Message, int]]:
    """For each item a line, the message of it, and its event time; ids, epochs and times rise on the whole."""
    found: list[tuple[Any, Message, int]] = []
    epoch, ids = 0, Counter[str]()
    for place, (kind, fields, rise, delay) in enumerate(items):
        epoch += rise
        ids[fields["product_id"]] += kind == "trade"
        number, at = max(0, ids[fields["product_id"]] + fields["number"]), place // 8 + fields["at"]
        time = NOON + timedelta(seconds=at)
        ns = (NOON_US + (place // 8 + delay) * 10**6) * 1000
        origin = Origin(b"", ns, epoch)
        product = fields["product_id"]
        if kind == "trade":
            price, size, side = fields["price"], fields["size"], fields["side"]
            text = TradeText(
                product_id=product, trade_id=number, price=str(price), size=str(size), maker_side=side, time=""
            )
            taker = "buy" if side == "sell" else "sell"
            message: Message = ConsecutiveTrade(
                product_id=product, trade_id=number, price=price, size=size, time=time, taker_side=taker
            )
            frame: object = text
        else:
            make: Any = heartbeat if kind == "heartbeat" else prior_trade
            numbers: dict[str, Any] = {"last_trade_id": number} if kind == "heartbeat" else {"trade_id": number}
            message = make(product_id=product, time=time, **numbers)
            frame = make(product_id=product, time=time, **numbers)
        line = SimpleNamespace(ns=ns, epoch=epoch - 5, frame=frame)
        found.append((line, stamp(message, origin), microseconds(time)))
    return found


def numbers_of(batch: Sequence[tuple[Any, Any, int]]) -> TradeNumbers:
    """The numbers of the trades of *batch*, with 3 places."""
    found = [(line.frame, micros) for line, _, micros in batch if isinstance(line.frame, TradeText)]
    prices, sizes = ([int(Decimal(getattr(text, name)) * 1000) for text, _ in found] for name in ("price", "size"))
    return TradeNumbers([micros * 1000 for _, micros in found], prices, sizes, 3)


def shown(outputs: Sequence[Candle | Late]) -> list[Any]:
    return [
        (each.product_id, each.start, each.trade.trade_id, each.trade.price) if isinstance(each, Late) else each
        for each in outputs
    ]


@given(st.lists(trades | others, min_size=20, max_size=100), st.integers(1, 20), st.booleans())
def test_candles_of_texts_are_those_of_messages(items: list[Item], together: int, stored: bool) -> None:
    """In batches of any size, between which the state may be stored; the base of epochs is 5."""
    lines = made(items)
    expected = Candles(2)
    machine = TextCandles(2)
    for begin in range(0, len(lines), together):
        batch = lines[begin : begin + together]
        wanted = [output for _, message, _ in batch for output in expected.step(message)]
        texts = [line for line, _, _ in batch]
        for line, message, _ in batch:
            if isinstance(line.frame, Message):
                stamp(line.frame, Origin(b"", line.ns, message.epoch))
        assert shown(machine.step_texts(texts, 5, numbers_of(batch), ConsecutiveTrade)) == shown(wanted)
        if stored:
            machine = unpacked(packed(machine))
    assert shown(machine.finish()) == shown(expected.finish())


def test_machines_count_late_trades_of_texts() -> None:
    machines = Machines(2, None)
    texts = [
        TradeText(product_id="A-B", trade_id=number, price="1.5", size="2", maker_side="buy", time="")
        for number in range(3)
    ]
    lines: list[Any] = [SimpleNamespace(ns=0, epoch=0, frame=text) for text in texts]
    times = [NOON_US, NOON_US + 9 * 10**6, NOON_US]
    numbers = numbers_of([*zip(lines, lines, times, strict=True)])
    (candle,), tops = machines.step_texts(lines, [], 0, numbers, venue("coinbase_exchange"))
    assert (candle.volume, candle.notional, machines.late, tops) == (Decimal(2), Decimal(3), 1, [])


def test_trade_that_comes_twice_closes_at_its_last_price() -> None:
    """Its second copy has a new epoch, so that it is a step of its own, after the trades that are only noted."""
    numbers = [(1, "1", 0), (2, "2", 0), (2, "3", 1)]
    lines: list[Any] = [
        SimpleNamespace(
            ns=0,
            epoch=epoch,
            frame=TradeText(product_id="A-B", trade_id=number, price=price, size="1", maker_side="buy", time=""),
        )
        for number, price, epoch in numbers
    ]
    machine = TextCandles(2)
    assert machine.step_texts(lines, 0, numbers_of([(line, None, NOON_US) for line in lines]), ConsecutiveTrade) == []
    (candle,) = machine.finish()
    assert (candle.open, candle.close, candle.count) == (1, 3, 3)
