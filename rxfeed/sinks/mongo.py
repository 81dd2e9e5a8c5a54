"""Messages into a MongoDB collection, off the socket's thread."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, cast

import msgspec
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.errors import ConfigError, SinkError
from rxfeed.operators import Operator
from rxfeed.operators.handover import Handover
from rxfeed.sinks.documents import raw_document, typed_document

log = logging.getLogger("rxfeed.sinks")
T = TypeVar("T")
ToDocument = Callable[[T], Mapping[str, Any]]


class MongoWrite(msgspec.Struct, frozen=True):
    """A batch of *count* documents is in the collection; it took *seconds*, and makes *total* since the start."""

    count: int
    seconds: float
    total: int


def to_mongo(
    collection: Collection[Any],
    *,
    documents: Literal["typed", "raw"] | ToDocument[Any] = "typed",
    batch_size: int = 1000,
    batch_seconds: float = 1.0,
    queue_size: int = 100_000,
) -> Operator[Any, MongoWrite]:
    """Write every item to *collection*, and emit a `MongoWrite` for each batch that the server has acknowledged.

    Items wait in a queue of *queue_size*; a thread of the sink's own makes documents of them and inserts up to
    *batch_size* at once, at the latest *batch_seconds* after the first of a batch came. While the queue is full the
    source waits. When the source ends, and at the latest when the process does, what is left is written; then the
    stream ends too, on the sink's thread. So it ends after its source does: keep the client open until then.

    *documents*: `"typed"` (see `typed_document`), `"raw"` (see `raw_document`), or a function from an item to a new
    document. The collection's own write concern holds. An error of the database ends the stream with a `SinkError`
    that counts what was not written; the source is let go.
    """
    for name, value in (("batch_size", batch_size), ("batch_seconds", batch_seconds), ("queue_size", queue_size)):
        kinds = int | float if name == "batch_seconds" else int
        if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
            raise ConfigError(f"{name}: {value!r} is not a number above 0")
    if not hasattr(collection, "insert_many"):
        raise ConfigError(f"collection: {type(collection).__name__} is not a pymongo collection")
    to_document = _to_document(documents)

    def operator(source: Observable[Any]) -> Observable[MongoWrite]:
        def subscribe(
            observer: abc.ObserverBase[MongoWrite], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            writer = _Writer(collection, to_document, batch_size, batch_seconds, queue_size, observer)
            writer.start()
            upstream = source.subscribe(writer.put, writer.end, writer.end, scheduler=scheduler)

            def dispose() -> None:
                upstream.dispose()
                writer.end()

            return Disposable(dispose)

        return Observable(subscribe)

    return operator


def _to_document(documents: Any) -> ToDocument[Any]:
    to_document = (
        {"typed": typed_document, "raw": raw_document}.get(documents) if isinstance(documents, str) else documents
    )
    if not callable(to_document):
        raise ConfigError(f"documents: {documents!r} is neither 'typed', 'raw' nor a function")
    return cast("ToDocument[Any]", to_document)


class _Writer:
    """The sink's thread, and the queue to it."""

    def __init__(
        self,
        collection: Collection[Any],
        to_document: ToDocument[Any],
        batch_size: int,
        batch_seconds: float,
        queue_size: int,
        observer: abc.ObserverBase[MongoWrite],
    ) -> None:
        self._collection = collection
        self._to_document = to_document
        self._batch_size = batch_size
        self._batch_seconds = batch_seconds
        self._observer = observer
        self._queue: Handover[Any] = Handover(queue_size, "block")
        self.put = self._queue.put
        self._cause: Exception | None = None
        self._total = 0
        # A daemon, so that a script that forgets to close still ends; at exit it is waited for.
        self._thread = threading.Thread(target=self._main, name="rxfeed-mongo", daemon=True)

    def start(self) -> None:
        atexit.register(self._finish)
        self._thread.start()

    def end(self, cause: Exception | None = None) -> None:
        """Let no more in, and write what is here."""
        self._cause = self._cause or cause
        self._queue.end()

    def _finish(self) -> None:
        self.end()
        self._thread.join()

    # ---- on the sink's thread

    def _main(self) -> None:
        try:
            while batch := self._queue.take(self._batch_size, self._batch_size, self._batch_seconds):
                self._write(batch)
        finally:
            atexit.unregister(self._finish)
        try:
            if self._cause is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(self._cause)
        except Exception as error:
            log.error("nobody handled %r", error)

    def _write(self, batch: list[Any]) -> None:
        started = time.monotonic()
        try:
            self._collection.insert_many([self._to_document(item) for item in batch], ordered=False)
        except Exception as error:
            self._fail(error, len(batch))
            return
        self._total += len(batch)
        written = MongoWrite(len(batch), time.monotonic() - started, self._total)
        try:
            self._observer.on_next(written)
        except Exception as error:
            # Whoever watches the writes may fail; the writes go on.
            log.error("a subscriber of the sink raised: %r", error, exc_info=error)

    def _fail(self, error: Exception, tried: int) -> None:
        if isinstance(error, BulkWriteError):
            tried -= error.details.get("nInserted", 0)
        unwritten = tried + self._queue.clear()
        # pymongo appends all it knows of the servers; that is behind __cause__ for who wants it.
        why = str(error).partition(", Topology Description")[0]
        text = f"{self._collection.full_name}: {unwritten} documents not written: {type(error).__name__}: {why}"
        self._cause = SinkError(text, unwritten)
        self._cause.__cause__ = error
