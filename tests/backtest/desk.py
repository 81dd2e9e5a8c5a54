"""A paper market with its events as short texts, and the messages of its scenarios."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rxfeed import Message
from rxfeed.backtest import PaperDone, PaperFill, PaperMarket, PaperOpen
from rxfeed.venues.coinbase_exchange import L2Update, Snapshot
from tests.support.make import at, in_epoch, match

BTC = "BTC-USD"


def snapshot(bids: dict[Any, Any], asks: dict[Any, Any], time: Any = 0, *, epoch: int = 0) -> Snapshot:
    levels = [tuple((Decimal(price), Decimal(size)) for price, size in side.items()) for side in (bids, asks)]
    return in_epoch(Snapshot(product_id=BTC, time=at(time), bids=levels[0], asks=levels[1]), epoch)


def update(time: Any, *changes: tuple[Any, Any, Any], epoch: int = 0) -> L2Update:
    given = tuple((side, Decimal(price), Decimal(size)) for side, price, size in changes)
    return in_epoch(L2Update(product_id=BTC, time=at(time), changes=given), epoch)


def sold(time: Any, price: Any, size: Any, **fields: Any) -> Message:
    """A taker sold: the maker's side is buy."""
    return match(price, size=size, time=time, side="buy", **fields)


def bought(time: Any, price: Any, size: Any, **fields: Any) -> Message:
    return match(price, size=size, time=time, side="sell", **fields)


class Desk:
    """A market with a book of 5 at 100 and 101, and its events as short texts."""

    def __init__(self, **settings: Any) -> None:
        self.market = PaperMarket(BTC, **settings)
        self.events: list[str] = []
        self.step(snapshot({100: 5, 99: 5}, {101: 5, 102: 5}))

    def step(self, *messages: Message) -> list[str]:
        """The events of the messages, and of the times before them."""
        events = [event for message in messages for event in self.market.step(message)]
        self.events = [words(event) for event in events]
        return self.events

    def end(self) -> list[str]:
        return [words(event) for event in self.market.finish()]


def words(event: Any) -> str:
    seconds = f"{(event.time - at(0)).total_seconds():g}"
    number = event.order_id.removeprefix("paper-")
    left = f"{event.remaining.normalize():f}"
    if isinstance(event, PaperOpen):
        return f"{seconds} {number} open {left} at {event.price}"
    if isinstance(event, PaperFill):
        role = "maker" if event.maker else "taker"
        return f"{seconds} {number} {event.side} {event.size} at {event.price} {role}, {left} left"
    assert isinstance(event, PaperDone)
    return f"{seconds} {number} {event.reason}, {left} left"
