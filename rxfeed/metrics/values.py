"""The values of a scrape: sums by metric and labels."""

from __future__ import annotations

from bisect import bisect_left

from rxfeed.metrics.catalogue import METRICS, SECONDS

MOST_PRODUCTS = 200
OTHER = "other"


class Histogram:
    """Counts by bucket, and their sum. One thread observes; a reader may miss the newest observation."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def add(self, other: Histogram) -> None:
        self.counts = [mine + more for mine, more in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


class ProductLabels:
    """The label of a product: its id for the first *most* products, then `other`; product ids come from the network."""

    def __init__(self, most: int = MOST_PRODUCTS) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, product: str | None) -> str:
        if product is None:
            return ""
        if product not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(product)
        return product


class Values:
    """Numbers and histograms by the name of the metric and the values of its labels."""

    def __init__(self) -> None:
        self.numbers: dict[str, dict[tuple[str, ...], float]] = {}
        self.histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add *value* to what the metric has for *labels*."""
        by_labels = self.numbers.setdefault(name, {})
        by_labels[labels] = by_labels.get(labels, 0) + value

    def set(self, name: str, value: float, *labels: str) -> None:
        self.numbers.setdefault(name, {})[labels] = value

    def add_histogram(self, name: str, histogram: Histogram, *labels: str) -> None:
        self.histograms.setdefault(name, {}).setdefault(labels, Histogram()).add(histogram)

    def merge_totals(self, other: Values) -> None:
        """Add what only grows in *other*: counters and histograms."""
        for name, by_labels in other.numbers.items():
            if METRICS[name].kind == "counter":
                for labels, value in by_labels.items():
                    self.add(name, value, *labels)
        for name, histograms in other.histograms.items():
            for labels, histogram in histograms.items():
                self.add_histogram(name, histogram, *labels)
