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
from typing import TYPE_CHECKING

from rxfeed._version import __version__ as __version__

if TYPE_CHECKING:  # what type checkers see of `_NAMES`
    from rxfeed.core import Bar as Bar
    from rxfeed.core import BookView as BookView
    from rxfeed.core import Candle as Candle
    from rxfeed.core import PriceCross as PriceCross
    from rxfeed.core import PriceMove as PriceMove
    from rxfeed.core import Reconnect as Reconnect
    from rxfeed.core import TradeImbalance as TradeImbalance
    from rxfeed.core import VolumeWindow as VolumeWindow
    from rxfeed.core import WideSpread as WideSpread
    from rxfeed.core import fold as fold
    from rxfeed.dataframes import to_dataframe as to_dataframe
    from rxfeed.dataframes import to_records as to_records
    from rxfeed.errors import AuthenticationFailed as AuthenticationFailed
    from rxfeed.errors import ConfigError as ConfigError
    from rxfeed.errors import ConnectFailed as ConnectFailed
    from rxfeed.errors import ConnectionLost as ConnectionLost
    from rxfeed.errors import FeedClosed as FeedClosed
    from rxfeed.errors import RecordingDamaged as RecordingDamaged
    from rxfeed.errors import RxfeedError as RxfeedError
    from rxfeed.errors import SinkError as SinkError
    from rxfeed.feed import Connected as Connected
    from rxfeed.feed import Disconnected as Disconnected
    from rxfeed.feed import Feed as Feed
    from rxfeed.feed import FeedStatus as FeedStatus
    from rxfeed.feed import Gap as Gap
    from rxfeed.feed import Lagging as Lagging
    from rxfeed.feed import MessageSource as MessageSource
    from rxfeed.feed import Reconnecting as Reconnecting
    from rxfeed.feed import Rejected as Rejected
    from rxfeed.feed import SequenceReset as SequenceReset
    from rxfeed.feed import Subscribed as Subscribed
    from rxfeed.feed import rest_snapshot as rest_snapshot
    from rxfeed.market import BookSnapshot as BookSnapshot
    from rxfeed.market import BookUpdate as BookUpdate
    from rxfeed.market import Heartbeat as Heartbeat
    from rxfeed.market import Malformed as Malformed
    from rxfeed.market import Message as Message
    from rxfeed.market import PriorTrade as PriorTrade
    from rxfeed.market import Ticker as Ticker
    from rxfeed.market import Trade as Trade
    from rxfeed.market import Unknown as Unknown
    from rxfeed.operators import bounded as bounded
    from rxfeed.operators import by_product as by_product
    from rxfeed.operators import candles as candles
    from rxfeed.operators import dollar_bars as dollar_bars
    from rxfeed.operators import full_book as full_book
    from rxfeed.operators import heartbeats as heartbeats
    from rxfeed.operators import latest_by_product as latest_by_product
    from rxfeed.operators import level2 as level2
    from rxfeed.operators import lift as lift
    from rxfeed.operators import matches as matches
    from rxfeed.operators import moved as moved
    from rxfeed.operators import order_book as order_book
    from rxfeed.operators import price_crossing as price_crossing
    from rxfeed.operators import rolling_volume as rolling_volume
    from rxfeed.operators import spread_wider as spread_wider
    from rxfeed.operators import throttle_by_product as throttle_by_product
    from rxfeed.operators import tick_bars as tick_bars
    from rxfeed.operators import tickers as tickers
    from rxfeed.operators import to_async_iterable as to_async_iterable
    from rxfeed.operators import to_frames as to_frames
    from rxfeed.operators import trade_imbalance as trade_imbalance
    from rxfeed.operators import trades as trades
    from rxfeed.operators import volume_bars as volume_bars
    from rxfeed.operators import window_volume as window_volume
    from rxfeed.recording import Replay as Replay
    from rxfeed.recording import catalogue as catalogue
    from rxfeed.recording import record as record
    from rxfeed.secrets import Secret as Secret
    from rxfeed.sinks import from_mongo as from_mongo
    from rxfeed.sinks import to_mongo as to_mongo
    from rxfeed.venues.coinbase_advanced import AdvancedCredentials as AdvancedCredentials
    from rxfeed.venues.coinbase_exchange import Credentials as Credentials
    from rxfeed.venues.coinbase_exchange import Match as Match

# The public names by package. No program needs all of them, so each is imported when it is first used.
_NAMES = {
    "rxfeed.core": (
        "Bar",
        "BookView",
        "Candle",
        "PriceCross",
        "PriceMove",
        "Reconnect",
        "TradeImbalance",
        "VolumeWindow",
        "WideSpread",
        "fold",
    ),
    "rxfeed.dataframes": (
        "to_dataframe",
        "to_records",
    ),
    "rxfeed.errors": (
        "AuthenticationFailed",
        "ConfigError",
        "ConnectFailed",
        "ConnectionLost",
        "FeedClosed",
        "RecordingDamaged",
        "RxfeedError",
        "SinkError",
    ),
    "rxfeed.feed": (
        "Connected",
        "Disconnected",
        "Feed",
        "FeedStatus",
        "Gap",
        "Lagging",
        "MessageSource",
        "Reconnecting",
        "Rejected",
        "SequenceReset",
        "Subscribed",
        "rest_snapshot",
    ),
    "rxfeed.market": (
        "BookSnapshot",
        "BookUpdate",
        "Heartbeat",
        "Malformed",
        "Message",
        "PriorTrade",
        "Ticker",
        "Trade",
        "Unknown",
    ),
    "rxfeed.operators": (
        "bounded",
        "by_product",
        "candles",
        "dollar_bars",
        "full_book",
        "heartbeats",
        "latest_by_product",
        "level2",
        "lift",
        "matches",
        "moved",
        "order_book",
        "price_crossing",
        "rolling_volume",
        "spread_wider",
        "throttle_by_product",
        "tick_bars",
        "tickers",
        "to_async_iterable",
        "to_frames",
        "trade_imbalance",
        "trades",
        "volume_bars",
        "window_volume",
    ),
    "rxfeed.recording": (
        "Replay",
        "catalogue",
        "record",
    ),
    "rxfeed.secrets": ("Secret",),
    "rxfeed.sinks": (
        "from_mongo",
        "to_mongo",
    ),
    "rxfeed.venues.coinbase_advanced": ("AdvancedCredentials",),
    "rxfeed.venues.coinbase_exchange": (
        "Credentials",
        "Match",
    ),
}
# What tab completion shows: the names of most first programs. `__all__` has them all.
_SHOWN = (
    *("Feed", "Replay", "catalogue", "record", "to_mongo", "from_mongo", "rest_snapshot"),
    *("trades", "tickers", "heartbeats", "level2", "order_book", "full_book"),
    *("candles", "window_volume", "rolling_volume", "trade_imbalance", "tick_bars", "volume_bars", "dollar_bars"),
    *("price_crossing", "moved", "spread_wider", "latest_by_product", "throttle_by_product", "by_product", "bounded"),
    *("fold", "lift", "to_async_iterable", "to_dataframe", "to_frames", "to_records"),
    *("AdvancedCredentials", "Credentials", "Reconnect", "Secret", "ConfigError", "RxfeedError"),
)
_PACKAGES = {package.split(".")[1] for package in _NAMES}
_PACKAGE_OF = {name: package for package, names in _NAMES.items() for name in names}

__all__: list[str]
if not TYPE_CHECKING:  # a type checker reports a name that is not above
    __all__ = sorted({"__version__", *_PACKAGE_OF})

    def __getattr__(name):
        package = _PACKAGE_OF.get(name)
        if package is not None:
            found = globals()[name] = getattr(import_module(package), name)
            return found
        if name in _PACKAGES:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*_SHOWN, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"})
