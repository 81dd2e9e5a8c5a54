"""Constructed messages, with defaults for the fields that a test does not use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

from rxfeed.market import Message, Origin, stamp
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat, ExchangeTicker, LastMatch, Match

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
M = TypeVar("M", bound=Message)
_ids = count(1)


def at(time: str | float | datetime) -> datetime:
    """Noon plus seconds, a time of that day, or the time itself."""
    if isinstance(time, datetime):
        return time
    if isinstance(time, str):
        return datetime.fromisoformat(f"2026-01-02T{time}+00:00")
    return NOON + timedelta(seconds=time)


def in_epoch(message: M, epoch: int) -> M:
    return stamp(message, Origin(message.raw, 0, epoch))


def match(
    price: Any = 100, *, size: Any = 1, time: Any = 0, product_id: str = "BTC-USD", epoch: int = 0, **fields: Any
) -> Match:
    return in_epoch(Match(**_trade(price, size, time, product_id, fields)), epoch)


def last_match(
    price: Any = 100, *, size: Any = 1, time: Any = 0, product_id: str = "BTC-USD", epoch: int = 0, **fields: Any
) -> LastMatch:
    return in_epoch(LastMatch(**_trade(price, size, time, product_id, fields)), epoch)


def _trade(price: Any, size: Any, time: Any, product_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    number = next(_ids)
    return {
        "product_id": product_id,
        "price": Decimal(price),
        "size": Decimal(size),
        "time": at(time),
        "trade_id": number,
        "sequence": number,
        "side": "sell",
        "maker_order_id": "maker",
        "taker_order_id": "taker",
    } | fields


def ticker(price: Any, *, time: Any = 0, product_id: str = "BTC-USD", epoch: int = 0, **fields: Any) -> ExchangeTicker:
    given: dict[str, Any] = {"sequence": next(_ids)} | fields
    message = ExchangeTicker(product_id=product_id, price=Decimal(price), time=at(time), **given)
    return in_epoch(message, epoch)


def heartbeat(time: Any, *, last_trade_id: int = 0, product_id: str = "BTC-USD", epoch: int = 0) -> ExchangeHeartbeat:
    message = ExchangeHeartbeat(product_id=product_id, sequence=next(_ids), last_trade_id=last_trade_id, time=at(time))
    return in_epoch(message, epoch)
