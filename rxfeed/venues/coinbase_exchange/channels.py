"""The channels of the feed: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels."""

from __future__ import annotations

from rxfeed.venues.coinbase_exchange import messages as m
from rxfeed.venues.venue import Channel

_TICKER = frozenset((m.ExchangeTicker,))
_BOOK = frozenset((m.Snapshot, m.L2Update))
_ORDERS = frozenset((m.Received, m.Open, m.Match, m.Change, m.Done, m.Activate))
_LEVEL3 = frozenset((m.Level3Schema, m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop))

TABLE = (
    Channel("ticker", _TICKER),
    Channel("ticker_batch", _TICKER, acknowledged="ticker_1000"),
    Channel("matches", frozenset((m.Match, m.LastMatch)), numbering="trades"),
    Channel("level2", _BOOK, authenticated=True, snapshot=True),
    Channel("level2_batch", _BOOK, acknowledged="level2_50", snapshot=True),
    Channel("level3", _LEVEL3, authenticated=True, numbering="product"),
    Channel("full", _ORDERS, authenticated=True, numbering="product"),
    Channel("user", _ORDERS, authenticated=True, account=True, numbering="product"),
    Channel("heartbeat", frozenset((m.ExchangeHeartbeat,))),
    Channel("auctionfeed", frozenset((m.ExchangeAuction,)), acknowledged="auction"),
    Channel("rfq_matches", frozenset((m.RfqMatch,)), authenticated=True),
    Channel("status", frozenset((m.Status,)), products=False),
    Channel("balance", frozenset((m.Balance,)), authenticated=True, account=True, products=False),
)

ALIASES = {each.acknowledged: each.name for each in TABLE if each.acknowledged}
"""The names that a subscription takes, by those of acknowledgements."""
BOOKS = frozenset(name for each in TABLE if each.snapshot for name in (each.name, each.acknowledged) if name)
"""Channels of books by price, which begin with a snapshot."""
NAMES = tuple(sorted({each.name for each in TABLE} | {"level2_50", "ticker_1000"}))
"""The names that a subscription takes: also the acknowledged ones of the batched channels."""
COMMON = {
    "trades": "matches",
    "book": "level2_batch",
    "ticker": "ticker",
    "heartbeat": "heartbeat",
    "user": "user",
    "status": "status",
}
"""The channels by the names that every venue has."""


def common_channel(name: str, *, signed: bool = False) -> str:
    """The channel that *name* stands for, where it is a common name; *signed*: `level2` needs credentials.

    >>> from rxfeed.venues.coinbase_exchange.channels import common_channel
    >>> common_channel("book"), common_channel("book", signed=True), common_channel("full")
    ('level2_batch', 'level2', 'full')
    """
    return "level2" if signed and name == "book" else COMMON.get(name, name)
