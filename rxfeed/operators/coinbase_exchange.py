"""The operators that select messages of Coinbase Exchange."""

from __future__ import annotations

from rxfeed.market import Message
from rxfeed.operators.select import Products, select
from rxfeed.operators.source import Operator
from rxfeed.venues.coinbase_exchange import messages as m


def matches(products: Products = None) -> Operator[Message, m.Match]:
    """Emit the trades, without the `last_match` that the channel begins with (see `last_matches`)."""
    return select([m.Match], products, "matches")


def last_matches(products: Products = None) -> Operator[Message, m.LastMatch]:
    """Emit the last trade before each subscription to `matches`; it can be hours old."""
    return select([m.LastMatch], products, "last_matches")


def level3(products: Products = None) -> Operator[Message, Message]:
    """Emit the orders of the `level3` channel."""
    return select([m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop], products, "level3")


def orders(products: Products = None) -> Operator[Message, Message]:
    """Emit the order events of `full` and `user`: received, open, match, change, done, activate."""
    return select([m.Received, m.Open, m.Match, m.Change, m.Done, m.Activate], products, "orders")


def rfq_matches(products: Products = None) -> Operator[Message, m.RfqMatch]:
    """Emit the trades that resulted from requests for quote."""
    return select([m.RfqMatch], products, "rfq_matches")


def balances() -> Operator[Message, m.Balance]:
    """Emit the balances of the subscribed accounts."""
    return select([m.Balance], None, "balances")


def statuses() -> Operator[Message, m.Status]:
    """Emit the states of products and currencies."""
    return select([m.Status], None, "statuses")
