"""The channels of the feed, by the names that a subscription takes."""

from __future__ import annotations

from rxfeed.venues.coinbase_advanced import messages as m
from rxfeed.venues.venue import Channel

_TICKER = frozenset((m.AdvancedTicker,))

TABLE = (
    Channel("market_trades", frozenset((m.MarketTrade, m.PriorMarketTrade)), numbering="trades"),
    Channel("level2", frozenset((m.AdvancedL2Snapshot, m.AdvancedL2Update)), snapshot=True, numbering="connection"),
    Channel("ticker", _TICKER, numbering="connection"),
    Channel("ticker_batch", _TICKER, acknowledged="ticker_1000", numbering="connection"),
    Channel("candles", frozenset((m.CandleUpdate,)), numbering="connection"),
    Channel("status", frozenset((m.AdvancedStatus,)), numbering="connection"),
    Channel("heartbeats", frozenset((m.ConnectionHeartbeat,)), products=False, numbering="connection"),
    Channel(
        "user",
        frozenset((m.OrderUpdate,)),
        authenticated=True,
        account=True,
        products=False,
        numbering="connection",
    ),
    Channel(
        "futures_balance_summary",
        frozenset((m.FuturesBalance,)),
        authenticated=True,
        account=True,
        products=False,
        numbering="connection",
    ),
)
ALIASES = {each.acknowledged: each.name for each in TABLE if each.acknowledged}
"""The names that a subscription takes, by those of acknowledgements."""
NAMES = tuple(sorted(each.name for each in TABLE))
TRADES, BOOK = "market_trades", "level2"
BOOK_FRAME = "l2_data"
"""The name of `BOOK` in the frames."""
USER_ONLY = frozenset(("user", "futures_balance_summary"))
"""The channels that the host of user channels has, beside heartbeats."""
WITHOUT_PRODUCTS = frozenset(each.name for each in TABLE if not each.products)
COMMON = {
    "trades": TRADES,
    "book": BOOK,
    "ticker": "ticker",
    "heartbeat": "heartbeats",
    "user": "user",
    "status": "status",
}
"""The channels by the names that every venue has."""
