"""A plain client, and an exchange that changes only by `step` and `advance`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.sync.client import connect

from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange.auth import Credentials, signed

CREDENTIALS = Credentials("key", "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=", "passphrase")
START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)


class Client:
    """The only client of an exchange, so that `sent.frames` is the number of frames to read."""

    def __init__(self, exchange: Exchange, **options: Any) -> None:
        self.exchange = exchange
        self._stack = ExitStack()
        connection = connect(
            exchange.url, compression=None, max_size=None, open_timeout=30, close_timeout=0.2, **options
        )
        self.socket = self._stack.enter_context(connection)
        self.texts: list[str] = []

    def send(self, message: object) -> None:
        self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def subscribe(self, *channels: object, products: tuple[str, ...] = ("BTC-USD",), sign: bool = False) -> None:
        message = {"type": "subscribe", "product_ids": list(products), "channels": list(channels)}
        self.send(message | (signed(CREDENTIALS, str(time.time())) if sign else {}))
        self.exchange.wait_for_clients()

    def next(self) -> Any:
        text = self.socket.recv(timeout=30)
        assert isinstance(text, str)
        self.texts.append(text)
        return json.loads(text)

    def all(self) -> list[Any]:
        """Every message that the exchange has sent and that is not read yet."""
        return [self.next() for _ in range(self.exchange.sent.frames - len(self.texts))]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """BTC-USD and ETH-USD, seeded; they change only by `step` and `advance`."""
    with Exchange(seed=5, auto=False, start=START, credentials=CREDENTIALS) as exchange:
        yield exchange


@pytest.fixture
def client(exchange: Exchange) -> Iterator[Client]:
    client = Client(exchange)
    yield client
    client.close()


@pytest.fixture
def new_client() -> Iterator[type[Client]]:
    """A class that closes its instances at the end."""
    made: list[Client] = []

    class Closing(Client):
        def __init__(self, exchange: Exchange, **options: Any) -> None:
            super().__init__(exchange, **options)
            made.append(self)

    yield Closing
    for client in made:
        client.close()
