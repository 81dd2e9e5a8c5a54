"""The faults that ended the sessions of cbpro's clients."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex.operators

from rxfeed import AuthenticationFailed, ConnectFailed, ConnectionLost, Credentials, Reconnect, SinkError
from rxfeed.compat import WebsocketClient
from rxfeed.compat.hosts import Servers, redirect
from rxfeed.errors import AddressNotFound, FrameMalformed, HandshakeRejected, HostRetired, ServerClosed, WentSilent
from rxfeed.sim import Exchange, faults
from tests.compat.recorder import Recorder, finish
from tests.support.leaks import nothing_left_behind

QUICK = Reconnect(initial=0.01, maximum=0.05)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=5, auto=False, subscribe_timeout=None) as exchange:
        yield exchange


def failure(exchange: Exchange, *broken: faults.Fault, **settings: Any) -> Any:
    """The one error of a session on *exchange*; on_error was called once, and then on_close."""
    for fault in broken:
        exchange.inject(fault)
    client = Recorder(**{"url": exchange.url, "channels": ["ticker"]} | settings)
    with nothing_left_behind():
        client.start()
        finish(client)
    assert client.hooks == ["open", "error", "close"]
    ((error, data),) = client.of("error")
    assert data is None
    assert client.error is error
    assert client.stop is True
    return error


# ---- no silent end


def test_reconnect_is_off_by_default(exchange: Exchange) -> None:
    assert isinstance(failure(exchange, faults.HttpStatus(503)), HandshakeRejected)
    assert exchange.accepted <= 1


def test_reconnect_calls_no_on_error() -> None:
    with Exchange(seed=5, auto=False, faults=[faults.Vanish(after=20, connection=1)]) as exchange:
        client = Recorder(url=exchange.url, channels=["ticker", "matches"], reconnect=QUICK)
        client.start()
        exchange.wait_for_clients()
        exchange.step(100)
        with client.changed:
            back = client.changed.wait_for(
                lambda: [m["type"] for m in client.of("message")].count("subscriptions") == 2, 10
            )
        assert back
        client.close()
    assert client.hooks == ["open", "close"]
    assert client.error is None
    assert len(client.threads) == 1


def test_pings_are_sent_on_a_quiet_feed(exchange: Exchange) -> None:
    """One in 30 s by default; the wheel sent one only after a message, which was too late."""
    client = Recorder(url=exchange.url, channels=["auctionfeed"], ping_interval=0.05)
    client.start()
    client.wait_for(1)
    pongs = threading.Semaphore(0)
    client.feed.keepalive.subscribe(lambda _: pongs.release())
    for _ in range(3):
        assert pongs.acquire(timeout=30)
    client.close()
    assert exchange.pings >= 3
    assert len(client.of("message")) == 1


def test_half_open_connection_is_detected(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"], ping_interval=0.1)
    client.start()
    exchange.wait_for_clients()
    exchange.inject(faults.HalfOpen())
    finish(client)
    assert isinstance(client.error, WentSilent)
    assert client.hooks == ["open", "error", "close"]


# ---- failures to connect


def test_refused_429_and_dns_reach_on_error(exchange: Exchange) -> None:
    assert isinstance(failure(exchange, url="ws://127.0.0.1:9"), ConnectFailed)
    assert isinstance(failure(exchange, url="ws://no-such-host.invalid"), AddressNotFound | ConnectFailed)
    error = failure(exchange, faults.HttpStatus(429, retry_after=3))
    assert isinstance(error, HandshakeRejected)
    assert error.status == 429


def test_bad_secret_reaches_on_error_and_is_not_shown(exchange: Exchange) -> None:
    error = failure(exchange, auth=True, api_key="key", api_secret="!!!", api_passphrase="phrase")
    assert "secret is not base64" in str(error)
    assert "!!!" not in str(error)


def test_wrong_keys_reach_on_error_after_the_error_message() -> None:
    with Exchange(auto=False, credentials=Credentials("other", "c2VjcmV0", "p")) as exchange:
        client = Recorder(url=exchange.url, channels=["user"], auth=True, api_key="key", api_secret="c2VjcmV0")
        client.start()
        finish(client)
    assert client.of("message")[0]["type"] == "error"
    assert isinstance(client.error, AuthenticationFailed)


# ---- handlers that fail


@pytest.mark.parametrize("hook", ["on_message", "on_close"])
def test_exception_in_a_handler_reaches_on_error(exchange: Exchange, hook: str) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])
    before = getattr(client, hook)

    def failing(*given: Any) -> None:
        before(*given)
        raise KeyError("mine")

    setattr(client, hook, failing)
    with nothing_left_behind():
        client.start()
        client.wait_for(1)
        client.close()
    assert [type(error) for error, _ in client.of("error")] == [KeyError]
    assert client.of("close") == [None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_on_error_that_raises_ends_the_session(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception is shown as that of the listening thread."""
    shown: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda given: shown.append(given.exc_value))
    client = Recorder(url=exchange.url, channels=["ticker"])
    raised = RuntimeError("on_error itself")

    def on_message(msg: Any) -> None:
        raise ValueError

    def on_error(e: Exception, data: Any = None) -> None:
        client.note("error", (e, None))
        raise raised

    client.on_message, client.on_error = on_message, on_error
    with nothing_left_behind():
        client.start()
        finish(client)
    assert shown == [raised]
    assert client.hooks == ["open", "error", "close"]


# pytest reports exceptions that threading itself ignores.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_sys_exit_in_a_handler_closes_first(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])

    def on_message(msg: Any) -> None:
        client.close()
        raise SystemExit(3)

    client.on_message = on_message
    with nothing_left_behind():
        client.start()
        finish(client)
    assert client.hooks == ["open", "close"]
    assert exchange.connections == 0


# ---- messages


def test_malformed_json_reaches_on_error_with_its_data() -> None:
    with Exchange.serving(["{", b'"\xff"', '{"type":"ticker"}']) as exchange:
        client = Recorder(url=exchange.url)
        client.on_error = lambda e, data=None: client.note("error", (e, data))
        client.start()
        client.wait_for(1)
        client.close()
    assert [(type(error), data) for error, data in client.of("error")] == [
        (FrameMalformed, "{"),
        (FrameMalformed, '"\ufffd"'),
    ]
    assert client.hooks == ["open", "error", "error", "close"]


def test_default_on_error_stops_at_malformed_json() -> None:
    with Exchange.serving(["{", '{"type":"ticker"}']) as exchange:
        client = Recorder(url=exchange.url)
        client.start()
        finish(client)
    assert client.hooks == ["open", "error", "close"]
    assert client.of("message") == []


@pytest.mark.parametrize("code", [1000, 1001, 1011])
def test_server_close_reaches_on_error_once(exchange: Exchange, code: int) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])
    # Both versions of cbpro call an override that does not set `stop` without end.
    client.on_error = lambda e, data=None: client.note("error", e)
    client.start()
    exchange.wait_for_clients()
    exchange.disconnect(code, "bye")
    finish(client)
    (error,) = client.of("error")
    assert isinstance(error, ServerClosed)
    assert (error.code, error.reason) == (code, "bye")
    assert client.hooks == ["open", "error", "close"]
    assert client.stop is True


def test_lost_connection_reaches_on_error(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])
    client.start()
    exchange.wait_for_clients()
    exchange.inject(faults.Reset())
    finish(client)
    assert isinstance(client.error, ConnectionLost)


# ---- retired hosts and private channels


def test_retired_host_is_explained(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["ticker"])
    client.start()
    exchange.wait_for_clients()
    exchange.disconnect(1000, "deprecated hostname")
    finish(client)
    assert isinstance(client.error, HostRetired)
    assert "set url to wss://ws-feed.exchange.coinbase.com" in str(client.error)


def test_retired_host_is_replaced_from_construction_on() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = WebsocketClient(url="wss://ws-feed.pro.coinbase.com", channels=["ticker"])
        assert client.url == client.feed.url == "wss://ws-feed.exchange.coinbase.com"
    (warning,) = caught
    assert "ws-feed.pro.coinbase.com is retired" in str(warning.message)
    assert warning.filename == __file__


def test_retired_host_of_on_open_is_reported_once(exchange: Exchange) -> None:
    class Old(Recorder):
        def on_open(self) -> None:
            super().on_open()
            self.url = "wss://ws-feed.gdax.com/"

    client = Old()
    redirect(Servers(exchange.url, exchange.rest_url, Credentials("key", "c2VjcmV0", "phrase")))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for session in (1, 2):
                client.start()
                assert client.url.startswith("wss://ws-feed.exchange.coinbase.com")
                client.wait_for(session)
                client.close()
    finally:
        redirect(None)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("channel", ["full", "user"])
def test_channels_that_need_keys_are_reported_once(
    exchange: Exchange, channel: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Recorder(url=exchange.url, channels=[channel])
    client.start()
    finish(client)
    assert client.of("message")[0]["type"] == "error"
    assert isinstance(client.error, AuthenticationFailed)
    assert f"{channel}: Coinbase gives this to authenticated clients only" in str(client.error)
    assert client.hooks == ["open", "error", "close"]
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []  # on_error's line is enough


def test_refusal_is_logged_with_the_arguments_of_the_client(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    client = Recorder(url=exchange.url, channels=["full", "ticker"])
    client.start()
    client.wait_for(2)
    client.close()
    (warning,) = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert warning.startswith("rejected: ")
    assert "set auth=True with api_key, api_secret and api_passphrase" in warning
    assert "Credentials" not in warning


def test_beside_public_channels_it_goes_on_as_ever(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["full", "ticker"])
    client.start()
    client.wait_for(2)
    client.close()
    assert {"error", "subscriptions"} <= {m["type"] for m in client.of("message")}
    assert client.error is None


# ---- MongoDB


def test_database_failure_reaches_on_error_on_the_listener_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def disconnect(_: Any) -> Any:
        raise SinkError("lost", 1)

    class Collection:
        write_concern = "as a real one"

    monkeypatch.setattr("rxfeed.compat.store.to_mongo", lambda *_, **__: reactivex.operators.map(disconnect))
    with Exchange.serving(['{"type":"ticker"}']) as exchange:

        class Storing(Recorder):
            def on_message(self, msg: Any) -> None:
                super().on_message(msg)
                super(Recorder, self).on_message(msg)

            def on_error(self, e: Exception, data: Any = None) -> None:
                super().on_error(e, data)
                self.threads.add(threading.current_thread())

        client = Storing(url=exchange.url, should_print=False, mongo_collection=Collection())
        client.start()
        client.wait_for(1)
        client.close()
    assert isinstance(client.error, SinkError)
    assert client.hooks == ["open", "error", "close"]
    assert client.threads == {client.thread}
