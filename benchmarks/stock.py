"""The pipelines made of reactivex's operators, as its users write them: group, scan, compare neighbours.

They emit tuples of outputs: `flat_map`, which could emit many items for one, costs 100 µs an item.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import reactivex
from reactivex import Observable
from reactivex import operators as ops

from benchmarks.book_states import BOOKED, Book
from benchmarks.plain import MINUTE
from benchmarks.states import PRICED, Ahead, Candled, Rolling, Traded, take
from rxfeed import PriceCross
from rxfeed.core.numbers import ZERO
from rxfeed.market import Message
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat, LastMatch, Match

Stock = Callable[[Observable[Message]], Observable[tuple[Any, ...]]]
_END: Any = None
_TRADED = frozenset((Match, LastMatch, ExchangeHeartbeat))
_ROLLED = frozenset((Match, LastMatch))


def window_volume(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, _TRADED, Traded)


def candles(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, _TRADED, Candled)


def rolling_volume(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, _ROLLED, Rolling)


def _grouped(source: Observable[Message], kinds: frozenset[Any], state: type[Any]) -> Observable[Any]:
    ahead = Ahead()

    def scanned(group: Observable[Any]) -> Observable[Any]:
        return group.pipe(ops.concat(reactivex.just(_END)), ops.scan(step, (None, ())), ops.map(lambda made: made[1]))

    def step(made: tuple[Any, Any], message: Any) -> tuple[Any, Any]:
        product = made[0]
        if message is _END:
            return product, () if product is None else product.finish()
        return take(product, state, message, MINUTE, ahead)

    return source.pipe(
        ops.filter(lambda message: type(message) in kinds),
        ops.group_by(lambda message: message.product_id),
        ops.flat_map(scanned),
        ops.filter(bool),
    )


def crossing(product_id: str, level: Decimal) -> Stock:
    return lambda source: source.pipe(
        ops.filter(lambda message: message.product_id == product_id and type(message) in PRICED), _crossed(level)
    )


def crossings(levels: dict[str, Decimal]) -> Stock:
    return lambda source: source.pipe(
        ops.filter(lambda message: type(message) in PRICED and message.product_id in levels),
        ops.group_by(lambda message: message.product_id),
        ops.flat_map(lambda group: _crossed(levels[_key(group)])(group)),
    )


def _crossed(level: Decimal) -> Callable[[Observable[Any]], Observable[Any]]:
    def cross(pair: tuple[Any, Any]) -> tuple[PriceCross]:
        before, after = pair
        direction, spans_gap = "up" if after.price > level else "down", before.epoch != after.epoch
        return (PriceCross(after.product_id, level, direction, before.price, after.price, after.time, spans_gap),)

    return lambda source: source.pipe(
        ops.filter(lambda message: message.price != level and message.price > ZERO),
        ops.pairwise(),
        ops.filter(lambda pair: (pair[0].price > level) != (pair[1].price > level)),
        ops.map(cross),
    )


def book(product_id: str) -> Stock:
    return lambda source: source.pipe(
        ops.filter(lambda message: message.product_id == product_id and type(message) in BOOKED), _booked(product_id)
    )


def books(product_ids: frozenset[str]) -> Stock:
    return lambda source: source.pipe(
        ops.filter(lambda message: type(message) in BOOKED and message.product_id in product_ids),
        ops.group_by(lambda message: message.product_id),
        ops.flat_map(lambda group: _booked(_key(group))(group)),
    )


def _booked(product_id: str) -> Callable[[Observable[Any]], Observable[Any]]:
    def booked(source: Observable[Any]) -> Observable[Any]:
        state = Book(product_id, kept=False)
        return source.pipe(ops.map(state.take), ops.filter(bool))

    return booked


def _key(group: Any) -> str:
    return group.key
