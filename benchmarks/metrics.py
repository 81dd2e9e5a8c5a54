"""`python -m benchmarks.metrics`: the cost of metrics, relative to the feed that is measured, in one run.

Measured are the delivery of 5,000 messages, as they arrive in a second, and what metrics do in a second: two rounds of
samples, and a fifteenth of a scrape, as Prometheus requests one every 15 s by default. A round is the difference of two
deliveries of some reads, with and without samples. The shortest of many turns counts, since noise only adds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest

from benchmarks import streams
from benchmarks.ways import feed_of
from rxfeed import order_book, trades, window_volume
from rxfeed.feed import Dispatcher
from rxfeed.market import Message
from rxfeed.metrics.collector import PartsCollector
from rxfeed.metrics.server import SAMPLE_SECONDS
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps

RATE = 5000  # messages a second
SCRAPE_SECONDS = 15.0
MOST = 0.01
_AT_ONCE = 10
_READS = 10
_ROUNDS = 50
_TURNS = 20


class Cost(NamedTuple):
    """CPU seconds for a second of the feed: its delivery, and what metrics add."""

    feed: float
    samples: float
    scrapes: float

    @property
    def share_of_feed(self) -> float:
        return (self.samples + self.scrapes) / self.feed

    @property
    def share_of_core(self) -> float:
        return self.samples + self.scrapes

    def __str__(self) -> str:
        return (
            f"metrics at {RATE:,} messages a second: {self.share_of_feed:.2%} of the feed's CPU time "
            f"({self.samples * 1e6:.0f} us of samples, {self.scrapes * 1e6:.0f} us of scrapes, to "
            f"{self.feed * 1e3:.1f} ms), {self.share_of_core:.3%} of a core; the goal is {MOST:.0%}"
        )


def measure(products: int = 10, turns: int = _TURNS) -> Cost:
    """The cost for a feed of *products* with three pipelines, in *turns*."""
    feed = feed_of(products)
    feed.pipe(trades()).subscribe(lambda trade: None)
    feed.pipe(window_volume(60)).subscribe(lambda window: None)
    feed.pipe(order_book(streams.name(0))).subscribe(lambda view: None)
    feed.subscribe(lambda message: None)
    collector = PartsCollector((feed,))
    registry = CollectorRegistry()
    registry.register(collector)
    deliver = Dispatcher(feed._streams, ExchangeGaps(), drop_duplicates=False).frames
    messages = _second(products)
    reads = [messages[at : at + _AT_ONCE] for at in range(0, len(messages), _AT_ONCE)]
    frames = [([each.raw for each in read], max(each.received_ns for each in read)) for read in reads]
    some = frames[:_READS]

    def second() -> None:
        for raws, received_ns in frames:
            deliver(raws, received_ns)

    def plain() -> None:
        for _ in range(_ROUNDS):
            for raws, received_ns in some:
                deliver(raws, received_ns)

    def sampled() -> None:
        for _ in range(_ROUNDS):
            collector.sample()
            for raws, received_ns in some:
                deliver(raws, received_ns)

    second()
    sampled()
    gc.collect()
    gc.disable()
    try:
        of_feed = min(_seconds(second) for _ in range(turns))
        pairs = [(_seconds(plain), _seconds(sampled)) for _ in range(turns)]
        scrape = min(_seconds(lambda: generate_latest(registry)) for _ in range(turns))
    finally:
        gc.enable()
        collector.close()
    without, with_samples = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    a_round = max(0.0, with_samples - without) / _ROUNDS
    return Cost(of_feed, a_round / SAMPLE_SECONDS, scrape / SCRAPE_SECONDS)


def _second(products: int) -> list[Message]:
    third = RATE // 3 + 1
    kinds = (
        streams.trades(products, third),
        streams.tickers(products, third),
        streams.books(products, third + products)[products:],
    )
    return [message for trio in zip(*kinds, strict=True) for message in trio][:RATE]


def _seconds(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def main() -> int:
    cost = min((measure() for _ in range(3)), key=lambda cost: cost.share_of_feed)
    print(cost)
    return 0 if cost.share_of_feed < MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
