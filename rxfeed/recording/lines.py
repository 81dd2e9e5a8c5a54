"""Encodes the items of a source as lines of a recording, without secrets."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator

import msgspec
from reactivex import Observable

from rxfeed.errors import ConfigError
from rxfeed.feed import FeedStatus, KeepalivePong, MessageSource, ProductRenamed
from rxfeed.market import ErrorMessage, FrameOrigin, Malformed, Message, Subscriptions, Unknown, frame_of
from rxfeed.recording.events import status_line
from rxfeed.recording.format import (
    LONGEST_LINE,
    Line,
    backfilled_line,
    encode,
    frame_line,
    malformed_line,
    pong_line,
    redacted_line,
    repaired_line,
)
from rxfeed.recording.recorded_ids import apply
from rxfeed.recording.timestamps import FIRST_NS, LAST_NS, ns_of
from rxfeed.secrets import redact_all_strings
from rxfeed.venues import DeliveredIds

log = logging.getLogger("rxfeed.recording")

Recordable = Message | Malformed | FeedStatus | KeepalivePong
"""What a recording has a line for."""

# Lines that are compressed and written at once; a segment exceeds its size by at most this, or one line.
_MOST_BYTES = 1 << 20


class LineBatch(msgspec.Struct):
    """Encoded *lines* of so many *items*, with the numbers of frames, of malformed ones, and of events.

    *first_ns* and *last_ns*: receipts of its first and last frame, 0 if there is none. *earliest* and *latest*: times
    of all its lines, in any order.
    """

    lines: list[bytes]
    items: int = 0
    size: int = 0
    frames: int = 0
    malformed: int = 0
    events: int = 0
    first_ns: int = 0
    last_ns: int = 0
    earliest: int = LAST_NS
    latest: int = FIRST_NS


class _NotRecordable(ValueError):
    """The item's line is too long for readers, or its time is off the calendar."""


class Lines:
    """Encodes the items of *source*.

    A `MessageSource` redacts its secrets in acknowledgements, errors and unknown messages. The secrets behind any other
    Observable are not known, so all strings of its error messages are redacted.
    """

    def __init__(self, source: Observable[object]) -> None:
        self._whole = isinstance(source, MessageSource)
        if isinstance(source, MessageSource):
            self._redact = source.redact
            self._suspect = (ErrorMessage, Subscriptions, Unknown)
        else:
            self._redact = redact_all_strings
            self._suspect = (ErrorMessage,)
        self.renamed = DeliveredIds(source.about.get("renamed", {}) if isinstance(source, MessageSource) else {})
        """The products by the ids under which the venue delivers them, at the beginning of the last batch."""
        self._reported = False
        self._last: tuple[int | None, ...] | None = None  # the epochs of the last frame with several messages

    def encode(self, items: Iterable[Recordable]) -> Iterator[LineBatch]:
        """The lines of *items*, in batches; raises `ConfigError` for an item that is no message."""
        chunk = LineBatch([])
        suspect = self._suspect
        for item in items:
            is_message = isinstance(item, Message)
            if not is_message and isinstance(item, ProductRenamed):
                if chunk.lines:  # it begins a batch, so that a segment's header has what held before
                    yield chunk
                    chunk = LineBatch([])
                apply(item, self.renamed)
            chunk.items += 1
            malformed = False
            if is_message and isinstance(item._origin, FrameOrigin):
                epochs = item._origin.epochs
                if epochs is self._last:  # another message of the same frame, which is written once
                    continue
                self._last = epochs
            if not is_message and not self._whole:
                raise ConfigError(f"record: a {type(item).__name__} is not a Message")
            try:
                if is_message:
                    ns = item.received_ns
                    line = self._redacted(item) if isinstance(item, suspect) else _line_of(item, item.raw)
                elif isinstance(item, Malformed):
                    ns, malformed = item.received_ns, True
                    line = self._malformed(item)
                else:
                    ns = ns_of(item.at)
                    line = self._event(item)
                if len(line) > LONGEST_LINE or not FIRST_NS <= ns <= LAST_NS:
                    raise _NotRecordable(f"received at {ns}, in a line of {len(line):,} bytes")
            except Exception as error:  # no content of an item ends the recording
                ns, malformed = time.time_ns(), isinstance(item, Message | Malformed)
                line = self._not_recorded(item, ns, error)
            chunk.lines.append(line)
            chunk.size += len(line)
            if ns < chunk.earliest:
                chunk.earliest = ns
            if ns > chunk.latest:
                chunk.latest = ns
            if malformed:
                chunk.malformed += 1
            if is_message or malformed:
                chunk.frames += 1
                chunk.first_ns = chunk.first_ns or ns
                chunk.last_ns = ns or chunk.last_ns
            else:
                chunk.events += 1
            if chunk.size >= _MOST_BYTES:
                yield chunk
                chunk = LineBatch([])
        if chunk.lines:
            yield chunk

    def _redacted(self, message: Message) -> bytes:
        clean = self._redact(message.raw)
        line = _line_of(message, clean)
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
        line = status_line(item)[:-1]
        clean = self._redact(line)
        return line + b"\n" if clean == line else redacted_line(clean + b"\n")

    def _not_recorded(self, item: Recordable, ns: int, error: Exception) -> bytes:
        """A line in place of *item*'s own, without the text of *error* if that may repeat the content of *item*."""
        cause = str(error) if isinstance(error, _NotRecordable) else type(error).__name__
        reason = f"{type(item).__name__} is not recorded: {cause}"
        if not self._reported:
            self._reported = True
            with contextlib.suppress(Exception):  # a failing log does not end the recording either
                log.error("record: %s; the next ones are not logged", reason, exc_info=error)
        if isinstance(item, Message | Malformed):
            return malformed_line(Malformed(b"", reason, ns))
        status = msgspec.Raw(encode({"type": "NotRecorded", "reason": reason}))
        return encode(Line(ns=ns, status=status)) + b"\n"


def _line_of(message: Message, raw: bytes) -> bytes:
    origin = message._origin
    if isinstance(origin, FrameOrigin):
        return frame_line(raw, message.received_ns, message.epoch, origin.epochs, origin.repaired, message.connection)
    if message.repaired:
        return repaired_line(frame_of(message), message.received_ns, message.epoch, message.connection)
    if origin is not None and origin.apart:
        line = backfilled_line if origin.of_backfill else frame_line
        return line(frame_of(message), message.received_ns, message.epoch, connection=message.connection)
    return frame_line(raw, message.received_ns, message.epoch, connection=message.connection)


def received_ns(item: Recordable) -> int:
    """Unix nanoseconds of the receipt of *item*, a message, a malformed frame or an event; 0 if it has none."""
    return item.received_ns if isinstance(item, Message | Malformed) else ns_of(item.at)
