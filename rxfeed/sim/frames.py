"""Messages as text frames, ready for any number of sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, repeat
from typing import Any, NamedTuple

import msgspec

from rxfeed.errors import needs_extra

with needs_extra("sim", "rxfeed.sim"):
    from websockets.frames import Frame as WebSocketFrame
    from websockets.frames import Opcode

MASK = b"\x37\xfa\x21\x3d"  # the one in RFC 6455's examples
PLAIN = 0x81  # the first byte of a text frame in one piece
PIECE = 64 * 1024  # bytes of a stream that are made at once

encode = msgspec.json.Encoder().encode
Json = Any
"""JSON of any shape, as it was decoded or is to be encoded."""


class Frame(NamedTuple):
    """A text frame as the socket carries it, and the `type` of the message in it (or its channel, if it has none).

    *kind*: what distinguishes its messages further, if something does. *messages*: how many it has. *again*: makes
    the frame of a snapshot anew, as it is then.
    """

    type: str
    wire: bytes
    kind: str = ""
    messages: int = 1
    again: Callable[[], Frame] | None = None

    @property
    def snapshot(self) -> bool:
        """Whether it is a snapshot of a book."""
        return self.type == "snapshot"


class Unnumbered(NamedTuple):
    """A message for several clients; the number that it has on a connection comes between *head* and *tail*."""

    type: str
    head: bytes
    tail: bytes
    snapshot: bool = False
    kind: str = ""
    messages: int = 1
    again: Callable[[], Unnumbered] | None = None

    def numbered(self, number: int) -> Frame:
        """The frame for a connection."""
        payload = b"%b%d%b" % (self.head, number, self.tail)
        return Frame(self.type, _head(len(payload)) + payload, self.kind, self.messages)


class Stream(NamedTuple):
    """A text frame that is made piece by piece; *wire* is the last one."""

    type: str
    wire: bytes
    pieces: Iterator[bytes]


def text_frame(type: str, payload: bytes) -> Frame:
    """The frame of *payload*, which need not be UTF-8."""
    return Frame(type, _head(len(payload)) + payload)


def _head(size: int) -> bytes:
    """The header of a text frame of *size* bytes."""
    if size < 126:
        return bytes((PLAIN, size))
    if size < 1 << 16:
        return bytes((PLAIN, 126)) + size.to_bytes(2)
    return bytes((PLAIN, 127)) + size.to_bytes(8)


def parse(text: str | bytes) -> Json:
    """A client's request as Python objects; `None` if it is no JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def without(request: Json, names: tuple[str, ...]) -> Json:
    """A request without the fields of these *names*, wherever in it they are."""
    if isinstance(request, dict):
        return {name: without(value, names) for name, value in request.items() if name not in names}
    if isinstance(request, list):
        return [without(value, names) for value in request]
    return request


def is_plain(wire: bytes) -> bool:
    """Whether it is a text frame in one piece and not masked."""
    return wire[0] == PLAIN and wire[1] < 128


def payload_of(wire: bytes) -> bytes:
    """The payload of a plain frame.

    >>> from rxfeed.sim.frames import payload_of, text_frame
    >>> [len(payload_of(text_frame("", bytes(size)).wire)) for size in (0, 125, 126, 65_535, 65_536)]
    [0, 125, 126, 65535, 65536]
    """
    return wire[{126: 4, 127: 10}.get(wire[1], 2) :]


def fragmented(wire: bytes, pieces: int) -> bytes:
    """A plain frame's message in so many frames, and a ping between every two."""
    payload = payload_of(wire)
    cuts = [len(payload) * piece // pieces for piece in range(pieces + 1)]
    parts: list[bytes] = []
    for piece, (begin, end) in enumerate(pairwise(cuts)):
        opcode, fin = Opcode.CONT if piece else Opcode.TEXT, piece == pieces - 1
        parts.append(WebSocketFrame(opcode, payload[begin:end], fin).serialize(mask=False))
    return WebSocketFrame(Opcode.PING, b"between").serialize(mask=False).join(parts)


def masked(wire: bytes) -> bytes:
    """A plain frame with a mask."""
    payload = payload_of(wire)
    head = wire[: len(wire) - len(payload)]
    key = int.from_bytes((MASK * (len(payload) // 4 + 1))[: len(payload)])
    body = (int.from_bytes(payload) ^ key).to_bytes(len(payload))
    return bytes([head[0], head[1] | 0x80]) + head[2:] + MASK + body


def oversized(size: int) -> Stream:
    """A text frame with *size* bytes of payload, which are JSON."""
    begin, end = b'{"type":"oversized","padding":"', b'"}'
    padding = size - len(begin) - len(end)
    head = _head(size)

    def pieces() -> Iterator[bytes]:
        yield head + begin
        yield from repeat(b"x" * PIECE, padding // PIECE)

    return Stream("oversized", b"x" * (padding % PIECE) + end, pieces())


def type_of(payload: bytes) -> str:
    """The `type` or `channel` of a message, for counting: `malformed` if it is no JSON, `untyped` if it has neither.

    >>> from rxfeed.sim.frames import type_of
    >>> [type_of(text) for text in (b'{"type":"match"}', b'{"channel":"status"}', b'["open","BTC-USD"]')]
    ['match', 'status', 'open']
    >>> [type_of(text) for text in (b'{"typ', b"1")]
    ['malformed', 'untyped']
    """
    try:
        message = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "malformed"
    if isinstance(message, dict):
        found = message.get("type", message.get("channel"))
    else:
        found = message[0] if isinstance(message, list) and message else None
    return found if isinstance(found, str) else "untyped"
