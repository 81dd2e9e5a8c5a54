"""The backlog: batches between the thread that makes them and the one that writes them."""

from __future__ import annotations

import threading
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from rxfeed.sinks.backlog import Backlog, Batch
from tests.sinks.servers import until


def batch_of(count: int) -> Batch:
    document: dict[str, Any] = {"_id": 1}
    return Batch([RawBSONDocument(bson.encode(document))] * count, 0)


def test_batch_that_waits_for_space_is_queued() -> None:
    """In flight, ready, and waiting: each batch counts once, so that no document is missing from the counters."""
    backlog = Backlog(None, 10, lambda: False)
    backlog.put(batch_of(10))
    assert backlog.take() is not None
    backlog.put(batch_of(20))
    waiting = threading.Thread(target=backlog.put, args=(batch_of(30),))
    waiting.start()
    try:
        until(lambda: backlog.queued == 60, 5)
        backlog.done()
        assert backlog.take() is not None
    finally:
        waiting.join(0.2)
        backlog.abandon(final=True)
    waiting.join()
    assert backlog.queued == 0
    assert backlog.lost == 50
