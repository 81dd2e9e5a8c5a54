"""The classic client's documents, written by the Mongo sink."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rxfeed.compat.types import Attribute, Content
from rxfeed.errors import SinkError
from rxfeed.operators import Multicast
from rxfeed.sinks import to_mongo

if TYPE_CHECKING:
    from rxfeed.compat.session import Session


log = logging.getLogger("rxfeed.compat")

_FLUSH = 10.0  # seconds without a success after which the end gives up
_PATIENCE = 60.0  # seconds for what is left at the end, if the database writes slowly
_NOTICE = 1.0  # seconds of waiting that are not logged


class Store:
    """Keeps a copy of every dict that it is given in *collection*, in batches, off the caller's thread.

    A failure of the database is raised by the next `put`, or by `close`. A stand-in for a collection that only has
    `insert_one`, as the classic client needed, gets that call at once.
    """

    def __init__(self, collection: Attribute) -> None:
        self.collection = collection
        self._messages: Multicast[Content] = Multicast()
        self._done = threading.Event()
        self._error: Exception | None = None
        self._plain = not hasattr(collection, "write_concern")
        if not self._plain:
            # A copy, since pymongo adds an _id to what it inserts, and the caller's dict is the caller's.
            self._sink = to_mongo(collection, documents=dict, flush_seconds=_FLUSH)
            self._messages.pipe(self._sink).subscribe(on_error=self._failed, on_completed=self._done.set)

    @property
    def broken(self) -> bool:
        """True where nothing can be put any more."""
        return self._done.is_set()

    def put(self, document: Content) -> None:
        if self._plain:
            self.collection.insert_one(dict(document))
            return
        self._check()
        self._messages.emit(document)

    def close(self) -> None:
        """Return when everything is written; raise an error if the database does not answer within seconds."""
        if self._plain:
            return
        self._messages.end()
        if not self._done.wait(_NOTICE):
            log.warning(
                "mongo_collection: %d documents are not written yet; the end waits for the database, at most %g s "
                "without a success",
                *(self._sink.stats.queued, _FLUSH),
            )
        if not self._done.wait(_PATIENCE):
            raise SinkError(f"the database is still busy after {_PATIENCE:g} s", 0)
        self._check()

    def _check(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._done.set()


def put_document(session: Session, collection: Attribute, message: Content) -> None:
    """Store *message* with the others of *session*; at once if none is open."""
    if session.open:
        session.store(collection).put(message)
    else:  # called by the script itself: no session ends later and writes what waits
        store = Store(collection)
        store.put(message)
        store.close()
