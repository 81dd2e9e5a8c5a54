"""The collector of a scrape: reads all parts, and returns the families of Prometheus."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from rxfeed.errors import ConfigError
from rxfeed.feed import MessageSource
from rxfeed.metrics.catalogue import METRICS, SECONDS, Metric
from rxfeed.metrics.parts import FeedPart, reader_of
from rxfeed.metrics.values import MOST_PRODUCTS, Histogram, ProductLabels, Values

log = logging.getLogger("rxfeed.metrics")

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class PartsCollector(Collector):
    """Reads *parts*: feeds, replays, recorders, Mongo sinks. At most *products* products have a label of their own."""

    def __init__(self, parts: tuple[object, ...], products: int = MOST_PRODUCTS) -> None:
        self._products = ProductLabels(products)
        self._lock = threading.Lock()
        self._feeds: list[FeedPart] = []
        self._readers: list[Callable[[Values], None]] = []
        self._totals = Values()  # of feeds that have ended
        self._logged = False
        for part in parts:
            self.add(part)

    def add(self, part: object) -> None:
        """Also read *part*. Feeds that have ended keep their counters, as totals."""
        reader = reader_of(part)
        if reader is not None:
            self._readers.append(reader)
        elif isinstance(part, MessageSource):
            feed = FeedPart(part, self._products)
            with self._lock:
                for ended in [each for each in self._feeds if each.ended]:
                    self._feeds.remove(ended)
                    values = Values()
                    ended.read(values)
                    self._totals.merge_totals(values)
                self._feeds.append(feed)
        else:
            raise ConfigError(f"metrics: {part!r} has none; give feeds, replays, and the operators of sinks")

    def sample(self) -> None:
        """Measure the next message of each type and product of all feeds."""
        with self._lock:
            feeds = tuple(self._feeds)
        for feed in feeds:
            feed.sample()

    def close(self) -> None:
        for feed in self._feeds:
            feed.close()

    def read(self) -> Values:
        """All values at this time."""
        values = Values()
        with self._lock:
            values.merge_totals(self._totals)
            readers = [*(feed.read for feed in self._feeds), *self._readers]
        for reader in readers:
            try:
                reader(values)
            except Exception:
                if not self._logged:
                    self._logged = True
                    log.exception("metrics: a part cannot be read, and its values are missing; this is logged once")
        return values

    def describe(self) -> Iterator[Family]:
        return (_family(metric) for metric in METRICS.values())

    def collect(self) -> Iterator[Family]:
        values = self.read()
        for metric in METRICS.values():
            family = _family(metric)
            for labels, value in values.numbers.get(metric.name, {}).items():
                # Of counters and gauges: their method takes a number. A histogram has none of these.
                family.add_metric(labels, float(value))  # pyright: ignore[reportArgumentType, reportCallIssue]  # as above
            for labels, histogram in values.histograms.get(metric.name, {}).items():
                assert isinstance(family, HistogramMetricFamily)
                family.add_metric(labels, _buckets(histogram), histogram.sum)
            yield family


def _family(metric: Metric) -> Family:
    kind = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}[metric.kind]
    return kind(metric.name, metric.text, labels=metric.labels)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, SECONDS), "+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
