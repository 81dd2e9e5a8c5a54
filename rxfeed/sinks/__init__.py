"""Where messages are kept, and read back from: the only room that knows pymongo."""

from rxfeed.sinks.documents import raw_document, typed_document
from rxfeed.sinks.mongo import MongoSink, to_mongo
from rxfeed.sinks.reading import from_mongo
from rxfeed.sinks.results import DeadLetter, MongoLeft, MongoStats, MongoWrite
from rxfeed.sinks.setup import make_indexes, make_time_series
from rxfeed.venues import message_id

__all__ = [
    "DeadLetter",
    "MongoLeft",
    "MongoSink",
    "MongoStats",
    "MongoWrite",
    "from_mongo",
    "make_indexes",
    "make_time_series",
    "message_id",
    "raw_document",
    "to_mongo",
    "typed_document",
]
