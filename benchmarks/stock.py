"""The pipelines made of reactivex's operators, as its users write them: group, scan, compare neighbours.

`scan` calls the same machines as the operators of rxfeed, one for each group.
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
from benchmarks.plain import accepted_by
from rxfeed import PriceCross
from rxfeed.core import Candles, Machine, PriceCrossing, PriceMoves, SlidingVolume, TumblingVolume
from rxfeed.core.numbers import ZERO
from rxfeed.market import Message

Stock = Callable[[Observable[Message]], Observable[tuple[Any, ...]]]
_END: Any = None
_PRICED = accepted_by(PriceCrossing)


def window_volume(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, lambda: TumblingVolume(60))


def candles(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, lambda: Candles(60))


def rolling_volume(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, lambda: SlidingVolume(60))


def moved(source: Observable[Message]) -> Observable[tuple[Any, ...]]:
    return _grouped(source, lambda: PriceMoves(1, 60))


def _grouped(source: Observable[Message], machine: Callable[[], Machine[Message, Any]]) -> Observable[Any]:
    accepted = accepted_by(machine())

    def scanned(group: Observable[Any]) -> Observable[Any]:
        seed: tuple[Any, Any] = (machine(), ())
        return group.pipe(ops.concat(reactivex.just(_END)), ops.scan(step, seed), ops.map(lambda made: made[1]))

    def step(made: tuple[Any, Any], message: Any) -> tuple[Any, Any]:
        product = made[0]
        return product, product.finish() if message is _END else product.step(message)

    return source.pipe(
        ops.filter(lambda message: accepted[type(message)]),
        ops.group_by(lambda message: message.product_id),
        ops.flat_map(scanned),
        ops.filter(bool),
    )


def crossing(product_id: str, level: Decimal) -> Stock:
    return lambda source: source.pipe(
        ops.filter(lambda message: message.product_id == product_id and _PRICED[type(message)]), _crossed(level)
    )


def crossings(levels: dict[str, Decimal]) -> Stock:
    return lambda source: source.pipe(
        ops.filter(lambda message: _PRICED[type(message)] and message.product_id in levels),
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
        state = Book(product_id)
        return source.pipe(ops.map(state.take), ops.filter(bool))

    return booked


def _key(group: Any) -> str:
    return group.key
