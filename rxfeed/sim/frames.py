"""Messages as text frames, ready for any number of sockets."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """A text frame as the socket carries it, and the `type` of the message in it."""

    type: str
    wire: bytes


def text_frame(type: str, payload: bytes) -> Frame:
    """The frame of *payload*, which need not be UTF-8."""
    return Frame(type, WebSocketFrame(Opcode.TEXT, payload).serialize(mask=False))


def type_of(payload: bytes) -> str:
    """The `type` of a message, for counting: `malformed` if it is no JSON, `untyped` if it has none.

    >>> [type_of(text) for text in (b'{"type":"match"}', b'["open","BTC-USD"]', b'{"typ', b"1")]
    ['match', 'open', 'malformed', 'untyped']
    """
    try:
        message = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "malformed"
    if isinstance(message, dict):
        found = message.get("type")
    else:
        found = message[0] if isinstance(message, list) and message else None
    return found if isinstance(found, str) else "untyped"
