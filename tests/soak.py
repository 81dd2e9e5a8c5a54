"""A market, faults drawn at random, a pipeline with a Mongo sink, and a ledger that has to add up to the last trade.

    python -m tests.soak --minutes 5 --seed 1
    python -m tests.soak --minutes 5 --venue coinbase_advanced
    python -m tests.soak --minutes 5 --slow-subscriber

It prints the ledger, and ends with status 1 where it does not add up or something is left behind.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo

from rxfeed import Feed, Reconnect, to_mongo, window_volume
from rxfeed.feed import Clock, Gap
from rxfeed.market import PriorTrade, Trade
from rxfeed.operators import select
from rxfeed.operators import trades as trades_of
from rxfeed.sim import Exchange, faults
from rxfeed.sim.mongod import Mongod
from tests.soak_slow import slow_subscriber
from tests.support.collect import Collected
from tests.support.leaks import open_files

PRODUCTS = ["BTC-USD", "ETH-USD"]
CHANNELS = ["trades", "ticker", "book", "heartbeat"]


@dataclass(frozen=True)
class OfVenue:
    """The names of a venue: its frames of trades, its channel of trades, its stored trades; and faults of its own."""

    frames: str
    channel: str
    stored: str
    acknowledgements: int
    every: float  # frames from one fault to the next
    more: tuple[faults.Fault, ...] = ()

    @property
    def kinds(self) -> tuple[faults.Fault, ...]:
        types = {self.frames}
        return (
            *faults.KINDS,
            faults.Close(1000, "bye"),
            faults.Drop(5, types=types),
            faults.Duplicate(5, types=types),
            faults.Reorder(3, types=types),
            faults.HalfOpen(),
            faults.NoPong(),
            faults.Silence(0.2),
            faults.Silence(0.2, hold=True),
            faults.SlowReaderKick(),
            faults.Masked(5),
            faults.OversizedFrame(100_000),
            faults.ClockJump(30),
            faults.ClockJump(-30),
            *self.more,
        )


VENUES = {
    "coinbase_exchange": OfVenue("match", "matches", "match", 1, 1500),
    "coinbase_advanced": OfVenue(
        "market_trades",
        "market_trades",
        "market_trade",
        len(CHANNELS),
        40,
        (
            faults.Drop(5, types={"l2_data"}),
            faults.SkipSequence(3),
            faults.LateSnapshot(2),
            faults.RefusedChannel("level2", "too many L2 streams requested in a single session"),
        ),
    ),
}


class Trades:
    """Checks the trades as they arrive: each is delivered once and in order, or lies in a gap of *channel*."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self.delivered: Counter[str] = Counter()
        self.gapped: Counter[str] = Counter()
        self.reached: dict[str, int] = {}
        self.begun = False
        self.wrong: list[str] = []

    def prior(self, trade: PriorTrade) -> None:
        """The trades after the first subscription's last one are counted."""
        if not self.begun:
            self.reached[str(trade.product_id)] = trade.trade_id

    def trade(self, trade: Trade) -> None:
        self._reach(trade.product_id, trade.trade_id, trade.trade_id)
        self.delivered[trade.product_id] += 1

    def status(self, status: Any) -> None:
        if isinstance(status, Gap) and status.channel == self._channel and status.product_id is not None:
            self._reach(status.product_id, status.first, status.last)
            self.gapped[status.product_id] += status.last - status.first + 1

    def _reach(self, product: str, first: int, last: int) -> None:
        # A gap is reported before the message that reveals it, so gaps and messages together are consecutive.
        if first != self.reached[product] + 1:
            self.wrong.append(f"{product}: {first} after {self.reached[product]}")
        self.reached[product] = last


class Faults:
    """Random faults for each connection, until `stopped`: later connections have none."""

    def __init__(self, seed: int, names: OfVenue) -> None:
        self.stopped = False
        self._draw = faults.randomly(seed, every=names.every, kinds=names.kinds)

    def __call__(self, connection: int) -> Iterator[faults.Fault]:
        return iter(()) if self.stopped else self._draw(connection)


def soak(
    seconds: float,
    seed: int,
    say: Callable[[str], object] = lambda line: None,
    venue: str = "coinbase_exchange",
) -> dict[str, Any]:
    """The ledger of a run; `problems` in it is empty where everything adds up and nothing is left behind."""
    client: pymongo.MongoClient[Any]
    with Mongod() as server, pymongo.MongoClient(server.uri) as client:
        # What belongs to the process or to the driver is not the feed's.
        client.soak.messages.insert_one({"warm": True})
        client.soak.messages.delete_many({})
        gc.collect()
        threads, files = threading.active_count(), open_files()
        ledger = _run(seconds, seed, client.soak.messages, say, venue)
        gc.collect()
        _wait(lambda: threading.active_count() <= threads and open_files() <= files, 15)
        for what, before, after in (
            ("threads", threads, threading.active_count()),
            ("open files", files, open_files()),
        ):
            if after > before:
                ledger["problems"].append(f"{what}: {before} before, {after} after")
    return ledger


def _run(seconds: float, seed: int, collection: Any, say: Callable[[str], object], venue: str) -> dict[str, Any]:
    names = VENUES[venue]
    script, trades, sizes = Faults(seed, names), Trades(names.channel), list[float]()
    with Exchange(PRODUCTS, venue=venue, seed=seed, rate=2000, faults=[script], auto=False) as exchange:
        exchange.step(500)
        feed = Feed(
            PRODUCTS,
            CHANNELS,
            venue=venue,
            url=exchange.url,
            reconnect=Reconnect(initial=1, maximum=5),
            ping_interval=10,
            stale_after=20,
            max_size=50_000,
            clock=Clock(speed=20),
        )
        feed.pipe(select([PriorTrade])).subscribe(trades.prior)
        feed.pipe(trades_of()).subscribe(trades.trade)
        feed.status.subscribe(trades.status)
        windows = Counter[bool]()
        feed.pipe(window_volume(0.5)).subscribe(lambda window: windows.update([window.complete]))
        writes = Collected(feed.pipe(to_mongo(collection)))
        with feed:
            exchange.wait_for_clients()
            _wait(lambda: exchange.sent.by_type.get("subscriptions", 0) >= names.acknowledgements, 30)
            _wait(lambda: set(trades.reached) == set(PRODUCTS), 30)
            first, trades.begun = dict(trades.reached), True
            exchange.resume()
            began = time.monotonic()
            while (past := time.monotonic() - began) < seconds:
                time.sleep(min(1.0, seconds / 10))
                sizes.append(_resident())
                say(f"{past:6.0f} s  {feed.stats}  {sizes[-1]:.0f} MiB")
            exchange.pause()
            _settle(exchange, feed, script, trades)
        writes.wait_for_end(60)
        repeated = sum(write.duplicates for write in writes.items)
        return _ledger(exchange, feed, trades, first, windows, collection, repeated, sizes, names.stored)


def _settle(exchange: Exchange, feed: Feed, script: Faults, trades: Trades) -> None:
    """Wait for a last connection without faults and its heartbeats: later no message arrives."""
    script.stopped = True
    before = feed.stats.connections
    exchange.disconnect(1001, "the end")
    _wait(lambda: feed.stats.connections > before and exchange.connections >= 1, 30)
    exchange.wait_for_clients(timeout=30)
    deadline = time.monotonic() + 30
    while any(exchange.last_trade_id(p) != trades.reached[p] for p in PRODUCTS) and time.monotonic() < deadline:
        exchange.step(20)
        exchange.drain(10)
        time.sleep(0.05)


def _ledger(
    exchange: Exchange,
    feed: Feed,
    trades: Trades,
    first: dict[str, int],
    windows: Counter[bool],
    collection: Any,
    repeated: int,
    sizes: list[float],
    name: str,
) -> dict[str, Any]:
    problems = list(trades.wrong[:5])
    for product in PRODUCTS:
        made = exchange.last_trade_id(product) - first[product]
        accounted = trades.delivered[product] + trades.gapped[product]
        if made != accounted:
            problems.append(f"{product}: {made} trades made, {accounted} accounted for")
    stored = {each["_id"]: each["count"] for each in collection.aggregate([{"$sortByCount": "$type"}])}
    # After a reconnect the last ticker is repeated, and after a clock jump the time of a heartbeat: stored once.
    if sum(stored.values()) + repeated != feed.stats.messages:
        problems.append(f"{feed.stats.messages} messages delivered, {sum(stored.values())} stored, {repeated} repeated")
    if stored.get(name, 0) != sum(trades.delivered.values()):
        problems.append(f"{sum(trades.delivered.values())} trades delivered, {stored.get(name, 0)} stored")
    # After a fifth of the time everything that is kept is there; from then on it must not grow.
    settled, last = sizes[len(sizes) // 5], max(sizes[-3:])
    if last > settled + 40:
        problems.append(f"memory: {settled:.0f} MiB at a fifth of the time, {last:.0f} MiB at the end")
    return {
        "sent": exchange.sent.frames,
        "received": feed.stats.messages,
        "malformed": feed.stats.malformed,
        "duplicates": feed.stats.duplicates,
        "delivered": dict(trades.delivered),
        "gapped": dict(trades.gapped),
        "stored": stored,
        "repeated": repeated,
        "windows": {"complete": windows[True], "incomplete": windows[False]},
        "reconnects": feed.stats.reconnects,
        "faults": dict(Counter(type(entry.fault).__name__ for entry in exchange.log)),
        "memory": [round(settled), round(last)],
        "problems": problems,
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.02)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="(default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the market and of the faults (default %(default)s)")
    parser.add_argument("--venue", choices=list(VENUES), default="coinbase_exchange", help="(default %(default)s)")
    parser.add_argument(
        "--slow-subscriber", action="store_true", help="no faults, but a subscriber that takes 20 ms at 200 messages/s"
    )
    options = parser.parse_args()

    def show(line: str) -> None:
        print(line, flush=True)

    seconds = options.minutes * 60
    ledger = (
        slow_subscriber(seconds, show) if options.slow_subscriber else soak(seconds, options.seed, show, options.venue)
    )
    for name, value in ledger.items():
        print(f"{name:>12}  {value}")
    return 1 if ledger["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
