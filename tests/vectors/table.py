"""The form of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from rxfeed.core import Late, Machine
from rxfeed.market import Message
from rxfeed.operators import Operator
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat, ExchangeTicker, LastMatch, Match
from tests.support import make

BTC, ETH = "BTC-USD", "ETH-USD"


@dataclass(frozen=True)
class Vector:
    """The outputs' *columns* are *rows*; a late trade is `late start id`, a message `price`, a mapping its prices.

    Trade ids follow one another but at the gaps, where the epoch rises: a feed must find the same epochs by itself.
    """

    name: str
    machine: Callable[[], Machine[Any, Any]]
    operator: Callable[[], Operator[Any, Any]]
    messages: list[Message]
    columns: str
    rows: list[str]
    venue: str = "coinbase_exchange"

    @property
    def frames(self) -> list[tuple[bytes, int]]:
        """The frames of the messages, each with its epoch; messages of one frame follow one another."""
        return [frame for frame, _ in groupby((message.raw, message.epoch) for message in self.messages)]

    def row(self, output: Any) -> str:
        if isinstance(output, Late):
            return f"late {_text(output.start)} {output.trade.trade_id}"
        if isinstance(output, Message):
            return f"{output.product_id} {_text(getattr(output, 'price', None))}"
        if isinstance(output, Mapping):
            return " ".join(f"{product}:{item.price}" for product, item in output.items())
        return " ".join(_text(getattr(output, column)) for column in self.columns.split())


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{(value - make.NOON).total_seconds():g}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"[:12]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def trade(
    time: float, price: Any, size: Any, number: int, product_id: str = BTC, *, taker: str = "buy", epoch: int = 0
) -> Match:
    side = "sell" if taker == "buy" else "buy"
    fields = {"trade_id": number, "sequence": number, "side": side}
    return make.match(price, size=size, time=time, product_id=product_id, epoch=epoch, **fields)


def before(time: float, price: Any, number: int, product_id: str = BTC, epoch: int = 0) -> LastMatch:
    return make.last_match(price, time=time, product_id=product_id, epoch=epoch, trade_id=number, sequence=number)


def beat(time: float, number: int, product_id: str = BTC, epoch: int = 0) -> ExchangeHeartbeat:
    return make.heartbeat(time, last_trade_id=number, product_id=product_id, epoch=epoch)


def quote(time: float, price: Any, product_id: str = BTC, *, bid: Any = None, ask: Any = None) -> ExchangeTicker:
    sides: dict[str, Any] = {"best_bid": bid and Decimal(bid), "best_ask": ask and Decimal(ask)}
    return make.ticker(price, time=time, product_id=product_id, **sides)
