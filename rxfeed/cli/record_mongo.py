"""Stores the messages of a recorded feed in MongoDB, beside the files."""

from __future__ import annotations

import argparse
import logging
import threading

from pymongo import MongoClient
from reactivex import Subject

from rxfeed.cli.mongo_url import Document, MongoUrl
from rxfeed.errors import ConfigError
from rxfeed.feed import Feed, Gap
from rxfeed.market import Message
from rxfeed.recording import Contents, Epochs, SegmentList, TextLine, TimeRange, find, moment_of, named_venue, ordered
from rxfeed.sinks import MongoSink, MongoStats, to_mongo

log = logging.getLogger("rxfeed.cli")

SPILL = "mongo.spill"
_FLUSH = 5.0  # seconds without a success after which the rest stays in the spill
# A service manager waits a limited time for the end, and an attempt cannot be interrupted.
_ATTEMPT = 2.0
_CLOSE = 0.5
_END = 10 * 10**9
"""Nanoseconds at the end of the files of a killed recorder that are stored again: longer than a write to the disk."""


class MongoStore:
    """A durable sink for one feed after another; the spill in the folder of the files has what waits."""

    def __init__(self, client: MongoClient[Document], options: argparse.Namespace, sync: float) -> None:
        database, _, collection = options.mongo_collection.partition(".")
        if not database or not collection:
            raise ConfigError(f"--mongo-collection: {options.mongo_collection!r} is not DATABASE.COLLECTION")
        self._client = client
        self._folder = options.to
        self._sync = sync
        self._spill = self._folder / SPILL
        self.problem: Exception | None = None
        self._over = threading.Event()
        self._over.set()
        self._sink = to_mongo(
            client[database][collection],
            spill=self._spill,
            durable=True,
            sync=sync,
            flush_seconds=_FLUSH,
            attempt_seconds=_ATTEMPT,
        )

    @classmethod
    def of(cls, options: argparse.Namespace, sync: float) -> MongoStore | None:
        """The store for `--mongo` or `--mongo-file`; `None` without them. The folder of the files must exist."""
        url = MongoUrl.find(options.mongo, options.mongo_file, {})
        if url is None:
            return None
        if url.is_exposed:
            log.warning("--mongo: the list of processes shows the URL's password; use --mongo-file")
        return cls(url.client(), options, sync)

    def recover(self) -> None:
        """Store the end of the last files again if their recorder was killed, since the spill may lack some of it.

        The ids of documents are deterministic, so that nothing is stored twice. Call it before the first `subscribe`.
        """
        last = [each for each in SegmentList(self._folder).read() if not each.open][-2:]  # it may just have rotated
        if not last or last[-1].ended:
            return
        paths = [self._folder / each.name for each in last]
        since = moment_of(last[-1].last_ns - round(self._sync * 1e9) - _END)
        parts = ordered(find(paths))
        messages: Subject[Message] = Subject()
        self._over.clear()
        messages.pipe(self._sink).subscribe(on_error=lambda error: self._over.set(), on_completed=self._over.set)
        for part in parts:
            kinds, chosen = (Message,), TimeRange(None, since, None)
            Contents(named_venue(parts), _Messages(messages), kinds, chosen, Epochs()).read(part)
        messages.on_completed()
        self._over.wait()
        stats = self.stats
        if stats.taken:
            text = "%s was not finished: its last %d messages were stored in MongoDB again, %d were new, %d wait in %s"
            log.info(text, paths[-1], stats.taken, stats.written, stats.spilled, self._spill)

    def subscribe(self, feed: Feed) -> None:
        """Store the messages of *feed*. If the sink fails, the files are still written."""
        self._over.clear()
        feed.pipe(self._sink).subscribe(on_error=self._failed, on_completed=self._over.set)

    def _failed(self, error: Exception) -> None:
        self.problem = error
        self._over.set()
        log.error("nothing more is stored in MongoDB, the files are still written: %s", error)

    @property
    def sink(self) -> MongoSink:
        return self._sink

    @property
    def stats(self) -> MongoStats:
        return self._sink.stats

    @property
    def lost(self) -> int:
        """Messages that are neither stored nor in the spill."""
        stats = self.stats
        return stats.dead + stats.dropped + stats.lost

    def text(self) -> str:
        """The counts in one line."""
        stats = self.stats
        return f"{stats.written + stats.duplicates:,} stored in MongoDB, {stats.spilled:,} wait in {self._spill}"

    def close(self) -> None:
        """Close the client, unless the sink still waits for an attempt: then the end of the process closes it."""
        if self._over.wait(_CLOSE):
            self._client.close()


class _Messages:
    """Receives the content of recordings, and emits its messages on *target*."""

    def __init__(self, target: Subject[Message]) -> None:
        self._target = target

    def take_messages(self, messages: list[Message]) -> None:
        for message in messages:
            self._target.on_next(message)

    def take_texts(self, lines: list[TextLine], base: int) -> bool:
        return False

    def take_gap(self, gap: Gap) -> None: ...
