"""Ends what a failed test of sinks has left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxfeed.sinks.writer import MongoWriter
from tests.sinks.servers import Producer


@pytest.fixture(autouse=True)
def threads_that_a_failed_test_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends the sources and sinks that still run after a test: those of a test that failed."""
    producers: list[Producer] = []
    writers: list[MongoWriter] = []
    start_producer, start_writer = Producer.start, MongoWriter.start

    def producer_started(producer: Producer) -> None:
        producers.append(producer)
        start_producer(producer)

    def writer_started(writer: MongoWriter) -> None:
        writers.append(writer)
        start_writer(writer)

    monkeypatch.setattr(Producer, "start", producer_started)
    monkeypatch.setattr(MongoWriter, "start", writer_started)
    yield
    left = [each for each in writers if not each.over]
    for writer in left:  # first, since a source may wait for a full queue
        writer.end(deadline=0.0)
    for producer in producers:
        if producer.is_alive():
            producer.stop()
    for writer in left:
        writer.close(1.0)
