"""The operators that select: messages of one kind, of any venue, of all products or some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from reactivex import Observable, abc

from rxfeed.errors import ConfigError
from rxfeed.market import Auction, BookSnapshot, BookUpdate, ErrorMessage, Heartbeat, Message, Ticker, Trade, Unknown
from rxfeed.operators.source import Operator, Selectable, Wish, check_source, declare

M = TypeVar("M", bound=Message)
Products = str | Iterable[str] | None
"""One product id, many, or `None` for all."""


def select(types: Iterable[type[M]], product: Products = None, operator: str = "select") -> Operator[Message, M]:
    """Emit the messages of *types* or subclasses of them, and, where it is given, of *product* only.

    *operator* names it in warnings.

    >>> reactivex.of(ticker(9), match()).pipe(select([Match])).subscribe(lambda m: print(m.type)).dispose()
    match
    """
    wish = Wish(frozenset(types), _products(product), operator)
    wanted, products = tuple(wish.types), wish.products

    def selecting(source: Observable[Message]) -> Observable[M]:
        check_source(source, wish)
        if isinstance(source, Selectable):
            return source.select(wish)

        def subscribe(observer: abc.ObserverBase[M], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            emit: Any = observer.on_next

            def on_next(message: Message) -> None:
                if isinstance(message, wanted) and (products is None or message.product_id in products):
                    emit(message)

            return source.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return declare(selecting, wish)


def _products(product: Products) -> frozenset[str] | None:
    if product is None:
        return None
    if isinstance(product, Observable):
        raise ConfigError("product: a stream was given in place of a product; in pipe(), call the operator: matches()")
    chosen = frozenset([product] if isinstance(product, str) else product)
    if not chosen or not all(isinstance(each, str) and each for each in chosen):
        raise ConfigError(f"product: {product!r} names no product")
    return chosen


def trades(product: Products = None) -> Operator[Message, Trade]:
    """Emit the trades of any venue."""
    return select([Trade], product, "trades")


def tickers(product: Products = None) -> Operator[Message, Ticker]:
    """Emit the tickers; the first one may be about the last trade before the subscription."""
    return select([Ticker], product, "tickers")


def heartbeats(product: Products = None) -> Operator[Message, Heartbeat]:
    """Emit the heartbeats, one a second and product."""
    return select([Heartbeat], product, "heartbeats")


def level2(product: Products = None) -> Operator[Message, BookSnapshot | BookUpdate]:
    """Emit the book by price: snapshots, and the updates that follow them."""
    return select([BookSnapshot, BookUpdate], product, "level2")


def auctions(product: Products = None) -> Operator[Message, Auction]:
    """Emit the states of auctions."""
    return select([Auction], product, "auctions")


def error_messages() -> Operator[Message, ErrorMessage]:
    """Emit what the exchange refuses."""
    return select([ErrorMessage], None, "error_messages")


def unknowns() -> Operator[Message, Unknown]:
    """Emit the messages of types that this library does not know yet."""
    return select([Unknown], None, "unknowns")
