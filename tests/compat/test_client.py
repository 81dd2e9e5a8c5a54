"""The classic client's hooks, against the local exchange."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import MongoClient

from rxfeed import ConnectFailed, Credentials
from rxfeed.compat import WebsocketClient, store
from rxfeed.compat.hooks import read_socket
from rxfeed.errors import FrameMalformed, ServerClosed
from rxfeed.sim import Exchange
from tests.compat.recorder import Recorder
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import WireServer, close_frame, frame, playing

TICK = '{"type":"ticker","product_id":"BTC-USD","sequence":1,"price":"1.50"}'


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=5, auto=False) as exchange:
        yield exchange


def test_session_from_open_to_close(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=["BTC-USD"], channels=["matches", "ticker"])
    with nothing_left_behind():
        assert client.stop
        client.start()
        exchange.wait_for_clients()
        exchange.step(300)
        messages = client.wait_for(exchange.sent.frames)
        client.close()
    assert client.calls[0] == ("open", True)
    assert client.calls[-1] == ("close", None)
    assert [name for name, _ in client.calls].count("close") == 1
    assert len(messages) == exchange.sent.frames
    assert messages[0]["type"] == "subscriptions"
    assert all(isinstance(m["price"], str) for m in messages if "price" in m)
    assert client.threads == {client.thread}
    assert client.error is None
    assert client.stop


def test_on_open_may_set_everything(exchange: Exchange) -> None:
    class Late(Recorder):
        def on_open(self) -> None:
            super().on_open()
            self.url = exchange.url + "/"
            self.products = "ETH-USD"
            self.channels = ["heartbeat"]

    client = Late()
    client.start()
    exchange.wait_for_clients()
    exchange.advance(2)
    client.wait_for(3)
    client.close()
    assert exchange.requests == [{"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]}]
    assert client.products == ["ETH-USD"]
    assert client.url == exchange.url


@pytest.mark.parametrize("signed", [False, True])
def test_no_channels_is_public_ones_and_full_with_keys(signed: bool) -> None:
    """The wheel sent none and got everything; without channels the exchange of today refuses."""
    keys = {"auth": True, "api_key": "key", "api_secret": "c2VjcmV0", "api_passphrase": "phrase"} if signed else {}
    credentials = Credentials("key", "c2VjcmV0", "phrase")
    with Exchange(seed=5, auto=False, credentials=credentials) as exchange:
        client = Recorder(url=exchange.url, channels=None, **keys)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                client.start()
                exchange.wait_for_clients()
                client.close()
        channels = exchange.requests[0]["channels"]
    assert client.products == ["BTC-USD"]
    assert client.channels is None  # as the wheel leaves it
    assert channels == ["ticker", "matches", "heartbeat", *(["full"] if signed else [])]
    (warning,) = caught  # one, at the line of this test
    assert warning.filename == __file__
    assert "write channels=['ticker', 'matches', 'heartbeat'" in str(warning.message)


@pytest.mark.parametrize("how", ["close", "stop"])
def test_close_from_on_message_ends_the_session(exchange: Exchange, how: str) -> None:
    class Ending(Recorder):
        def on_message(self, msg: dict[str, Any]) -> None:
            super().on_message(msg)
            if how == "close":
                self.close()
            else:
                self.stop = True

    client = Ending(url=exchange.url, products=["BTC-USD"], channels=["ticker"])
    with nothing_left_behind():
        client.start()
        client.wait_for(1, "close")
        assert client.thread is not None
        client.thread.join(30)
    assert len(client.of("message")) == 1


def test_client_can_be_started_again(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=["BTC-USD"], channels=["ticker"])
    for session in (1, 2):
        client.start()
        exchange.wait_for_clients()
        client.wait_for(session)
        client.close()
        client.close()
    assert [name for name, _ in client.calls if name != "message"] == ["open", "close", "open", "close"]
    assert exchange.accepted == 2


def test_thread_that_has_not_started_is_never_seen(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may join `client.thread` at any time, which raises for a thread before its start."""
    client = Recorder(url=exchange.url, channels=["ticker"])
    early: list[bool] = []
    start = threading.Thread.start

    def watched(thread: threading.Thread) -> None:
        if thread.name == "rxfeed-client":
            early.append(client.thread is thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", watched)
    client.start()
    assert client.thread.is_alive()
    client.close()
    assert early == [False]


def test_refused_connection_reaches_on_error(capsys: pytest.CaptureFixture[str]) -> None:
    client = Recorder(url="ws://127.0.0.1:9", channels=["ticker"])
    client.start()
    client.wait_for(1, "close")
    ((error, data),) = client.of("error")
    assert isinstance(error, ConnectFailed)
    assert client.error is error
    assert client.stop
    assert capsys.readouterr().out == f"{error} - data: {data}\n"


def test_bad_secret_reaches_on_error(capsys: pytest.CaptureFixture[str]) -> None:
    client = Recorder(url="ws://127.0.0.1:9", auth=True, api_key="k", api_secret="not base64!", channels=["full"])
    client.start()
    client.wait_for(1, "close")
    assert "secret is not base64" in str(client.error)
    assert "not base64!" not in capsys.readouterr().out


def test_server_close_reaches_on_error_with_code_and_reason() -> None:
    with WireServer(playing(frame(TICK) + close_frame(1001, "deploying"))) as server:
        client = Recorder(url=server.url, channels=["ticker"])
        client.start()
        client.wait_for(1, "close")
    assert isinstance(client.error, ServerClosed)
    assert (client.error.code, client.error.reason) == (1001, "deploying")
    assert [name for name, _ in client.calls] == ["open", "message", "error", "close"]


def test_exception_in_a_hook_reaches_on_error_with_the_message() -> None:
    class Broken(Recorder):
        def on_message(self, msg: dict[str, Any]) -> None:
            raise KeyError("price")

    with Exchange.serving([TICK]) as exchange:
        client = Broken(url=exchange.url, channels=["ticker"])
        client.start()
        client.wait_for(1, "close")
    ((error, data),) = client.of("error")
    assert isinstance(error, KeyError)
    assert data == json.loads(TICK)


def test_on_error_of_one_argument_works_and_may_continue() -> None:
    class Old(WebsocketClient):
        def __init__(self, url: str) -> None:
            super().__init__(url=url, channels=["ticker"])
            self.errors: list[Exception] = []
            self.messages: list[Any] = []

        def on_error(self, e: Exception) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as in 2018
            self.errors.append(e)

        def on_message(self, msg: Any) -> None:
            self.messages.append(msg)
            if len(self.messages) == 3:
                self.close()

    with Exchange.serving([TICK, "{nonsense", '{"type":"ticker"}', TICK]) as exchange:
        client = Old(exchange.url)
        client.start()
        assert client.thread is not None
        client.thread.join(30)
    # JSON of an unknown shape is valid JSON.
    assert client.messages == [json.loads(TICK), {"type": "ticker"}, json.loads(TICK)]
    (error,) = client.errors
    assert isinstance(error, FrameMalformed)
    assert isinstance(error, ValueError)


def test_default_hooks_print(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    printed = threading.Event()

    class Printing(WebsocketClient):
        def on_message(self, msg: dict[str, Any]) -> None:
            super().on_message(msg)
            printed.set()

    client = Printing(url=exchange.url, products=["BTC-USD"], channels=["heartbeat"])
    client.start()
    assert printed.wait(30)
    client.close()
    out = capsys.readouterr().out
    assert out.startswith("-- Subscribed! --\n\n{'type': 'subscriptions', ")
    assert out.endswith("\n-- Socket Closed --\n")


def test_should_print_false_silences_the_default_hooks(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    client = WebsocketClient(url=exchange.url, products=["BTC-USD"], channels=["heartbeat"], should_print=False)
    client.start()
    exchange.wait_for_clients()
    client.close()
    assert capsys.readouterr().out == ""


def test_mongo_collection_gets_each_message_once_as_sent(collection: Any) -> None:
    frames = [TICK.replace("1.50", f"{n}.50") for n in range(200)]

    class Storing(Recorder):
        def on_message(self, msg: dict[str, Any]) -> None:
            before = dict(msg)
            WebsocketClient.on_message(self, msg)
            assert msg == before
            super().on_message(msg)

    with Exchange.serving(frames) as exchange:
        client = Storing(url=exchange.url, channels=["ticker"], should_print=False, mongo_collection=collection)
        client.start()
        client.wait_for(200)
        client.close()
    stored = list(collection.find({}, {"_id": 0}, sort=[("_id", 1)]))
    assert stored == [json.loads(text) for text in frames]


def test_mongo_collection_without_a_server_ends_soon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rxfeed.compat.store._FLUSH", 1.0)
    monkeypatch.setattr("rxfeed.compat.store._NOTICE", 0.2)

    class Storing(Recorder):
        def on_message(self, msg: dict[str, Any]) -> None:
            WebsocketClient.on_message(self, msg)
            super().on_message(msg)

    with (
        MongoClient[dict[str, Any]]("mongodb://127.0.0.1:9", timeoutMS=1000) as down,
        Exchange.serving([TICK]) as exchange,
    ):
        client = Storing(url=exchange.url, should_print=False, mongo_collection=down.test.messages)
        client.start()
        client.wait_for(1)
        with at_most(8):
            client.close()
    (text,) = [each.getMessage() for each in caplog.records if each.name == "rxfeed.compat"]
    waits = "the end waits for the database, at most 1 s without a success"
    assert text == f"mongo_collection: 1 documents are not written yet; {waits}"
    assert "1 documents not written" in str(client.error)


def test_mongo_collection_has_a_short_time_limit_at_the_end() -> None:
    assert store._FLUSH <= 10  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("frame_", ['{"type":"new","data":[%s]}', "[%s]", '{"type":"ticker","data":[%s]'])
def test_frame_with_millions_of_values_is_not_decoded(frame_: str) -> None:
    """Decoded, these arrays take some 200 MB."""
    errors: list[Exception] = []

    class Client(WebsocketClient):
        def on_message(self, msg: Any) -> None:
            if isinstance(msg, list) or msg.get("type") == "new":
                raise AssertionError("decoded")

        def on_error(self, e: Exception, data: Any = None) -> None:
            errors.append(e)
            self.stop = True

    bomb = frame_ % ",".join(["[]"] * 2_100_000)
    with WireServer(playing(frame(bomb) + frame(TICK))) as server:
        client = Client(url=server.url, products=["A-B"], channels=["ticker"])
        client.start()
        client.thread.join(20)
        client.close()
    assert isinstance(errors[0], FrameMalformed)


def test_own_socket_with_millions_of_values_is_not_decoded() -> None:
    bombs = iter(["[" + ",".join(["[]"] * 2_100_000) + "]", '{"type":"ticker"}', ""])
    ws: Any = SimpleNamespace(recv=lambda: next(bombs))
    handled, failed = list[Any](), list[Exception]()
    with pytest.raises(ConnectionError):
        read_socket(ws, lambda: False, handled.append, lambda e, raw: failed.append(e))
    assert handled == [{"type": "ticker"}]
    assert ["over 2,000,000 values" in str(each) for each in failed] == [True]


def test_session_needs_no_new_thread_once_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.12 on none can be created after the end of the main thread; many scripts end with `start()`."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with Exchange(["BTC-USD"], seed=5) as exchange:
        client = Recorder(url=exchange.url)
        client.start()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        client.wait_for(3)
        client.close()
        monkeypatch.undo()
    assert client.error is None
    assert not client.keepalive.is_alive()
