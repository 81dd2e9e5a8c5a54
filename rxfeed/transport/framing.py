"""The framing of WebSocket as a state machine: the kinds of frames, and what each kind does in each state.

Rules:
- The kind of a frame is determined by its first byte: opcode, last-fragment bit, reserved bits.
- A kind that the row of a state in `TRANSITIONS` does not have is a violation, and leads to `FAILED`.
- Control frames may be between the fragments of a message, and do not change its state.
- States with an empty row are final: all bytes that follow are ignored.
- The size of a message is no state: a message over the limit has the same frames, and their payload is discarded.
"""

from __future__ import annotations

from enum import Enum, auto

from websocket import ABNF

_LAST = 0x80
_RESERVED = 0x70
_OPCODE = 0x0F
_LENGTH = 0x7F
_LONGEST_CONTROL_FRAME = 125
FIRST_BYTE_OF_TEXT = _LAST | ABNF.OPCODE_TEXT
"""The first byte of a whole text message, which is nearly every frame of a market-data feed."""


class FrameKind(Enum):
    """The part of a message that a frame has, or its purpose if it is a control frame."""

    WHOLE = auto()
    """A message in one frame."""
    FIRST = auto()
    """The first fragment of a message, which is not its last."""
    MIDDLE = auto()
    """A fragment between the first and the last."""
    LAST = auto()
    PING = auto()
    PONG = auto()
    CLOSE = auto()


class FramingState(Enum):
    """What the frames received so far allow next."""

    BETWEEN_MESSAGES = auto()
    IN_MESSAGE = auto()
    """A message has begun, and more of its fragments follow."""
    CLOSED = auto()
    """A close frame was received."""
    FAILED = auto()
    """The protocol was violated."""


KINDS = {
    _LAST | ABNF.OPCODE_TEXT: FrameKind.WHOLE,
    _LAST | ABNF.OPCODE_BINARY: FrameKind.WHOLE,
    ABNF.OPCODE_TEXT: FrameKind.FIRST,
    ABNF.OPCODE_BINARY: FrameKind.FIRST,
    ABNF.OPCODE_CONT: FrameKind.MIDDLE,
    _LAST | ABNF.OPCODE_CONT: FrameKind.LAST,
    _LAST | ABNF.OPCODE_PING: FrameKind.PING,
    _LAST | ABNF.OPCODE_PONG: FrameKind.PONG,
    _LAST | ABNF.OPCODE_CLOSE: FrameKind.CLOSE,
}
"""The valid first bytes of frames."""

CONTROL = frozenset({FrameKind.PING, FrameKind.PONG, FrameKind.CLOSE})
MESSAGE_ENDS = frozenset({FrameKind.WHOLE, FrameKind.LAST})
_BEGINNINGS = frozenset({FrameKind.WHOLE, FrameKind.FIRST})

TRANSITIONS: dict[FramingState, dict[FrameKind, FramingState]] = {
    FramingState.BETWEEN_MESSAGES: {
        FrameKind.WHOLE: FramingState.BETWEEN_MESSAGES,
        FrameKind.FIRST: FramingState.IN_MESSAGE,
        FrameKind.PING: FramingState.BETWEEN_MESSAGES,
        FrameKind.PONG: FramingState.BETWEEN_MESSAGES,
        FrameKind.CLOSE: FramingState.CLOSED,
    },
    FramingState.IN_MESSAGE: {
        FrameKind.MIDDLE: FramingState.IN_MESSAGE,
        FrameKind.LAST: FramingState.BETWEEN_MESSAGES,
        FrameKind.PING: FramingState.IN_MESSAGE,
        FrameKind.PONG: FramingState.IN_MESSAGE,
        FrameKind.CLOSE: FramingState.CLOSED,
    },
    FramingState.CLOSED: {},
    FramingState.FAILED: {},
}
FINAL = frozenset(state for state, row in TRANSITIONS.items() if not row)


def fault(first: int, second: int, state: FramingState) -> str | None:
    """The reason why a frame that begins with the bytes *first* and *second* is a violation; `None` if it is valid."""
    kind = KINDS.get(first)
    if kind is None:
        if first & _RESERVED:
            return "a frame has a reserved bit set, and no extension was negotiated"
        if first & _OPCODE not in ABNF.OPCODES:
            return f"a frame has the unknown opcode {first & _OPCODE}"
        return "a control frame is fragmented"
    if kind in CONTROL and second & _LENGTH > _LONGEST_CONTROL_FRAME:
        return f"a control frame has over {_LONGEST_CONTROL_FRAME} bytes"
    if kind in TRANSITIONS[state]:
        return None
    return f"a frame {'begins inside another message' if kind in _BEGINNINGS else 'continues no message'}"
