"""The operators that select messages by type and product."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from reactivex import Observable, abc

from rxfeed import messages as m
from rxfeed.errors import ConfigError
from rxfeed.operators.source import FilterableSource, MessageFilter, Operator, check_source, declare

M = TypeVar("M", bound=m.Message)
Products = str | Iterable[str] | None
"""One product id, many, or `None` for all."""


def select(types: Iterable[type[M]], products: Products = None, operator: str = "select") -> Operator[m.Message, M]:
    """Emit the messages of exactly *types* and, if given, of *products* only; *operator* is its name in warnings.

    >>> reactivex.of(ticker(9), match()).pipe(select([Match])).subscribe(lambda m: print(m.type)).dispose()
    match
    """
    message_filter = MessageFilter(frozenset(types), _products(products), operator)
    selected, selected_products = message_filter.types, message_filter.products

    def selecting(source: Observable[m.Message]) -> Observable[M]:
        check_source(source, message_filter)
        if isinstance(source, FilterableSource):
            return source.select(message_filter)

        def subscribe(observer: abc.ObserverBase[M], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            emit: Any = observer.on_next

            def on_next(message: m.Message) -> None:
                if type(message) in selected and (selected_products is None or message.product_id in selected_products):
                    emit(message)

            return source.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return declare(selecting, message_filter)


def _products(products: Products) -> frozenset[str] | None:
    if products is None:
        return None
    if isinstance(products, Observable):
        raise ConfigError("products: a stream was given instead of a product; in pipe(), call the operator: matches()")
    chosen = frozenset([products] if isinstance(products, str) else products)
    if not chosen or not all(isinstance(each, str) and each for each in chosen):
        raise ConfigError(f"products: {products!r} names no product")
    return chosen


def matches(products: Products = None) -> Operator[m.Message, m.Match]:
    """Emit the trades, without the `last_match` that the channel begins with (see `last_matches`)."""
    return select([m.Match], products, "matches")


def last_matches(products: Products = None) -> Operator[m.Message, m.LastMatch]:
    """Emit the last trade before each subscription to `matches`; it can be hours old."""
    return select([m.LastMatch], products, "last_matches")


def tickers(products: Products = None) -> Operator[m.Message, m.Ticker]:
    """Emit the tickers of `ticker` and `ticker_batch`.

    `ticker` begins with one ticker at once, of the last trade before the subscription.
    """
    return select([m.Ticker], products, "tickers")


def heartbeats(products: Products = None) -> Operator[m.Message, m.Heartbeat]:
    """Emit the heartbeats: one each second for each product."""
    return select([m.Heartbeat], products, "heartbeats")


def level2(products: Products = None) -> Operator[m.Message, m.Snapshot | m.L2Update]:
    """Emit the messages of the book by price: snapshots, and the updates after them."""
    return select([m.Snapshot, m.L2Update], products, "level2")


def level3(products: Products = None) -> Operator[m.Message, m.Message]:
    """Emit the orders of the `level3` channel."""
    return select([m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop], products, "level3")


def orders(products: Products = None) -> Operator[m.Message, m.Message]:
    """Emit the order events of `full` and `user`: received, open, match, change, done, activate."""
    return select([m.Received, m.Open, m.Match, m.Change, m.Done, m.Activate], products, "orders")


def auctions(products: Products = None) -> Operator[m.Message, m.Auction]:
    """Emit the messages about auctions."""
    return select([m.Auction], products, "auctions")


def rfq_matches(products: Products = None) -> Operator[m.Message, m.RfqMatch]:
    """Emit the trades that resulted from requests for quote."""
    return select([m.RfqMatch], products, "rfq_matches")


def balances() -> Operator[m.Message, m.Balance]:
    """Emit the balances of the subscribed accounts."""
    return select([m.Balance], None, "balances")


def statuses() -> Operator[m.Message, m.Status]:
    """Emit the states of products and currencies."""
    return select([m.Status], None, "statuses")


def error_messages() -> Operator[m.Message, m.ErrorMessage]:
    """Emit the error messages of the exchange, such as rejected requests."""
    return select([m.ErrorMessage], None, "error_messages")


def unknowns() -> Operator[m.Message, m.Unknown]:
    """Emit the messages of unknown types."""
    return select([m.Unknown], None, "unknowns")
