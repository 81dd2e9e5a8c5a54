"""Reads stored messages as an Observable, for the same pipelines as a feed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
from bson import Decimal128
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import ASCENDING
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler

from rxfeed.core import arguments
from rxfeed.errors import SinkError
from rxfeed.market import Malformed, Message, Origin, microseconds, stamp
from rxfeed.sinks.bson_types import Document, MongoCollection
from rxfeed.sinks.by_time import by_time, in_order
from rxfeed.sinks.documents import frame_content
from rxfeed.sinks.insert import error_text
from rxfeed.venues import DEFAULT_VENUE, Decoded, Venue, message_id
from rxfeed.venues import venue as venue_of


def from_mongo(
    collection: MongoCollection,
    product: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    venue: str | Venue = DEFAULT_VENUE,
) -> Observable[Message]:
    """Emit the messages that `to_mongo` stored in *collection*, in order: of *product*, in `[since, until)`.

    Typed documents are emitted in the order of `arrival`, their receipt, to which *since* and *until* apply too. Their
    `received`, `received_ns` and `epoch` are those that were stored. Raw documents have no receipt: `time` is used, to
    the last digit of its fraction. Those without a time come first, or not at all with *since*. `raw` and `content` of
    a message are encoded again. `make_indexes` creates the indexes for it. *venue*: the venue of the messages. A
    document that is not a message ends the stream with a `SinkError` that contains its `_id`, and so does a lost
    database. It reads on the thread that subscribes.
    """
    found = venue_of(venue)
    first = None if since is None else arguments.aware("since", since)
    end = None if until is None else arguments.aware("until", until)

    def subscribe(
        observer: abc.ObserverBase[Message], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        disposed: list[bool] = []

        def run(_: abc.SchedulerBase, __: object = None) -> None:
            messages = _messages(collection, product, first, end, found)
            while not disposed:
                try:
                    message = next(messages, None)
                except SinkError as error:
                    return observer.on_error(error)
                except Exception as error:
                    failure = SinkError(f"{collection.full_name}: {error_text(error)}", 0)
                    failure.__cause__ = error
                    return observer.on_error(failure)
                if message is None:
                    return observer.on_completed()
                observer.on_next(message)
            messages.close()
            return None

        running = (scheduler or CurrentThreadScheduler.singleton()).schedule(run)

        def dispose() -> None:
            disposed.append(True)
            running.dispose()

        return Disposable(dispose)

    return Observable(subscribe)


def _messages(
    collection: MongoCollection, product: str | None, since: datetime | None, until: datetime | None, venue: Venue
) -> Generator[Message, None, None]:
    # A date out of Python's range must raise an error with the document's id.
    any_date = DatetimeConversion.DATETIME_AUTO
    options: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC, datetime_conversion=any_date)
    stored = collection.with_options(codec_options=options)
    of_product = {} if product is None else {"product_id": product}
    limits = {"$gte": since, "$lt": until}
    received = {name: microseconds(at) * 1000 for name, at in limits.items() if at is not None} or {"$exists": True}
    typed = stored.find({**of_product, "arrival": received}, sort=[("arrival", ASCENDING)], allow_disk_use=True)
    # Typed documents of rxfeed 0.1 have no `arrival`.
    older = stored.find(
        {**of_product, "arrival": {"$exists": False}, "received_ns": received},
        sort=[("received_ns", ASCENDING)],
        allow_disk_use=True,
    )
    raw = stored.aggregate(by_time(product, since, until), allowDiskUse=True)
    decode = venue.decoder(stored=True).decode
    streams = (
        (_typed(document, "arrival", decode, venue) for document in typed),
        (_typed(document, "received_ns", decode, venue) for document in older),
        _raw(in_order(raw, since, until), decode, venue),
    )
    with typed, older, raw:
        for _, message in heapq.merge(*streams, key=lambda pair: pair[0]):
            yield message


def _raw(
    documents: Iterator[Document], decode: Callable[[bytes], Decoded], venue: Venue
) -> Iterator[tuple[int, Message]]:
    newest = 0  # some types have a time that is no field of their message
    for document in documents:
        with _naming(document):
            frame = _frame(document)
            message = _decoded(document, frame, decode, venue)
            if message.time is not None:
                newest = max(newest, microseconds(message.time) * 1000)
            entry = newest, stamp(message, Origin(frame, 0, 0))
        yield entry


def _typed(document: Document, order: str, decode: Callable[[bytes], Decoded], venue: Venue) -> tuple[int, Message]:
    with _naming(document):
        known = venue.stored_type(document)
        if known is None:
            raw = _frame(document)
            message = _decoded(document, raw, decode, venue)
        else:
            message = _converted(document, known)
            raw = msgspec.json.encode(message)
        place, received_ns, epoch = (_whole(document, name) for name in (order, "received_ns", "epoch"))
        return place, stamp(message, Origin(raw, received_ns, epoch))


def _whole(document: Document, name: str) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}, not a whole number" if name in document else f"it has no {name}")
    return int(value)


@contextmanager
def _naming(document: Document) -> Iterator[None]:
    """Raises any exception as a `SinkError` with the `_id` of *document*."""
    try:
        yield
    except SinkError:
        raise
    except Exception as error:
        raise _not_a_message(document, str(error) or repr(error)) from error


def _converted(document: Document, kind: type[Message]) -> Message:
    config = kind.__struct_config__
    fields: Document = {} if config.tag is None else {str(config.tag_field): document["type"]}
    for name, wire in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        if (value := document.get(name)) is not None:
            exact = document.get(name + "_us")
            if exact is not None and isinstance(value, datetime):
                value = value.replace(microsecond=exact % 1_000_000)
            fields[wire] = _plain(value)
    return msgspec.convert(fields, kind)


def _decoded(document: Document, frame: bytes, decode: Callable[[bytes], Decoded], venue: Venue) -> Message:
    message = decode(frame)
    if isinstance(message, Malformed):
        remedy = f"if the documents are of another venue than {venue.name}, give from_mongo their venue"
        raise _not_a_message(document, f"{message.reason}; {remedy}")
    if not isinstance(message, tuple):
        return message
    # The document is of one message of a frame with several. An id of the receipt is compared by its hash alone. A
    # trade from before the subscription may have been stored as a new one.
    named = str(document.get("_id"))
    both = (*message, *(other for each in message if (other := venue.repaired(each)) is not each))
    ids = {message_id(stamp(each, Origin(frame, 0, 0))): each for each in both}
    for found, each in ids.items():
        if found == named or (each.time is None and found.rpartition("/")[2] == named.rpartition("/")[2]):
            return each
    raise _not_a_message(document, "none of its frame's messages has this _id")


def _frame(document: Document) -> bytes:
    """The frame, encoded as JSON again."""
    return msgspec.json.encode(_plain(frame_content(document)), enc_hook=str)


def _not_a_message(document: Document, why: str) -> SinkError:
    return SinkError(f"the document {document.get('_id')!r} is no message: {why}", 0)


def _plain(value: object) -> object:
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value
