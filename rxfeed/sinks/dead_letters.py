"""Dead letters: documents that can never be stored. They are emitted, and optionally stored in a collection."""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import UTC, datetime

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern

from rxfeed.market import Message
from rxfeed.operators import Multicast
from rxfeed.sinks.bson_types import Document, MongoCollection
from rxfeed.sinks.insert import attempt, error_text
from rxfeed.sinks.results import DeadLetter

log = logging.getLogger("rxfeed.sinks")
_MOST_WAITING = 10_000
_MOST_BYTES = 8 * 1024 * 1024


class DeadLetters:
    """Emits every letter on `stream`, and buffers it for `flush` if there is a collection."""

    def __init__(self, collection: MongoCollection | None) -> None:
        if collection is not None and collection.write_concern.is_server_default:
            collection = collection.with_options(write_concern=WriteConcern("majority"))
        self._collection = collection
        self.stream: Multicast[DeadLetter] = Multicast()
        self._waiting: deque[RawBSONDocument] = deque()
        self._lock = threading.Lock()
        self._emitting = threading.RLock()  # two threads add letters, and a source emits on one at a time

    def add(self, letters: list[DeadLetter]) -> None:
        count = sum(letter.count for letter in letters)
        if count == 1:
            log.error("a document can never be stored: %s", letters[0].reason)
        elif len(letters) == 1:
            log.error("%d documents can never be stored: %s", count, letters[0].reason)
        else:
            log.error("%d documents can never be stored; the first: %s", count, letters[0].reason)
        for letter in letters:
            if self._collection is not None:
                with self._lock:
                    if len(self._waiting) >= _MOST_WAITING:
                        self._waiting.popleft()
                        log.error("a dead letter was dropped, since %d wait for their collection", _MOST_WAITING)
                    self._waiting.append(RawBSONDocument(bson.encode(_document(letter))))
            with self._emitting:
                self.stream.emit(letter)

    def flush(self, seconds: float) -> bool:
        """Try to store the buffered letters. True if none is left."""
        with self._lock:
            letters = [self._waiting[place] for place in range(min(100, len(self._waiting)))]
        if not letters or self._collection is None:
            return True
        outcome = attempt(self._collection, letters, seconds)
        with self._lock:
            for _ in letters:
                self._waiting.popleft()
            self._waiting.extendleft(reversed(outcome.pending))
            if outcome.error is not None:
                log.warning("dead letters wait for their collection: %s", error_text(outcome.error))
            for _, reason in outcome.dead:
                log.error("a dead letter cannot be stored either: %s", reason)
            return not self._waiting


def _document(letter: DeadLetter) -> Document:
    document: Document = {
        "_id": letter.id if isinstance(letter.id, str | int | ObjectId) else ObjectId(),
        "reason": letter.reason,
        "at": datetime.now(UTC),
    }
    if letter.count > 1:
        document["count"] = letter.count
    item = letter.item
    if isinstance(item, Message):
        document |= {"frame": item.raw[:_MOST_BYTES], "received_ns": item.received_ns, "epoch": item.epoch}
    elif isinstance(item, RawBSONDocument):
        document["document"] = bytes(item.raw)[:_MOST_BYTES]
    else:
        document["item"] = repr(item)[: _MOST_BYTES // 4].encode(errors="replace").decode()
    return document
