"""`PublicClient`: the same calls and shapes as cbpro's."""

from __future__ import annotations

import warnings
from itertools import islice

import pytest

from rxfeed import ConnectFailed
from rxfeed.compat import PublicClient
from rxfeed.sim import Exchange
from tests.support.wire import Wire, WireServer


def answering(status: str, body: str, headers: str = "") -> WireServer:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode())

    return WireServer(play)


def http(server: WireServer) -> str:
    return server.url.replace("ws://", "http://")


def test_trades_are_requested_page_by_page() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        client = PublicClient(exchange.rest_url)
        trades = client.get_product_trades("BTC-USD")
        assert exchange.rest_requests == 0
        newest = [next(trades)["trade_id"]]
        assert exchange.rest_requests == 1
        newest += [each["trade_id"] for each in islice(trades, 1_499)]
        assert exchange.rest_requests == 2
        older = client.get_product_trades("BTC-USD", after=newest[-1], limit=5)
        newer = client.get_product_trades("BTC-USD", before=newest[10])
        assert [each["trade_id"] for each in older] == [newest[-1] - n for n in range(1, 6)]
        assert [each["trade_id"] for each in newer] == newest[:10]
    assert newest == list(range(newest[0], newest[0] - 1_500, -1))


def test_error_of_the_exchange_is_its_own_answer() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        client = PublicClient(exchange.rest_url + "/", timeout=5)
        assert client.url == exchange.rest_url
        assert client.get_product_24hr_stats("NO/../SUCH") == {"message": "NotFound"}
        assert list(client.get_product_trades("NOPE-USD")) == ["message"]  # as cbpro iterates over that dict


def test_answer_that_is_no_description_is_raised() -> None:
    with answering("403 Forbidden", "<html>") as server, pytest.raises(ConnectFailed, match="403 Forbidden"):
        PublicClient(http(server)).get_time()


def test_old_host_of_the_api_is_replaced_with_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = PublicClient("https://api.gdax.com")
    assert client.url == "https://api.exchange.coinbase.com"
    assert [warning.filename for warning in caught] == [__file__]


def test_granularity_is_checked_as_by_cbpro() -> None:
    with pytest.raises(ValueError, match="granularity: 3000 is none of 60, 300, 900"):
        PublicClient().get_product_historic_rates("BTC-USD", granularity=3000)


def test_polled_orders_are_warned_of_once() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        client = PublicClient(exchange.rest_url)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(12):
                client.get_product_order_book("BTC-USD", level=3)
            for _ in range(12):
                client.get_product_order_book("BTC-USD", level=2)
    (warning,) = caught
    assert "use OrderBook of this module" in str(warning.message)
    assert warning.filename == __file__
