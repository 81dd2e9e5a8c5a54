"""A parser of WebSocket frames without I/O: bytes in, events out.

Rules:
- The events depend on the bytes alone, not on how they are split between calls.
- An event is returned by the call that completes its frame; the missing bytes of a frame are counted, not searched for.
- Nearly all frames are whole, unmasked text messages: `_cut` slices them directly, and `_next` parses all others.
- An invalid frame is a violation at its first two bytes. The events before it are valid and are returned before it.
- A message over `max_size`, whole or in fragments, is never buffered: `Oversized` is returned in its place.
- The fragments of a message are kept as a list, with a bound on their number, and joined once.
- UTF-8 is not checked here, because the JSON decoder rejects invalid bytes at a fraction of the cost.
"""

from __future__ import annotations

from struct import Struct

from websocket import ABNF, WebSocketProtocolException

from rxfeed.transport.events import Closed, FrameEvent, Oversized, Ping, Pong, Violation
from rxfeed.transport.framing import (
    CONTROL,
    FINAL,
    FIRST_BYTE_OF_TEXT,
    KINDS,
    MESSAGE_ENDS,
    TRANSITIONS,
    FrameKind,
    FramingState,
    fault,
)

_BEGINNING = 512
_MASKED = 0x80
_MASK_SIZE = 4
_EXTENDED = {126: 2, 127: 8}
"""Values of the length field that announce another field with the payload's size, and the bytes of that field."""
_NO_CODE = 1005
_header = Struct("!BBH").unpack_from
"""The first byte of a frame, the field of its length, and the extended length if there is one of two bytes."""
_HEADER_SIZE = 4
# A constant of the module, because Python 3.11 makes several calls for a member of an enum.
_BETWEEN_MESSAGES = FramingState.BETWEEN_MESSAGES


class FrameParser:
    """The frames of one server, for messages of at most *max_size* bytes and *max_fragments* fragments."""

    def __init__(self, max_size: int, max_fragments: int = 100_000) -> None:
        self._max_size = max_size
        self._max_fragments = max_fragments
        self.state = FramingState.BETWEEN_MESSAGES
        self.only_messages = True
        """True if the last result of `feed` has only messages."""
        # Invariant between two calls: `_pieces` is not empty if and only if `_missing` is above 0.
        self._pieces: list[bytes] = []  # of the incomplete frame
        self._missing = 0  # bytes of that frame
        self._discard = 0  # bytes that are still to come of a frame over the limit
        self._fragments: list[bytes] = []
        self._message_size = 0  # of the fragments so far, kept or discarded

    @property
    def buffered(self) -> int:
        """The bytes that are kept for an incomplete frame or message."""
        return sum(map(len, self._pieces)) + sum(map(len, self._fragments))

    def feed(self, data: bytes) -> list[FrameEvent]:
        """The events that *data* completes: messages as `bytes`, and others; nothing after `Closed` or `Violation`."""
        self.only_messages = True
        if self._missing:
            self._pieces.append(data)
            if len(data) < self._missing:
                self._missing -= len(data)
                return []
            data = b"".join(self._pieces)
            self._pieces = []
            self._missing = 0
        events: list[FrameEvent] = []
        position, end = 0, len(data)
        if self._discard:
            position = min(self._discard, end)
            self._discard -= position
        if self.state is _BETWEEN_MESSAGES:
            position = self._cut(data, position, events)
        while position < end and not self._missing:
            position = self._next(data, position, events)
            if self.state is _BETWEEN_MESSAGES:
                position = self._cut(data, position, events)
        if position < end:
            self._pieces.append(data[position:])
        return events

    def _cut(self, data: bytes, position: int, events: list[FrameEvent]) -> int:
        """Append the whole text messages at *position* to *events*, and return the position after them."""
        end, most = len(data), self._max_size
        while end - position >= _HEADER_SIZE:
            first, size, longer = _header(data, position)  # one call of C, instead of four look-ups
            if first != FIRST_BYTE_OF_TEXT:
                break
            if size == 126:
                size, start = longer, position + 4
            elif size < 126:
                start = position + 2
            elif size == 127:
                start = position + 10
                if start > end:
                    break
                size = int.from_bytes(data[position + 2 : start], "big")
            else:  # masked
                break
            if size > most:
                break
            stop = start + size
            if stop > end:
                self._missing = stop - end
                break
            events.append(data[start:stop])
            position = stop
        return position

    def _next(self, data: bytes, position: int, events: list[FrameEvent]) -> int:
        """Parse one frame of any kind; the position after it, or *position* if the frame is incomplete."""
        end = len(data)
        if self.state in FINAL:
            return end
        if position + 2 > end:
            return self._wait(position, 1)
        first, second = data[position], data[position + 1]
        reason = fault(first, second, self.state)
        if reason is not None:
            self._fail(reason, events)
            return end
        kind, size, start = KINDS[first], second & ~_MASKED, position + 2
        if size in _EXTENDED:
            start += _EXTENDED[size]
            if start > end:
                return self._wait(position, start - end)
            size = int.from_bytes(data[position + 2 : start], "big")
        if second & _MASKED:
            start += _MASK_SIZE
        over_limit = kind not in CONTROL and self._message_size + size > self._max_size
        wanted = size
        if over_limit:  # only the beginning of the message
            wanted = min(size, _BEGINNING) if self.state is _BETWEEN_MESSAGES else 0
        if start + wanted > end:
            return self._wait(position, start + wanted - end)
        payload = data[start : start + wanted]
        if second & _MASKED:
            payload = ABNF.mask(data[start - _MASK_SIZE : start], payload)
        self.state = TRANSITIONS[self.state][kind]
        if kind in CONTROL:
            self._control(kind, payload, events)
        elif over_limit:
            self._skip(kind, payload, size, events)
            self._discard = max(0, start + size - end)
        else:
            self._gather(kind, payload, events)
        return min(start + size, end)

    def _wait(self, position: int, missing: int) -> int:
        self._missing = missing
        return position

    def _append(self, event: FrameEvent, events: list[FrameEvent]) -> None:
        self.only_messages = False
        events.append(event)

    def _fail(self, reason: str, events: list[FrameEvent]) -> None:
        self.state = FramingState.FAILED
        self._fragments = []
        self._append(Violation(reason), events)

    def _gather(self, kind: FrameKind, payload: bytes, events: list[FrameEvent]) -> None:
        """Take the *payload* of a text, binary or continuation frame."""
        self._fragments.append(payload)
        self._message_size += len(payload)
        if kind in MESSAGE_ENDS:
            events.append(b"".join(self._fragments))
            self._fragments, self._message_size = [], 0
        elif len(self._fragments) >= self._max_fragments:
            self._fail(f"a message has over {self._max_fragments:,} fragments", events)

    def _skip(self, kind: FrameKind, payload: bytes, size: int, events: list[FrameEvent]) -> None:
        """Skip a frame with *size* bytes of payload; *payload*: their beginning, if the frame begins the message."""
        beginning = (self._fragments or [payload])[0][:_BEGINNING]
        self._fragments = [beginning]
        self._message_size += size
        if kind in MESSAGE_ENDS:
            self._append(Oversized(self._message_size, beginning), events)
            self._fragments, self._message_size = [], 0

    def _control(self, kind: FrameKind, payload: bytes, events: list[FrameEvent]) -> None:
        if kind is FrameKind.CLOSE:
            self._close(payload, events)
        else:
            self._append(Ping(payload) if kind is FrameKind.PING else Pong(payload), events)

    def _close(self, payload: bytes, events: list[FrameEvent]) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
        try:
            ABNF(1, 0, 0, 0, ABNF.OPCODE_CLOSE, 0, payload).validate(skip_utf8_validation=True)
        except WebSocketProtocolException:
            reason = "only one byte" if len(payload) == 1 else f"the invalid code {code}"
            self._fail(f"a close frame has {reason}", events)
        else:
            self._fragments = []
            self._append(Closed(code, payload[2:].decode(errors="replace")), events)
