"""What the frame parser returns for the bytes of a server, besides the messages themselves, which are `bytes`."""

from __future__ import annotations

import msgspec


class Oversized(msgspec.Struct, frozen=True):
    """A message of *size* bytes was skipped; *beginning*: the first bytes of its first frame, 512 at most."""

    size: int
    beginning: bytes = b""


class Ping(msgspec.Struct, frozen=True):
    """A ping of the server, which requires a pong with the same payload."""

    payload: bytes


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping of this client."""

    payload: bytes


class Closed(msgspec.Struct, frozen=True):
    """The server's close frame; *code* is 1005 if the frame has none. No event follows it."""

    code: int
    reason: str


class Violation(msgspec.Struct, frozen=True):
    """The server broke the WebSocket protocol. No event follows it, since no later frame can be trusted."""

    reason: str


FrameEvent = bytes | Oversized | Ping | Pong | Closed | Violation
