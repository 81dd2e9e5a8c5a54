"""What compat keeps exactly of cbpro, point by point, as far as test_client.py does not test it: the running client.

Where the wheel 1.1.4 and GitHub master differ, the test names the version that is followed, and the reason.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from websocket import create_connection

import rxfeed.compat as cbpro
from rxfeed import ConfigError, matches
from rxfeed.errors import FrameMalformed
from rxfeed.sim import Exchange, faults
from tests.compat.recorder import Recorder, finish
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind

TICK = '{"type":"ticker","product_id":"BTC-USD","sequence":1,"price":"1.50"}'


# ---- 5: the messages


def test_5_every_frame_is_delivered_in_order_as_sent() -> None:
    frames = [
        '{"type":"subscriptions","channels":[]}',
        TICK,
        TICK,  # a duplicate, by its sequence too
        '{"type":"error","message":"Failed to subscribe","reason":"no"}',
        '{"type":"brand_new","big":123456789012345678901234567890,"x":[1.5,null,"\\u00e9"]}',
        '{"type":"ticker","product_id":"BTC-USD","sequence":"no number"}',
        "[1,2]",
    ]
    with Exchange.serving(frames) as exchange:
        client = Recorder(url=exchange.url)
        client.start()
        client.wait_for(len(frames))
        client.close()
    assert client.of("message") == [json.loads(frame) for frame in frames]
    assert client.threads == {client.thread}


def test_5_a_slow_handler_loses_nothing(exchange: Exchange) -> None:
    go_on = threading.Event()

    class Slow(Recorder):
        def on_message(self, msg: Any) -> None:
            assert go_on.wait(30)
            super().on_message(msg)

    client = Slow(url=exchange.url, channels=["ticker", "matches"])
    client.start()
    exchange.wait_for_clients()
    exchange.step(3_000)
    go_on.set()
    client.wait_for(exchange.sent.frames)
    client.close()
    assert len(client.of("message")) == exchange.sent.frames


# ---- 6: on_error


def test_6_on_error_gets_the_data_if_it_accepts_them() -> None:
    """Both versions call `on_error(e)` alone, although their signature has `data`; compat passes it."""
    both: list[Any] = []
    alone: list[Any] = []
    overrides: list[Any] = [lambda e, data=None: both.append((e, data)), alone.append]
    for override in overrides:
        with Exchange.serving(["{nonsense", TICK]) as exchange:
            client = Recorder(url=exchange.url)
            client.on_error = override
            client.start()
            client.wait_for(1)
            client.close()
    ((error, data),) = both
    assert data == "{nonsense"
    assert isinstance(error, FrameMalformed)
    assert [type(each) for each in alone] == [FrameMalformed]


def test_6_default_on_error_stores_stops_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    client = cbpro.WebsocketClient()
    client.stop = False
    error = ValueError("bad")
    client.on_error(error)
    assert client.error is error
    assert client.stop is True
    client.on_error(error, {"a": 1})
    assert capsys.readouterr().out == "bad - data: None\nbad - data: {'a': 1}\n"


# ---- 7: on_close


def test_7_on_close_is_called_once_after_the_socket_closed() -> None:
    """As the wheel: master's `close()` calls it twice, which is a defect."""
    with Exchange.serving([TICK], then="close") as exchange:

        class Client(Recorder):
            def on_close(self) -> None:
                super().on_close()
                self.left = (self.ws.connected, exchange.connections)

        client = Client(url=exchange.url)
        client.start()
        finish(client)
    assert client.hooks == ["open", "error", "close"]
    assert client.left == (False, 0)
    client.close()
    client._disconnect()
    assert client.hooks == ["open", "error", "close"]


def test_7_start_in_on_close_starts_a_new_session(exchange: Exchange) -> None:
    class Again(Recorder):
        def on_close(self) -> None:
            super().on_close()
            if len(self.of("close")) == 1:
                self.start()

    client = Again(url=exchange.url)
    with nothing_left_behind():
        client.start()
        client.wait_for(1)
        client.close()
        client.wait_for(2)
        client.close()
    assert client.hooks == ["open", "close", "open", "close"]


# ---- 8: close


def test_8_close_waits_and_may_be_called_twice(exchange: Exchange) -> None:
    """It returns when the listener is done, as both mean it: master's waits up to 30 s for its keepalive thread."""
    client = Recorder(url=exchange.url)
    client.close()  # before the first start
    client.start()
    client.wait_for(1)
    client.close()
    assert client.thread is not None
    assert not client.thread.is_alive()
    client.close()
    assert client.error is None
    assert client.hooks == ["open", "close"]


@pytest.mark.parametrize("hook", ["on_open", "on_message", "on_error", "on_close"])
def test_8_close_is_legal_in_any_callback(exchange: Exchange, hook: str) -> None:
    client = Recorder(url=exchange.url)
    before = getattr(client, hook)

    def closing(*given: Any) -> None:
        before(*given)
        client.close()

    setattr(client, hook, closing)
    with nothing_left_behind():
        client.start()
        if hook in ("on_error", "on_close"):
            exchange.wait_for_clients()
            exchange.disconnect(1001, "going away")
        finish(client)
    assert client.hooks == ["open", *(["error"] if hook in ("on_error", "on_close") else []), "close"]


@pytest.mark.parametrize("hook", ["on_open", "on_message", "on_error"])
def test_8_start_is_legal_in_any_callback(exchange: Exchange, hook: str) -> None:
    """Without a close the current session ends first; both versions ran two threads on one socket."""
    client = Recorder(url=exchange.url)
    before = getattr(client, hook)

    def starting(*given: Any) -> None:
        before(*given)
        if len(client.of("open")) == 1:
            client.start()

    setattr(client, hook, starting)
    with nothing_left_behind():
        client.start()
        if hook == "on_error":
            exchange.wait_for_clients()
            exchange.disconnect(1001, "going away")
        sessions = 1 if hook == "on_open" else 2
        with client.changed:
            assert client.changed.wait_for(lambda: len(client.threads) == sessions, 30)
        assert len(client.of("close")) == sessions - 1  # the one before has ended before this one connects
        client.close()
    assert client.of("close") == [None] * sessions
    assert len(client.threads) == sessions


# ---- 9: names


def test_9_no_public_names_beyond_cbpro() -> None:
    """The names of both versions; only `feed` is new, and it may be overridden."""
    classic = {"start", "close", "on_open", "on_close", "on_message", "on_error", "_connect", "_listen", "_disconnect"}
    classic |= {
        "keepalive",
        "_keepalive",
        "url",
        "products",
        "channels",
        "type",
        "stop",
        "error",
        "ws",
        "thread",
        "auth",
        "api_key",
    }
    classic |= {"api_secret", "api_passphrase", "should_print", "mongo_collection"}
    client = cbpro.WebsocketClient()
    client.stop = False
    names = {name for name in dir(client) if not name.startswith(("__", "_WebsocketClient__"))}
    assert names == classic | {"feed"}
    client.feed = "mine"  # pyright: ignore[reportAttributeAccessIssue]  # as a subclass may
    assert client.feed == "mine"


def test_9_hooks_are_looked_up_at_each_call() -> None:
    class Odd(Recorder):
        def __bool__(self) -> bool:
            raise AssertionError("tested for truth")

        def __len__(self) -> int:
            raise AssertionError("tested for truth")

    with Exchange.serving([TICK, TICK]) as exchange:
        client = Odd(url=exchange.url)
        seen: list[Any] = []

        def second(msg: Any) -> None:
            seen.append(msg)
            client.close()

        def first(msg: Any) -> None:
            client.on_message = second

        client.on_message = first
        client.start()
        finish(client)
    assert seen == [json.loads(TICK)]


def test_9_overridden_connect_is_used() -> None:
    class Own(Recorder):
        def _connect(self) -> None:
            self.ws = create_connection(self.url)
            self.ws.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker"]}')

    with Exchange.serving([TICK, "{", TICK]) as exchange:
        client = Own(url=exchange.url)
        client.on_error = lambda e, data=None: client.note("error", (e, data))
        client.start()
        client.wait_for(2)
        exchange.disconnect(1001, "going away")
        finish(client)
    assert client.of("message") == [json.loads(TICK)] * 2
    client.ws.shutdown()  # the library keeps the descriptor of a connection that the server has ended
    assert [data for _, data in client.of("error")] == ["{", None]
    assert client.stop is True
    assert client.of("close") == [None]


# ---- 10: prints and documents


class FakeCollection:
    """A collection with insert_one alone, as users' tests have it."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def __bool__(self) -> bool:
        raise NotImplementedError("as pymongo's")

    def insert_one(self, document: dict[str, Any]) -> None:
        document["_id"] = len(self.kept)
        self.kept.append(document)


@pytest.mark.parametrize("through_super", [False, True])
def test_10_a_document_for_each_message(through_super: bool, capsys: pytest.CaptureFixture[str]) -> None:
    class Through(cbpro.WebsocketClient):
        def on_message(self, msg: Any) -> None:
            super().on_message(msg)
            assert "_id" not in msg

    collection = FakeCollection()
    with Exchange.serving([TICK, TICK], then="close") as exchange:
        kind = Through if through_super else cbpro.WebsocketClient
        client = kind(url=exchange.url, channels=["ticker"], mongo_collection=collection)
        client.start()
        finish(client)
    tick = json.loads(TICK)
    assert collection.kept == [tick | {"_id": 0}, tick | {"_id": 1}]
    assert capsys.readouterr().out == (
        f"-- Subscribed! --\n\n{tick}\n{tick}\n"
        "the server closed the connection: 1000 - data: None\n\n-- Socket Closed --\n"
    )


# ---- the feed of the client


def test_feed_can_be_piped_in_on_open(exchange: Exchange) -> None:
    class Half(Recorder):
        def on_open(self) -> None:
            super().on_open()
            self.channels = ["matches"]
            self.trades = Collected(self.feed.pipe(matches()))

    client = Half(url=exchange.url)
    client.start()
    exchange.wait_for_clients()
    exchange.step(300)
    client.wait_for(exchange.sent.frames)
    client.close()
    client.trades.wait_for_end()
    assert len(client.trades.items) == len([m for m in client.of("message") if m["type"] == "match"]) > 0


def test_settings_changed_after_feed_are_an_error() -> None:
    client = Recorder(url="ws://127.0.0.1:9", channels=["ticker"])
    assert client.feed is client.feed
    client.channels = ["matches"]
    client.start()
    finish(client)
    assert isinstance(client.error, ConfigError)
    assert "settings changed" in str(client.error)


def test_frames_doubled_by_faults_are_delivered_twice() -> None:
    with Exchange(seed=1, auto=False, faults=[faults.Duplicate(2, types={"match"}, after=3)]) as exchange:
        client = Recorder(url=exchange.url, channels=["matches"])
        client.start()
        exchange.wait_for_clients()
        exchange.step(200)
        client.wait_for(exchange.sent.frames)
        client.close()
        ids = [m["trade_id"] for m in client.of("message") if m["type"] == "match"]
    assert len(ids) - len(set(ids)) == exchange.sent.duplicated > 0
