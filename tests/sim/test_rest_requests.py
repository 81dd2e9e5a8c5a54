"""REST of both venues as plain HTTP: data, pages, limits and faults."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from http.client import HTTPConnection, HTTPMessage
from typing import Any

import pytest
from websockets.sync.client import connect

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, faults
from rxfeed.sim.rest import Rest
from rxfeed.sim.venue import NOT_FOUND

START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
BTC = "BTC-USD"
ADVANCED = "/api/v3/brokerage"
Start = Callable[..., Exchange]


@pytest.fixture
def started() -> Iterator[Start]:
    with ExitStack() as stack:

        def start(venue: str, *products: str, **options: Any) -> Exchange:
            defaults: dict[str, Any] = {"seed": 2, "auto": False, "start": START}
            return stack.enter_context(Exchange(products or (BTC, "ETH-USD"), venue=venue, **defaults | options))

        yield start


def get(exchange: Exchange, path: str) -> tuple[int, Any, HTTPMessage]:
    """The status, the content and the headers of the answer; text that is no JSON is given as it is."""
    connection = HTTPConnection(exchange.rest_url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    try:
        return response.status, json.loads(body), response.headers
    except ValueError:
        return response.status, body, response.headers


def content(exchange: Exchange, path: str) -> Any:
    status, found, _ = get(exchange, path)
    assert status == 200
    return found


# Coinbase Exchange


def test_trades_of_exchange_come_in_pages(started: Start) -> None:
    exchange = started("coinbase_exchange")
    exchange.step(2_000)
    pages: list[list[Any]] = []
    cursor = ""
    for _ in range(4):
        status, page, headers = get(exchange, f"/products/{BTC}/trades?limit=300{cursor}")
        assert status == 200
        assert (headers["CB-BEFORE"], headers["CB-AFTER"]) == (str(page[0]["trade_id"]), str(page[-1]["trade_id"]))
        pages.append(page)
        cursor = f"&after={headers['CB-AFTER']}"
    ids = [trade["trade_id"] for page in pages for trade in page]
    assert ids == list(range(exchange.last_trade_id(BTC), exchange.last_trade_id(BTC) - 1_200, -1))
    assert set(pages[0][0]) == {"time", "trade_id", "price", "size", "side"}
    newer = content(exchange, f"/products/{BTC}/trades?before={ids[50]}")
    assert [trade["trade_id"] for trade in newer] == ids[:50]
    between = content(exchange, f"/products/{BTC}/trades?before={ids[50]}&after={ids[40]}")
    assert [trade["trade_id"] for trade in between] == ids[41:50]
    assert content(exchange, f"/products/{BTC}/trades?before={ids[0]}") == []
    assert len(content(exchange, f"/products/{BTC}/trades")) == 1_000


def test_trades_are_those_of_the_feed(started: Start) -> None:
    exchange = started("coinbase_exchange")
    with connect(exchange.url, max_size=None, max_queue=None, close_timeout=0.2) as client:
        client.send(json.dumps({"type": "subscribe", "product_ids": [BTC], "channels": ["matches"]}))
        exchange.wait_for_clients()
        exchange.step(200)
        frames = [json.loads(client.recv(timeout=5)) for _ in range(exchange.sent.frames)]
    names = ("trade_id", "side", "size", "price", "time")
    matches = [{name: frame[name] for name in names} for frame in frames[1:]]
    assert content(exchange, f"/products/{BTC}/trades?limit={len(matches)}") == matches[::-1]


def test_candles_of_exchange_are_lists_newest_first(started: Start) -> None:
    exchange = started("coinbase_exchange")
    exchange.step(200)
    candles = content(exchange, f"/products/{BTC}/candles?granularity=300")
    assert len(candles) == 300
    starts = [candle[0] for candle in candles]
    assert starts == sorted(starts, reverse=True)
    for _, low, high, opened, close, volume in candles:
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume > 0
    begin, end = "2026-01-01T20:00:00Z", "2026-01-01T21:00:00Z"
    hour = content(exchange, f"/products/{BTC}/candles?granularity=300&start={begin}&end={end}")
    assert 10 < len(hour) <= 13
    assert min(candle[0] for candle in hour) >= datetime(2026, 1, 1, 20, tzinfo=UTC).timestamp()


def test_products_and_time_of_exchange(started: Start) -> None:
    exchange = started("coinbase_exchange")
    products = content(exchange, "/products")
    assert [product["id"] for product in products] == [BTC, "ETH-USD"]
    assert content(exchange, f"/products/{BTC}") == products[0]
    assert content(exchange, "/time") == {"iso": "2026-01-02T03:04:05.500000Z", "epoch": START.timestamp()}
    ticker = content(exchange, f"/products/{BTC}/ticker")
    assert ticker["trade_id"] == exchange.last_trade_id(BTC)
    assert Decimal(ticker["bid"]) < Decimal(ticker["ask"])
    assert ticker["volume"] == content(exchange, f"/products/{BTC}/stats")["volume"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        (f"/products/{BTC}/trades?limit=1001", 400, "Invalid limit"),
        (f"/products/{BTC}/trades?after=newest", 400, "Invalid after"),
        (f"/products/{BTC}/candles?granularity=61", 400, "Unsupported granularity"),
        (f"/products/{BTC}/candles?start=2026-01-01T00:00:00Z", 400, "start and end are needed together"),
        (f"/products/{BTC}/candles?start=yesterday&end=now", 400, "Invalid start"),
        (f"/products/{BTC}/candles?granularity=60&start=0&end=18060", 400, "aggregations requested exceeds 300"),
        (f"/products/{BTC}/nothing", 404, "NotFound"),
        (f"{ADVANCED}/time", 404, "NotFound"),
    ],
)
def test_bad_requests_of_exchange(started: Start, path: str, status: int, message: str) -> None:
    found = get(started("coinbase_exchange"), path)
    assert found[0] == status
    assert message in found[1]["message"]


# Advanced Trade


def test_products_of_advanced_have_their_alias(started: Start) -> None:
    exchange = started("coinbase_advanced", BTC, "ETH-USD", "BTC-USDC", "EURC-USDC")
    found = content(exchange, f"{ADVANCED}/market/products")
    assert found["num_products"] == 4
    products = {product["product_id"]: product for product in found["products"]}
    assert {name: product["alias"] for name, product in products.items()} == {
        BTC: "",
        "ETH-USD": "",
        "BTC-USDC": BTC,
        "EURC-USDC": "",
    }
    assert products[BTC]["alias_to"] == ["BTC-USDC"]
    fields = {"base_increment": "0.00000001", "quote_increment": "0.01", "status": "online", "trading_disabled": False}
    assert fields.items() <= products["BTC-USDC"].items()
    assert content(exchange, f"{ADVANCED}/market/products/BTC-USDC") == products["BTC-USDC"]
    page = content(exchange, f"{ADVANCED}/market/products?limit=1&offset=1")
    assert [product["product_id"] for product in page["products"]] == ["ETH-USD"]


def test_trades_of_advanced_are_chosen_by_time(started: Start) -> None:
    exchange = started("coinbase_advanced", BTC, "BTC-USDC", rate=20)
    exchange.advance(30)
    found = content(exchange, f"{ADVANCED}/market/products/{BTC}/ticker?limit=1000")
    ids = [int(trade["trade_id"]) for trade in found["trades"]]
    assert ids == list(range(exchange.last_trade_id(BTC), exchange.last_trade_id(BTC) - 1_000, -1))
    begin = int(START.timestamp())
    part = content(exchange, f"{ADVANCED}/market/products/{BTC}/ticker?limit=1000&start={begin + 5}&end={begin + 10}")
    times = [datetime.fromisoformat(trade["time"]).timestamp() for trade in part["trades"]]
    assert begin + 5 <= min(times) <= max(times) <= begin + 10
    assert part["trades"] == [
        trade
        for trade in found["trades"]
        if begin + 5 <= datetime.fromisoformat(trade["time"]).timestamp() <= begin + 10
    ]
    assert {trade["side"] for trade in found["trades"]} == {"BUY", "SELL"}
    other = content(exchange, f"{ADVANCED}/market/products/BTC-USDC/ticker?limit=5")
    assert other["trades"] == found["trades"][:5]
    assert Decimal(found["best_bid"]) < Decimal(found["best_ask"])


def test_candles_and_book_of_advanced(started: Start) -> None:
    exchange = started("coinbase_advanced")
    exchange.advance(10)
    end = int(exchange.time.timestamp())
    path = f"{ADVANCED}/market/products/{BTC}/candles?granularity=FIVE_MINUTE&end={end}"
    candles = content(exchange, f"{path}&start={end - 300 * 350}")["candles"]
    starts = [int(candle["start"]) for candle in candles]
    assert starts == sorted(starts, reverse=True)
    assert 330 < len(starts) <= 350
    assert get(exchange, f"{path}&start={end - 300 * 351}")[0] == 400
    assert len(content(exchange, f"{path}&start={end - 3000}&limit=3")["candles"]) == 3
    book = content(exchange, f"{ADVANCED}/market/product_book?product_id={BTC}")
    for side in ("bids", "asks"):
        levels = [(Decimal(level["price"]), Decimal(level["size"])) for level in book["pricebook"][side]]
        assert levels == exchange.book(BTC)[side]
    assert len(content(exchange, f"{ADVANCED}/market/product_book?product_id={BTC}&limit=2")["pricebook"]["bids"]) == 2
    assert content(exchange, f"{ADVANCED}/time")["epochSeconds"] == str(end)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/market/products/NO-USD", 404),
        ("/market/products/NO-USD/ticker?limit=1", 404),
        (f"/market/products/{BTC}/ticker", 400),
        (f"/market/products/{BTC}/ticker?limit=x", 400),
        (f"/market/products/{BTC}/candles?start=1&end=2", 400),
        (f"/market/products/{BTC}/candles?start=1&granularity=ONE_DAY", 400),
        ("/market/product_book", 404),
        ("/accounts", 404),
    ],
)
def test_bad_requests_of_advanced(started: Start, path: str, status: int) -> None:
    found = get(started("coinbase_advanced"), ADVANCED + path)
    assert found[0] == status
    assert set(found[1]) == {"error", "error_details", "message"}


# The port


def test_requests_and_feed_have_one_port(started: Start) -> None:
    exchange = started("coinbase_exchange", faults=[faults.HttpStatus(503, connection=1)])
    assert exchange.rest_url.partition("://")[2] == exchange.url.partition("://")[2]
    assert content(exchange, "/time")["epoch"] == START.timestamp()
    with pytest.raises(Exception, match="503"):
        connect(exchange.url)
    assert content(exchange, "/time")["epoch"] == START.timestamp()
    with connect(exchange.url, close_timeout=0.2) as client:
        client.send('{"type":"subscribe","channels":["status"]}')
        exchange.wait_for_clients()
        assert exchange.sent_to(2).frames == 2
    assert exchange.rest_requests == 2


def test_head_that_comes_in_pieces_is_answered(started: Start) -> None:
    exchange = started("coinbase_exchange")
    with socket.create_connection(("127.0.0.1", int(exchange.url.rpartition(":")[2]))) as sock:
        for piece in (b"GET /ti", b"me HTTP/1.1\r\nHost: a", b"\r\n\r\n"):
            time.sleep(0.08)
            sock.sendall(piece)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


# Limits and faults


def test_requests_over_the_limit_are_429() -> None:
    now = [0.0]
    rest = Rest(lambda request: NOT_FOUND, limit=10, clock=lambda: now[0])

    def statuses(count: int) -> list[bytes]:
        return [rest.respond(b"GET /a HTTP/1.1\r\n\r\n").wire.split()[1] for _ in range(count)]

    assert statuses(17) == [b"404"] * 15 + [b"429"] * 2
    assert b"\r\nRetry-After: 1\r\n" in rest.respond(b"GET /a HTTP/1.1\r\n\r\n").wire
    now[0] = 0.5
    assert statuses(6) == [b"404"] * 5 + [b"429"]
    now[0] = 60.0
    assert statuses(16) == [b"404"] * 15 + [b"429"]


def test_limit_of_requests_is_an_option(started: Start) -> None:
    exchange = started("coinbase_advanced", rest_limit=2)
    answers = [get(exchange, f"{ADVANCED}/time") for _ in range(5)]
    assert [answer[0] for answer in answers][:4] == [200, 200, 200, 429]
    assert answers[3][2]["Retry-After"] == "1"


def test_faults_concern_requests_with_their_path(started: Start) -> None:
    script = [
        faults.RestStatus(code=429, retry_after=7, path="/trades", after=1, count=2),
        faults.RestGarbage(path="/time"),
    ]
    exchange = started("coinbase_exchange", faults=script)
    answers = [get(exchange, f"/products/{BTC}/trades?limit=1") for _ in range(4)]
    assert [answer[0] for answer in answers] == [200, 429, 429, 200]
    assert answers[1][2]["Retry-After"] == "7"
    assert get(exchange, "/time")[1] == faults.RestGarbage().payload
    assert get(exchange, "/time")[1]["epoch"] == START.timestamp()
    assert [(fired.connection, fired.fault, fired.frames) for fired in exchange.log] == [
        (0, script[0], 1),
        (0, script[1], 4),
    ]


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_hole_leaves_trades_out(started: Start, venue: str) -> None:
    exchange = started(venue)
    exchange.step(200)
    last = exchange.last_trade_id(BTC)
    exchange.inject(faults.RestHole(range(last - 3, last), count=None))
    path = f"/products/{BTC}/trades?limit=6"
    if venue == "coinbase_advanced":
        path = f"{ADVANCED}/market/products/{BTC}/ticker?limit=6"
    for _ in range(2):
        found = content(exchange, path)
        trades = found["trades"] if isinstance(found, dict) else found
        assert [int(trade["trade_id"]) for trade in trades] == [last, last - 4, last - 5]


def test_latency_delays_the_answer_and_nothing_else(started: Start) -> None:
    exchange = started("coinbase_exchange")
    exchange.inject(faults.RestLatency(0.3, path="/products"))
    begin = time.monotonic()
    assert content(exchange, "/time")
    assert time.monotonic() - begin < 0.25
    assert content(exchange, "/products")
    assert time.monotonic() - begin >= 0.3
    exchange.inject(faults.RestLatency(30, path="/products"))
    connection = HTTPConnection(exchange.rest_url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/products")
    exchange.close()
    connection.close()


def test_faults_of_requests_have_no_connection() -> None:
    with pytest.raises(ConfigError, match="connection: 1, for a fault of HTTP requests"):
        faults.RestStatus(connection=1)
    with pytest.raises(ConfigError, match="trade_ids: 'all' is not a container"):
        faults.RestHole("all")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no fault that can fire after any frame"):
        faults.randomly(1, kinds=[faults.RestGarbage()])
