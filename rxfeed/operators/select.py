"""The operators that select: the messages of one channel, of all products or some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from reactivex import Observable, abc

from rxfeed.errors import ConfigError
from rxfeed.market import Message, Unknown
from rxfeed.operators.source import Operator, Selectable, Wish, check_source, declare
from rxfeed.venues.coinbase_exchange import messages as m

M = TypeVar("M", bound=Message)
Products = str | Iterable[str] | None
"""One product id, many, or `None` for all."""


def select(types: Iterable[type[M]], product: Products = None, operator: str = "select") -> Operator[Message, M]:
    """Emit the messages of exactly *types*, and, where it is given, of *product* only; *operator* names it in warnings.

    >>> reactivex.of(ticker(9), match()).pipe(select([Match])).subscribe(lambda m: print(m.type)).dispose()
    match
    """
    wish = Wish(frozenset(types), _products(product), operator)
    wanted, products = wish.types, wish.products

    def selecting(source: Observable[Message]) -> Observable[M]:
        check_source(source, wish)
        if isinstance(source, Selectable):
            return source.select(wish)

        def subscribe(observer: abc.ObserverBase[M], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            emit: Any = observer.on_next

            def on_next(message: Message) -> None:
                if type(message) in wanted and (products is None or message.product_id in products):
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


def matches(product: Products = None) -> Operator[Message, m.Match]:
    """Emit the trades; the `last_match` that the channel begins with is none (see `last_matches`)."""
    return select([m.Match], product, "matches")


def last_matches(product: Products = None) -> Operator[Message, m.LastMatch]:
    """Emit the last trade before each subscription to `matches`, perhaps hours old."""
    return select([m.LastMatch], product, "last_matches")


def tickers(product: Products = None) -> Operator[Message, m.Ticker]:
    """Emit the tickers, of `ticker` and `ticker_batch` alike.

    `ticker` begins with one at once, which tells of the last trade before the subscription.
    """
    return select([m.Ticker], product, "tickers")


def heartbeats(product: Products = None) -> Operator[Message, m.Heartbeat]:
    """Emit the heartbeats, one a second and product."""
    return select([m.Heartbeat], product, "heartbeats")


def level2(product: Products = None) -> Operator[Message, m.Snapshot | m.L2Update]:
    """Emit the book by price: snapshots, and the updates that follow them."""
    return select([m.Snapshot, m.L2Update], product, "level2")


def level3(product: Products = None) -> Operator[Message, Message]:
    """Emit the orders of the `level3` channel."""
    return select([m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop], product, "level3")


def orders(product: Products = None) -> Operator[Message, Message]:
    """Emit the orders' lives, of `full` and `user`: received, open, match, change, done, activate."""
    return select([m.Received, m.Open, m.Match, m.Change, m.Done, m.Activate], product, "orders")


def auctions(product: Products = None) -> Operator[Message, m.Auction]:
    """Emit the states of auctions."""
    return select([m.Auction], product, "auctions")


def rfq_matches(product: Products = None) -> Operator[Message, m.RfqMatch]:
    """Emit the trades that came of requests for quote."""
    return select([m.RfqMatch], product, "rfq_matches")


def balances() -> Operator[Message, m.Balance]:
    """Emit the balances of the accounts subscribed to."""
    return select([m.Balance], None, "balances")


def statuses() -> Operator[Message, m.Status]:
    """Emit the products' and currencies' states."""
    return select([m.Status], None, "statuses")


def error_messages() -> Operator[Message, m.ErrorMessage]:
    """Emit what the exchange refuses."""
    return select([m.ErrorMessage], None, "error_messages")


def unknowns() -> Operator[Message, Unknown]:
    """Emit the messages of types that this library does not know yet."""
    return select([Unknown], None, "unknowns")
