"""Frames of Advanced Trade, and a server that plays them over a real socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

BTC, ETH = "BTC-USD", "ETH-USD"
REAL = Path(__file__).parents[4] / "shared" / "data" / "coinbase-advanced-2026-08-09.jsonl.gz"


def real_frames() -> list[str]:
    """The frames of the real recording; the test is skipped where the recording is missing."""
    if not REAL.exists():
        pytest.skip(f"the real recording is not beside the project: {REAL}")
    with gzip.open(REAL, "rt") as lines:
        return [line["data"] for line in map(json.loads, lines) if line["dir"] == "recv"]


def at(second: float) -> str:
    """A time of day of the frames."""
    return f"2026-08-09T21:05:{second:09.6f}Z"


def frame(number: int, channel: str, *events: dict[str, Any], second: float = 30.0) -> str:
    text = {"channel": channel, "timestamp": at(second)[:-1] + "999Z", "sequence_num": number, "events": events}
    return json.dumps(text, separators=(",", ":"))


def trade(trade_id: int, second: float, *, product: str = BTC, size: str = "1", side: str = "SELL") -> dict[str, Any]:
    at_second = at(second)
    one = {"product_id": product, "trade_id": str(trade_id), "price": "10.5", "size": size, "time": at_second}
    return {**one, "side": side}


def trades(number: int, *them: dict[str, Any], kind: str = "update") -> str:
    """A frame of trades, which are given oldest first and sent newest first."""
    return frame(number, "market_trades", {"type": kind, "trades": them[::-1]})


def book(
    number: int, *levels: tuple[str, str, str], kind: str = "update", product: str = BTC, second: float = 1
) -> str:
    """A frame of a book; levels are (bid or offer, price, size)."""
    updates = [
        {"side": side, "event_time": at(second), "price_level": price, "new_quantity": size}
        for side, price, size in levels
    ]
    return frame(number, "l2_data", {"type": kind, "product_id": product, "updates": updates})


def ack(number: int, **channels: Sequence[str]) -> str:
    return frame(number, "subscriptions", {"subscriptions": channels})


def heartbeat(number: int, counter: int = 7) -> str:
    now = "2026-08-09 21:05:48.854840045 +0000 UTC m=+41691.260485341"
    return frame(number, "heartbeats", {"current_time": now, "heartbeat_counter": counter})


Play = Callable[["Client", int], None]


class Client:
    """A client of the server."""

    def __init__(self, connection: ServerConnection, requests: list[dict[str, Any]]) -> None:
        self._connection = connection
        self.requests = requests

    def send(self, *frames: str) -> None:
        for each in frames:
            self._connection.send(each)

    def receive(self, count: int = 1) -> list[dict[str, Any]]:
        """The next *count* requests."""
        received = [json.loads(self._connection.recv(timeout=10)) for _ in range(count)]
        self.requests += received
        return received

    def wait_for_end(self) -> None:
        """Store requests until the client has closed."""
        while True:
            self.receive()


class Venue:
    """Calls *play* with each client, and the number of the connection; then it closes that."""

    def __init__(self, play: Play) -> None:
        self.requests: list[dict[str, Any]] = []
        self._play = play
        self._count = 0
        self._server: Server = serve(self._serve, "127.0.0.1", 0, max_size=None, compression=None)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def _serve(self, connection: ServerConnection) -> None:
        number, self._count = self._count, self._count + 1
        with suppress(ConnectionClosed, TimeoutError):
            self._play(Client(connection, self.requests), number)

    def __enter__(self) -> Venue:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()


def after(requests: int, frames: Iterable[str]) -> Play:
    """Send *frames* after so many requests, to the first client only."""

    def play(client: Client, number: int) -> None:
        client.receive(requests)
        if number == 0:
            client.send(*frames)

    return play
