"""ccxt.pro's handler for Coinbase Exchange without a socket, which is less work than in its own client."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.peers.harness import Job, Meter, run

# Installed in this client's environment only; ccxt decodes with orjson if it is installed.
ccxt: Any = import_module("ccxt.pro")
orjson: Any = import_module("orjson")


def handler(job: Job, meter: Meter) -> None:
    """Decodes each frame and passes it to `handle_message`, after the books' snapshots."""
    exchange = ccxt.coinbaseexchange()
    client = SimpleNamespace(url=job.url, subscriptions={}, resolve=lambda result, message_hash: result)
    snapshots = [orjson.loads(line) for line in _lines(job.more["snapshots"])]
    exchange.set_markets([_market(exchange, snapshot["product_id"]) for snapshot in snapshots])
    for snapshot in snapshots:
        exchange.handle_message(client, snapshot)
    frames = _lines(job.more["frames"])
    for frame in frames[: job.count]:
        exchange.handle_message(client, orjson.loads(frame))
        meter.tick()


def _market(exchange: Any, product: str) -> dict[str, Any]:
    base, quote = product.split("-")
    names = {"id": product, "symbol": f"{base}/{quote}", "base": base, "quote": quote}
    return exchange.safe_market_structure({**names, "baseId": base, "quoteId": quote, "type": "spot", "spot": True})


def _lines(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines()


if __name__ == "__main__":
    run(handler)
