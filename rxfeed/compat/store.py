"""The classic client's documents, written by the Mongo sink."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from reactivex.subject import Subject

from rxfeed.sinks import to_mongo


class Store:
    """Keeps a copy of every dict that it is given in *collection*, in batches, off the caller's thread."""

    def __init__(self, collection: Any, failed: Callable[[Exception], None]) -> None:
        self._messages: Subject[dict[str, Any]] = Subject()
        self._done = threading.Event()
        self._failed = failed
        # A copy, since pymongo adds an _id to what it inserts, and the caller's dict is the caller's.
        self._messages.pipe(to_mongo(collection, documents=dict)).subscribe(
            on_error=self._end, on_completed=self._done.set
        )

    def put(self, document: dict[str, Any]) -> None:
        self._messages.on_next(document)

    def close(self) -> None:
        """Return when everything is written."""
        self._messages.on_completed()
        self._done.wait()

    def _end(self, error: Exception) -> None:
        self._done.set()
        self._failed(error)
