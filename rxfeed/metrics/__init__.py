"""Metrics of feeds and sinks for Prometheus: counters that exist are read when they are requested."""

from rxfeed.metrics.catalogue import METRICS, Metric
from rxfeed.metrics.scrape import Distribution, Scrape, read_scrape
from rxfeed.metrics.server import MetricsServer, serve

__all__ = ["METRICS", "Distribution", "Metric", "MetricsServer", "Scrape", "read_scrape", "serve"]
