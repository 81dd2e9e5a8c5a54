"""A feed with a backfill, on an exchange of which the market began some time ago."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rxfeed import Feed, Reconnect, candles, rolling_volume, tick_bars, window_volume
from rxfeed.market import PriorTrade, Trade
from rxfeed.sim import Exchange
from tests.support.collect import Collected

BTC, ETH = "BTC-USD", "ETH-USD"
VENUES = ["coinbase_exchange", "coinbase_advanced"]
CHANNELS = ["trades", "heartbeat", "ticker"]


class Warm:
    """A feed with a backfill, on an exchange of which the market began some *age* ago."""

    def __init__(self, exchange: Exchange, venue: str, backfill: Any = 60, **options: Any) -> None:
        self.exchange = exchange
        settings: dict[str, Any] = {"reconnect": Reconnect(initial=0, maximum=0), "stale_after": None} | options
        products = settings.pop("products", [BTC, ETH])
        self.feed = Feed(products, CHANNELS, venue=venue, url=exchange.url, backfill=backfill, **settings)
        self.got, self.status = Collected(self.feed), Collected(self.feed.status)
        self.windows = Collected(self.feed.pipe(window_volume(5)))
        self.candles = Collected(self.feed.pipe(candles(5)))
        self.rolling = Collected(self.feed.pipe(rolling_volume(30)))
        self.bars = Collected(self.feed.pipe(tick_bars(10)))

    def ids(self, product: str, kind: type[Any] = object) -> list[int]:
        trades = [each for each in [*self.got.items] if isinstance(each, Trade | PriorTrade)]
        return [each.trade_id for each in trades if each.product_id == product and isinstance(each, kind)]

    def live(self, product: str = BTC, more: int = 20) -> None:
        """Trade until the feed has so many *more* live trades of *product*."""
        wanted = self.exchange.last_trade_id(product) + more
        until = time.monotonic() + 15
        while max(self.ids(product), default=0) < wanted:
            assert time.monotonic() < until, (self.status.items[-3:], self.got.items[-1:], self.windows.error)
            self.exchange.step(3)
            time.sleep(0.002)


@contextmanager
def market(venue: str, *, age: float = 40, rate: float = 40, seed: int = 7, **options: Any) -> Iterator[Exchange]:
    """The time of the market is now, after so many seconds of trades."""
    start = datetime.now(UTC) - timedelta(seconds=age)
    with Exchange([BTC, ETH], venue=venue, seed=seed, auto=False, rate=rate, start=start, **options) as exchange:
        exchange.advance(age)
        yield exchange


def check_backfill(made: Warm, product: str = BTC) -> None:
    """All trades are there once and in order; those of the backfill are older than the live ones, with an epoch."""
    ids, live = made.ids(product), made.ids(product, Trade)
    prior = [each for each in made.ids(product, PriorTrade) if each < live[0]]
    assert prior + live == [*range(ids[0], live[-1] + 1)]
    assert ids[: len(prior)] == prior
    counted = [number for number in made.ids(product, PriorTrade) if number in backfilled(made, product)]
    assert counted == prior[len(prior) - len(counted) :]


def backfilled(made: Warm, product: str) -> set[int]:
    trades = [each for each in made.got.items if isinstance(each, PriorTrade) and each.product_id == product]
    return {each.trade_id for each in trades if each.backfilled}
