"""Stored messages as an Observable: a pipeline runs over yesterday as it runs over now."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from bson import Decimal128
from bson.codec_options import CodecOptions
from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler

from rxfeed import messages as m
from rxfeed.errors import ConfigError, SinkError
from rxfeed.protocol.decode import LEVEL3_SCHEMA, Decoder
from rxfeed.sinks.delivery import told
from rxfeed.sinks.ids import microseconds

_OURS = ("_id", "received", "received_ns", "epoch", "arrival")
_TYPES: dict[str, type[m.Message]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        *(m.Match, m.LastMatch, m.Ticker, m.L2Update, m.Snapshot, m.Heartbeat, m.Received, m.Open, m.Done, m.Change),
        *(m.Activate, m.Auction, m.RfqMatch, m.Balance, m.Status, m.Subscriptions, m.ErrorMessage, m.Level3Schema),
    )
}
# A level3 message has the type of its elder sister on `full`, and lacks this of hers.
_LEVEL3_TYPES: dict[str, tuple[type[m.Message], str]] = {
    "open": (m.Level3Open, "remaining_size"),
    "done": (m.Level3Done, "side"),
    "match": (m.Level3Match, "side"),
    "change": (m.Level3Change, "side"),
    "noop": (m.Level3Noop, "side"),
}


def from_mongo(
    collection: Collection[Any],
    product: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Observable[m.Message]:
    """Emit the messages that `to_mongo` stored in *collection*, in order: of *product*, in `[since, until)`.

    Typed documents come in the order of `arrival`, their receipt, which *since* and *until* are about too; `received`,
    `received_ns` and `epoch` are what they were. Raw documents say nothing of their receipt: for them it is `time`, and
    those without one come first, unless there is a *since*. `raw` and `content` of a message are encoded anew.
    `make_indexes` makes it fast. A document that is no message ends the stream with a `SinkError`, as does a lost
    database. It reads on the thread that subscribes.
    """
    for name, value in (("since", since), ("until", until)):
        if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
            raise ConfigError(f"{name}: {value!r} is not a datetime with a timezone")

    def subscribe(
        observer: abc.ObserverBase[m.Message], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        disposed: list[bool] = []

        def run(_: abc.SchedulerBase, __: Any = None) -> None:
            messages = _messages(collection, product, since, until)
            while not disposed:
                try:
                    message = next(messages, None)
                except PyMongoError as error:
                    failure = SinkError(f"{collection.full_name}: {told(error)}", 0)
                    failure.__cause__ = error
                    return observer.on_error(failure)
                except SinkError as error:
                    return observer.on_error(error)
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


def _messages(collection: Collection[Any], product: str | None, since: datetime | None, until: datetime | None) -> Any:
    options: CodecOptions[Any] = CodecOptions(tz_aware=True, tzinfo=UTC)
    stored = collection.with_options(codec_options=options)
    of_product = {} if product is None else {"product_id": product}
    received = _between(since, until, lambda at: microseconds(at) * 1000) or {"$exists": True}
    typed = stored.find({**of_product, "arrival": received}, sort=[("arrival", ASCENDING)], allow_disk_use=True)
    # Typed documents of rxfeed 0.1 have no arrival yet.
    older = stored.find(
        {**of_product, "arrival": {"$exists": False}, "received_ns": received},
        sort=[("received_ns", ASCENDING)],
        allow_disk_use=True,
    )
    times = _between(since, until, lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    level3 = {} if product is None else {"$or": [{"product_id": product}, {"level3.1": product}]}
    raw = stored.find(
        {**level3, "received_ns": {"$exists": False}, **({"time": times} if times else {})},
        sort=[("time", ASCENDING), ("sequence", ASCENDING)],
        allow_disk_use=True,
    )
    decode = Decoder().decode
    decode(LEVEL3_SCHEMA)
    streams = (
        ((document["arrival"], _typed(document, decode)) for document in typed),
        ((document["received_ns"], _typed(document, decode)) for document in older),
        _raw(raw, decode),
    )
    with typed, older, raw:
        for _, message in heapq.merge(*streams, key=lambda pair: pair[0]):
            yield message


def _between(since: datetime | None, until: datetime | None, of: Callable[[datetime], Any]) -> dict[str, Any]:
    limits = {"$gte": since, "$lt": until}
    return {name: of(limit) for name, limit in limits.items() if limit is not None}


def _raw(documents: Any, decode: Callable[[bytes], Any]) -> Iterator[tuple[int, m.Message]]:
    for document in documents:
        message = _decoded(document, decode)
        at = 0 if message.time is None else microseconds(message.time) * 1000
        yield at, m.stamp(message, m.Origin(_frame(document), 0, 0))


def _typed(document: dict[str, Any], decode: Callable[[bytes], Any]) -> m.Message:
    kind = document.get("type")
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    sister = _LEVEL3_TYPES.get(str(kind))
    if sister is not None and sister[1] not in document:
        known = sister[0]
    if known is None:
        message = _decoded(document, decode)
        raw = _frame(document)
    else:
        try:
            message = _converted(document, known)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise _stranger(document, str(error)) from error
        raw = msgspec.json.encode(message)
    return m.stamp(message, m.Origin(raw, int(document["received_ns"]), int(document["epoch"])))


def _converted(document: dict[str, Any], kind: type[m.Message]) -> m.Message:
    fields: dict[str, Any] = {"type": document["type"]}
    for name, wire in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        if (value := document.get(name)) is not None:
            exact = document.get(name + "_us")
            if exact is not None and isinstance(value, datetime):
                value = value.replace(microsecond=exact % 1_000_000)
            fields[wire] = _plain(value)
    return msgspec.convert(fields, kind)


def _decoded(document: dict[str, Any], decode: Callable[[bytes], Any]) -> m.Message:
    message = decode(_frame(document))
    if isinstance(message, m.Malformed):
        raise _stranger(document, message.reason)
    return message


def _frame(document: dict[str, Any]) -> bytes:
    """What the exchange sent, as JSON again."""
    frame = {name: _plain(value) for name, value in document.items() if name not in _OURS}
    if isinstance(frame.get("level3"), list):
        return msgspec.json.encode(frame["level3"])
    return msgspec.json.encode(frame, enc_hook=str)


def _stranger(document: dict[str, Any], why: str) -> SinkError:
    return SinkError(f"the document {document.get('_id')!r} is no message: {why}", 0)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value
