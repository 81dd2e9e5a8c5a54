"""Encodes items as batches of BSON documents with `_id`. An item that cannot be encoded is a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import time_ns
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from rxfeed.market import Message
from rxfeed.sinks.backlog import Batch
from rxfeed.sinks.bson_types import Document
from rxfeed.sinks.documents import MOST_BYTES, raw_document, typed_document
from rxfeed.sinks.insert import error_text
from rxfeed.sinks.results import DeadLetter

ToDocument = Callable[[Any], Mapping[str, object]]
Identify = Callable[[Any], object]


class Encoder:
    """Makes documents with *to_document*. A document without `_id` gets the one of *identify*.

    Typed documents also get `arrival`: their receipt in Unix nanoseconds, increased if necessary so that it rises with
    every message. So `arrival` sorts documents in the order of their arrival.
    """

    def __init__(
        self, to_document: ToDocument, identify: Identify, codec_options: CodecOptions[Document], batch_bytes: int
    ) -> None:
        self._to_document = to_document
        self._identify = identify
        self._codec_options = codec_options
        self._batch_bytes = batch_bytes
        self._typed = to_document is typed_document
        self._ours = to_document in (typed_document, raw_document)
        self._arrival = 0

    def encode(self, items: list[object], died: Callable[[DeadLetter], None]) -> Iterator[Batch]:
        """Batches of limited size, in order; *died* is called with each item that can never be stored."""
        documents: list[RawBSONDocument] = []
        size = 0
        received_ns = 0
        for item in items:
            try:
                raw = self._one(item)
            except Exception as error:
                died(DeadLetter(error_text(error), item))
                continue
            if documents and size + len(raw) > self._batch_bytes:
                yield Batch(documents, received_ns)
                documents, size = [], 0
            if not documents:
                received_ns = (item.received_ns if isinstance(item, Message) else 0) or time_ns()
            documents.append(RawBSONDocument(raw))
            size += len(raw)
        if documents:
            yield Batch(documents, received_ns)

    def _one(self, item: Any) -> bytes:
        document: Any = self._to_document(item)
        if not self._ours:
            document = {**document}  # a copy, since the user's document must not get an _id
        if "_id" not in document:
            document["_id"] = self._identify(item)
        if self._typed:
            self._arrival = max(self._arrival + 1, item.received_ns)
            document["arrival"] = self._arrival
        raw = bson.encode(document, codec_options=self._codec_options)
        if len(raw) > MOST_BYTES:
            raise ValueError(f"the document {document['_id']!r} has {len(raw)} bytes; MongoDB takes {MOST_BYTES}")
        return raw


def object_id(_: object) -> ObjectId:
    """A new ObjectId."""
    return ObjectId()
