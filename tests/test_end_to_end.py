"""The main job: a real socket, the pipeline, a real MongoDB; every frame accounted for."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from rxfeed import Feed, matches, to_mongo, window_volume
from rxfeed.sim import Exchange
from tests.support.collect import Collected

RECORDING = Path(__file__).parents[2] / "shared" / "data" / "coinbase-exchange-2021-04-17.jsonl.gz"
CHANNELS = ["level2_batch", "ticker", "matches"]


def recorded() -> list[str]:
    with gzip.open(RECORDING, "rt") as lines:
        records = [json.loads(line) for line in lines]
    return [record["data"] for record in records if record["dir"] == "recv"]


def made() -> list[str]:
    """Frames of the local exchange, as received by a client of another library."""
    products = [f"{base}-USD" for base in ("BTC", "ETH", "LTC", "ADA", "XRP")]
    with Exchange(products, seed=11, auto=False, rate=50) as exchange, connect(exchange.url, max_size=None) as client:
        client.send(json.dumps({"type": "subscribe", "product_ids": products, "channels": CHANNELS}))
        exchange.wait_for_clients()
        exchange.step(3000)
        return [str(client.recv()) for _ in range(exchange.sent.frames)]


@pytest.fixture(scope="module", params=["recording", "local exchange"])
def frames(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "local exchange":
        return made()
    if not RECORDING.exists():
        pytest.skip(f"no recording at {RECORDING}: the same test runs on frames of the local exchange")
    return recorded()


@pytest.fixture
def exchange(frames: list[str], request: pytest.FixtureRequest) -> Iterator[Exchange]:
    source = (
        Exchange.replay(RECORDING, speed=None, then="hold")
        if frames[0] == (recorded()[0] if RECORDING.exists() else None)
        else Exchange.serving(frames)
    )
    with source as exchange:
        yield exchange


def test_every_frame_arrives_and_is_stored_once(frames: list[str], exchange: Exchange, collection: Any) -> None:
    feed = Feed("BTC-USD", CHANNELS, url=exchange.url)
    got = Collected(feed)
    windows = Collected(feed.pipe(window_volume(10)))
    trades = Collected(feed.pipe(matches()))
    writes = Collected(feed.pipe(to_mongo(collection, batch_size=500)))
    with feed:
        got.wait_for(len(frames))
    for pipeline in (windows, writes):
        pipeline.wait_for_end(30)

    assert [message.raw.decode() for message in got.items] == frames
    assert exchange.sent.frames == len(frames)
    assert (feed.stats.messages, feed.stats.malformed) == (len(frames), 0)

    volumes: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    counts: Counter[tuple[str, int]] = Counter()
    for text in frames:
        frame = json.loads(text)
        if frame["type"] == "match":
            second = int(datetime.fromisoformat(frame["time"]).timestamp())
            span = (frame["product_id"], second - second % 10)
            volumes[span] += Decimal(frame["size"])
            counts[span] += 1
    assert counts
    assert {(w.product_id, int(w.start.timestamp())): w.volume for w in windows.items} == volumes
    assert {(w.product_id, int(w.start.timestamp())): w.count for w in windows.items} == counts
    assert len(trades.items) == sum(counts.values())

    assert sum(write.count for write in writes.items) == len(frames)
    stored = list(collection.find(sort=[("arrival", 1)]))
    assert Counter(document["type"] for document in stored) == Counter(json.loads(text)["type"] for text in frames)
    assert [(d["type"], d.get("product_id"), d.get("trade_id")) for d in stored] == [
        (f["type"], f.get("product_id"), f.get("trade_id")) for f in map(json.loads, frames)
    ]


def test_raw_documents_are_the_frames(frames: list[str], exchange: Exchange, collection: Any) -> None:
    feed = Feed("BTC-USD", CHANNELS, url=exchange.url)
    got = Collected(feed)
    writes = Collected(feed.pipe(to_mongo(collection, documents="raw", ids="mongo")))
    with feed:
        got.wait_for(len(frames))
    writes.wait_for_end(30)
    stored = list(collection.find({}, {"_id": 0}, sort=[("_id", 1)]))
    assert stored == [json.loads(text) for text in frames]
