"""The three steps of a session, `ws` and `keepalive`, run by a script itself."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websocket import WebSocketConnectionClosedException, WebSocketTimeoutException

from rxfeed import ConfigError, ConnectFailed, ConnectionLost
from rxfeed.compat import AuthenticatedClient
from rxfeed.compat.session import TRANSITIONS, Event, Session, SessionState
from rxfeed.errors import HandshakeRejected, ServerClosed
from rxfeed.sim import Exchange, faults
from tests.compat.recorder import Recorder
from tests.support.leaks import nothing_left_behind


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(["BTC-USD", "ETH-USD"], seed=5, auto=False) as exchange:
        yield exchange


class Stepping(Recorder):
    """Runs the steps on a thread that it makes itself."""

    def start(self) -> None:
        self.stop = False
        self.on_open()
        self.thread = threading.Thread(target=self.steps)
        self.thread.start()

    def steps(self) -> None:
        self._connect()
        self._listen()
        self._disconnect()


def test_connect_returns_connected_and_subscribed(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url)
    with nothing_left_behind():
        client._connect()
        exchange.wait_for_clients()
        assert client.ws.connected
        assert isinstance(client.ws.sock, socket.socket)
        assert client.ws.sock.getpeername()[0] == "127.0.0.1"
        client._disconnect()
        assert not client.ws.connected
        assert client.ws.sock is None
    assert client.hooks == ["close"]
    assert exchange.connections == 0


@pytest.mark.parametrize(("fault", "kind"), [(None, ConnectFailed), (faults.HttpStatus(503), HandshakeRejected)])
def test_connect_raises_what_refused_it(exchange: Exchange, fault: Any, kind: type[Exception]) -> None:
    client = Recorder(url=exchange.url if fault else "ws://127.0.0.1:9")
    if fault:
        exchange.inject(fault)
    with nothing_left_behind(), pytest.raises(kind):
        client._connect()
    assert client.hooks == []  # the caller has it
    client._disconnect()
    assert client.hooks == ["close"]


@pytest.mark.parametrize("how", ["close", "stop", "close in on_message"])
def test_steps_of_a_script_are_ended(exchange: Exchange, how: str) -> None:
    class Ending(Stepping):
        def on_message(self, msg: dict[str, Any]) -> None:
            super().on_message(msg)
            if how == "close in on_message":
                self.close()

    client = Ending(url=exchange.url)
    with nothing_left_behind():
        client.start()
        client.wait_for(1)
        if how == "stop":
            client.stop = True
        elif how == "close":
            client.close()
            assert not client.thread.is_alive()
        client.thread.join(10)
        count = len(client.of("message"))
        exchange.step(100)
        assert len(client.of("message")) == count
        assert exchange.connections == 0
    assert client.hooks == ["open", "close"]
    assert client.threads <= {client.thread}


def test_steps_of_a_script_run_again_and_again(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url)
    for session in (1, 2, 3):
        client.stop = False
        client._connect()
        listening = threading.Thread(target=client._listen)
        listening.start()
        client.wait_for(2 * session)
        client.stop = True
        listening.join(10)
        client._disconnect()
    assert client.hooks == ["close"] * 3
    assert exchange.accepted == 3


def test_loop_of_a_script_goes_on_after_the_server_has_closed(exchange: Exchange) -> None:
    class Forever(Stepping):
        def on_error(self, e: Exception, data: Any = None) -> None:
            self.note("error", e)  # and `stop` stays false

        def steps(self) -> None:
            while not self.stop:
                super().steps()

    client = Forever(url=exchange.url)
    with nothing_left_behind():
        client.start()
        client.wait_for(1)
        exchange.disconnect(1001, "bye")
        client.wait_for(3)
        client.close()
    assert client.hooks == ["open", "error", "close", "close"]
    assert isinstance(client.of("error")[0], ServerClosed)


def test_connect_in_on_error_replaces_the_connection(exchange: Exchange) -> None:
    class Reconnecting(Recorder):
        def on_error(self, e: Exception, data: Any = None) -> None:
            self.note("error", e)
            self._connect()

    client = Reconnecting(url=exchange.url)
    with nothing_left_behind():
        client.start()
        client.wait_for(2)
        exchange.disconnect(1001, "bye")
        client.wait_for(4)
        client.close()
    assert client.hooks == ["open", "error", "close"]
    assert client.threads == {client.thread}
    assert exchange.accepted == 2


class ConnectsAgain(Recorder):
    """Connects again in a `_listen` of its own, after the default `on_error` has set `stop`."""

    def _listen(self) -> None:
        super()._listen()
        while self.error is not None:
            self.error, self.stop = None, False
            self._connect()
            super()._listen()


def test_overridden_listen_connects_again_after_stop(exchange: Exchange) -> None:
    client = ConnectsAgain(url=exchange.url)
    with nothing_left_behind():
        client.start()
        for session in (1, 2, 3):
            exchange.wait_for_clients()
            client.wait_for(2 * session)  # subscriptions, and the first ticker
            assert client.keepalive.is_alive()
            if session < 3:
                exchange.disconnect()
                client.wait_for(session, "error")
        client.close()
    assert client.hooks == ["open", "error", "error", "close"]
    assert exchange.connections == 0


def test_connect_after_close_does_not_continue_the_session(exchange: Exchange) -> None:
    class Again(Recorder):
        def _listen(self) -> None:
            super()._listen()
            self.stop = False
            self._connect()
            self.note("listened")
            super()._listen()

    client = Again(url=exchange.url)
    with nothing_left_behind():
        client.start()
        client.wait_for(1)
        client.close()
    assert client.of("error") == []
    assert client.hooks[-1] == "close"
    assert exchange.connections == 0


def test_start_after_steps_of_a_script(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url)
    client._connect()
    client.start()
    client.wait_for(1)
    client.close()
    assert client.error is None
    assert client.hooks == ["open", "close"]


# ---- the socket


def test_recv_gives_raw_frames_and_its_time_out(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["heartbeat"])
    client._connect()
    first = client.ws.recv()
    assert isinstance(first, str)
    assert json.loads(first)["type"] == "subscriptions"
    client.ws.settimeout(0.05)
    assert client.ws.gettimeout() == client.ws.timeout == 0.05
    for kind in (WebSocketTimeoutException, TimeoutError):
        with pytest.raises(kind, match="timed out"):
            client.ws.recv()
    exchange.advance(1.0)
    assert json.loads(next(iter(client.ws)))["type"] == "heartbeat"
    client._disconnect()
    for kind in (WebSocketConnectionClosedException, ConnectionLost):
        with pytest.raises(kind):
            client.ws.recv()
        with pytest.raises(kind):
            client.ws.send("late")


@pytest.mark.parametrize("how", ["close", "stop"])
def test_listen_after_a_recv_of_the_script_ends(exchange: Exchange, how: str) -> None:
    class ReadsFirst(Recorder):
        def _connect(self) -> None:
            super()._connect()
            self.note("first", json.loads(self.ws.recv())["type"])

    client = ReadsFirst(url=exchange.url)
    with nothing_left_behind():
        client.start()
        exchange.wait_for_clients()
        exchange.step(300)
        client.wait_for(3)
        began = time.monotonic()
        client.stop = True
        if how == "close":
            client.close()
        client.thread.join(10)
        assert not client.thread.is_alive()
        assert time.monotonic() - began < 5
    assert client.of("first") == ["subscriptions"]
    assert client.hooks == ["open", "first", "close"]


def test_end_between_a_recv_and_listen_is_kept(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url)
    with nothing_left_behind():
        client.stop = False
        client._connect()
        client.ws.recv()
        client.ws.end()
        client._listen()
        client._disconnect()
    assert client.hooks == ["close"]


def test_recv_raises_what_ended_the_connection(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url)
    client._connect()
    exchange.wait_for_clients()
    exchange.disconnect(1001, "bye")
    with pytest.raises(ServerClosed):
        list(client.ws)
    client._disconnect()


@pytest.mark.parametrize("quiet", [False, True])
def test_read_loop_of_a_script_ends(exchange: Exchange, quiet: bool) -> None:
    """As with the classics it gets one more frame; where none comes, a second later it gets an exception."""

    class Reading(Recorder):
        def _listen(self) -> None:
            while not self.stop:
                try:
                    msg = json.loads(self.ws.recv())
                except Exception as error:
                    self.on_error(error)
                else:
                    self.on_message(msg)

    client = Reading(url=exchange.url, channels=["auctionfeed" if quiet else "ticker"])
    with nothing_left_behind():
        client.start()
        client.wait_for(1 if quiet else 2)
        if not quiet:
            exchange.resume()
            client.wait_for(5)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 5
    assert client.hooks == (["open", "error", "close"] if quiet else ["open", "close"])
    assert exchange.connections == 0


# ---- the keepalive


def test_keepalive_is_a_thread_that_ends_with_the_session(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url)
    assert client.keepalive is None
    with nothing_left_behind():
        client.start()
        client.wait_for(1)
        assert isinstance(client.keepalive, threading.Thread)
        assert client.keepalive.is_alive()
        client.close()
        assert not client.keepalive.is_alive()


def test_overridden_keepalive_runs_until_the_end(exchange: Exchange) -> None:
    class Pinging(Recorder):
        def _keepalive(self, interval: float = 0.05) -> None:
            super()._keepalive(interval)
            self.note("done")

    client = Pinging(url=exchange.url)
    client.start()
    client.wait_for(1)
    deadline = time.monotonic() + 10
    while exchange.pings < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    client.close()
    assert exchange.pings >= 3
    assert client.of("done") == [None]


# ---- signs


def test_one_line_at_info_for_a_session(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = Recorder(url=exchange.url, channels=["ticker", "matches"])
    client.start()
    client.wait_for(1)
    client.close()
    lines = [each.getMessage() for each in caplog.records if each.name.startswith("rxfeed.feed")]
    assert lines == [f"connected: matches, ticker of BTC-USD from {exchange.url}"]


def test_exception_of_a_handler_is_printed_once_with_its_traceback(
    exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Recorder(url=exchange.url)

    def failing(msg: Any) -> None:
        client.note("message", msg)
        raise KeyError("mine")

    client.on_message = failing
    client.on_error = lambda e, data=None: client.note("error", e)
    client.start()
    client.wait_for(2)
    client.close()
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.count('raise KeyError("mine")') == 1
    assert len(client.of("error")) == 2


def test_authenticated_client_names_what_to_use() -> None:
    with pytest.raises(ConfigError, match=r"coinbase-advanced-py .* WebsocketClient\(auth=True"):
        AuthenticatedClient("key", "secret", "passphrase", api_url="https://api.pro.coinbase.com")


def test_transitions_of_a_session() -> None:
    session = Session()
    assert session.move(Event.CONNECT) is SessionState.RUNNING
    assert session.move(Event.END_REQUESTED) is SessionState.ENDING
    assert session.move(Event.CLOSE) is SessionState.CLOSED
    with pytest.raises(KeyError):
        session.move(Event.CONNECT)
    assert {state for state, _ in TRANSITIONS} == set(SessionState)
