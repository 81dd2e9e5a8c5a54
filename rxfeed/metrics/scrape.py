"""Reads the text of a metrics endpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rxfeed.errors import ConfigError, needs_extra

Labels = tuple[tuple[str, str], ...]


class Distribution(NamedTuple):
    """A histogram: cumulated counts by the upper *bounds* of its buckets."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    def __sub__(self, other: Distribution) -> Distribution:
        """What was added since *other*."""
        if self.bounds != other.bounds or (self.counts and self.counts[-1] < other.counts[-1]):
            return self  # the process has started again
        return Distribution(self.bounds, tuple(now - then for now, then in zip(self.counts, other.counts, strict=True)))

    def quantile(self, share: float) -> float | None:
        """The value below which *share* of the observations are, interpolated in its bucket; `None` without any.

        >>> import math
        >>> from rxfeed.metrics.scrape import Distribution
        >>> Distribution((0.1, 0.2, math.inf), (5, 10, 10)).quantile(0.75)
        0.15
        """
        if not self.counts or not self.counts[-1]:
            return None
        rank, below, least = share * self.counts[-1], 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= rank:
                if math.isinf(bound) or count == below:
                    return least
                return round(least + (bound - least) * (rank - below) / (count - below), 9)
            below, least = count, bound
        return least


class Scrape:
    """The values of one request, by metric and labels; *types*: the type of each metric by its name."""

    def __init__(self, samples: Mapping[str, Mapping[Labels, float]], types: Mapping[str, str]) -> None:
        self._samples = samples
        self.types = types

    @property
    def names(self) -> Iterable[str]:
        """The names of the series, with the suffixes of histograms."""
        return self._samples.keys()

    def series(self, name: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of a metric."""
        return [(dict(labels), value) for labels, value in self._samples.get(name, {}).items()]

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The sums of a metric by *labels*."""
        sums: dict[tuple[str, ...], float] = {}
        for given, value in self.series(name):
            key = tuple(given.get(label, "") for label in labels)
            sums[key] = sums.get(key, 0) + value
        return sums

    def total(self, name: str) -> float:
        """The sum of a metric over all labels."""
        return sum(self._samples.get(name, {}).values())

    def distributions(self, name: str, *labels: str) -> dict[tuple[str, ...], Distribution]:
        """The histograms of a metric by *labels*."""
        found: dict[tuple[str, ...], dict[float, float]] = {}
        for given, value in self.series(f"{name}_bucket"):
            key = tuple(given.get(label, "") for label in labels)
            buckets = found.setdefault(key, {})
            bound = float(given["le"])
            buckets[bound] = buckets.get(bound, 0) + value
        return {
            key: Distribution(tuple(sorted(buckets)), tuple(buckets[bound] for bound in sorted(buckets)))
            for key, buckets in found.items()
        }


def read_scrape(text: str) -> Scrape:
    """The values in *text*, the response of a metrics endpoint; raises `ConfigError` for what is none."""
    with needs_extra("metrics", "metrics"):
        from prometheus_client.parser import text_string_to_metric_families
    samples: dict[str, dict[Labels, float]] = {}
    types: dict[str, str] = {}
    try:
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            types[name] = family.type
            for sample in family.samples:
                samples.setdefault(sample.name, {})[tuple(sample.labels.items())] = sample.value
    except ValueError as error:
        raise ConfigError(f"metrics: the response is not that of a metrics endpoint: {error}") from None
    return Scrape(samples, types)
