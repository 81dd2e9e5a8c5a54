"""Messages of orders and snapshots for a level 3 book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rxfeed import Match
from rxfeed.core.book_snapshot import Level3Snapshot, SnapshotTaken
from rxfeed.core.book_view import FullBookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.market import Side
from rxfeed.venues.coinbase_exchange import (
    Change,
    Done,
    Level3Noop,
    Open,
    Received,
)
from tests.support.make import at

BTC = "BTC-USD"
NAMES: dict[str, Any] = {"product_id": BTC, "time": at(1)}


def opened(order_id: str, price: Any, size: Any, sequence: int, side: Side = "buy") -> Open:
    price, size = Decimal(price), Decimal(size)
    return Open(**NAMES, order_id=order_id, side=side, price=price, remaining_size=size, sequence=sequence)


def matched(maker: str, price: Any, size: Any, sequence: int, side: Side = "buy") -> Match:
    price, size = Decimal(price), Decimal(size)
    ids = {"trade_id": sequence, "maker_order_id": maker, "taker_order_id": "t"}
    return Match(**NAMES, **ids, side=side, price=price, size=size, sequence=sequence)


def done(order_id: str, sequence: int, side: Side = "buy") -> Done:
    return Done(**NAMES, order_id=order_id, side=side, reason="canceled", sequence=sequence)


def modified(order_id: str, price: Any, size: Any, sequence: int) -> Change:
    new: dict[str, Any] = {"reason": "modify_order", "new_price": Decimal(price), "new_size": Decimal(size)}
    return Change(**NAMES, **new, order_id=order_id, side="buy", sequence=sequence)


def prevented(order_id: str, size: Any, sequence: int) -> Change:
    return Change(
        **NAMES,
        order_id=order_id,
        side="buy",
        reason="STP",
        price=Decimal(9),
        old_size=Decimal(5),
        new_size=None if size is None else Decimal(size),
        sequence=sequence,
    )


def received(sequence: int | None) -> Received:
    return Received(**NAMES, order_id="r", side="buy", sequence=sequence)


def noop(sequence: int) -> Level3Noop:
    return Level3Noop(**NAMES, sequence=sequence)


def taken(request: int, sequence: int, bids: Any = (), asks: Any = (), **more: Any) -> SnapshotTaken:
    entries = [tuple((Decimal(price), Decimal(size), name) for price, size, name in side) for side in (bids, asks)]
    return SnapshotTaken(request, Level3Snapshot(sequence=sequence, bids=entries[0], asks=entries[1], **more))


BIDS = [(10, 1, "a"), (9, 5, "b"), (9, 2, "c"), ("9.00", 1, "d")]
ASKS = [(11, 1, "x"), (12, 1, "y")]


def ready(sequence: int = 10) -> tuple[Level3Book, FullBookView]:
    book = Level3Book(BTC)
    book.step(received(sequence))
    (view,) = book.step(taken(1, sequence, BIDS, ASKS))
    assert isinstance(view, FullBookView)
    return book, view


def names(view: Any, side: Side = "buy") -> str:
    return "".join(order.order_id for order in view.orders(side))
