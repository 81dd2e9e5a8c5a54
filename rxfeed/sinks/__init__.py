"""Stores messages in MongoDB and reads them back. No other package imports pymongo."""

from rxfeed.sinks.documents import raw_document, typed_document
from rxfeed.sinks.indexes import make_indexes, make_time_series
from rxfeed.sinks.mongo import MongoSink, to_mongo
from rxfeed.sinks.reading import from_mongo
from rxfeed.sinks.results import DeadLetter, MongoStats, MongoWrite, UnwrittenCounts
from rxfeed.sinks.retry_policy import RetryPolicy
from rxfeed.sinks.spill import Spill
from rxfeed.venues import message_id

__all__ = [
    "DeadLetter",
    "MongoSink",
    "MongoStats",
    "MongoWrite",
    "RetryPolicy",
    "Spill",
    "UnwrittenCounts",
    "from_mongo",
    "make_indexes",
    "make_time_series",
    "message_id",
    "raw_document",
    "to_mongo",
    "typed_document",
]
