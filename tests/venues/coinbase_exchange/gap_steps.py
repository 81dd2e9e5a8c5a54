"""Messages with numbers, and what a `GapDetector` of Exchange makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rxfeed import Message
from rxfeed.core import Missed, Restarted
from rxfeed.venues.coinbase_exchange import (
    Received,
)
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from rxfeed.venues.coinbase_exchange.messages import Level3Noop
from tests.support.make import at, match

BTC = "BTC-USD"


def order(sequence: int, *, time: Any = None, product_id: str = BTC, **fields: Any) -> Received:
    return Received(
        product_id=product_id,
        sequence=sequence,
        order_id="o",
        side="buy",
        time=at(sequence if time is None else time),
        **fields,
    )


def trade(trade_id: int, **fields: Any) -> Message:
    given: dict[str, Any] = {"time": trade_id, "sequence": trade_id} | fields
    return match(trade_id=trade_id, **given)


def noop(sequence: int) -> Level3Noop:
    return Level3Noop(product_id=BTC, sequence=sequence, time=at(sequence))


def watching(*channels: str) -> ExchangeGaps:
    continuity = ExchangeGaps()
    continuity.watch((channel, BTC) for channel in channels)
    return continuity


def run(continuity: ExchangeGaps, messages: Iterable[Message]) -> tuple[list[Any], list[Any]]:
    """The delivered messages, and the gaps as (channel, first, last)."""
    delivered: list[Message] = []
    for message in messages:
        if continuity.step(message):
            delivered += [*continuity.released, message]
            continuity.released = []
        assert not continuity.released
    missed = [(each.channel, each.first, each.last) for each in continuity.missed if isinstance(each, Missed)]
    return delivered, missed


def restarts(continuity: ExchangeGaps) -> list[tuple[str, int, int]]:
    """The restarted sequences, as (channel, last, first)."""
    return [(each.channel, each.last, each.first) for each in continuity.missed if isinstance(each, Restarted)]


def at_time(make: Any, number: int, time: float) -> Message:
    if make is noop:
        return Level3Noop(product_id=BTC, sequence=number, time=at(time))
    return make(number, time=time)
