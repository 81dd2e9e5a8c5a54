"""Archives, and what a plain loop over the same recordings gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as parquet
from reactivex import operators as ops

from rxfeed import Feed, Reconnect, Replay, candles, order_book, record
from rxfeed.market import BookSnapshot, BookUpdate, Message, Ticker, Trade
from rxfeed.recording import ns_of
from rxfeed.sim import Exchange
from tests.support.collect import Collected

PRODUCTS = ["BTC-USD", "ETH-USD"]
CHANNELS = ["trades", "ticker", "heartbeat", "book"]
Row = tuple[Any, ...]


def record_exchange(
    folder: Path,
    *,
    venue: str = "coinbase_exchange",
    sessions: int = 1,
    steps: int = 250,
    segment_bytes: int = 6_000,
    seed: int = 3,
    interrupted: bool = True,
) -> None:
    """Record a local exchange in small segments; *interrupted*: each session loses the connection in its middle."""
    for session in range(sessions):
        with Exchange(PRODUCTS, venue=venue, seed=seed + session, auto=False, rate=20) as exchange:
            retry = Reconnect(initial=0, maximum=0)
            feed = Feed(PRODUCTS, CHANNELS, url=exchange.url, venue=venue, reconnect=retry, stale_after=None)
            feed.pipe(record(folder, segment_bytes=segment_bytes, flush_seconds=0.01)).subscribe()
            with feed:
                _run(feed, exchange, steps, 2 if interrupted else 1)


def _run(feed: Feed, exchange: Exchange, steps: int, connections: int) -> None:
    exchange.wait_for_clients(1)
    for connection in range(1, connections + 1):
        wait(lambda least=2 * connection: _snapshots(feed) >= least)  # the book is the last of the subscriptions
        for _ in range(steps // 50):
            exchange.step(50)
            exchange.drain()
        if connection < connections:
            exchange.disconnect()
            exchange.step(50)
            wait(lambda: exchange.accepted == 2)
            exchange.wait_for_clients(1)
    wait(lambda: feed.stats.frames >= exchange.sent.frames)


def _snapshots(feed: Feed) -> int:
    return sum(count for kind, count in feed.stats.types.items() if issubclass(kind, BookSnapshot))


def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def files(out: Path, table: str) -> list[Path]:
    return sorted((out / table).rglob("*.parquet"))


def rows(out: Path, table: str, columns: Iterable[str]) -> list[Row]:
    """The rows of *table*, each with its product first; by product, in the order of the files."""
    found: list[Row] = []
    for path in files(out, table):
        product = unquote(path.parent.parent.name.removeprefix("product="))
        read = parquet.ParquetFile(path).read(list(columns))
        made = [read[name].cast("int64") if "timestamp" in str(read[name].type) else read[name] for name in columns]
        found += [(product, *values) for values in zip(*(each.to_pylist() for each in made), strict=True)]
    return found


def by_product(found: Iterable[Row]) -> list[Row]:
    return sorted(found, key=lambda row: row[0])


TRADE = ("time", "received", "epoch", "trade_id", "price", "size", "side")
CHANGE = ("received", "epoch", "snapshot", "place", "side", "price", "size")
TICKER = ("time", "received", "epoch", "price", "best_bid", "best_bid_size", "best_ask", "best_ask_size")
CANDLE = ("start_time", "end_time", "open", "high", "low", "close", "volume", "notional", "count", "complete")
TOP = ("received", "epoch", "ready", "bid_price_1", "bid_size_1", "ask_price_1", "ask_size_1")


def played(source: Any, **options: Any) -> list[Message]:
    replay = Replay(source, **options)
    got = Collected(replay)
    replay.serve()
    assert got.error is None
    return got.items


def nanoseconds(moment: datetime | None) -> int | None:
    return None if moment is None else ns_of(moment)


def trade_rows(messages: Iterable[Message]) -> list[Row]:
    return [
        (
            each.product_id,
            nanoseconds(each.time),
            each.received_ns,
            each.epoch,
            each.trade_id,
            each.price,
            each.size,
            each.taker_side,
        )
        for each in messages
        if isinstance(each, Trade)
    ]


def change_rows(messages: Iterable[Message]) -> list[Row]:
    found: list[Row] = []
    for each in messages:
        changes: list[tuple[str, Decimal, Decimal]] = []
        if isinstance(each, BookSnapshot):
            changes += [("buy", *level) for level in each.bids]
            changes += [("sell", *level) for level in each.asks]
        elif isinstance(each, BookUpdate):
            changes += each.changes
        snapshot = isinstance(each, BookSnapshot)
        found += [
            (each.product_id, each.received_ns, each.epoch, snapshot, place, *change)
            for place, change in enumerate(changes)
        ]
    return found


def ticker_rows(messages: Iterable[Message]) -> list[Row]:
    return [
        (
            each.product_id,
            nanoseconds(each.time),
            each.received_ns,
            each.epoch,
            *(getattr(each, name) for name in TICKER[3:]),
        )
        for each in messages
        if isinstance(each, Ticker)
    ]


def candle_rows(source: Any, seconds: float, **options: Any) -> list[Row]:
    replay = Replay(source, **options)
    got = Collected(replay.pipe(candles(seconds)))
    replay.serve()
    return [
        (
            each.product_id,
            nanoseconds(each.start),
            nanoseconds(each.end),
            *(getattr(each, name) for name in CANDLE[2:]),
        )
        for each in got.items
    ]


def top_rows(source: Any, products: Iterable[str], **options: Any) -> list[Row]:
    """The changes of the best levels, by product: (product, ready, best bid, best ask)."""
    replay = Replay(source, **options)
    views = [
        Collected(
            replay.pipe(
                order_book(product),
                ops.map(lambda view: (view.product_id, view.ready, view.best_bid, view.best_ask)),
                ops.distinct_until_changed(),
            )
        )
        for product in products
    ]
    replay.serve()
    return [row for each in views for row in each.items]
