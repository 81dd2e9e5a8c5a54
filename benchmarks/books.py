"""The cost of a message for a book, by its number of prices or orders: the curve should hardly rise.

python -m benchmarks.books
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from rxfeed.core.book import Level2Book
from rxfeed.core.book_snapshot import Level3Snapshot, SnapshotTaken
from rxfeed.core.level3_book import Level3Book
from rxfeed.market import Message, Side
from rxfeed.venues.coinbase_exchange.messages import Done, L2Update, Match, Open, Snapshot

BTC = "BTC-USD"
DEPTHS = (10, 100, 1_000, 10_000, 100_000)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def _price(side: Side, rank: int) -> Decimal:
    """The price so many cents behind the best one."""
    return Decimal(10_000_000 - rank if side == "buy" else 10_000_001 + rank) / 100


def _rank(dice: random.Random, depth: int) -> int:
    """Half of the changes are near the best price, the other half at any price."""
    return min(int(dice.expovariate(1 / 20)), depth - 1) if dice.random() < 0.5 else dice.randrange(depth)


@cache
def level2_stream(depth: int, count: int) -> tuple[Snapshot, list[Message]]:
    dice = random.Random(1)
    bids, asks = (tuple((_price(side, rank), Decimal(1)) for rank in range(depth)) for side in ("buy", "sell"))
    messages: list[Message] = []
    for number in range(count):
        side: Side = dice.choice(("buy", "sell"))
        size = Decimal(0) if dice.random() < 0.3 else Decimal(number + 1) / 10_000
        change = (side, _price(side, _rank(dice, depth)), size)
        messages.append(L2Update(product_id=BTC, time=NOON, changes=(change,)))
    return Snapshot(product_id=BTC, time=NOON, bids=bids, asks=asks), messages


@cache
def level3_stream(depth: int, count: int) -> tuple[Level3Snapshot, list[Message]]:
    """Orders open, trade and are canceled: at the end the book has as many as before, three at each price."""
    dice = random.Random(1)
    orders: dict[Side, list[tuple[Decimal, str]]] = {
        side: [(_price(side, rank // 3), f"{side}{rank:032d}") for rank in range(depth)] for side in ("buy", "sell")
    }
    bids, asks = (tuple((price, Decimal(1), name) for price, name in orders[side]) for side in ("buy", "sell"))
    snapshot = Level3Snapshot(sequence=0, bids=bids, asks=asks)
    messages: list[Message] = []
    for sequence in range(1, count + 1):
        side: Side = dice.choice(("buy", "sell"))
        resting = orders[side]
        common: dict[str, Any] = {"product_id": BTC, "time": NOON, "side": side, "sequence": sequence}
        if sequence % 2:
            price, name = _price(side, _rank(dice, depth) // 3), f"new{sequence:032d}"
            resting.append((price, name))
            messages.append(Open(**common, order_id=name, price=price, remaining_size=Decimal(1)))
            continue
        at = dice.randrange(len(resting))
        price, name = resting[at]
        if dice.random() < 0.3:
            ids = {"trade_id": sequence, "maker_order_id": name, "taker_order_id": ""}
            messages.append(Match(**common, **ids, price=price, size=Decimal("0.00000001")))
        else:
            resting[at] = resting[-1]
            resting.pop()
            messages.append(Done(**common, order_id=name, reason="canceled"))
    return snapshot, messages


def level2_run(depth: int, count: int) -> float:
    """Seconds a message of a level 2 book with *depth* prices a side."""
    snapshot, messages = level2_stream(depth, count)
    book = Level2Book(BTC)
    book.step(snapshot)
    return _seconds(book.step, messages)


def level3_run(depth: int, count: int) -> float:
    """Seconds a message of a level 3 book with *depth* orders a side."""
    snapshot, messages = level3_stream(depth, count)
    book = Level3Book(BTC)
    book.step(messages[0])
    book.step(SnapshotTaken(1, snapshot))
    return _seconds(book.step, messages[1:])


def _seconds(step: Callable[[Any], tuple[Any, ...]], messages: list[Message]) -> float:
    emitted = 0
    started = time.perf_counter()
    for message in messages:
        for view in step(message):
            emitted += view.best_bid is not None and view.best_ask is not None
    taken = time.perf_counter() - started
    assert emitted > len(messages) / 2
    return taken / len(messages)


def main() -> None:
    print(f"{'a side':>10}  {'level 2: µs':>12} {'messages/s':>12}  {'level 3: µs':>12} {'messages/s':>12}")
    for depth in DEPTHS:
        figures = [min(run(depth, 20_000) for _ in range(3)) for run in (level2_run, level3_run)]
        shown = "  ".join(f"{seconds * 1e6:>12.2f} {1 / seconds:>12,.0f}" for seconds in figures)
        print(f"{depth:>10,}  {shown}")


if __name__ == "__main__":
    main()
