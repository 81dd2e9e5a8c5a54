"""The local exchange's REST side, as plain HTTP."""

from __future__ import annotations

import json
import socket
import ssl
from decimal import Decimal
from typing import Any

import pytest
import trustme

from rxfeed import ConnectFailed, RxfeedError
from rxfeed.feed import rest_snapshot
from rxfeed.sim import Exchange
from tests.support.leaks import nothing_left_behind

BTC = "BTC-USD"


def ask(exchange: Exchange, path: str, method: str = "GET") -> tuple[int, Any]:
    host, _, port = exchange.rest_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split()[1]), json.loads(body)


def test_book_at_each_level() -> None:
    with Exchange([BTC, "ETH-USD"], seed=2, auto=False) as exchange:
        exchange.step(200)
        book = exchange.book(BTC)
        answers = {level: ask(exchange, f"/products/{BTC}/book?level={level}")[1] for level in (1, 2, 3)}
        for answer in answers.values():
            assert set(answer) == {"bids", "asks", "sequence", "auction_mode", "auction", "time"}
            assert answer["sequence"] == exchange.sequence(BTC)
            assert (answer["auction_mode"], answer["auction"]) == (False, None)
        assert ask(exchange, f"/products/{BTC}/book")[1] == answers[1]
        for side in ("bids", "asks"):
            assert answers[1][side] == answers[2][side][:1]
            assert [(Decimal(price), Decimal(size)) for price, size, _ in answers[2][side]] == book[side]
            by_price: dict[str, list[Decimal]] = {}
            for price, size, order_id in answers[3][side]:
                assert len(order_id) == 36
                by_price.setdefault(price, []).append(Decimal(size))
            summed = [[price, sum(sizes), len(sizes)] for price, sizes in by_price.items()]
            assert summed == [[price, Decimal(size), orders] for price, size, orders in answers[2][side]]
        assert exchange.rest_requests == 4
        assert exchange.accepted == 0


@pytest.mark.parametrize(
    ("path", "method", "status", "message"),
    [
        ("/products/NO-USD/book?level=3", "GET", 404, "NotFound"),
        ("/product", "GET", 404, "NotFound"),
        ("/products/BTC-USD/book?level=4", "GET", 400, "Invalid level"),
        ("/products/BTC-USD/book", "POST", 405, "Method not allowed"),
        ("http://[/", "GET", 404, "NotFound"),
    ],
)
def test_unknown_paths_are_not_found(path: str, method: str, status: int, message: str) -> None:
    with Exchange([BTC], auto=False) as exchange:
        assert ask(exchange, path, method) == (status, {"message": message})


def test_exchange_with_given_frames_has_no_book() -> None:
    with Exchange.serving(["{}"]) as exchange, pytest.raises(ConnectFailed, match="404"):
        rest_snapshot(exchange.rest_url)(BTC)


def test_idle_clients_do_not_block_close() -> None:
    with nothing_left_behind():
        with Exchange([BTC], auto=False) as exchange:
            host, _, port = exchange.rest_url.removeprefix("http://").partition(":")
            sock = socket.create_connection((host, int(port)))
            sock.sendall(b"GET / HT")
            ask(exchange, "/time")
        sock.close()
    with pytest.raises(RxfeedError, match="rest_url"):
        _ = Exchange([BTC]).rest_url


def test_book_over_tls() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with Exchange([BTC], auto=False, ssl=context) as exchange:
        assert exchange.rest_url.startswith("https://")
        assert rest_snapshot(exchange.rest_url, ssl_context=trusting)(BTC).sequence == exchange.sequence(BTC)
        with pytest.raises(ConnectFailed, match="certificate"):
            rest_snapshot(exchange.rest_url)(BTC)
