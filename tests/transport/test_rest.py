"""A GET request: one deadline, bounds, no redirects, and errors that name what failed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from rxfeed import ConfigError, ConnectFailed, ProxyFailed, rest_snapshot
from rxfeed.compat.snapshot import RestClient as ClassicRestClient
from rxfeed.transport import RestClient
from tests.support.clocks import count_readings
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer

Ask = Callable[[str], object]
ASKS: list[Callable[[str], Ask]] = [
    lambda url: rest_snapshot(url, timeout=200),
    lambda url: ClassicRestClient(url, timeout=200).get_product_order_book,
]


def http(server: WireServer) -> str:
    return server.url.replace("ws://", "http://")


def answering(*pieces: bytes) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.read_request()
        for piece in pieces:
            wire.send(piece)

    return play


def dripping(first: bytes, drop: bytes) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(first)
        with contextlib.suppress(OSError):
            while True:
                time.sleep(0.001)
                wire.send(drop)

    return play


@pytest.mark.parametrize("make", ASKS)
@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 999999\r\n", b"A: b\r\n"),
    ],
    ids=["headers", "status line", "body", "chunks", "error"],
)
def test_dripping_answer_ends_at_the_deadline(
    make: Callable[[str], Ask], first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read takes ten seconds of the clock by which the deadline is measured."""
    count_readings(monkeypatch, "rxfeed.transport.connect_attempt", 10)
    with WireServer(dripping(first, drop)) as server, nothing_left_behind(), at_most(3):
        ask = make(http(server))
        with pytest.raises(ConnectFailed, match=r"timed out after 200 s \(timeout\), (waiting|reading)"):
            ask("BTC-USD")


@pytest.mark.parametrize("make", ASKS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(make: Callable[[str], Ask], status: int) -> None:
    """The error names it, and nothing asks the server that it leads to."""
    asked: list[bytes] = []

    def elsewhere(wire: Wire) -> None:
        asked.append(wire.sock.recv(10))

    with WireServer(elsewhere) as other:
        location = f"{http(other)}/products/BTC-USD/book"
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {location}?level=3\r\nContent-Length: 0\r\n\r\n"
        with (
            WireServer(answering(answer.encode())) as server,
            pytest.raises(ConnectFailed, match=f"{status} Moved, a redirect to {location}: set url"),
        ):
            make(http(server))("BTC-USD")
    assert asked == []


@pytest.mark.parametrize("body", [b"4\r\n[1,2\r\n2\r\n,3\r\n1\r\n]\r\n0\r\n\r\n"])
def test_chunked_body_is_joined(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with WireServer(answering(answer)) as server:
        assert RestClient(http(server)).get("/") == b"[1,2,3]"


def test_truncated_body_is_a_connect_failure() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n[1,2"
    with WireServer(answering(answer)) as server, pytest.raises(ConnectFailed, match="the connection ended after"):
        RestClient(http(server)).get("/")


def test_headers_are_bounded() -> None:
    with (
        WireServer(answering(b"HTTP/1.1 200 OK\r\n", b"A: b" + b"x" * 100_000)) as server,
        pytest.raises(ConnectFailed, match="over 65,536 bytes of headers"),
    ):
        RestClient(http(server)).get("/")


def test_request_line_and_headers() -> None:
    requests: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        requests.append(wire.request)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    with WireServer(play) as server:
        url = http(server).replace("//", "//me:hidden@")
        assert RestClient(f"{url}/base/").get("/products?x=1") == b"[]"
    first, *lines = requests[0].decode().split("\r\n")
    assert first == "GET /base/products?x=1 HTTP/1.1"
    assert [line.partition(":")[0] for line in lines if line] == [
        "Host",
        "Authorization",
        "User-Agent",
        "Accept-Encoding",
        "Connection",
    ]


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), True, "5"])
def test_bad_timeout_is_rejected(timeout: float) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        rest_snapshot(timeout=timeout)


@pytest.mark.parametrize("url", ["ftp://host", "nothing", "http://", "http://[", 7, "http://me:hidden@x:port"])
def test_url_must_be_http(url: str) -> None:
    with pytest.raises(ConfigError, match="url: ") as caught:
        rest_snapshot(url)
    assert "hidden" not in str(caught.value)


def test_request_uses_the_environment_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        heard.append(wire.request)
        wire.send("HTTP/1.1 403 Forbidden\r\n\r\n")

    with WireServer(play) as proxy:
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ProxyFailed, match=f"the proxy http://127.0.0.1:{proxy.port}: it answered 403"):
            rest_snapshot("https://example.org")("BTC-USD")
    assert heard[0].startswith(b"CONNECT example.org:443 HTTP/1.1\r\n")
