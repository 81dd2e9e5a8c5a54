"""The live pipeline examples on Advanced Trade: the same results as computed from the frames that were sent."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from websockets.sync.client import ClientConnection, connect

from rxfeed.sim import Exchange
from rxfeed.sim.mongod import Mongod
from tests.examples.conftest import PATIENCE, START
from tests.examples.test_price_alert import LEVEL, is_alert, parsed
from tests.support.pictures import assert_drawn

VENUE = ("--venue", "coinbase_advanced")


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(
        ["BTC-USD"], venue="coinbase_advanced", seed=5, rate=20, auto=False, start=START, subscribe_timeout=None
    ) as exchange:
        yield exchange


class Frames:
    """A plain client of some channels, which is subscribed before the examples."""

    def __init__(self, exchange: Exchange, socket: ClientConnection, *channels: str) -> None:
        self._exchange = exchange
        self._socket = socket
        for channel in channels:
            self._socket.send(json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": channel}))
        self.acknowledged(len(channels))

    def acknowledged(self, count: int) -> None:
        """Wait for so many acknowledgements, of all clients."""
        deadline = time.monotonic() + PATIENCE
        while self._exchange.sent.by_kind.get("subscriptions", 0) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def events(self, channel: str, kind: str | None = None) -> list[dict[str, Any]]:
        self._exchange.drain()
        assert self._socket.ping().wait(PATIENCE)
        found: list[dict[str, Any]] = []
        while True:
            try:
                frame = json.loads(self._socket.recv(timeout=0))
            except TimeoutError:
                return found
            if frame["channel"] == channel:
                found += [event for event in frame["events"] if kind in (None, event["type"])]


@pytest.fixture
def witness(exchange: Exchange) -> Iterator[Callable[..., Frames]]:
    """`witness(*channels)` listens to `exchange`."""
    with contextlib.ExitStack() as sockets:

        def start(*channels: str) -> Frames:
            socket = connect(exchange.url, compression=None, max_size=None, max_queue=None, close_timeout=1)
            return Frames(exchange, sockets.enter_context(socket), *channels)

        yield start


def test_live_examples_run_on_another_venue(exchange: Exchange, run: Any, witness: Any, tmp_path: Path) -> None:
    trades, tickers = witness("market_trades"), witness("ticker")
    given = (*VENUE, "--url", exchange.url)
    picture = tmp_path / "picture.png"
    alert = run("price_alert", *given, "--level", str(LEVEL))
    volume = run("volume_per_minute", *given, "--window", "10")
    research = run("research", *given, "--seconds", "60", "--window", "15", "--output", str(picture))
    trades.acknowledged(2 + 1 + 2 + 3)
    exchange.advance(70)
    sent = [trade for event in trades.events("market_trades", "update") for trade in event["trades"]]

    windows: dict[str, list[dict[str, Any]]] = {}
    for trade in sorted(sent, key=lambda trade: int(trade["trade_id"])):
        unix = datetime.fromisoformat(trade["time"]).timestamp()
        windows.setdefault(f"{datetime.fromtimestamp(unix // 10 * 10, UTC):%Y-%m-%dT%H:%M:%S}", []).append(trade)
    lines = volume.until(lambda lines: len(lines) == len(windows) - 1)
    for line, (start, own) in zip(lines, windows.items(), strict=False):
        sizes = sum(Decimal(trade["size"]) for trade in own)
        assert (line.split()[0], Decimal(line.split()[2])) == (start, sizes)
        assert f"trades {len(own)}" in line
    assert not any("(incomplete)" in line for line in lines[1:])
    volume.interrupt()

    prices = [Decimal(each["price"]) for event in tickers.events("ticker") for each in event["tickers"]]
    sides = [price > LEVEL for price in prices if price != LEVEL]
    changes = sum(before != after for before, after in pairwise(sides))
    assert changes > 3
    alert.until(lambda lines: sum(map(is_alert, lines)) == changes)
    printed = [parsed(line)[0] for line in alert.interrupt() if is_alert(line)]
    assert len(printed) == changes
    assert all(before != after for before, after in pairwise(printed))

    *_, summary, drawn = research.end()
    assert summary.startswith("BTC-USD: ")
    assert 0 < int(summary.split()[1]) <= len(sent)
    assert drawn == f"drawn in {picture}"
    assert_drawn(picture)


def test_store_example_runs_on_another_venue(exchange: Exchange, mongod: Mongod, run: Any, witness: Any) -> None:
    frames = witness("market_trades")
    script = run("mongo_store", *VENUE, "--url", exchange.url, "--mongo", f"{mongod.uri}/advanced")
    frames.acknowledged(1 + 2)
    exchange.advance(60)
    events = frames.events("market_trades")
    ids = {int(trade["trade_id"]) for event in events for trade in event["trades"]}
    with MongoClient[dict[str, Any]](mongod.uri) as mongo:
        collection = mongo["advanced"]["messages"]
        deadline = time.monotonic() + PATIENCE
        stored: set[int] = set()
        while stored != ids and time.monotonic() < deadline:
            time.sleep(0.05)
            stored = {document["trade_id"] for document in collection.find({"trade_id": {"$exists": True}})}
        assert stored == ids
        assert collection.count_documents({"type": "ticker"}) > 0
    script.interrupt()
