"""rxfeed: reactive streams over market-data feeds.

    from rxfeed import Feed, window_volume

    feed = Feed("BTC-USD", ["matches", "heartbeat"])
    feed.pipe(window_volume(60)).subscribe(print)
    feed.run()

A message passes these packages in order: `transport` (bytes to frames), `venues` (frames to messages of `market`),
`feed` (the hot Observable), `operators` (thin adapters over the pure machines of `core`), `sinks`. `compat` has cbpro's
client on top of a feed, and `sim` has a local exchange for tests.

Here are the names that most programs use. Each package has the rest of its names, such as `rxfeed.operators` or
`rxfeed.venues.coinbase_exchange`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rxfeed._version import __version__
from rxfeed.core import (
    Bar,
    BookView,
    Candle,
    PriceCross,
    PriceMove,
    Reconnect,
    TradeImbalance,
    VolumeWindow,
    WideSpread,
    fold,
)
from rxfeed.dataframes import to_dataframe, to_records
from rxfeed.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    FeedClosed,
    RecordingDamaged,
    RxfeedError,
    SinkError,
)
from rxfeed.feed import (
    Connected,
    Disconnected,
    Feed,
    FeedStatus,
    Gap,
    Lagging,
    MessageSource,
    Reconnecting,
    Rejected,
    SequenceReset,
    Subscribed,
    rest_snapshot,
)
from rxfeed.market import (
    BookSnapshot,
    BookUpdate,
    Heartbeat,
    Malformed,
    Message,
    PriorTrade,
    Ticker,
    Trade,
    Unknown,
)
from rxfeed.operators import (
    bounded,
    by_product,
    candles,
    dollar_bars,
    full_book,
    heartbeats,
    latest_by_product,
    level2,
    lift,
    matches,
    moved,
    order_book,
    price_crossing,
    rolling_volume,
    spread_wider,
    throttle_by_product,
    tick_bars,
    tickers,
    to_async_iterable,
    to_frames,
    trade_imbalance,
    trades,
    volume_bars,
    window_volume,
)
from rxfeed.secrets import Secret
from rxfeed.venues.coinbase_advanced import AdvancedCredentials
from rxfeed.venues.coinbase_exchange import Credentials, Match

if TYPE_CHECKING:
    from rxfeed.recording import Replay, catalogue, record
    from rxfeed.sinks import from_mongo, to_mongo

__all__ = [
    "AdvancedCredentials",
    "AuthenticationFailed",
    "Bar",
    "BookSnapshot",
    "BookUpdate",
    "BookView",
    "Candle",
    "ConfigError",
    "ConnectFailed",
    "Connected",
    "ConnectionLost",
    "Credentials",
    "Disconnected",
    "Feed",
    "FeedClosed",
    "FeedStatus",
    "Gap",
    "Heartbeat",
    "Lagging",
    "Malformed",
    "Match",
    "Message",
    "MessageSource",
    "PriceCross",
    "PriceMove",
    "PriorTrade",
    "Reconnect",
    "Reconnecting",
    "RecordingDamaged",
    "Rejected",
    "Replay",
    "RxfeedError",
    "Secret",
    "SequenceReset",
    "SinkError",
    "Subscribed",
    "Ticker",
    "Trade",
    "TradeImbalance",
    "Unknown",
    "VolumeWindow",
    "WideSpread",
    "__version__",
    "bounded",
    "by_product",
    "candles",
    "catalogue",
    "dollar_bars",
    "fold",
    "from_mongo",
    "full_book",
    "heartbeats",
    "latest_by_product",
    "level2",
    "lift",
    "matches",
    "moved",
    "order_book",
    "price_crossing",
    "record",
    "rest_snapshot",
    "rolling_volume",
    "spread_wider",
    "throttle_by_product",
    "tick_bars",
    "tickers",
    "to_async_iterable",
    "to_dataframe",
    "to_frames",
    "to_mongo",
    "to_records",
    "trade_imbalance",
    "trades",
    "volume_bars",
    "window_volume",
]

# Many programs need neither files nor pymongo, which takes a fifth of the time that the rest takes to import.
_LOADED_AT_FIRST_USE = {
    "Replay": "rxfeed.recording",
    "catalogue": "rxfeed.recording",
    "record": "rxfeed.recording",
    "from_mongo": "rxfeed.sinks",
    "to_mongo": "rxfeed.sinks",
}


def __getattr__(name: str) -> Any:
    package = _LOADED_AT_FIRST_USE.get(name)
    if package is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(package), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LOADED_AT_FIRST_USE})
