"""Responses of HTTP: status, headers, and where the body ends."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.secrets import Secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.head import ResponseHead
from rxfeed.transport.hidden import HiddenTexts
from rxfeed.transport.received_bytes import ResponseInvalid

LARGEST = 1 << 20


class Answer(NamedTuple):
    """What was read, and what is left of the connection."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes | None
    leaves_open: bool
    left: bytes


def read(
    wire: bytes, cuts: list[int] | None = None, largest: int = LARGEST, hidden: HiddenTexts | None = None
) -> Answer:
    """Read a response from a socket on which *wire* arrives, in pieces that end at *cuts*; then the server hangs up."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs, contextlib.suppress(BrokenPipeError):  # the reader may have had enough
            at = 0
            for cut in [*sorted(each for each in cuts or [] if each < len(wire)), len(wire)]:
                theirs.sendall(wire[at:cut])
                at = cut

    with ours:
        thread = threading.Thread(target=send)
        thread.start()
        try:
            head = ResponseHead(ours, ConnectAttempt(10), hidden or HiddenTexts())
            body = head.body(largest)
            return Answer(head.status, head.reason, head.headers, body, head.leaves_open, head.unread())
        finally:
            ours.close()
            thread.join(10)


def of_length(body: bytes, *lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def in_chunks(body: bytes, sizes: list[int], extension: str = "", trailer: str = "") -> bytes:
    pieces: list[bytes] = []
    for size in sizes:
        piece, body = body[:size], body[size:]
        pieces += [piece] if piece else []
    pieces += [body] if body else []
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(each), extension.encode(), each) for each in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + f"0\r\n{trailer}\r\n".encode()


def test_status_reason_and_headers() -> None:
    answer = read(b"HTTP/1.1 404 Not Found\r\nA: 1\r\nb:2 \r\nA:\t3\r\nC: x\r\n  y\r\nContent-Length: 0\r\n\r\n")
    assert answer[:4] == (404, "Not Found", {"a": "1, 3", "b": "2", "c": "x y", "content-length": "0"}, b"")


@pytest.mark.parametrize(
    ("first", "status", "reason"),
    [(b"HTTP/1.1 200", 200, ""), (b"HTTP/1.1 200 ", 200, ""), (b"HTTP/1.0 299 a b", 299, "a b")],
)
def test_first_line(first: bytes, status: int, reason: str) -> None:
    assert read(first + b"\r\n\r\n")[:3] == (status, reason, {})


def test_lines_may_end_with_a_line_feed_alone() -> None:
    assert read(b"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nok")[2:4] == ({"a": "b", "content-length": "2"}, b"ok")


def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert read(interim + of_length(b"ok"))[2:4] == ({"content-length": "2"}, b"ok")


def test_answer_that_ends_http_is_none_of_them() -> None:
    answer = read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00")
    assert (answer.status, answer.body, answer.left) == (101, b"", b"\x81\x00")


@pytest.mark.parametrize(
    "wire",
    [
        b"what?\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n continues nothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000,
    ],
)
def test_what_is_not_http_is_an_error(wire: bytes) -> None:
    with pytest.raises(ResponseInvalid, match=r"^the (response is not HTTP|server's response has over)"):
        read(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"GET /?token=s3sam\xc3\xa9 HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\ns3sam\xc3\xa9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: s3sam\xc3\xa9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: s3sam\xc3\xa9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ns3sam\xc3\xa9\r\n",
    ],
)
def test_error_does_not_show_a_secret_that_the_server_repeats(wire: bytes) -> None:
    with pytest.raises(ResponseInvalid) as caught:
        read(wire, hidden=HiddenTexts([Secret("s3samé")]))
    assert "[redacted]" in str(caught.value)
    assert "s3sam" not in str(caught.value)


def test_reason_location_and_headers_are_shown_without_secrets() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 302 to sesame\r\nLocation: http://a/sesame/b?c\r\nX: sesame, too\r\n\r\n")
        head = ResponseHead(ours, ConnectAttempt(10), HiddenTexts([Secret("sesame")]))
    assert (head.reason, head.shown_headers["x"]) == ("to [redacted]", "[redacted], too")
    assert str(head) == "302 to [redacted], a redirect to http://a/[redacted]/b"
    assert head.headers["x"] == "sesame, too"


def test_first_line_that_is_not_http_does_not_wait_for_the_rest() -> None:
    """A server of another protocol sends its name, and then waits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"220 mail.example.org ESMTP\r\n")
        with pytest.raises(ResponseInvalid, match="220 mail"):
            ResponseHead(ours, ConnectAttempt(10), HiddenTexts())


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_end_within_the_head_is_a_lost_connection(wire: bytes) -> None:
    with pytest.raises(ConnectionResetError, match="before the end of headers"):
        read(wire)


@pytest.mark.parametrize(
    ("wire", "size"),
    [
        (of_length(b"12345")[:-2], 3),
        (in_chunks(b"12345", [])[:-9], 3),
        (in_chunks(b"12345", [2, 3])[:-12], 2),
        (in_chunks(b"12345", [])[:-2], 5),
    ],
)
def test_end_within_the_body_is_a_lost_connection(wire: bytes, size: int) -> None:
    with pytest.raises(ConnectionResetError, match=f"ended after {size} bytes of the body"):
        read(wire)


@pytest.mark.parametrize(
    ("wire", "open_after"),
    [
        (of_length(b"ok"), True),
        (in_chunks(b"ok", [1], ";name=value", "Late: header\r\n"), True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (of_length(b"ok", "Connection: Keep-Alive"), True),
        (of_length(b"ok", "Connection: x, Close"), False),
        (of_length(b"ok").replace(b"1.1", b"1.0"), False),
        (of_length(b"ok") + b"more", False),
        (in_chunks(b"ok", []).replace(b"\r\n", b"\r\nContent-Length: 9\r\n", 1), False),
        (b"HTTP/1.1 200 OK\r\n\r\nok", False),
    ],
)
def test_connection_takes_another_request_if_the_body_has_ended(wire: bytes, open_after: bool) -> None:
    answer = read(wire)
    assert answer.body == (b"" if b"204" in wire else b"ok")
    assert answer.leaves_open is open_after


@pytest.mark.parametrize("wire", [of_length(b"12345"), in_chunks(b"12345", [2]), b"HTTP/1.1 200 OK\r\n\r\n12345"])
def test_body_over_the_limit_is_none(wire: bytes) -> None:
    assert read(wire, largest=4).body is None
    assert read(wire, largest=5).body == b"12345"


def test_announced_length_over_the_limit_is_not_allocated() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n").body is None


_BODIES = st.binary(max_size=300)
_WIRES = st.one_of(
    st.builds(of_length, _BODIES),
    st.builds(in_chunks, _BODIES, st.lists(st.integers(1, 50), max_size=5), st.sampled_from(["", ";a=b"])),
    st.builds(lambda body: b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n" + body, _BODIES),
)


class _Received:
    """A socket for the client of the standard library."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._wire)


def by_the_standard_library(wire: bytes) -> tuple[int, dict[str, str], bytes]:
    response = http.client.HTTPResponse(_Received(wire))  # pyright: ignore[reportArgumentType]
    response.begin()
    return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()


@given(_WIRES, st.lists(st.integers(0, 500), max_size=8))
def test_response_in_pieces_is_that_of_the_standard_library(wire: bytes, cuts: list[int]) -> None:
    answer = read(wire, cuts)
    assert (answer.status, answer.headers, answer.body) == by_the_standard_library(wire)
    assert answer.left == b""


@given(_WIRES, st.integers(0, 400), st.binary(max_size=4), st.lists(st.integers(0, 500), max_size=3))
def test_damaged_response_is_an_error_or_that_of_the_standard_library(
    wire: bytes, at: int, damage: bytes, cuts: list[int]
) -> None:
    """A body is never divided in a way of its own."""
    damaged = wire[:at] + damage + wire[at + len(damage) :]
    try:
        answer = read(damaged, cuts)
    except (ResponseInvalid, ConnectionResetError):
        return
    status, _, body = by_the_standard_library(damaged)
    assert answer.status == status
    assert answer.body is None or answer.body == body
