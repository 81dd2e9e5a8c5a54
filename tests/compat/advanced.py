"""What the tests of the classic clients on Advanced Trade share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed.sim import Exchange
from tests.compat.recorder import Recorder
from tests.compat.test_keyless import BEFORE_NOON

BTC, VENUE = "BTC-USD", "coinbase_advanced"
ALL = ["ticker", "matches", "heartbeat", "level2_batch"]
LONG = pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes a minute: set RXFEED_SOAK=1")
Dicts = list[dict[str, Any]]


def market(venue: str = VENUE, **settings: Any) -> Exchange:
    options: dict[str, Any] = {"seed": 5, "auto": False, "rate": 60, "start": BEFORE_NOON}
    return Exchange([BTC, "ETH-USD"], venue=venue, **(options | settings))


def of(client: Recorder, *kinds: str) -> Dicts:
    return [each for each in client.of("message") if each["type"] in kinds]


def wait_until(ready: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def subscribed(client: Recorder, sessions: int = 1) -> None:
    """Wait until all channels were acknowledged, *sessions* times."""
    wait_until(lambda: len(of(client, "subscriptions")) >= sessions)


def levels(side: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in side]


def built(messages: Dicts) -> dict[str, list[tuple[Decimal, Decimal]]]:
    """The book that a script makes of *messages*."""
    book: dict[str, dict[Decimal, Decimal]] = {}
    for each in messages:
        if each["type"] == "snapshot":
            book = {"buy": dict(levels(each["bids"])), "sell": dict(levels(each["asks"]))}
        else:
            for side, price, size in each["changes"]:
                book[side].pop(Decimal(price), None)
                if Decimal(size):
                    book[side][Decimal(price)] = Decimal(size)
    return {"bids": sorted(book["buy"].items(), reverse=True), "asks": sorted(book["sell"].items())}


def move_until(exchange: Exchange, ready: Callable[[], object]) -> None:
    """Let the market's time pass until *ready*."""

    def moved() -> object:
        exchange.advance(0.1)
        time.sleep(0.01)
        return ready()

    wait_until(moved)


def whole(book: cbpro.OrderBook, exchange: Exchange) -> bool:
    """True if *book* is exact, and has the exchange's levels."""
    now = book.get_current_book()
    bids = [(row[0], row[1]) for row in reversed(now["bids"])]
    asks = [(row[0], row[1]) for row in now["asks"]]
    return book.ready and {"bids": bids, "asks": asks} == exchange.book(BTC)
