"""The frames that everybody gets: the real recording where it is, else the local exchange's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from websockets.sync.client import connect

from rxfeed.sim import Exchange

RECORDING = Path(__file__).parents[2] / "shared" / "data" / "coinbase-exchange-2021-04-17.jsonl.gz"


def load(count: int) -> tuple[str, list[bytes]]:
    """Where they are from, and *count* payloads without the big snapshots, repeated as often as that takes."""
    source, payloads = ("the recording of 2021-04-17", _recorded()) if RECORDING.exists() else ("sim.Exchange", _made())
    small = [payload for payload in payloads if len(payload) < 4096]
    return source, (small * (count // len(small) + 1))[:count]


def _recorded() -> list[bytes]:
    with gzip.open(RECORDING, "rt") as lines:
        return [record["data"].encode() for record in map(json.loads, lines) if record["dir"] == "recv"]


def _made() -> list[bytes]:
    channels = ["level2_batch", "ticker", "matches"]
    with Exchange(seed=1, auto=False) as exchange, connect(exchange.url, max_size=None) as client:
        client.send(json.dumps({"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": channels}))
        exchange.wait_for_clients()
        exchange.step(5000)
        return [str(client.recv()).encode() for _ in range(exchange.sent.frames)]
