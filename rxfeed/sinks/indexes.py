"""Creates indexes and time-series collections."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database

from rxfeed.errors import ConfigError
from rxfeed.sinks.bson_types import DocumentT, MongoCollection


class _Expiry(TypedDict, total=False):
    expireAfterSeconds: int


def make_indexes(collection: MongoCollection, *, expire_after: timedelta | None = None) -> list[str]:
    """The names of the indexes for `product_id, time` and for `from_mongo`, which it creates if they do not exist.

    With *expire_after* MongoDB deletes typed documents so long after their receipt (a TTL index on `received`).
    """
    indexes = [
        IndexModel([("product_id", ASCENDING), ("time", ASCENDING)]),
        IndexModel([("arrival", ASCENDING)]),
        IndexModel([("product_id", ASCENDING), ("arrival", ASCENDING)]),
    ]
    if expire_after is not None:
        seconds = _seconds(expire_after)
        indexes.append(IndexModel([("received", ASCENDING)], expireAfterSeconds=seconds))
    return collection.create_indexes(indexes)


def make_time_series(
    database: Database[DocumentT], name: str, *, expire_after: timedelta | None = None
) -> Collection[DocumentT]:
    """A new time-series collection, *name*, for typed documents, by `received` and `product_id`.

    It takes less space. But MongoDB has no unique `_id` there: a retry or a second recorder may store a message twice.
    """
    options: _Expiry = {} if expire_after is None else {"expireAfterSeconds": _seconds(expire_after)}
    series = {"timeField": "received", "metaField": "product_id", "granularity": "seconds"}
    return database.create_collection(name, timeseries=series, **options)


def _seconds(expire_after: timedelta) -> int:
    seconds = int(expire_after.total_seconds())
    if seconds < 1:
        raise ConfigError(f"expire_after: {expire_after} is not a second or more")
    return seconds
