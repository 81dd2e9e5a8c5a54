"""The messages of `rxfeed.testing` as their structs, and with fields that only tests set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar, cast

from rxfeed import testing
from rxfeed.market import Message, Origin, stamp
from rxfeed.testing import NOON
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat, ExchangeTicker, LastMatch, Match

__all__ = ["NOON", "at", "heartbeat", "in_epoch", "last_match", "match", "ticker"]
M = TypeVar("M", bound=Message)


def at(time: Any) -> Any:
    """Noon plus seconds, a time of that day, or the time itself."""
    return testing.heartbeat(time).time


def in_epoch(message: M, epoch: int) -> M:
    return stamp(message, Origin(message.raw, 0, epoch))


def match(price: Any = 100, *, size: Any = 1, **fields: Any) -> Match:
    return cast(Match, testing.trade(**_values(price, size), **fields))


def last_match(price: Any = 100, *, size: Any = 1, **fields: Any) -> LastMatch:
    return cast(LastMatch, testing.prior_trade(**_values(price, size), **fields))


def ticker(price: Any, **fields: Any) -> ExchangeTicker:
    return cast(ExchangeTicker, testing.ticker(Decimal(price), **fields))


def heartbeat(time: Any, **fields: Any) -> ExchangeHeartbeat:
    return cast(ExchangeHeartbeat, testing.heartbeat(time, **fields))


def _values(price: Any, size: Any) -> dict[str, Decimal]:
    return {"price": Decimal(price), "size": Decimal(size)}
