"""Messages into a MongoDB collection, off the source's thread, and none lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pymongo import WriteConcern
from reactivex import Observable

from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.feed import Sink
from rxfeed.market import Message
from rxfeed.operators import QueueState
from rxfeed.sinks.bson_types import MongoCollection
from rxfeed.sinks.dead_letters import DeadLetters
from rxfeed.sinks.documents import raw_document, typed_document
from rxfeed.sinks.encoding import ToDocument, object_id
from rxfeed.sinks.results import DeadLetter, MongoCounters, MongoStats, MongoWrite, UnwrittenCounts
from rxfeed.sinks.settings import MongoSettings, SinkOverflow
from rxfeed.sinks.writer import MongoWriter
from rxfeed.venues import message_id


class MongoSink(Sink[MongoWrite, MongoWriter]):
    """The operator that `to_mongo` returns: `stats` at any time, `dead` letters, and `close`."""

    name = "to_mongo"

    def __init__(self, settings: MongoSettings, dead_collection: MongoCollection | None) -> None:
        super().__init__()
        self._settings = settings
        self._counters = MongoCounters()
        self._letters = DeadLetters(dead_collection)

    @property
    def dead(self) -> Observable[DeadLetter]:
        """Emits each dead letter, on the sink's threads; it never completes."""
        return self._letters.stream

    @property
    def stats(self) -> MongoStats:
        """The present state of the sink, for any thread."""
        counters, writer = self._counters, self._writer
        return MongoStats(
            taken=counters.taken,
            written=counters.written,
            duplicates=counters.duplicates,
            dead=counters.dead,
            dropped=counters.dropped,
            lost=counters.lost,
            queued=0 if writer is None else writer.queued,
            spilled=0 if writer is None else writer.spilled,
            spilled_ever=counters.spilled_ever,
            spill_bytes=0 if writer is None else writer.spill_bytes,
            retries=counters.retries,
            lag=0.0 if writer is None else writer.lag,
            rate=counters.rate.per_second(),
            problem=counters.problem,
            batches=counters.batches,
        )

    @property
    def queue_state(self) -> QueueState:
        writer = self._writer
        return QueueState(0 if writer is None else writer.queued, self._settings.queue_size, self._counters.dropped)

    def close(self, timeout: Seconds | None = None) -> UnwrittenCounts:
        """Unsubscribe and write all items. Returns the items unwritten after *timeout* seconds (`flush_seconds`).

        Unwritten items are saved in the spill, if there is one. Then the stream completes, or fails with a `SinkError`
        if items were lost. It does not wait if a subscriber of the sink calls it, on the sink's thread.
        """
        writer = self._writer
        if writer is None:
            return UnwrittenCounts(0, 0)
        return writer.close(self._settings.flush_seconds if timeout is None else in_seconds(timeout))

    def __repr__(self) -> str:
        return f"<MongoSink {self._settings.collection.full_name}>"

    def _new_writer(
        self,
        source: Observable[object],
        emit: Callable[[MongoWrite], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> MongoWriter:
        return MongoWriter(self._settings, self._counters, self._letters, emit, ended, unsubscribe)


def to_mongo(
    collection: MongoCollection,
    *,
    documents: Literal["typed", "raw"] | ToDocument = "typed",
    ids: Literal["message", "mongo"] = "message",
    batch_size: int = 1000,
    batch_bytes: int = 8_000_000,
    batch_seconds: Seconds = 1.0,
    queue_size: int = 100_000,
    overflow: SinkOverflow = "block",
    spill: str | Path | None = None,
    spill_bytes: int = 4_000_000_000,
    spill_mode: int = 0o600,
    durable: bool = False,
    sync: Seconds = 0.1,
    dead: MongoCollection | None = None,
    retry_seconds: Seconds | None = None,
    flush_seconds: Seconds = 30.0,
    attempt_seconds: Seconds = 10.0,
) -> MongoSink:
    """Emit a `MongoWrite` for each batch that the server has acknowledged, and write every item to *collection*, once.

    Items wait in a queue of *queue_size*. Threads of the sink convert them to documents and insert up to *batch_size*
    (and *batch_bytes*) at once, at most *batch_seconds* after the first item of a batch.

    *documents*: `"typed"` (see `typed_document`; and `arrival`, see `from_mongo`), `"raw"` (see `raw_document`), or a
    function from an item to a new document. *ids*: `"message"` gives each message a deterministic `_id` (see
    `message_id`), so that a retry, a reconnect or a second recorder stores none twice. Items that are no messages, and
    all items with `"mongo"`, get an ObjectId. A document's own `_id` is kept.

    **An unavailable database**: inserts are retried without limit, or until *retry_seconds* have passed without a
    success. Acknowledged documents are not sent again. With *spill*, the path of a file, items are written to disk if
    an attempt has failed or takes longer than a second, and if the queue is half full. They are safe from a crash of
    the process or the machine when a `MongoWrite` counts them as `spilled`. They are inserted in order when the
    database is available, in this run or the next with the same path. At *spill_bytes*, or if the disk is full, no more
    items are written to disk, and the queue fills. A damaged batch, or a damaged file, is moved to a name with
    `.damaged`, logged at ERROR, and counted as dead. Files of the spill have the permissions *spill_mode*; one of them,
    `-reserve`, keeps a megabyte of the disk for deletions.

    **If the process is killed**, items that are only in memory are lost. With *durable* these are at most the items of
    the last *sync* seconds and of one write to the disk: every item is in the spill, and synced, before it is sent to
    the server, so that `.stats` counts it as `queued` until then. With a spill alone these are at most the items of the
    last `batch_seconds + 2` seconds, whatever the state of the database, as long as the disk has space. Without a spill
    these are the items of the last `batch_seconds` and of two inserts if the database is available. In every mode these
    are at most *queue_size* and three batches; without a spill and without a database they can be so many.

    **A full queue**: `overflow="block"` makes the source wait, `"drop_oldest"` drops what has waited longest in memory
    and counts it, `"fail"` writes what is there and ends the stream with a `SinkError`.

    **A document that can never be stored** (too large, an invalid key, refused by a validator) is emitted on `.dead` of
    the operator and, if *dead* is a collection, stored there. The other documents are written.

    **The end**: when the source ends, and at the latest at the exit of the process, all items are written, unless
    *flush_seconds* pass without a success. Then the stream ends too, on the sink's thread, with a `SinkError` if items
    were lost. A feed or replay as the source waits for this: its `run()`, `close()` and `with` block return when the
    sink has ended. Keep the client open until then. With another source call `.close(timeout)`.

    The write concern is the collection's own, or else majority; TLS, authentication and time-outs are the client's.
    An attempt takes at most *attempt_seconds* (or the client's `timeoutMS`). One subscription at a time.
    """
    arguments.positive_integer("batch_size", batch_size)
    arguments.positive_integer("batch_bytes", batch_bytes)
    batch_seconds = arguments.above_zero("batch_seconds", batch_seconds)
    arguments.positive_integer("queue_size", queue_size)
    arguments.positive_integer("spill_bytes", spill_bytes)
    flush_seconds = arguments.above_zero("flush_seconds", flush_seconds)
    attempt_seconds = arguments.above_zero("attempt_seconds", attempt_seconds)
    if retry_seconds is not None:
        retry_seconds = arguments.above_zero("retry_seconds", retry_seconds)
    if ids not in ("message", "mongo"):
        raise ConfigError(f"ids: {ids!r} is neither 'message' nor 'mongo'")
    if overflow not in ("block", "drop_oldest", "fail"):
        raise ConfigError(f"overflow: {overflow!r} is none of block, drop_oldest, fail")
    for name, given in (("collection", collection), ("dead", dead)):
        if not (given is None and name == "dead") and not hasattr(given, "insert_many"):
            raise ConfigError(f"{name}: {type(given).__name__} is not a pymongo collection")
    if not collection.write_concern.acknowledged:
        raise ConfigError("collection: a write concern of 0 has no acknowledgements; set w=1 or higher")
    if collection.write_concern.is_server_default:
        collection = collection.with_options(write_concern=WriteConcern("majority"))
    if isinstance(spill_mode, bool) or not isinstance(spill_mode, int) or not 0o600 <= spill_mode <= 0o777:
        raise ConfigError(f"spill_mode: {spill_mode!r} does not let the owner read and write, as 0o600 does")
    sync = arguments.above_zero("sync", sync)
    if durable and spill is None:
        raise ConfigError("durable: needs spill, the path of the file that is written ahead")
    if spill is not None and not Path(spill).absolute().parent.is_dir():
        raise ConfigError(f"spill: there is no folder {Path(spill).absolute().parent}")
    settings = MongoSettings(
        collection=collection,
        to_document=_to_document(documents),
        identify=object_id if ids == "mongo" else _message_or_object_id,
        batch_size=batch_size,
        batch_bytes=batch_bytes,
        batch_seconds=batch_seconds,
        queue_size=queue_size,
        overflow=overflow,
        spill=None if spill is None else str(spill),
        spill_bytes=spill_bytes,
        spill_mode=spill_mode,
        sync=sync if durable else None,
        retry_seconds=retry_seconds,
        flush_seconds=flush_seconds,
        attempt_seconds=attempt_seconds,
    )
    return MongoSink(settings, dead)


def _message_or_object_id(item: object) -> object:
    return message_id(item) if isinstance(item, Message) else object_id(item)


def _to_document(documents: str | ToDocument) -> ToDocument:
    to_document: ToDocument | None = (
        {"typed": typed_document, "raw": raw_document}.get(documents) if isinstance(documents, str) else documents
    )
    if not callable(to_document):
        raise ConfigError(f"documents: {documents!r} is neither 'typed', 'raw' nor a function")
    return to_document
