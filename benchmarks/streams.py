"""The messages of one channel, for one product or a thousand: equal at every run, stamped as by a Feed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from rxfeed.market import Message, Origin, Side, stamp
from rxfeed.venues.coinbase_exchange.messages import (
    ExchangeHeartbeat,
    ExchangeTicker,
    L2Update,
    LastMatch,
    Match,
    Snapshot,
)

START = datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_CENTRE = Decimal(10_500)
_GAP_EVERY = 20_000  # messages: a reconnect, for all products
_LATENCY = timedelta(milliseconds=20)


def name(product: int) -> str:
    return f"P{product}-USD"


def trades(products: int, count: int, *, first: int = 0, faults: bool = True) -> list[Message]:
    """`matches` and `heartbeat`: first `last_match`, then ten trades a second of one product, or one of each of many.

    A heartbeat a second and product. The *faults*: some heartbeats overtake the trade that they name, some trades come
    late, and now and then all products have a gap. Products are numbered from *first* on.
    """
    return list(_stamped(_trades(range(first, first + products), count, faults), count, faults))


def tickers(products: int, count: int, *, first: int = 0, faults: bool = True) -> list[Message]:
    """`ticker`: ten a second of each product, around `Decimal(10_500)`."""
    return list(_stamped(_tickers(range(first, first + products), count), count, faults))


def books(products: int, count: int, *, first: int = 0, faults: bool = True) -> list[Message]:
    """`level2` and `heartbeat`: a snapshot of each product, then updates of one price each, mostly near the best.

    A book has a thousand prices a side, each of many books fifty.

    After a gap the snapshots are repeated, as after a reconnect.
    """
    return list(_stamped(_books(range(first, first + products), count), count, faults))


def _stamped(messages: Iterator[Message | None], count: int, gaps: bool) -> Iterator[Message]:
    """*count* of them, each received 20 ms after the newest so far; `None` is a gap, if *gaps*."""
    epoch = number = 0
    newest = START
    for message in messages:
        if number == count:
            return
        if message is None:
            epoch += gaps
            continue
        number += 1
        newest = newest if message.time is None else max(newest, message.time)
        yield stamp(message, Origin(_frame(message), nanoseconds(newest + _LATENCY), epoch))


def _frame(message: Message) -> bytes:
    """*message* with its fields in the exchange's order: the time in microseconds is the last, but for a ticker."""
    content = message.content
    if message.time is not None:
        content["time"] = f"{message.time:%Y-%m-%dT%H:%M:%S.%fZ}"
    last = ("time", "trade_id", "last_size") if isinstance(message, ExchangeTicker) else ("time",)
    content |= {name: content.pop(name) for name in last if name in content}
    return msgspec.json.encode(content)


def nanoseconds(time: datetime) -> int:
    """*time* as Unix nanoseconds."""
    return (time - _EPOCH) // _MICROSECOND * 1000


def _trades(products: range, count: int, faults: bool) -> Iterator[Message | None]:
    dice = random.Random(1)
    a_second = 10 if len(products) == 1 else 1
    ids = dict.fromkeys(products, 0)
    said = 0
    for product in products:
        yield _trade(LastMatch, product, ids[product], START - timedelta(seconds=90), dice)
    for second in range(count):
        now = START + timedelta(seconds=second)
        for product in products:
            for turn in range(a_second):
                ids[product] += 1
                behind = 3 if faults and dice.random() < 0.001 else 0
                time = now + timedelta(milliseconds=1000 // a_second * turn) - behind * _SECOND
                yield _trade(Match, product, ids[product], time, dice)
            ahead = faults and dice.random() < 0.01
            yield ExchangeHeartbeat(
                product_id=name(product), sequence=second, last_trade_id=ids[product] + ahead, time=now
            )
            said += a_second + 1
            if said >= _GAP_EVERY:
                said = 0
                yield None


def _trade(kind: type[Match | LastMatch], product: int, number: int, time: datetime, dice: random.Random) -> Message:
    return kind(
        product_id=name(product),
        trade_id=number,
        sequence=number,
        side=dice.choice(("buy", "sell")),
        price=Decimal(dice.randrange(1_000_000, 1_100_000)) / 100,
        size=Decimal(dice.randrange(1, 10**9)) / 10**8,
        time=time,
        maker_order_id="f07e510f-4edf-469d-b844-4f670f1e93f1",
        taker_order_id="e6f50944-3e2a-439e-ae49-308300ba8296",
    )


def _tickers(products: range, count: int) -> Iterator[Message | None]:
    dice = random.Random(2)
    cents = dict.fromkeys(products, 1_050_000)
    for number in range(count):
        turn, place = divmod(number, len(products))
        product = products[place]
        if number and number % _GAP_EVERY == 0:
            yield None
        cents[product] += dice.randrange(-2000, 2001) + (1_050_000 - cents[product]) // 50
        price = Decimal(cents[product]) / 100
        yield ExchangeTicker(
            product_id=name(product),
            sequence=turn,
            price=price,
            open_24h=_CENTRE,
            volume_24h=Decimal("245532.79269678"),
            low_24h=_CENTRE - 1000,
            high_24h=_CENTRE + 1000,
            volume_30d=Decimal("9788783.60117027"),
            best_bid=price,
            best_bid_size=Decimal(dice.randrange(1, 10**9)) / 10**8,
            best_ask=price + 1,
            best_ask_size=Decimal(dice.randrange(1, 10**9)) / 10**8,
            side=dice.choice(("buy", "sell")),
            time=START + timedelta(milliseconds=100 * turn),
            trade_id=turn,
            last_size=Decimal(dice.randrange(1, 10**9)) / 10**8,
        )


def _books(products: range, count: int) -> Iterator[Message | None]:
    dice = random.Random(3)
    levels = 1000 if len(products) == 1 else 50
    bids, asks = (tuple((_level(side, rank), Decimal(1)) for rank in range(levels)) for side in ("buy", "sell"))
    said = 0
    while said < count:
        for product in products:
            yield Snapshot(product_id=name(product), time=START, bids=bids, asks=asks)
        for number in range(_GAP_EVERY):
            product = products[number % len(products)]
            time = START + timedelta(milliseconds=said + number)
            if number % 50 == 49:
                yield ExchangeHeartbeat(product_id=name(product), sequence=number, last_trade_id=0, time=time)
                continue
            side: Side = dice.choice(("buy", "sell"))
            rank = int(dice.expovariate(1 / 20)) % levels if dice.random() < 0.8 else dice.randrange(levels)
            size = Decimal(0) if dice.random() < 0.3 else Decimal(dice.randrange(1, 10**9)) / 10**8
            yield L2Update(product_id=name(product), time=time, changes=((side, _level(side, rank), size),))
        said += len(products) + _GAP_EVERY
        yield None


def _level(side: Side, rank: int) -> Decimal:
    return Decimal(1_000_000 - rank if side == "buy" else 1_000_001 + rank) / 100
