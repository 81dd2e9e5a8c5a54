"""`rxfeed products`: the products of a venue, from its REST API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxfeed.cli import main
from rxfeed.cli.arguments import parser
from rxfeed.cli.live import make_feed
from rxfeed.sim import Exchange, faults
from tests.support.wire import Wire, WireServer

PRODUCTS = ["BTC-USDC", "ETH-USD", "EURC-USDC"]
VENUES = ["coinbase_exchange", "coinbase_advanced"]


@pytest.fixture
def advanced() -> Iterator[Exchange]:
    with Exchange(PRODUCTS, venue="coinbase_advanced", auto=False) as exchange:
        yield exchange


def products(exchange: Exchange, *more: str, venue: str = "coinbase_advanced") -> int:
    return main(["products", "--venue", venue, "--rest-url", exchange.rest_url, *more])


def served(body: str) -> WireServer:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}")

    return WireServer(play)


def test_products_are_a_table_by_id(advanced: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    assert products(advanced) == 0
    assert capsys.readouterr().out.splitlines() == [
        "id         alias    base incr.  quote incr.  status",
        "BTC-USD    -        0.00000001         0.01  online",
        "BTC-USDC   BTC-USD  0.00000001         0.01  online",
        "ETH-USD    -        0.00000001         0.01  online",
        "EURC-USDC  -        0.00000001         0.01  online",
    ]


@pytest.mark.parametrize("venue", VENUES)
def test_products_of_both_venues_match_patterns(venue: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD", "ETH-USD", "ETH-EUR"], venue=venue, auto=False) as exchange:
        assert products(exchange, "eth-*", "BTC-EUR", venue=venue) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["ETH-EUR", "ETH-USD"]


def test_products_are_json_with_plain_numbers(advanced: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    assert products(advanced, "--json", "btc-usdc") == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "id": "BTC-USDC",
            "alias": "BTC-USD",
            "base_increment": "0.00000001",
            "quote_increment": "0.01",
            "status": "online",
            "trading_disabled": False,
        }
    ]


def test_no_match_is_a_failure_with_a_remedy(advanced: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    assert products(advanced, "DOGE") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "rxfeed products: none of the 4 products of coinbase_advanced matches DOGE: a pattern has * for any text, "
        "such as 'BTC-*'\n"
    )


def test_table_has_80_columns_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    long = {
        "product_id": "BIT-28AUG26-CDE",
        "alias": "BTC-PERP-INTX",
        "base_increment": "0.00000001",
        "quote_increment": "0.00000001",
        "status": "delisted",
        "trading_disabled": True,
    }
    bad = {"product_id": "A\x1b[2J-B", "status": "\x9b2J", "base_increment": "1", "quote_increment": ""}
    with served(json.dumps({"products": [long, bad]})) as server:
        url = server.url.replace("ws:", "http:")
        assert main(["products", "--venue", "coinbase_advanced", "--rest-url", url]) == 0
    head, strange, row = capsys.readouterr().out.splitlines()
    assert row == "BIT-28AUG26-CDE  BTC-PERP-INTX  0.00000001   0.00000001  delisted, not traded"
    assert strange.split() == ["A?[2J-B", "-", "1", "-", "?2J"]
    assert max(map(len, (head, row))) <= 80


def test_429_is_honoured(capsys: pytest.CaptureFixture[str]) -> None:
    given = [faults.RestStatus(code=429, retry_after=1)]
    with Exchange(PRODUCTS, venue="coinbase_advanced", auto=False, faults=given) as exchange:
        began = time.monotonic()
        assert products(exchange) == 0
        assert time.monotonic() - began >= 0.95
        assert exchange.rest_requests == 2


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (faults.RestStatus(code=404, count=None), "check --rest-url and --venue"),
        (faults.RestStatus(code=429, retry_after=60, count=None), "the server limits requests; try again later"),
        (faults.RestGarbage(count=None), "not a list of products: Input data was truncated: check --rest-url and"),
    ],
)
def test_failed_request_has_a_remedy(fault: faults.Fault, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(PRODUCTS, venue="coinbase_advanced", auto=False, faults=[fault]) as exchange:
        assert products(exchange) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert remedy in err


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "nothing", "http://me:hidden@x:port"])
def test_bad_rest_url_is_bad_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["products", "--rest-url", url]) == 2
    err = capsys.readouterr().err
    assert "--rest-url: " in err
    assert "hidden" not in err


@pytest.mark.parametrize("command", ["watch", "record"])
def test_rest_url_is_an_option_of_each_feed(command: str, tmp_path: Path) -> None:
    given = [command, "BTC-USD", "--url", "ws://127.0.0.1:1", *(["--to", str(tmp_path)] if command == "record" else [])]
    assert make_feed(parser().parse_args(given)).rest_url == "http://127.0.0.1:1"
    assert make_feed(parser().parse_args([*given, "--rest-url", "http://127.0.0.1:2"])).rest_url == "http://127.0.0.1:2"


def test_aliases_are_read_at_the_rest_url(advanced: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    """The REST API is another server's than that of the feed."""
    with Exchange(PRODUCTS, venue="coinbase_advanced", auto=False) as other:
        options = ["--venue", "coinbase_advanced", "--channel", "trades", "--url", advanced.url]
        assert main(["watch", "BTC-USDC", *options, "--rest-url", other.rest_url, "--count", "1"]) == 0
        assert (other.rest_requests, advanced.rest_requests) == (1, 0)
    assert "BTC-USDC is delivered as BTC-USD, and shown as BTC-USDC" in capsys.readouterr().err
