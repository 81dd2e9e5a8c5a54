"""The HTTP endpoint for Prometheus."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rxfeed.core import Seconds, arguments
from rxfeed.errors import ConfigError, needs_extra
from rxfeed.metrics.values import MOST_PRODUCTS

if TYPE_CHECKING:
    from rxfeed.metrics.collector import PartsCollector

log = logging.getLogger("rxfeed.metrics")

PORT = 9109
SAMPLE_SECONDS = 0.5


class MetricsServer:
    """The endpoint that `serve` returns; `close()`, a `with` block or the end of the process ends it."""

    def __init__(self, collector: PartsCollector, port: int, host: str, sample_seconds: float) -> None:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(collector)
        self._collector = collector
        self._over = threading.Event()
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"metrics: {_shown(host)}:{port} cannot be served: {error}; choose another port"
            ) from None
        self._host = host
        self._sampler = threading.Thread(
            target=self._sample, args=(sample_seconds,), name="rxfeed-metrics", daemon=True
        )
        self._sampler.start()

    @property
    def port(self) -> int:
        """The port, also if a free one was requested with 0."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """The URL of the endpoint."""
        return f"http://{_shown(self._host)}:{self.port}/metrics"

    def add(self, *parts: object) -> None:
        """Also serve *parts*; the counters of feeds that have ended stay in the totals."""
        for part in parts:
            self._collector.add(part)

    def close(self) -> None:
        """End the endpoint and the samples."""
        if self._over.is_set():
            return
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if threading.current_thread() is not self._sampler:
            self._sampler.join()
        self._collector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MetricsServer {self.url}>"

    def _sample(self, seconds: float) -> None:
        while not self._over.wait(seconds):
            self._collector.sample()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def serve(
    *parts: object,
    port: int = PORT,
    host: str = "127.0.0.1",
    products: int = MOST_PRODUCTS,
    sample_seconds: Seconds = SAMPLE_SECONDS,
) -> MetricsServer:
    """Serve the metrics of *parts* to Prometheus, at `http://host:port/metrics`, until `close()`.

        recorder = record("recordings")
        feed.pipe(recorder).subscribe()
        with rxfeed.metrics.serve(feed, recorder):
            feed.run()

    *parts*: feeds and replays, and the operators that `record()`, `to_mongo()` and `to_parquet()` return. Books,
    queues and operators of a feed's pipelines are found by themselves. Call it before `connect()`: gaps and reconnects
    of the time before have no product and no cause.

    Counters are read when they are requested. Lags and prices are sampled, *sample_seconds* apart: the next message of
    each type and product with a subscriber. Other messages cost nothing. The first *products* products have a label of
    their own, all others together `other`. *port* 0 is a free port. *host* `0.0.0.0` or `::` serves other machines,
    too; there is no authentication and no secret in the values.

    Raises `ConfigError` for a part without metrics, and for a port that is in use; `ExtraMissing` without the extra
    `metrics`.
    """
    arguments.positive_integer("products", products)
    sample_seconds = arguments.above_zero("sample_seconds", sample_seconds)
    with needs_extra("metrics", "metrics"):
        from rxfeed.metrics.collector import PartsCollector
    return MetricsServer(PartsCollector(parts, products), port, host, sample_seconds)
