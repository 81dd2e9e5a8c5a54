"""Framing: `cut` returns the framed payloads for any division of the stream; pings are answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.wire import Inbox, accept, cut, framed

# Long payloads are drawn as their size: hypothesis may show what was drawn, and warns where that is long.
PAYLOADS = st.lists(st.one_of(st.binary(max_size=200), st.integers(125, 66_000)))


def from_client(opcode: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
    return head + mask + masked


@given(PAYLOADS, st.integers(1, 70_000))
def test_cut_returns_frames_from_any_pieces(drawn: list[bytes | int], step: int) -> None:
    payloads = [b"x" * each if isinstance(each, int) else each for each in drawn]
    stream = b"".join(map(framed, payloads))
    taken: list[bytes] = []
    rest = b""
    for start in range(0, len(stream), step):
        whole, rest = cut(rest + stream[start : start + step])
        taken += whole
    assert taken == payloads
    assert rest == b""


def test_handshake_accepts_the_key_of_the_rfc() -> None:
    request = b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" in accept(request)


def test_ping_in_single_bytes_is_answered() -> None:
    said = from_client(1, b"x" * 300) + from_client(9, b"first") + from_client(9, b"") + from_client(9, b"\x00third")
    pongs = [framed(payload, 0x8A) for payload in (b"first", b"", b"\x00third")]
    inbox = Inbox()
    assert [pong for at in range(len(said)) if (pong := inbox.feed(said[at : at + 1]))] == pongs
    assert Inbox().feed(said) == b"".join(pongs)
    assert not inbox.closed


def test_close_frame_disconnects() -> None:
    inbox = Inbox()
    assert inbox.feed(from_client(8, b"\x03\xe8")) == b""
    assert inbox.closed
