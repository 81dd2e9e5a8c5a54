"""`python -m benchmarks`: messages a second through each stage, from a real socket, and the ratios between them."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import websocket
from reactivex import operators as ops

from benchmarks.blaster import blaster
from benchmarks.frames import load
from rxfeed import Feed, Match, Message, window_volume
from rxfeed.compat import WebsocketClient
from rxfeed.protocol import Decoder

Runner = Callable[[str, int], None]


def plain_loop(url: str, count: int) -> None:
    """websocket-client's own recv and a typed decode, no pipeline."""
    client = websocket.create_connection(url, skip_utf8_validation=True)
    client.send("{}")
    decode = Decoder().decode
    for _ in range(count):
        decode(client.recv_data()[1])
    client.close(timeout=0)


def _feed(url: str) -> Feed:
    # The frames are repeated, and each repetition would be taken for what it is.
    return Feed("A-B", "ticker", url=url, drop_duplicates=False)


def _until(feed: Feed, count: int) -> None:
    # One subscriber more than the pipeline, to know when it is over.
    def last(message: Message) -> None:
        nonlocal count
        count -= 1
        if not count:
            feed.close()

    feed.subscribe(last)
    feed.serve()


def feed_alone(url: str, count: int) -> None:
    """Feed to one subscriber."""
    _until(_feed(url), count)


def feed_window(url: str, count: int) -> None:
    """Feed, and `window_volume(60)` beside it."""
    feed = _feed(url)
    feed.pipe(window_volume(60)).subscribe()
    _until(feed, count)


def feed_filter_window(url: str, count: int) -> None:
    """Feed, and a stock filter before `window_volume(60)` beside it."""
    feed = _feed(url)
    feed.pipe(ops.filter(lambda m: isinstance(m, Match)), window_volume(60)).subscribe()
    _until(feed, count)


def classic(url: str, count: int) -> None:
    """The compatibility client's `on_message(dict)`."""

    class Counting(WebsocketClient):
        left = count

        def on_message(self, msg: dict[str, object]) -> None:
            self.left -= 1
            if not self.left:
                self.close()

    client = Counting(url=url, channels=["ticker"], should_print=False)
    client.start()
    assert client.thread is not None
    client.thread.join()


RUNNERS: list[Runner] = [plain_loop, feed_alone, feed_window, feed_filter_window, classic]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="per run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each, alternating (default %(default)s)")
    arguments = parser.parse_args()
    source, payloads = load(arguments.messages)
    print(f"{arguments.messages:,} frames of {source}, medians of {arguments.runs} alternating runs")
    rates: dict[Runner, list[float]] = {runner: [] for runner in RUNNERS}
    with blaster(payloads) as url:
        for _ in range(arguments.runs):
            for runner in RUNNERS:
                started = time.perf_counter()
                runner(url, len(payloads))
                rates[runner].append(len(payloads) / (time.perf_counter() - started))
    base = statistics.median(rates[plain_loop])
    print(f"{'messages/s':>12}  {'ratio':>6}")
    for runner in RUNNERS:
        rate = statistics.median(rates[runner])
        print(f"{rate:>12,.0f}  {rate / base:>6.2f}  {runner.__doc__}")


if __name__ == "__main__":
    main()
