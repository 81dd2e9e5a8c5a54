"""Messages into a MongoDB collection, off the source's thread, and none lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from pymongo import WriteConcern
from pymongo.collection import Collection
from reactivex import Observable

from rxfeed.errors import ConfigError
from rxfeed.market import Message
from rxfeed.operators import Sink, check_numbers
from rxfeed.sinks.dead import DeadLetters
from rxfeed.sinks.documents import raw_document, typed_document
from rxfeed.sinks.encoding import Identify, ToDocument, object_id
from rxfeed.sinks.results import Counters, DeadLetter, MongoLeft, MongoStats, MongoWrite
from rxfeed.sinks.settings import AtBound, Settings
from rxfeed.sinks.writer import Writer
from rxfeed.venues import message_id


class MongoSink(Sink[MongoWrite, Writer]):
    """The operator that `to_mongo` returns: `stats` at any time, `dead` letters, and `close`."""

    name = "to_mongo"

    def __init__(self, settings: Settings, dead_collection: Collection[Any] | None) -> None:
        super().__init__()
        self._settings = settings
        self._counters = Counters()
        self._letters = DeadLetters(dead_collection)

    @property
    def dead(self) -> Observable[DeadLetter]:
        """What can never be stored, as it is found, on the sink's threads; it never ends."""
        return self._letters.stream

    @property
    def stats(self) -> MongoStats:
        """The sink at this moment; any thread may ask."""
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
            throughput=counters.throughput.per_second(),
            problem=counters.problem,
        )

    def close(self, timeout: float | None = None) -> MongoLeft:
        """Let the source go, and write what is here; after *timeout* seconds (`flush_seconds`) say what is left.

        What is left goes to the spill where there is one. Then the stream ends: with a `SinkError` if anything was
        lost. Called by a subscriber of the sink, on the sink's thread, it does not wait.
        """
        writer = self._writer
        if writer is None:
            return MongoLeft(0, 0)
        return writer.close(self._settings.flush_seconds if timeout is None else timeout)

    def __repr__(self) -> str:
        return f"<MongoSink {self._settings.collection.full_name}>"

    def _new_writer(
        self,
        source: Observable[Any],
        emit: Callable[[MongoWrite], None],
        ended: Callable[[Exception | None], None],
        let_go: Callable[[], None],
    ) -> Writer:
        return Writer(self._settings, self._counters, self._letters, emit, ended, let_go)


def to_mongo(
    collection: Collection[Any],
    *,
    documents: Literal["typed", "raw"] | ToDocument = "typed",
    ids: Literal["message", "mongo"] = "message",
    batch_size: int = 1000,
    batch_bytes: int = 8_000_000,
    batch_seconds: float = 1.0,
    queue_size: int = 100_000,
    at_bound: AtBound = "block",
    spill: str | Path | None = None,
    spill_bytes: int = 4_000_000_000,
    spill_mode: int = 0o600,
    dead: Collection[Any] | None = None,
    retry_seconds: float | None = None,
    flush_seconds: float = 30.0,
    attempt_seconds: float = 10.0,
) -> MongoSink:
    """Write every item to *collection*, once, and emit a `MongoWrite` for each batch that the server has acknowledged.

    Items wait in a queue of *queue_size*; threads of the sink's own make documents of them and insert up to
    *batch_size* (and *batch_bytes*) at once, at the latest *batch_seconds* after the first of a batch came.

    *documents*: `"typed"` (see `typed_document`; and `arrival`, see `from_mongo`), `"raw"` (see `raw_document`), or a
    function from an item to a new document. *ids*: `"message"` gives each message a deterministic `_id` (see
    `message_id`), so that none is stored twice: not by a retry, a reconnect's overlap or a second recorder. An item
    that is no message, and everything with `"mongo"`, gets an ObjectId when it comes. An `_id` that is there stays.

    **A database that is away** is tried again and again, for ever, or with *retry_seconds* until so long nothing got
    through. Nothing that was acknowledged is sent again. With *spill*, a file's path, items go to disk when an attempt
    has failed or takes longer than a second, and when the queue is half full: safe from a crash of the process or the
    machine once a `MongoWrite` has them as `spilled`. They are written in order as soon as the database takes them, in
    this run or the next with the same path. At *spill_bytes*, or when the disk is full, no more goes to disk; what is
    there stays, and the queue fills up. A damaged batch, or a damaged file, is set aside under a name with `.damaged`,
    logged at ERROR, and counted as dead. Its files have the permissions *spill_mode*; one of them, `-reserve`, keeps a
    megabyte of the disk for deletions.

    **A process that is killed** loses what is in memory alone. With a spill these are at most the items of the last
    `batch_seconds + 2` seconds, whether the database is healthy, slow or away, as long as the disk takes them. Without
    a spill these are the items of the last `batch_seconds` and of two inserts while the database is healthy, and up to
    *queue_size* and two batches while it is not.

    **A full queue**: `at_bound="block"` makes the source wait, `"drop_oldest"` drops what has waited longest in memory
    and counts it, `"fail"` writes what is there and ends the stream with a `SinkError`.

    **What can never be stored** (too large, an invalid key, refused by a validator) is told to `.dead` of the operator
    and, where *dead* is a collection, stored there; the rest goes on.

    **The end**: when the source ends, and at the latest when the process does, what is left is written, unless for
    *flush_seconds* nothing got through; then the stream ends too, on the sink's thread, with a `SinkError` if anything
    was lost. A feed or replay that the sink stands on waits for this: its `run()`, `close()` and `with` block return
    when the sink has ended. Keep the client open until then. On another source call `.close(timeout)`.

    The collection's own write concern holds, or else majority; TLS, authentication and time-outs are the client's.
    An attempt takes at most *attempt_seconds* (or the client's `timeoutMS`). One subscription at a time.
    """
    check_numbers(
        batch_size=(batch_size, int),
        batch_bytes=(batch_bytes, int),
        batch_seconds=(batch_seconds, int | float),
        queue_size=(queue_size, int),
        spill_bytes=(spill_bytes, int),
        flush_seconds=(flush_seconds, int | float),
        attempt_seconds=(attempt_seconds, int | float),
    )
    if retry_seconds is not None:
        check_numbers(retry_seconds=(retry_seconds, int | float))
    if ids not in ("message", "mongo"):
        raise ConfigError(f"ids: {ids!r} is neither 'message' nor 'mongo'")
    if at_bound not in ("block", "drop_oldest", "fail"):
        raise ConfigError(f"at_bound: {at_bound!r} is none of block, drop_oldest, fail")
    for name, given in (("collection", collection), ("dead", dead)):
        if not (given is None and name == "dead") and not hasattr(given, "insert_many"):
            raise ConfigError(f"{name}: {type(given).__name__} is not a pymongo collection")
    if not collection.write_concern.acknowledged:
        raise ConfigError("collection: with a write concern of 0 nobody knows what was written")
    if collection.write_concern.is_server_default:
        collection = collection.with_options(write_concern=WriteConcern("majority"))
    if isinstance(spill_mode, bool) or not isinstance(spill_mode, int) or not 0o600 <= spill_mode <= 0o777:
        raise ConfigError(f"spill_mode: {spill_mode!r} gives the owner no right to read and write, as 0o600 does")
    if spill is not None and not Path(spill).absolute().parent.is_dir():
        raise ConfigError(f"spill: there is no folder {Path(spill).absolute().parent}")
    settings = Settings(
        collection=collection,
        to_document=_to_document(documents),
        identify=object_id if ids == "mongo" else _message_or_object_id,
        batch_size=batch_size,
        batch_bytes=batch_bytes,
        batch_seconds=batch_seconds,
        queue_size=queue_size,
        at_bound=at_bound,
        spill=None if spill is None else str(spill),
        spill_bytes=spill_bytes,
        spill_mode=spill_mode,
        retry_seconds=retry_seconds,
        flush_seconds=flush_seconds,
        attempt_seconds=attempt_seconds,
    )
    return MongoSink(settings, dead)


def _message_or_object_id(item: Any) -> Any:
    return message_id(item) if isinstance(item, Message) else object_id(item)


def _to_document(documents: Any) -> ToDocument:
    to_document: Identify | None = (
        {"typed": typed_document, "raw": raw_document}.get(documents) if isinstance(documents, str) else documents
    )
    if not callable(to_document):
        raise ConfigError(f"documents: {documents!r} is neither 'typed', 'raw' nor a function")
    return cast("ToDocument", to_document)
