"""What a server may answer to the handshake, and what is requested of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import ConnectFailed, Secret
from rxfeed.errors import HandshakeRejected
from rxfeed.transport import Connection, TransportOptions, Wakeup
from rxfeed.transport.endpoint import Endpoint
from tests.support.leaks import nothing_left_behind
from tests.support.tracker import recorded_of
from tests.support.wire import Wire, WireServer


def connection(url: str, wakeup: Wakeup, **options: Any) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)


def request_of(wakeup: Wakeup, path: str = "", user: str = "", **options: Any) -> list[str]:
    """The lines that a server gets."""
    requests: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.shake()
        requests.append(wire.request)
        wire.until_disconnected()

    with WireServer(play) as server:
        client = connection(server.url.replace("//", f"//{user}") + path, wakeup, **options)
        client.open()
        client.close(timeout=0.1)
    return requests[0].decode().split("\r\n")


def answered(answer: bytes, wakeup: Wakeup) -> ConnectFailed:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(answer)

    with WireServer(play) as server, pytest.raises(ConnectFailed) as caught:
        connection(server.url, wakeup, connect_timeout=5).open()
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_keeps_status_and_location(wakeup: Wakeup, status: int) -> None:
    location = "wss://me:hidden@ws-feed.example.org/there?token=hidden"
    error = answered(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\n\r\n".encode(), wakeup)
    assert isinstance(error, HandshakeRejected)
    assert error.status == status
    assert error.headers["location"] == location
    assert f"{status} Moved, a redirect to wss://ws-feed.example.org/there: set url" in str(error)
    assert "hidden" not in str(error)


def test_secrets_repeated_by_a_rejection_are_redacted(wakeup: Wakeup) -> None:
    """A server that moved sends the query back, and a proxy before it may send the headers back."""

    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send("HTTP/1.1 301 hidden-value?\r\nLocation: wss://x/feed?token=hidden\r\nX-Was: hidden-value\r\n\r\n")

    with WireServer(play) as server:
        client = connection(f"{server.url}/feed?token=hidden", wakeup, headers={"X-Key": "hidden-value", "X-Flag": "1"})
        with pytest.raises(HandshakeRejected, match="answered 301") as caught:
            client.open()
    assert caught.value.headers == {"location": "wss://x/feed?[redacted]", "x-was": "[redacted]"}
    assert "hidden" not in recorded_of(caught.value)


def test_redirect_to_a_bad_location_is_an_error(wakeup: Wakeup) -> None:
    for location in ("http://[", "/path?token=hidden", ""):
        error = answered(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode(), wakeup)
        assert isinstance(error, HandshakeRejected)
        assert error.status == 302
        assert "hidden" not in str(error)


@pytest.mark.parametrize(
    "header",
    [
        b"\xff\xfe: \xff",
        b"no colon at all",
        b"Set-Cookie: a\x00b=\x7f; Domain=[",
        b"Set-Cookie: =;;=,",
        b"Content-Length: many",
        b"Content-Length: -5",
        b"Transfer-Encoding: chunked, chunked",
        b": empty",
        b" folded",
    ],
)
@pytest.mark.parametrize("status", [b"101 Switching", b"503 Busy", b"301 Moved"])
def test_odd_headers_are_a_connect_failure(wakeup: Wakeup, header: bytes, status: bytes) -> None:
    answered(b"HTTP/1.1 " + status + b"\r\n" + header + b"\r\n\r\n", wakeup)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 99999999999999999999 No\r\n\r\n",
        b"HTTP/1.1 abc No\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"\xff\xff\xff\r\n\r\n",
        b"HTTP/1.1 101 Up\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: \xe4\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10,
    ],
)
def test_broken_answer_is_a_connect_failure(wakeup: Wakeup, answer: bytes) -> None:
    with nothing_left_behind():
        answered(answer, wakeup)


def test_server_text_is_shown_without_control_characters(wakeup: Wakeup) -> None:
    error = answered(b"HTTP/1.1 503 \x1b[31mBusy\x9b" + b"y" * 1000 + b"\r\n\r\n", wakeup)
    assert "503 ?[31mBusy?" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 400


@given(answer=st.binary(max_size=200), start=st.sampled_from([b"", b"HTTP/1.1 101 a\r\n", b"HTTP/1.1 503 a\r\nb: "]))
def test_no_answer_raises_another_error(answer: bytes, start: bytes) -> None:
    wakeup = Wakeup()
    try:
        answered(start + answer, wakeup)
    finally:
        wakeup.close()


def test_request_has_the_required_headers_only(wakeup: Wakeup) -> None:
    first, *lines = request_of(wakeup, "/feed?x=1")
    assert first == "GET /feed?x=1 HTTP/1.1"
    names = [line.partition(":")[0] for line in lines if line]
    assert names == ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]
    assert lines[0].startswith("Host: 127.0.0.1:")


def test_path_is_escaped_if_necessary(wakeup: Wakeup) -> None:
    assert request_of(wakeup, "/a b/ä%20?c=d e")[0] == "GET /a%20b/%C3%A4%20?c=d%20e HTTP/1.1"


def test_user_and_password_of_the_url_are_sent(wakeup: Wakeup) -> None:
    expected = base64.b64encode(b"me:p@ss").decode()
    assert f"Authorization: Basic {expected}" in request_of(wakeup, user="me:p%40ss@")
    lines = request_of(wakeup, user="me:p%40ss@", headers={"authorization": Secret("Bearer x")})
    assert [line for line in lines if line.lower().startswith("authorization")] == ["authorization: Bearer x"]


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("wss://example.org", "example.org"),
        ("wss://example.org:443", "example.org"),
        ("wss://example.org:80", "example.org:80"),
        ("ws://[::1]:8080", "[::1]:8080"),
        ("ws://example.org:80", "example.org"),
    ],
)
def test_host_header_has_a_port_that_is_not_the_default(url: str, header: str) -> None:
    assert Endpoint.of(url).host_header == header
