"""Where messages are kept: the only room that knows pymongo."""

from rxfeed.sinks.documents import raw_document, typed_document
from rxfeed.sinks.mongo import MongoWrite, to_mongo

__all__ = ["MongoWrite", "raw_document", "to_mongo", "typed_document"]
