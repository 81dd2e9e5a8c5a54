"""A model of the frame parser: it reads a complete stream from its beginning, frame by frame, without any speed."""

from __future__ import annotations

from rxfeed.transport.events import Closed, FrameEvent, Oversized, Ping, Pong, Violation

VIOLATION = Violation("")
"""The model has no reasons."""
_VALID_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def events_of(stream: bytes, max_size: int, max_fragments: int) -> list[FrameEvent]:
    """All events of *stream*, which may end anywhere."""
    events: list[FrameEvent] = []
    message: list[tuple[int, bytes]] = []  # size and payload of its frames so far
    while len(stream) >= 2:
        last, reserved, opcode = stream[0] >> 7, stream[0] >> 4 & 7, stream[0] & 15
        masked, length = stream[1] >> 7, stream[1] & 127
        control = opcode >= 8
        if reserved or opcode not in (0, 1, 2, 8, 9, 10):
            return [*events, VIOLATION]
        if control and (not last or length > 125):
            return [*events, VIOLATION]
        if not control and (opcode == 0) != bool(message):
            return [*events, VIOLATION]
        head = 2 + {126: 2, 127: 8}.get(length, 0)
        if len(stream) < head:
            break
        size = int.from_bytes(stream[2:head], "big") if length > 125 else length
        key = stream[head : head + 4] if masked else bytes(4)
        head += 4 * masked
        over = not control and sum(each for each, _ in message) + size > max_size
        needed = size
        if over:
            needed = 0 if message else min(size, 512)
        if len(stream) < head + needed:
            break
        payload = bytes(byte ^ key[at % 4] for at, byte in enumerate(stream[head : head + needed]))
        stream = stream[head + size :]
        if opcode == 8:
            code = int.from_bytes(payload[:2], "big")
            if not payload:
                return [*events, Closed(1005, "")]
            if len(payload) == 1 or code not in _VALID_CODES:
                return [*events, VIOLATION]
            return [*events, Closed(code, payload[2:].decode(errors="replace"))]
        if control:
            events.append(Ping(payload) if opcode == 9 else Pong(payload))
            continue
        message.append((size, payload))
        if last:
            total = sum(each for each, _ in message)
            beginning = message[0][1][:512]
            events.append(Oversized(total, beginning) if over else b"".join(each for _, each in message))
            message = []
        elif not over and len(message) >= max_fragments:
            return [*events, VIOLATION]
    return events
