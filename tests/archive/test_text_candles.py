"""Candles of lines with texts are those of the same lines as messages, whatever comes in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.archive.machines import Machines, packed, unpacked
from rxfeed.archive.text_candles import ConsecutiveTrade, TextCandles
from rxfeed.core import Candle, Candles, Late
from rxfeed.market import Message, Origin, TradeText, microseconds, stamp
from rxfeed.testing import heartbeat, prior_trade
from rxfeed.venues import venue
from tests.support.make import NOON

NOON_US = microseconds(NOON)

# Most trades are in the window of the one before, have the next id, and no epoch rises.
AT = [0] * 8 + [1, 1, 3, -1, -6, 12]
NUMBERS = [0] * 8 + [1, 3, -2]
RISES = [0] * 20 + [1]

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
    delay=st.sampled_from([0] * 12 + [1, -100]),
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
    epoch = 0
    for place, (kind, fields, rise, delay) in enumerate(items):
        epoch += rise
        number, at = max(0, place + fields["number"]), place // 8 + fields["at"]
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
            make = heartbeat if kind == "heartbeat" else prior_trade
            numbers = {"last_trade_id": number} if kind == "heartbeat" else {"trade_id": number}
            message = make(product_id=product, time=time, **numbers)
            frame = make(product_id=product, time=time, **numbers)
        line = SimpleNamespace(ns=ns, epoch=epoch - 5, frame=frame)
        found.append((line, stamp(message, origin), microseconds(time)))
    return found


def shown(outputs: Sequence[Candle | Late]) -> list[Any]:
    return [
        (each.product_id, each.start, each.trade.trade_id, each.trade.price) if isinstance(each, Late) else each
        for each in outputs
    ]


@given(st.lists(trades | others, min_size=20, max_size=80), st.integers(1, 20), st.booleans())
def test_candles_of_texts_are_those_of_messages(items: list[Item], together: int, stored: bool) -> None:
    """In batches of any size, between which the state may be stored; the base of epochs is 5."""
    lines = made(items)
    expected = Candles(4)
    machine = TextCandles(4)
    for begin in range(0, len(lines), together):
        batch = lines[begin : begin + together]
        wanted = [output for _, message, _ in batch for output in expected.step(message)]
        texts = [line for line, _, _ in batch]
        for line, message, _ in batch:
            if isinstance(line.frame, Message):
                stamp(line.frame, Origin(b"", line.ns, message.epoch))
        micros = (time for line, _, time in batch if isinstance(line.frame, TradeText))
        assert shown(machine.step_texts(texts, 5, micros, ConsecutiveTrade)) == shown(wanted)
        if stored:
            machine = unpacked(packed(machine))
    assert shown(machine.finish()) == shown(expected.finish())


def test_machines_count_late_trades_of_texts() -> None:
    machines = Machines(4, None)
    texts = [
        TradeText(product_id="A-B", trade_id=number, price="1.5", size="2", maker_side="buy", time="")
        for number in range(3)
    ]
    lines: list[Any] = [SimpleNamespace(ns=0, epoch=0, frame=text) for text in texts]
    micros = iter([NOON_US, NOON_US + 9 * 10**6, NOON_US])
    (candle,), tops = machines.step_texts(lines, 0, micros, venue("coinbase_exchange"))
    assert (candle.volume, candle.notional, machines.late, tops) == (Decimal(2), Decimal(3), 1, [])
