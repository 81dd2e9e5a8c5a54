"""A market with two feeds: one with faults, which repairs, and one without."""

from __future__ import annotations

import random
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import UnionType
from typing import Any

from rxfeed import Candle, Feed, Reconnect, VolumeWindow, candles, window_volume
from rxfeed.feed import FeedStatus, Gap, Repair, Repaired
from rxfeed.market import Message, Trade
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected

PRODUCTS = ("BTC-USD", "ETH-USD")
CHANNELS = {"coinbase_exchange": ["matches", "heartbeat", "ticker"], "coinbase_advanced": ["market_trades", "ticker"]}
TRADES = {"coinbase_exchange": {"match"}, "coinbase_advanced": {"market_trades"}}
TRADES_CHANNEL = {"coinbase_exchange": "matches", "coinbase_advanced": "market_trades"}
FAULTY = range(2, 10**6)
"""The connections of the feed with faults."""
Window = VolumeWindow | Candle


@dataclass
class Client:
    """A feed and everything that it emitted."""

    feed: Feed
    got: Collected[Message]
    status: Collected[FeedStatus]
    windows: Collected[VolumeWindow]
    candles: Collected[Candle]

    @classmethod
    def of(cls, feed: Feed, seconds: float) -> Client:
        windows, made = feed.pipe(window_volume(seconds)), feed.pipe(candles(seconds))
        return cls(feed, Collected(feed), Collected(feed.status), Collected(windows), Collected(made))

    def trades(self, product: str) -> list[Trade]:
        return [each for each in [*self.got.items] if isinstance(each, Trade) and each.product_id == product]

    def ids(self, product: str) -> list[int]:
        return [each.trade_id for each in self.trades(product)]

    def all_of(self, kind: type[Any] | UnionType) -> list[Any]:
        return [each for each in [*self.status.items] if isinstance(each, kind)]

    def gaps(self, product: str, channel: str) -> list[int]:
        found = [gap for gap in self.all_of(Gap) if (gap.product_id, gap.channel) == (product, channel)]
        return [number for gap in found for number in range(gap.first, gap.last + 1)]


@dataclass
class Pair:
    """The exchange, and the two clients, which got the same trades at the beginning."""

    exchange: Exchange
    venue: str
    calm: Client
    faulty: Client

    def advance(self, seconds: float) -> None:
        """Advance the market, and let the clients read."""
        self.exchange.advance(seconds)
        time.sleep(0.002)

    def until(self, ready: Callable[[], Any], timeout: float = 20) -> None:
        deadline = time.monotonic() + timeout
        while not ready():
            assert time.monotonic() < deadline, (self.faulty.status.items[-3:], self.faulty.got.items[-1:])
            self.advance(0.1)

    def held(self) -> set[str]:
        """The products of which trades are held."""
        return {str(product) for product in [*self.faulty.feed._streams.router.held]}

    def settle(self) -> None:
        """Advance until the client with faults has a trade of each product that is newer than all that is missing."""
        marks = {product: self.exchange.last_trade_id(product) for product in PRODUCTS}
        for product, mark in marks.items():
            self.until(lambda product=product, mark=mark: max(self.faulty.ids(product), default=0) > mark)

    def catch_up(self) -> None:
        """Advance until the client without faults has had everything that the other one, which is closed, can have."""
        marks = {product: self.exchange.last_trade_id(product) for product in PRODUCTS}
        for product, mark in marks.items():
            self.until(lambda product=product, mark=mark: max(self.calm.ids(product), default=0) > mark)


@contextmanager
def pair(
    venue: str, *, seed: int = 9, seconds: float = 2, repair: bool | Repair = True, **options: Any
) -> Iterator[Pair]:
    """Two clients that are subscribed; *options*: of the feed that repairs."""
    with Exchange(PRODUCTS, venue=venue, seed=seed, auto=False) as exchange:
        exchange.step(200)
        settings: dict[str, Any] = {
            "venue": venue,
            "url": exchange.url,
            "reconnect": Reconnect(initial=0, maximum=0),
            "stale_after": None,
            "pong_timeout": 1e4,
            "heartbeat_timeout": 1e9,
        }
        channels = CHANNELS[venue]
        calm = Client.of(Feed(PRODUCTS, channels, **settings), seconds)
        faulty = Client.of(Feed(PRODUCTS, channels, repair=repair, **{**settings, **options}), seconds)
        with calm.feed:
            exchange.wait_for_clients(1)
            with faulty.feed:
                exchange.wait_for_clients(2)
                made = Pair(exchange, venue, calm, faulty)
                made.until(lambda: all(client.ids(each) for client in (calm, faulty) for each in PRODUCTS))
                yield made
            made.catch_up()


def check(made: Pair) -> dict[str, int]:
    """Every trade came once and in order, or is in a gap; windows are those of the other client, or not complete."""
    counts = {"repaired": 0, "lost": 0, "complete": 0, "incomplete": 0}
    excused: dict[str, list[tuple[datetime, datetime]]] = {}
    times = {(p, each.trade_id): each.time for p in PRODUCTS for each in made.calm.trades(p)}
    for product in PRODUCTS:
        ids, gaps = made.faulty.ids(product), made.faulty.gaps(product, TRADES_CHANNEL[made.venue])
        assert ids == sorted(set(ids)), "each once, and in order"
        assert len(gaps) == len(set(gaps))
        assert not set(ids) & set(gaps)
        assert sorted([*ids, *gaps]) == list(range(ids[0], ids[-1] + 1))
        epochs = [each.epoch for each in made.faulty.trades(product)]
        assert epochs == sorted(epochs)
        counts["repaired"] += sum(each.repaired for each in made.faulty.trades(product))
        counts["lost"] += len(gaps)
        places = [bisect(ids, number) for number in gaps]
        excused[product] = [(times[product, ids[one - 1]], times[product, ids[one]]) for one in places]
    for results in (made.faulty.windows, made.faulty.candles):
        assert counts["repaired"] == sum(each.repaired for each in results.items)
    assert counts["repaired"] == made.faulty.feed.stats.repaired
    assert counts["repaired"] == sum(each.last - each.first + 1 for each in made.faulty.all_of(Repaired))
    for theirs, ours in ((made.calm.windows, made.faulty.windows), (made.calm.candles, made.faulty.candles)):
        right = {(each.product_id, each.start): each for each in theirs.items}
        for each in ours.items:
            other = right[each.product_id, each.start]
            if each.complete:
                counts["complete"] += 1
                assert plain(each) == plain(other)
                continue
            of_product = [one for one in ours.items if one.product_id == each.product_id]
            if each is not of_product[0] and each is not of_product[-1]:
                counts["incomplete"] += 1
                # A trade is reported as missing between two of which one is in the window, or before and after it.
                assert any(before < each.end and then >= each.start for before, then in excused[each.product_id]), each
    return counts


def plain(window: Window) -> dict[str, object]:
    """What two clients have in common: all but by which way the trades came."""
    shown = {name: getattr(window, name) for name in window.__struct_fields__}
    return {name: value for name, value in shown.items() if name not in ("repaired", "complete")}


def random_fault(venue: str, dice: random.Random, last: int) -> faults.Fault:
    """A fault of the connection or of the requests; *last*: the id of the last trade."""
    kind = dice.choice(("drop", "drop", "drop", "any", "close", "vanish", "status", "slow", "garbage", "hole"))
    count = dice.randint(1, 6)
    match kind:
        case "drop":
            return faults.Drop(count, types=TRADES[venue], connection=FAULTY)
        case "any":
            return faults.Drop(count, connection=FAULTY)
        case "close":
            return faults.Close(1001, "going away", connection=FAULTY)
        case "vanish":
            return faults.Vanish(connection=FAULTY)
        case "status":
            return faults.RestStatus(code=dice.choice((429, 500, 503)), count=count)
        case "slow":
            return faults.RestLatency(dice.choice((0.02, 0.3)), count=1)
        case "garbage":
            return faults.RestGarbage(payload=dice.choice(("[]", "{}", "[{", '{"trades":[]}', "")), count=count)
        case _:
            return faults.RestHole(range(last + 1, last + 1 + 3 * count), count=None)
