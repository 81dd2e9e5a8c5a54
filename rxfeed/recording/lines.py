"""What a source emits as lines of a recording, without the secrets that it may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from reactivex import Observable

from rxfeed.errors import ConfigError
from rxfeed.feed import FeedStatus, KeepalivePong, MessageSource
from rxfeed.messages import ErrorMessage, Malformed, Message, Subscriptions, Unknown
from rxfeed.protocol import speechless
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line, malformed_line, pong_line, redacted_line
from rxfeed.recording.moments import ns_of

# Compressed and written in one go; a segment exceeds its size by no more than this, or one line.
_MOST_BYTES = 1 << 20


class Chunk(msgspec.Struct):
    """Some *lines*: how many frames they are, how many of these are malformed, and how many events of a connection.

    *first_ns* and *last_ns*: when the first and the last of its frames came, 0 where there is none.
    """

    lines: list[bytes]
    size: int = 0
    frames: int = 0
    malformed: int = 0
    events: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Lines:
    """Encodes what *source* emits.

    Of answers, and of what is not understood, a `MessageSource` knows what must not be kept. Of another Observable
    nobody does: of its errors the words are not kept.
    """

    def __init__(self, source: Observable[Any]) -> None:
        self._whole = isinstance(source, MessageSource)
        if isinstance(source, MessageSource):
            self._redact = source.redact
            self._suspect = frozenset((ErrorMessage, Subscriptions, Unknown))
        else:
            self._redact = speechless
            self._suspect = frozenset((ErrorMessage,))

    def encode(self, items: Iterable[Any]) -> Iterator[Chunk]:
        """*items* in chunks; raises `ConfigError` at what does not come from a feed."""
        chunk = Chunk([])
        suspect = self._suspect
        for item in items:
            if isinstance(item, Message):
                received_ns = item.received_ns
                line = self._redacted(item) if type(item) in suspect else frame_line(item.raw, received_ns, item.epoch)
            elif not self._whole:
                raise ConfigError(f"record: it takes messages, and a {type(item).__name__} is none")
            elif isinstance(item, Malformed):
                received_ns = item.received_ns
                line = self._malformed(item)
                chunk.malformed += 1
            else:
                line = self._event(item)
                received_ns = None
            chunk.lines.append(line)
            chunk.size += len(line)
            if received_ns is None:
                chunk.events += 1
            else:
                chunk.frames += 1
                chunk.first_ns = chunk.first_ns or received_ns
                chunk.last_ns = received_ns or chunk.last_ns
            if chunk.size >= _MOST_BYTES:
                yield chunk
                chunk = Chunk([])
        if chunk.lines:
            yield chunk

    def _redacted(self, message: Message) -> bytes:
        clean = self._redact(message.raw)
        line = frame_line(clean, message.received_ns, message.epoch)
        return line if clean == message.raw else redacted_line(line)

    def _malformed(self, frame: Malformed) -> bytes:
        reason, product_id, kind = (
            None if text is None else self._redact(text.encode()).decode()
            for text in (frame.reason, frame.product_id, frame.type)
        )
        clean = Malformed(self._redact(frame.raw), reason or "", frame.received_ns, product_id, kind)
        line = malformed_line(clean)
        return line if clean == frame else redacted_line(line)

    def _event(self, item: FeedStatus | KeepalivePong) -> bytes:
        if isinstance(item, KeepalivePong):
            return pong_line(ns_of(item.at), item.round_trip)
        line = status_line(item)
        clean = self._redact(line)
        return line if clean is line else redacted_line(clean + b"\n")


def received_ns(item: Any) -> int:
    """Unix nanoseconds at which *item*, a message, a malformed frame or an event, came; 0 where it does not say."""
    return item.received_ns if isinstance(item, Message | Malformed) else ns_of(item.at)
