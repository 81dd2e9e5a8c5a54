"""What can be measured: feeds with their pipelines, recorders, and sinks of MongoDB and Parquet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import EllipsisType

from reactivex.disposable import CompositeDisposable

from rxfeed.archive import ParquetSink
from rxfeed.core import BookView, FullBookView
from rxfeed.feed import Feed, MessageSource
from rxfeed.market import Message
from rxfeed.metrics.samples import MOST, Samples
from rxfeed.metrics.status import StatusCounts
from rxfeed.metrics.values import ProductLabels, Values
from rxfeed.operators import GraphEntry, HasQueue, SharedItems
from rxfeed.recording import Recorder, disk_space
from rxfeed.sinks import MongoSink

_OF_STATS = {
    "rxfeed_received_bytes_total": "bytes",
    "rxfeed_frames_total": "frames",
    "rxfeed_malformed_total": "malformed",
    "rxfeed_duplicates_total": "duplicates",
    "rxfeed_sequence_resets_total": "resets",
    "rxfeed_unsubscribed_total": "unsubscribed",
    "rxfeed_subscriber_errors_total": "subscriber_errors",
    "rxfeed_connections_total": "connections",
    "rxfeed_pings_total": "pings",
    "rxfeed_pongs_total": "pongs",
    "rxfeed_backlog_seconds": "lag",
    "rxfeed_backlog_max_seconds": "max_lag",
}
_MOST_PIPELINES = 50


class FeedPart:
    """A feed or a replay."""

    def __init__(self, source: MessageSource, products: ProductLabels) -> None:
        self._source = source
        self._products = products
        venue = source.venue.name
        self._samples = Samples(venue, products)
        self._status = StatusCounts(venue, products)
        self._subscriptions = CompositeDisposable(
            source.status.subscribe(self._status.status), source.keepalive.subscribe(self._status.pong)
        )

    @property
    def ended(self) -> bool:
        return self._status.ended

    def sample(self) -> None:
        """Measure the next message of each type and product."""
        self._source.take_samples(self._samples.add, MOST)

    def close(self) -> None:
        self._subscriptions.dispose()

    def read(self, values: Values) -> None:
        stats, venue = self._source.stats, self._source.venue.name
        labels: set[str] = set()
        for (kind, product), each in stats.counts.copy().items():
            if each.count:
                label = self._products.of(None if isinstance(product, EllipsisType) else product)
                labels.add(label)
                values.add("rxfeed_messages_total", each.count, venue, label, _type_name(kind))
        for name, attribute in _OF_STATS.items():
            values.add(name, getattr(stats, attribute), venue)
        self._status.read(values, stats, labels, self._present())
        self._samples.read(values)
        self._read_graph(values, venue)

    def _present(self) -> list[int]:
        return [each.number for each in self._source.connections] if isinstance(self._source, Feed) else []

    def _read_graph(self, values: Values, venue: str) -> None:
        entries = [entry for entry in self._source.graph.entries if entry.origin == "messages"]
        values.add("rxfeed_subscriptions", len(entries), venue)
        stages: dict[str, list[HasQueue]] = {}
        ready: dict[str, bool] = {}
        for number, entry in enumerate(entries[:_MOST_PIPELINES], 1):
            for step in entry.steps:
                if isinstance(step.operator, HasQueue) and step.operator not in stages.setdefault(step.name, []):
                    stages[step.name].append(step.operator)
                view = step.made.newest if isinstance(step.made, SharedItems) else None
                if isinstance(view, BookView | FullBookView):
                    self._read_book(values, venue, view)
                    label = self._products.of(view.product_id)
                    ready[label] = ready.get(label, True) and view.ready
            if self._source.graph.counts:
                _read_steps(values, venue, number, entry)
        for product, is_ready in ready.items():
            values.set("rxfeed_book_ready", is_ready, venue, product)
        for name, operators in stages.items():
            for operator in operators:  # operators of one name are one stage
                state = operator.queue_state
                values.add("rxfeed_queue_items", state.waiting, venue, name)
                values.add("rxfeed_queue_size_items", state.size, venue, name)
                values.add("rxfeed_queue_dropped_total", state.dropped, venue, name)

    def _read_book(self, values: Values, venue: str, view: BookView | FullBookView) -> None:
        product = self._products.of(view.product_id)
        for name, best in (("rxfeed_best_bid", view.best_bid), ("rxfeed_best_ask", view.best_ask)):
            if best is not None:
                values.set(name, float(best[0]), venue, product)


def _read_steps(values: Values, venue: str, number: int, entry: GraphEntry) -> None:
    for place, step in enumerate(entry.steps, 1):
        if step.edge is not None:
            labels = (venue, str(number), f"{place} {step.name}")
            values.add("rxfeed_step_items_total", step.edge.items, *labels)
            values.add("rxfeed_step_errors_total", step.edge.errors, *labels)


def _type_name(kind: type[Message]) -> str:
    tag = kind.__struct_config__.tag
    return kind.__name__ if tag is None else str(tag)


def read_recorder(recorder: Recorder, values: Values) -> None:
    """Add the values of *recorder* and of its disk."""
    stats = recorder.stats
    for name, value in (
        ("rxfeed_recorder_frames_total", stats.frames),
        ("rxfeed_recorder_segments_total", stats.segments),
        ("rxfeed_recorder_written_bytes_total", stats.bytes),
        ("rxfeed_recorder_uncompressed_bytes_total", stats.uncompressed),
        ("rxfeed_recorder_unwritten_total", stats.unwritten),
        ("rxfeed_recorder_blocked_seconds_total", stats.waited),
        ("rxfeed_recorder_lag_seconds", stats.lag),
    ):
        values.add(name, value)
    size = 0
    if stats.segment is not None:
        with contextlib.suppress(OSError):  # it is finished, or deleted
            size = stats.segment.stat().st_size
    values.add("rxfeed_recorder_segment_bytes", size)
    with contextlib.suppress(OSError):  # there is no folder yet
        space = disk_space(recorder.folder)
        values.set("rxfeed_disk_free_bytes", space.free)
        values.set("rxfeed_disk_size_bytes", space.total)


def read_mongo(sink: MongoSink, values: Values) -> None:
    """Add the values of *sink*."""
    stats = sink.stats
    for result, count in (
        ("written", stats.written),
        ("duplicate", stats.duplicates),
        ("dead", stats.dead),
        ("dropped", stats.dropped),
        ("lost", stats.lost),
        ("spilled", stats.spilled_ever),
    ):
        values.add("rxfeed_mongo_documents_total", count, result)
    values.add("rxfeed_mongo_batches_total", stats.batches)
    values.add("rxfeed_mongo_retries_total", stats.retries)
    values.add("rxfeed_mongo_lag_seconds", stats.lag)
    values.set("rxfeed_mongo_available", stats.problem is None)
    values.add("rxfeed_spill_bytes", stats.spill_bytes)
    values.add("rxfeed_spill_documents", stats.spilled)


def read_parquet(sink: ParquetSink, values: Values) -> None:
    """Add the values of *sink*."""
    stats = sink.stats
    values.add("rxfeed_parquet_rows_total", stats.rows)
    values.add("rxfeed_parquet_files_total", stats.files)
    values.add("rxfeed_parquet_written_bytes_total", stats.bytes)
    values.add("rxfeed_parquet_unwritten_total", stats.unwritten)
    values.add("rxfeed_parquet_lag_seconds", stats.lag)


def reader_of(part: object) -> Callable[[Values], None] | None:
    """What reads the values of *part*, a sink; `None` if it is none that has metrics."""
    if isinstance(part, Recorder):
        return lambda values: read_recorder(part, values)
    if isinstance(part, MongoSink):
        return lambda values: read_mongo(part, values)
    if isinstance(part, ParquetSink):
        return lambda values: read_parquet(part, values)
    return None
