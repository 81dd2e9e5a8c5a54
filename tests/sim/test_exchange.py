"""The exchange over real sockets."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rxfeed import Feed
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.sim import Exchange, Ledger
from rxfeed.venues.coinbase_exchange import Credentials
from tests.support.leaks import nothing_left_behind
from tests.support.tls import contexts_of_two_threads

CREDENTIALS = Credentials("key", "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=", "passphrase")
START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)

Client = Any  # conftest's
NewClient = Callable[..., Any]


def closed(client: Client) -> tuple[int, str]:
    """The code and the reason of the close frame, after what comes before it."""
    with pytest.raises(ConnectionClosed) as caught:
        list(iter(client.next, None))
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def types(messages: list[Any]) -> list[str]:
    return [message["type"] for message in messages]


# step and advance


def test_nothing_happens_before_step_or_advance(exchange: Exchange, client: Client) -> None:
    client.subscribe("ticker", "matches", "heartbeat")
    assert types(client.all()) == ["subscriptions", "ticker", "last_match"]
    assert exchange.time == START


def test_step_returns_when_every_frame_is_sent(exchange: Exchange, client: Client) -> None:
    client.subscribe("full", sign=True)
    client.all()
    before = exchange.sequence("BTC-USD")
    exchange.step(200)
    messages = client.all()
    sequences = [message["sequence"] for message in messages]
    assert sequences == list(range(before + 1, exchange.sequence("BTC-USD") + 1))
    trades = [message["trade_id"] for message in messages if message["type"] == "match"]
    assert trades[-1] == exchange.last_trade_id("BTC-USD")


def test_step_includes_earlier_timer_ticks(client: Client, exchange: Exchange) -> None:
    client.subscribe("heartbeat")
    exchange.step(300)
    seconds = int((exchange.time - START).total_seconds() + 0.5)
    assert seconds >= 2
    assert types(client.all()) == ["subscriptions"] + ["heartbeat"] * seconds


def test_advance_moves_the_time_exactly(exchange: Exchange, client: Client) -> None:
    client.subscribe("heartbeat", "status")
    exchange.advance(0.4)
    assert exchange.time == START + timedelta(seconds=0.4)
    exchange.advance(0)
    exchange.advance(10)
    assert exchange.time == START + timedelta(seconds=10.4)
    assert Counter(types(client.all())) == {"subscriptions": 1, "heartbeat": 10, "status": 3}


def test_book_equals_level2(exchange: Exchange, client: Client) -> None:
    client.subscribe("level2", sign=True)
    exchange.step(500)
    _, snapshot, *updates = client.all()
    book = {
        "buy": {Decimal(price): Decimal(size) for price, size in snapshot["bids"]},
        "sell": {Decimal(price): Decimal(size) for price, size in snapshot["asks"]},
    }
    for update in updates:
        for side, price, size in update["changes"]:
            book[side][Decimal(price)] = Decimal(size)
    levels = {side: sorted((p, s) for p, s in levels.items() if s) for side, levels in book.items()}
    assert exchange.book("BTC-USD") == {"bids": levels["buy"][::-1], "asks": levels["sell"]}


def test_equal_calls_give_equal_bytes(new_client: NewClient) -> None:
    def run() -> list[str]:
        with Exchange(seed=11, auto=False, start=START, credentials=CREDENTIALS) as exchange:
            client = new_client(exchange)
            client.subscribe("full", "level3", "ticker", "level2", products=("BTC-USD", "ETH-USD"), sign=True)
            exchange.step(100)
            client.all()
            client.subscribe("heartbeat", "level2_batch", "ticker_batch", "matches")
            assert client.next()["type"] == "subscriptions"
            exchange.advance(6.5)
            client.all()
            return client.texts

    first = run()
    assert len(first) > 1000
    assert first == run()


def test_step_and_advance_reject_bad_amounts(exchange: Exchange) -> None:
    with pytest.raises(ConfigError, match="n: -1 is not an integer"):
        exchange.step(-1)
    with pytest.raises(ConfigError, match="seconds: nan is not a number"):
        exchange.advance(float("nan"))
    with pytest.raises(ConfigError, match="product_id: 'XRP-USD' is none of BTC-USD, ETH-USD"):
        exchange.book("XRP-USD")


def test_step_does_not_wait_for_a_client_that_reads_later(exchange: Exchange, client: Client) -> None:
    client.subscribe("full", "level3", products=("BTC-USD", "ETH-USD"), sign=True)
    queued = 0
    while not queued:
        exchange.step(5000)
        try:
            exchange.drain(timeout=0.001)
        except TimeoutError:
            queued += 1
    sequences: dict[str, Any] = {}
    last = {name: exchange.sequence(name) for name in ("BTC-USD", "ETH-USD")}
    while sequences != last:
        message = client.next()
        if isinstance(message, dict) and "sequence" in message:
            name, sequence = message["product_id"], message["sequence"]
            assert sequence == sequences.get(name, sequence - 1) + 1
            sequences[name] = sequence


# auto


def test_market_runs_from_the_first_subscription(new_client: NewClient) -> None:
    with Exchange(["ETH-USD"], start=START, rate=500) as exchange:
        client = new_client(exchange)
        client.socket.ping().wait(30)
        assert exchange.time == START
        client.subscribe("matches", "heartbeat", products=("ETH-USD",))
        while client.next()["type"] != "heartbeat":
            pass
        assert exchange.time > START


def test_pause_and_resume(new_client: NewClient) -> None:
    with Exchange(["ETH-USD"], speed=50) as exchange:
        client = new_client(exchange)
        client.subscribe("level2_batch", products=("ETH-USD",))
        while client.next()["type"] != "l2update":
            pass
        exchange.pause()
        before, time = exchange.sent, exchange.time
        client.all()
        client.socket.ping().wait(30)
        assert (exchange.sent, exchange.time) == (before, time)
        exchange.step(1)
        assert exchange.time > time
        exchange.resume()
        while client.next()["type"] != "l2update":
            pass


def test_without_a_speed_the_slowest_client_limits_the_pace(new_client: NewClient) -> None:
    with Exchange(speed=None, credentials=CREDENTIALS, backlog=1000) as exchange:
        fast, slow = new_client(exchange), new_client(exchange)
        slow.subscribe("full", sign=True)
        fast.subscribe("full", sign=True)
        for _ in range(2000):
            fast.next()
        with pytest.raises(TimeoutError):
            list(iter(lambda: fast.socket.recv(timeout=0.1), None))
        time = exchange.time
        for _ in range(20_000):
            slow.next()
        assert exchange.time > time
        assert exchange.connections == 2


# Clients


def test_errors_are_frames_and_keep_the_connection_open(exchange: Exchange, client: Client) -> None:
    client.send("nonsense")
    assert client.next() == {
        "type": "error",
        "message": "Failed to subscribe",
        "reason": "Type has to be either subscribe or unsubscribe",
    }
    client.subscribe("ticker")
    assert types([client.next(), client.next()]) == ["subscriptions", "ticker"]
    assert exchange.requests[0] is None


def test_unsubscribed_channels_are_silent(exchange: Exchange, client: Client) -> None:
    client.subscribe("heartbeat", "ticker")
    client.send({"type": "unsubscribe", "channels": ["ticker"]})
    assert types([client.next() for _ in range(3)]) == ["subscriptions", "ticker", "subscriptions"]
    exchange.advance(3)
    assert types(client.all()) == ["heartbeat"] * 3


def test_each_client_receives_its_subscriptions(exchange: Exchange, new_client: NewClient) -> None:
    btc, eth = new_client(exchange), new_client(exchange)
    btc.subscribe("heartbeat", products=("BTC-USD",))
    btc.next()
    eth.subscribe("heartbeat", products=("ETH-USD",))
    exchange.wait_for_clients(2)
    eth.next()
    exchange.advance(2)
    assert [btc.next()["product_id"] for _ in range(2)] == ["BTC-USD"] * 2
    assert [eth.next()["product_id"] for _ in range(2)] == ["ETH-USD"] * 2
    assert exchange.sent == Ledger(6, {"subscriptions": 2, "heartbeat": 4})
    assert (exchange.connections, exchange.accepted) == (2, 2)


def test_disconnected_client_is_removed(exchange: Exchange, new_client: NewClient) -> None:
    first = new_client(exchange)
    first.subscribe("full", sign=True)
    first.close()
    second = new_client(exchange)
    second.subscribe("heartbeat")
    exchange.step(10)
    assert (exchange.connections, exchange.accepted) == (1, 2)


def test_requests_are_kept_without_secrets(exchange: Exchange, client: Client) -> None:
    client.subscribe("full", sign=True)
    (request,) = exchange.requests
    assert set(request) == {"type", "product_ids", "channels", "timestamp"}
    assert CREDENTIALS.passphrase.reveal() not in json.dumps(request)


def test_pings_are_answered_and_counted(exchange: Exchange, client: Client) -> None:
    for _ in range(3):
        assert client.socket.ping().wait(30)
    assert exchange.pings == 3
    client.close()
    assert exchange.pings == 3


def test_disconnect_has_a_reason(exchange: Exchange, client: Client) -> None:
    client.subscribe("heartbeat")
    client.all()
    exchange.disconnect(1012, "service restart")
    assert closed(client) == (1012, "service restart")
    assert exchange.connections == 0
    for code, reason in ((1005, ""), (999, ""), (2000, ""), (1000, "x" * 124)):
        with pytest.raises(ConfigError, match="code"):
            exchange.disconnect(code, reason)


def test_client_without_a_subscription_is_disconnected(new_client: NewClient) -> None:
    with Exchange(auto=False, subscribe_timeout=1) as exchange:
        good = new_client(exchange)
        good.subscribe("heartbeat")
        silent, failing = (new_client(exchange) for _ in range(2))
        failing.send({"type": "subscribe", "channels": ["heartbeat"]})
        assert closed(silent) == (1008, "no subscribe within 1 s")
        assert closed(failing) == (1008, "no subscribe within 1 s")
        exchange.advance(1)
        assert types([good.next(), good.next()]) == ["subscriptions", "heartbeat"]


def test_client_that_does_not_read_is_disconnected_alone(new_client: NewClient) -> None:
    with Exchange(auto=False, start=START, credentials=CREDENTIALS, backlog=1000) as exchange:
        slow, good = new_client(exchange), new_client(exchange)
        slow.subscribe("full", "level3", "level2", "ticker", products=("BTC-USD", "ETH-USD"), sign=True)
        good.subscribe("heartbeat")
        exchange.wait_for_clients(2)
        while exchange.sent.by_type.get("error", 0) == 0:
            exchange.step(200)
        assert exchange.connections == 1
        exchange.advance(1)
        times = [good.next().get("time") for _ in range(1 + exchange.sent.by_type["heartbeat"])][1:]
        assert len(set(times)) == len(times) == int((exchange.time - START).total_seconds() + 0.5)
        assert closed(slow) == (1008, "ErrSlowConsume")
        assert json.loads(slow.texts[-1]) == {
            "type": "error",
            "message": "ErrSlowConsume",
            "reason": "too many backed-up messages",
        }


def test_waiting_ends_at_its_timeout(exchange: Exchange) -> None:
    with pytest.raises(TimeoutError, match="no 1 subscribed clients within"):
        exchange.wait_for_clients(timeout=0.01)


# Start and close


def test_close_leaves_no_threads_or_sockets(new_client: NewClient) -> None:
    with nothing_left_behind():  # what earlier tests or the client leave may end a little later
        exchange = Exchange(auto=False).start()
        client = new_client(exchange)
        half_open = socket.create_connection(("127.0.0.1", int(exchange.url.rpartition(":")[2])))
        client.subscribe("heartbeat")
        thread = threading.Thread(target=closed, args=(client,))
        thread.start()
        exchange.close()
        assert "rxfeed-exchange" not in {each.name for each in threading.enumerate()}
        exchange.close()
        thread.join()
        half_open.close()
        client.close()


def test_state_is_readable_after_close(new_client: NewClient) -> None:
    with Exchange(auto=False, start=START) as exchange:
        new_client(exchange).subscribe("heartbeat")
        exchange.advance(1)
    assert exchange.sent.by_type == {"subscriptions": 1, "heartbeat": 1}
    assert (exchange.connections, exchange.accepted, len(exchange.requests)) == (0, 1, 1)
    assert exchange.time == START + timedelta(seconds=1)
    assert exchange.book("BTC-USD")["bids"]
    for call in (exchange.step, exchange.resume, exchange.drain, exchange.disconnect):
        with pytest.raises(RxfeedError, match="not running"):
            call()
    with pytest.raises(RxfeedError, match="started before"):
        exchange.start()


def test_methods_before_start_raise() -> None:
    exchange = Exchange()
    with pytest.raises(RxfeedError, match="before it is started"):
        _ = exchange.url
    with pytest.raises(RxfeedError, match="not been started"):
        exchange.step()
    exchange.close()


def test_close_interrupts_waiting_calls(exchange: Exchange) -> None:
    caught: list[Exception] = []

    def wait() -> None:
        try:
            exchange.wait_for_clients(timeout=30)
        except RxfeedError as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    exchange.close()
    thread.join(30)
    assert len(caught) == 1


def test_port_in_use_is_named(exchange: Exchange) -> None:
    port = int(exchange.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"port: {port}: "), Exchange(port=port):
        pass


def test_exchange_over_tls(new_client: NewClient) -> None:
    server, client = contexts_of_two_threads()
    with Exchange(auto=False, ssl=server, start=START, credentials=CREDENTIALS) as exchange:
        assert exchange.url.startswith("wss://127.0.0.1:")
        secure = new_client(exchange, ssl=client)
        secure.subscribe("full", "level2", sign=True)
        exchange.step(2000)
        exchange.drain()
        full = [m for m in secure.all() if m["type"] in ("received", "open", "match", "done", "change")]
        assert full[-1]["sequence"] == exchange.sequence("BTC-USD")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"products": "BTC-USD"}, "products: 'BTC-USD'"),
        ({"products": []}, r"products: \[\]"),
        ({"products": ["BTC-USD", "BTC-USD"]}, "products: .* distinct"),
        ({"products": ["btc"]}, "products: 'btc'"),
        ({"seed": 1.5}, "seed: 1.5"),
        ({"rate": 0}, "rate: 0 "),
        ({"rate": float("inf")}, "rate: inf"),
        ({"speed": -1}, "speed: -1"),
        ({"speed": True}, "speed: True"),
        ({"subscribe_timeout": 0}, "subscribe_timeout: 0"),
        ({"start": START.replace(tzinfo=None)}, "start: datetime.*time zone"),
        ({"start": 5}, "start: 5"),
        ({"credentials": "secret"}, "credentials: not a Credentials$"),
        ({"ssl": True}, "ssl: True"),
        ({"port": 70_000}, "port: 70000"),
        ({"backlog": 10}, "backlog: 10 "),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Exchange(**arguments)


def test_log_at_debug_shows_no_secret_of_a_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Exchange(["BTC-USD"], auto=False) as exchange:
        url = exchange.url.replace("ws://", "ws://me:hidden-1@") + "?token=hidden-2"
        with Feed("BTC-USD", "heartbeat", url=url, headers={"X-Key": "hidden-3"}):
            exchange.wait_for_clients()
    assert caplog.records
    assert "hidden" not in caplog.text
    assert "Authorization" not in caplog.text
