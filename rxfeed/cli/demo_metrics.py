"""The metrics of the demo. It records and archives, too, so that each panel of the dashboard has values."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rxfeed.archive import to_parquet
from rxfeed.feed import Feed
from rxfeed.metrics import serve
from rxfeed.operators import bounded, order_book, trades
from rxfeed.recording import record
from rxfeed.sinks import MongoSink

log = logging.getLogger("rxfeed.cli")

_FLUSH = 1.0
_FILES = 2.0  # seconds


@contextmanager
def demo_metrics(
    address: tuple[str, int] | None, feed: Feed, sink: MongoSink, products: tuple[str, ...]
) -> Iterator[None]:
    """Serve the metrics of *feed* and *sink* at *address*, if it is given, with those of temporary files."""
    if address is None:
        yield
        return
    host, port = address
    with tempfile.TemporaryDirectory(prefix="rxfeed-demo-", ignore_cleanup_errors=True) as folder:
        recorder = record(Path(folder, "recordings"), flush_seconds=_FLUSH)
        archive = to_parquet(Path(folder, "archive"), file_seconds=_FILES)
        with serve(feed, sink, recorder, archive, port=port, host=host) as server:
            feed.pipe(recorder).subscribe(on_error=_failed)
            feed.pipe(archive).subscribe(on_error=_failed)
            feed.pipe(trades(), bounded(1_000)).subscribe(on_error=_failed)
            for product in products:
                feed.pipe(order_book(product)).subscribe(on_error=_failed)
            log.warning("metrics at %s", server.url)  # the demo shows no other level
            yield


def _failed(error: Exception) -> None:
    log.error("%s", error)
