"""The tables on Advanced Trade: the same trades and tickers in its frames, and the same rows.

Tables with heartbeats are for Coinbase Exchange only: a heartbeat there names a product and its last trade.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rxfeed.market import Message, Origin, stamp
from rxfeed.venues.coinbase_advanced import AdvancedDecoder
from rxfeed.venues.coinbase_exchange.messages import ExchangeTicker, LastMatch, Match
from tests.vectors.table import Vector

VENUE = "coinbase_advanced"
_TRANSLATED = (Match, LastMatch, ExchangeTicker)


def on_advanced(vectors: Iterable[Vector]) -> list[Vector]:
    return [
        replace(vector, name=f"{vector.name}, on Advanced Trade", messages=_messages(vector.messages), venue=VENUE)
        for vector in vectors
        if all(type(message) in _TRANSLATED for message in vector.messages)
    ]


def _messages(messages: Sequence[Message]) -> list[Message]:
    found: list[Message] = []
    decode = AdvancedDecoder().decode
    for number, (raw, epoch) in enumerate(_frames(messages)):
        raw = raw.replace(b'"sequence_num":0', b'"sequence_num":%d' % number)
        decoded: Any = decode(raw)
        several = decoded if isinstance(decoded, tuple) else (decoded,)
        found += [stamp(message, Origin(raw, 0, epoch)) for message in several]
    return found


def _frames(messages: Sequence[Message]) -> Iterator[tuple[bytes, int]]:
    """The frames without their numbers; two trades of a product that follow one another are one batch."""
    waiting = list(messages)
    while waiting:
        message = waiting.pop(0)
        batch = [message]
        if waiting and isinstance(message, Match) and _follows(message, waiting[0]):
            batch.append(waiting.pop(0))
        yield _frame(batch), message.epoch


def _follows(one: Match, two: Message) -> bool:
    return (
        isinstance(two, Match)
        and (two.product_id, two.epoch) == (one.product_id, one.epoch)
        and two.trade_id == one.trade_id + 1
    )


def _frame(batch: Sequence[Message]) -> bytes:
    kind = "snapshot" if isinstance(batch[0], LastMatch) else "update"
    if isinstance(batch[0], ExchangeTicker):
        channel, event = "ticker", {"type": kind, "tickers": [_ticker(batch[0])]}
    else:
        channel, event = "market_trades", {"type": kind, "trades": [_trade(each) for each in reversed(batch)]}
    content = {"channel": channel, "timestamp": _text(batch[0].time), "sequence_num": 0, "events": [event]}
    return json.dumps(content, separators=(",", ":")).encode()


def _trade(trade: Any) -> dict[str, str]:
    return {
        "product_id": trade.product_id,
        "trade_id": str(trade.trade_id),
        "price": str(trade.price),
        "size": str(trade.size),
        "time": _text(trade.time),
        "side": trade.side.upper(),
    }


def _ticker(ticker: ExchangeTicker) -> dict[str, str]:
    best = {"best_bid": ticker.best_bid, "best_ask": ticker.best_ask}
    given = {name: str(price) for name, price in best.items() if price is not None}
    return {"type": "ticker", "product_id": ticker.product_id, "price": str(ticker.price), **given}


def _text(time: datetime | None) -> str:
    assert time is not None
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
