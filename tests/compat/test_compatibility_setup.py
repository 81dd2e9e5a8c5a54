"""What compat keeps exactly of cbpro, point by point, as far as test_client.py does not test it: start and settings.

Where the wheel 1.1.4 and GitHub master differ, the test names the version that is followed, and the reason.
"""

from __future__ import annotations

import inspect
import json
import threading
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed import ConnectionLost
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import DEFAULT_URL
from rxfeed.venues.coinbase_exchange.auth import sign
from tests.compat.recorder import Recorder, finish
from tests.support.leaks import nothing_left_behind

# ---- 1: start


def test_1_on_open_precedes_the_connection_in_the_caller_s_thread(exchange: Exchange) -> None:
    class Client(Recorder):
        def on_open(self) -> None:
            super().on_open()
            self.seen = (self.stop, exchange.accepted, self.ws, self.thread)

    client = Client(url=exchange.url)
    client.start()
    client.wait_for(1)
    client.close()
    assert client.of("open") == [True]
    assert client.seen == (False, 0, None, None)


def test_1_one_non_daemon_thread_runs_the_three_steps(exchange: Exchange) -> None:
    steps: list[tuple[str, Any]] = []

    class Client(Recorder):
        def _connect(self) -> None:
            steps.append(("connect", threading.current_thread()))
            super()._connect()

        def _listen(self) -> None:
            steps.append(("listen", threading.current_thread()))
            super()._listen()

        def _disconnect(self) -> None:
            steps.append(("disconnect", threading.current_thread()))
            super()._disconnect()

    client = Client(url=exchange.url)
    starter = threading.Thread(target=client.start, daemon=True)  # a thread's daemon flag is inherited
    starter.start()
    client.wait_for(1)
    client.close()
    assert [name for name, _ in steps] == ["connect", "listen", "disconnect"]
    assert {thread for _, thread in steps} == client.threads == {client.thread}
    assert client.thread is not None
    assert not client.thread.daemon


def test_1_on_open_that_raises_reaches_the_caller(exchange: Exchange) -> None:
    class Client(Recorder):
        def on_open(self) -> None:
            raise KeyError("mine")

    client = Client(url=exchange.url)
    with nothing_left_behind(), pytest.raises(KeyError, match="mine"):
        client.start()
    client.close()
    assert client.stop
    assert exchange.accepted == 0


# ---- 2: the constructor


def test_2_constructor_checks_and_opens_nothing() -> None:
    with nothing_left_behind():
        client = cbpro.WebsocketClient(url=3, products=4, channels=5, auth=6, api_secret=7)
        assert (client.url, client.products, client.channels, client.auth) == (3, 4, 5, 6)
    assert cbpro.WebsocketClient().url == DEFAULT_URL


def test_2_both_signatures_are_accepted() -> None:
    """The wheel's tenth positional, master's keyword."""
    names = list(inspect.signature(cbpro.WebsocketClient.__init__).parameters)
    assert names[1:11] == [
        *("url", "products", "message_type", "mongo_collection", "should_print", "auth"),
        *("api_key", "api_secret", "api_passphrase", "channels"),
    ]
    assert cbpro.WebsocketClient("u", ["P"], "t", None, False, True, "k", "s", "p", ["ticker"]).channels == ["ticker"]
    assert cbpro.WebsocketClient(channels=["ticker"]).channels == ["ticker"]


def test_2_subclass_without_super_init_works(exchange: Exchange) -> None:
    class Rebel(cbpro.WebsocketClient):
        def __init__(self) -> None:
            self.url = exchange.url
            self.channels = ["ticker"]
            self.got = threading.Event()

        def on_message(self, msg: Any) -> None:
            self.got.set()
            self.close()

    client = Rebel()
    client.start()
    assert client.got.wait(30)
    finish(client)
    assert client.error is None


# ---- 3: the attributes


def test_3_attributes_exist_and_are_assignable() -> None:
    client = cbpro.WebsocketClient()
    for name in (
        *("url", "products", "channels", "type", "stop", "error", "ws", "thread", "auth", "api_key", "api_secret"),
        *("api_passphrase", "should_print", "mongo_collection"),
    ):
        assert name in vars(client)
        setattr(client, name, 1)
        assert getattr(client, name) == 1
        assert vars(client)[name] == 1


@pytest.mark.parametrize("value", [True, 1, 7])
def test_3_stop_ends_a_quiet_session(exchange: Exchange, value: Any) -> None:
    client = Recorder(url=exchange.url, channels=["auctionfeed"])
    client.start()
    client.wait_for(1)
    client.stop = value
    finish(client)
    assert client.stop == value
    assert client.error is None
    assert client.hooks == ["open", "close"]


def test_3_ws_pings_sends_and_has_connected(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])
    client.start()
    client.wait_for(1)
    assert client.ws.connected
    more = {"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]}
    client.ws.ping("keepalive")
    client.ws.send(json.dumps(more))
    client.wait_for(3)  # two acknowledgements, one ticker
    client.close()
    assert exchange.requests[1] == more
    assert exchange.pings == 1
    assert not client.ws.connected
    with pytest.raises(ConnectionLost):
        client.ws.send("late")
    with pytest.raises(ConnectionLost):
        client.ws.ping()
    client.ws.close()


def test_3_ws_close_ends_the_session_as_in_both_versions(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])
    client.start()
    client.wait_for(1)
    client.ws.close()
    finish(client)
    assert client.hooks == ["open", "error", "close"]
    assert isinstance(client.error, ConnectionLost)


# ---- 4: the subscription


@pytest.mark.parametrize(("products", "sent"), [(None, ["BTC-USD"]), ("ETH-USD", ["ETH-USD"]), (["ETH-USD"],) * 2])
def test_4_one_message_with_the_products(exchange: Exchange, products: Any, sent: Any) -> None:
    client = Recorder(url=exchange.url + "/", products=products, channels=["heartbeat"])
    client.start()
    client.wait_for(1)
    client.close()
    assert exchange.requests == [{"type": "subscribe", "product_ids": sent, "channels": ["heartbeat"]}]
    assert (client.url, client.products) == (exchange.url, sent)


def test_4_with_auth_the_message_is_signed(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[Any] = []
    monkeypatch.setattr(
        "rxfeed.venues.coinbase_exchange.auth.sign", lambda *given: signed.append(given) or sign(*given)
    )
    client = Recorder(url=exchange.url, channels=["user"], auth="yes", api_key="key", api_passphrase="phrase")
    client.api_secret = "c2VjcmV0"
    client.start()
    (answer,) = client.wait_for(1)
    client.close()
    assert answer["type"] == "subscriptions"  # the exchange has verified it
    ((secret, timestamp),) = signed
    assert secret.reveal() == "c2VjcmV0"
    assert exchange.requests[0]["timestamp"] == timestamp
