"""A plain client of Advanced Trade, and an exchange that changes only by `step` and `advance`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from websockets.sync.client import connect

from rxfeed.sim import Exchange, KeyPair, key_pair

START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
BTC = "BTC-USD"


def token(pair: KeyPair, **changes: Any) -> str:
    """A JWT as a client signs it, but for *changes* of its claims and, in capitals, of its header."""
    key: Any = pair.private_key
    algorithm = "ES256"
    if not key.startswith("-----"):
        import base64

        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key, algorithm = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key)[:32]), "EdDSA"
    now = int(time.time())
    claims = {"sub": pair.name, "iss": "cdp", "nbf": now, "exp": now + 120}
    claims |= {name: value for name, value in changes.items() if name.islower()}
    headers = {"kid": pair.name, "nonce": "0123456789abcdef"}
    headers |= {name.lower(): value for name, value in changes.items() if name.isupper()}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, {name: value for name, value in headers.items() if value is not None})


class Client:
    """The only client of an exchange, so that `sent.frames` is the number of frames to read."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._stack = ExitStack()
        self.socket = self._stack.enter_context(
            connect(exchange.url, compression=None, max_size=None, close_timeout=0.2)
        )
        self.texts: list[str] = []

    def send(self, message: object) -> None:
        self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def subscribe(self, channel: str, *products: str, **extra: Any) -> list[Any]:
        """The frames up to the answer."""
        request = {"type": "subscribe", "product_ids": products or [BTC], "channel": channel}
        return self.ask(request | extra)

    def unsubscribe(self, channel: str, *products: str) -> list[Any]:
        return self.ask({"type": "unsubscribe", "product_ids": products or [BTC], "channel": channel})

    def ask(self, request: object) -> list[Any]:
        self.send(request)
        frames = [self.next()]
        while frames[-1].get("channel") != "subscriptions" and frames[-1].get("type") != "error":
            frames.append(self.next())
        return frames

    def next(self) -> Any:
        text = self.socket.recv(timeout=5)
        assert isinstance(text, str)
        self.texts.append(text)
        return json.loads(text)

    def all(self) -> list[Any]:
        """Every message that the exchange has sent and that is not read yet."""
        return [self.next() for _ in range(self.exchange.sent.frames - len(self.texts))]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def pairs() -> dict[str, KeyPair]:
    """A key pair of each algorithm, with its own name."""
    return {
        "ES256": key_pair("ES256", name="organizations/a/apiKeys/ec"),
        "EdDSA": key_pair("EdDSA", name="organizations/a/apiKeys/ed"),
    }


@pytest.fixture
def make(pairs: dict[str, KeyPair]) -> Iterator[Callable[..., tuple[Exchange, Client]]]:
    """Starts an exchange of BTC-USD and ETH-USD, and connects its client."""
    with ExitStack() as stack:

        def make(*products: str, **options: Any) -> tuple[Exchange, Client]:
            defaults: dict[str, Any] = {"seed": 5, "auto": False, "start": START}
            defaults["public_keys"] = {pair.name: pair.public_key for pair in pairs.values()}
            exchange = Exchange(products or (BTC, "ETH-USD"), venue="coinbase_advanced", **defaults | options)
            stack.enter_context(exchange)
            client = Client(exchange)
            stack.callback(client.close)
            return exchange, client

        yield make
