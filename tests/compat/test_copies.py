"""Clients and books across processes: pickled, copied, and started elsewhere."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed.sim import Exchange
from tests.support.leaks import nothing_left_behind

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda given: pickle.loads(pickle.dumps(given)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


class Bot(cbpro.WebsocketClient):
    def __init__(self, **settings: Any) -> None:
        super().__init__(channels=["ticker"], should_print=False, **settings)
        self.count = 0

    def on_message(self, msg: Any) -> None:
        self.count += 1
        if self.count == 2:
            self.close()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_client_is_copied_before_it_is_started(way: Callable[[Any], Any]) -> None:
    with Exchange(seed=5) as exchange, nothing_left_behind():
        client = Bot(url=exchange.url, reconnect=True, ping_interval=7)
        other = way(client)
        assert vars(other).keys() == vars(client).keys()
        manager = other.__dict__["_WebsocketClient__rxfeed"]
        assert manager is not client.__dict__["_WebsocketClient__rxfeed"]
        assert (manager.reconnect, manager.ping_interval) == (True, 7)
        other.start()
        other.thread.join(10)
        assert (other.count, client.count, client.stop, client.thread) == (2, 0, True, None)


class Kept(cbpro.WebsocketClient):
    first: Any = None

    def on_message(self, msg: Any) -> None:
        self.first.set()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_started_client_is_copied_without_its_session(way: Callable[[Any], Any]) -> None:
    with Exchange(seed=5) as exchange:
        client = Kept(url=exchange.url, channels=["ticker"], should_print=False)
        Kept.first = threading.Event()
        client.start()
        assert Kept.first.wait(10)
        other = way(client)
        assert (other.ws, other.thread, other.keepalive, other.stop, other.error) == (None, None, None, True, None)
        other.close()
        assert not client.stop
        assert client.ws.connected
        client.close()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_book_is_copied_with_its_orders(way: Callable[[Any], Any]) -> None:
    book = cbpro.OrderBook("ETH-USD")
    price = Decimal(5)
    book.add({"id": "a", "side": "buy", "price": price, "size": Decimal(1)})
    other = way(book)
    assert (other.product_id, other.get_bid(), other.get_bids(price)) == ("ETH-USD", price, book.get_bids(price))
    assert not other.ready


def test_public_client_is_pickled_after_use() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        client = cbpro.PublicClient(exchange.rest_url)
        book = client.get_product_order_book("BTC-USD")
        assert pickle.loads(pickle.dumps(client)).get_product_order_book("BTC-USD") == book


def test_mongo_collection_false_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    client = cbpro.WebsocketClient(mongo_collection=False)
    client.on_message({"type": "ticker"})
    assert capsys.readouterr().out == "{'type': 'ticker'}\n"
