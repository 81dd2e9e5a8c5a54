"""The operators that select messages of Coinbase Exchange."""

from __future__ import annotations

from rxfeed.market import Message
from rxfeed.operators.select import Products, select
from rxfeed.operators.source import Operator
from rxfeed.venues.coinbase_exchange import messages as m


def matches(product: Products = None) -> Operator[Message, m.Match]:
    """Emit the trades; the `last_match` that the channel begins with is none (see `last_matches`)."""
    return select([m.Match], product, "matches")


def last_matches(product: Products = None) -> Operator[Message, m.LastMatch]:
    """Emit the last trade before each subscription to `matches`, perhaps hours old."""
    return select([m.LastMatch], product, "last_matches")


def level3(product: Products = None) -> Operator[Message, Message]:
    """Emit the orders of the `level3` channel."""
    return select([m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop], product, "level3")


def orders(product: Products = None) -> Operator[Message, Message]:
    """Emit the orders' lives, of `full` and `user`: received, open, match, change, done, activate."""
    return select([m.Received, m.Open, m.Match, m.Change, m.Done, m.Activate], product, "orders")


def rfq_matches(product: Products = None) -> Operator[Message, m.RfqMatch]:
    """Emit the trades that came of requests for quote."""
    return select([m.RfqMatch], product, "rfq_matches")


def balances() -> Operator[Message, m.Balance]:
    """Emit the balances of the accounts subscribed to."""
    return select([m.Balance], None, "balances")


def statuses() -> Operator[Message, m.Status]:
    """Emit the products' and currencies' states."""
    return select([m.Status], None, "statuses")
