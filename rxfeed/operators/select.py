"""The operators that select messages by type and product, of any venue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from reactivex import Observable, abc

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.market import (
    AnyHeartbeat,
    Auction,
    BookSnapshot,
    BookUpdate,
    ErrorMessage,
    Message,
    Ticker,
    Trade,
    Unknown,
)
from rxfeed.operators.source import FilterableSource, MessageFilter, Operator, check_source, declare

M = TypeVar("M", bound=Message)
Products = str | Iterable[str] | None
"""One product id, many, or `None` for all."""


def select(types: Iterable[type[M]], products: Products = None, operator: str = "select") -> Operator[Message, M]:
    """Emit the messages of *types* or subclasses of them and, if given, of *products* only.

    *operator* is its name in warnings.

    >>> import reactivex
    >>> from rxfeed import Match
    >>> from rxfeed.operators import select
    >>> from rxfeed.testing import ticker, trade
    >>> reactivex.of(ticker(9), trade()).pipe(select([Match])).subscribe(lambda m: print(m.type)).dispose()
    match
    """
    distinct = frozenset(types)
    message_filter = MessageFilter(distinct, _products(products), operator)
    selected, selected_products = tuple(distinct), message_filter.products

    def selecting(source: Observable[Message]) -> Observable[M]:
        check_source(source, message_filter)
        if isinstance(source, FilterableSource):
            return cast("Observable[M]", source.select(message_filter))  # it emits the types of the filter only

        def subscribe(observer: abc.ObserverBase[M], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            emit = observer.on_next

            def on_next(message: Message) -> None:
                if isinstance(message, selected) and (
                    selected_products is None or message.product_id in selected_products
                ):
                    emit(message)

            return source.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return declare(selecting, message_filter)


def _products(products: Products) -> frozenset[str] | None:
    if products is None:
        return None
    if isinstance(products, Observable):
        raise ConfigError("products: a stream was given instead of a product; in pipe(), call the operator: matches()")
    return arguments.products(products)


def trades(products: Products = None) -> Operator[Message, Trade]:
    """Emit the trades of any venue."""
    return select([Trade], products, "trades")


def tickers(products: Products = None) -> Operator[Message, Ticker]:
    """Emit the tickers; the first one may be of the last trade before the subscription."""
    return select([Ticker], products, "tickers")


def heartbeats(products: Products = None) -> Operator[Message, AnyHeartbeat]:
    """Emit the heartbeats, one each second: for each product, or on Advanced Trade for the whole connection.

    With *products*, those of the connection are left out, since they have no product.
    """
    return select([AnyHeartbeat], products, "heartbeats")


def level2(products: Products = None) -> Operator[Message, BookSnapshot | BookUpdate]:
    """Emit the messages of the book by price: snapshots, and the updates after them."""
    return select([BookSnapshot, BookUpdate], products, "level2")


def auctions(products: Products = None) -> Operator[Message, Auction]:
    """Emit the messages about auctions."""
    return select([Auction], products, "auctions")


def error_messages() -> Operator[Message, ErrorMessage]:
    """Emit the error messages of the venue, such as rejected requests."""
    return select([ErrorMessage], None, "error_messages")


def unknowns() -> Operator[Message, Unknown]:
    """Emit the messages of unknown types."""
    return select([Unknown], None, "unknowns")
