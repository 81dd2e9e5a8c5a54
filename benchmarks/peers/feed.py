"""rxfeed, in its usual forms of use."""

from __future__ import annotations

import operator
import time
from collections import Counter
from typing import Any

from reactivex import Observable
from reactivex import operators as ops

from benchmarks.peers.harness import Job, Meter, memory, run
from rxfeed import Feed, Match, Message, level2, matches, price_crossing, tickers, window_volume
from rxfeed.compat import WebsocketClient
from rxfeed.feed import Connected
from rxfeed.market import Trade
from rxfeed.venues.coinbase_exchange import L2Update

CHANNELS = ["level2_batch", "ticker", "matches"]


def _nothing(item: object) -> None:
    pass


def _feed(job: Job) -> Feed:
    return Feed(job.products, CHANNELS, url=job.url)


def _check(feed: Feed) -> None:
    """A message outside the subscription costs several times as much as one inside."""
    if feed.stats.unsubscribed:
        raise SystemExit(f"{feed.stats.unsubscribed:,} messages are outside the subscription")


def _until_last(feed: Feed, meter: Meter) -> None:
    def count(message: Message) -> None:
        if meter.tick():
            feed.close()

    feed.subscribe(count)
    feed.serve()
    _check(feed)


def feed_filter_window(job: Job, meter: Meter) -> None:
    """Feed, a stock filter, `window_volume(60)`, a subscriber; the filter's function counts."""
    feed = _feed(job)

    def is_trade(message: Message) -> bool:
        if meter.tick():
            feed.close()
        return type(message) is Match

    feed.pipe(ops.filter(is_trade), window_volume(60)).subscribe(_nothing)
    feed.serve()
    _check(feed)


def matches_window(job: Job, meter: Meter) -> None:
    """Feed, `matches()`, `window_volume(60)`, a subscriber: nothing reads the other messages."""
    feed = _feed(job)
    feed.pipe(matches(), window_volume(60)).subscribe(_nothing)
    _until_counted(feed, job, meter)


def _until_counted(feed: Feed, job: Job, meter: Meter) -> None:
    """From the opened connection to the last frame, which no subscriber gets."""
    feed.status.subscribe(lambda status: meter.begin() if isinstance(status, Connected) else None)
    feed.connect()
    while feed.stats.frames < job.count:
        time.sleep(0.005)
    meter.end()
    feed.close()
    _check(feed)


def feed_alone(job: Job, meter: Meter) -> None:
    """Feed to one subscriber."""
    _until_last(_feed(job), meter)


def feed_window_crossing(job: Job, meter: Meter) -> None:
    """Feed with `window_volume(60)` and `price_crossing`, and the subscriber that counts."""
    feed = _feed(job)
    feed.pipe(window_volume(60)).subscribe(_nothing)
    feed.pipe(price_crossing(job.more["product"], job.more["level"])).subscribe(_nothing)
    _until_last(feed, meter)


def classic(job: Job, meter: Meter) -> None:
    """The compatibility client's `on_message(dict)`."""

    class Counting(WebsocketClient):
        def on_message(self, msg: dict[str, Any]) -> None:
            if meter.tick():
                self.close()

    client = Counting(url=job.url, products=job.products, channels=CHANNELS, should_print=False)
    client.start()
    assert client.thread is not None
    client.thread.join()


def pipelines(job: Job, meter: Meter) -> None:
    """One pipeline for each pair of channel and product, and no other subscriber."""
    feed = _feed(job)
    for channel, product in job.more["pairs"]:
        _pipeline(feed, channel, product, job.more["level"]).subscribe(_nothing)
    meter.begin()
    feed.connect()
    while feed.stats.messages < job.count:
        time.sleep(0.002)
    meter.end()
    feed.close()
    _check(feed)


def _pipeline(feed: Feed, channel: str, product: str, level: str) -> Observable[Any]:
    if channel == "matches":
        return feed.pipe(matches(product), window_volume(60))
    if channel == "ticker":
        return feed.pipe(tickers(product), price_crossing(product, level))
    return feed.pipe(level2(product), ops.map(_changes), ops.scan(operator.add))


def _changes(message: Message) -> int:
    return len(message.changes) if isinstance(message, L2Update) else 0


def _advanced(job: Job) -> Feed:
    channels = ["market_trades", "level2", "ticker", "candles", "heartbeats"]
    return Feed(job.products, channels, venue="coinbase_advanced", url=job.url)


def advanced_window(job: Job, meter: Meter) -> None:
    """`window_volume(60)` on Advanced Trade, from the opened connection to the last frame."""
    feed = _advanced(job)
    feed.pipe(window_volume(60)).subscribe(_nothing)
    _until_counted(feed, job, meter)


def advanced_filter_window(job: Job, meter: Meter) -> None:
    """The same behind a stock filter, which every message passes; the filter's function counts frames."""
    feed = _advanced(job)
    number, expected = -1, job.count - 1

    def is_trade(message: Any) -> bool:
        nonlocal number
        if message.sequence_num != number:
            number = message.sequence_num
            if number == 0:
                meter.begin()
            elif number == expected:
                meter.end()
                feed.close()
        return isinstance(message, Trade)

    feed.pipe(ops.filter(is_trade), window_volume(60)).subscribe(_nothing)
    feed.serve()
    _check(feed)


def memory_held(job: Job, meter: Meter) -> dict[str, Any]:
    """Feed with window and crossing, and the memory held after each *every* messages."""
    feed = _feed(job)
    outputs: Counter[str] = Counter()
    feed.pipe(window_volume(60)).subscribe(lambda window: outputs.update(windows=1))
    feed.pipe(price_crossing(job.more["product"], job.more["level"])).subscribe(lambda c: outputs.update(crossings=1))
    samples: list[int] = []
    seen = 0

    def count(message: Message) -> None:
        nonlocal seen
        seen += 1
        if seen % job.more["every"] == 0:
            samples.append(memory())
        if meter.tick():
            feed.close()

    feed.subscribe(count)
    feed.serve()
    _check(feed)
    return {"samples": samples, **outputs}


if __name__ == "__main__":
    run(
        feed_filter_window,
        matches_window,
        feed_alone,
        feed_window_crossing,
        classic,
        pipelines,
        advanced_window,
        advanced_filter_window,
        memory_held,
    )
