"""`python -m benchmarks.pipelines`: the cost of a message for an operator, and for other implementations of it.

`hub`: the operator on a Feed, with typed messages given to its dispatcher; `subject`: on a plain Subject; `stock`:
reactivex's operators on a Subject; `plain`: the operator's machine in a plain loop, which the verdicts compare with;
`live`: for the book, a loop that changes it in place, so that an output changes with the next message (as with
`stock`); `naive`: a loop without gaps, late trades and heartbeats. All but `naive` emit equal results, which is checked
first.
Figures are CPU time, medians of alternating runs.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import Any

from benchmarks import streams
from benchmarks.report import Report, with_json
from benchmarks.ways import LEVEL, Pipeline, feed_of, giving, nanoseconds, outputs, pipelines
from rxfeed import (
    Feed,
    Message,
    candles,
    level2,
    matches,
    moved,
    order_book,
    price_crossing,
    rolling_volume,
    spread_wider,
    tick_bars,
    tickers,
    trade_imbalance,
    window_volume,
)
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps

WAYS = ("hub", "subject", "stock", "plain", "live", "naive")
TEN = 10
_AT_ONCE = 50  # frames that one read of the socket brings


def check(pipeline: Pipeline, messages: list[Message]) -> int:
    """The number of outputs of each implementation; `SystemExit` unless they are equal, late trades included."""
    found = {name: outputs(way, messages) for name, way in pipeline.exact.items()}
    expected = found["plain"]
    for name, (results, late) in found.items():
        # The operator closes products in the order of their first message, and group_by in the order of the next one.
        if results != expected[0] or late != expected[1]:
            raise SystemExit(f"{pipeline.name}, {pipeline.products} products: {name} puts out something else")
    return len(expected[0])


def compare(pipeline: Pipeline, count: int, runs: int) -> dict[str, Any]:
    """A row: ns a message of each implementation, and the number of outputs."""
    messages = pipeline.stream(pipeline.products, count)
    emitted = check(pipeline, messages)
    known = min(max(count // 10, 5 * pipeline.products), count // 2)
    costs: dict[str, list[float]] = {name: [] for name in pipeline.ways}
    for _ in range(runs):
        for name, way in pipeline.ways.items():
            costs[name].append(nanoseconds(way, messages, known))
    medians = {name: round(statistics.median(each), 1) for name, each in costs.items()}
    row = {"pipeline": pipeline.name, "products": pipeline.products, "messages": count, "outputs": emitted}
    return row | {"ns": medians, "ratio": round(medians["plain"] / medians["hub"], 3)}


# ---- ten at once

Compose = Callable[[Feed], Any]


def ten() -> list[tuple[Callable[..., list[Message]], Compose]]:
    """Ten pipelines: the messages of each channel, and a function that composes the pipeline for a product's number."""
    name = streams.name
    return [
        (streams.trades, lambda feed: feed.pipe(matches(name(0)), window_volume(60))),
        (streams.trades, lambda feed: feed.pipe(matches(name(1)), candles(60))),
        (streams.trades, lambda feed: feed.pipe(matches(name(2)), rolling_volume(60))),
        (streams.trades, lambda feed: feed.pipe(matches(name(3)), trade_imbalance(60))),
        (streams.trades, lambda feed: feed.pipe(matches(name(4)), tick_bars(100))),
        (streams.tickers, lambda feed: feed.pipe(tickers(name(5)), price_crossing(name(5), LEVEL))),
        (streams.tickers, lambda feed: feed.pipe(tickers(name(6)), moved(1, within=60))),
        (streams.tickers, lambda feed: feed.pipe(tickers(name(7)), spread_wider(2))),
        (streams.books, lambda feed: feed.pipe(level2(name(8)), order_book(name(8)))),
        (streams.books, lambda feed: feed.pipe(order_book(name(9)))),
    ]


def _through(composes: list[Compose], messages: list[Message], decode: bool) -> float:
    """Seconds for *messages* through the router of a Feed with those pipelines, including decoding if *decode*."""
    feed = feed_of(TEN)
    for compose in composes:
        compose(feed).subscribe(deque[Any](maxlen=1).append)
    give, deliver = giving(feed), Dispatcher(feed._streams, ExchangeGaps(), drop_duplicates=False).frames
    frames = [message.raw for message in messages] if decode else []
    gc.collect()
    started = time.process_time()
    if decode:
        for at in range(0, len(frames), _AT_ONCE):
            deliver(frames[at : at + _AT_ONCE], messages[at].received_ns)
    else:
        for message in messages:
            give(message)
    return time.process_time() - started


def compare_ten(count: int, runs: int) -> dict[str, Any]:
    """A row: the cost of ten pipelines at once relative to that of one.

    `a message`: as many messages go to ten pipelines, a tenth to each, as go to one alone (the mean of the ten).
    `a feed`: a feed of all ten channels has all ten pipelines instead of one (the mean again), including decoding. With
    one pipeline, nine in ten messages have no subscriber, so this ratio includes the work of nine pipelines.
    """
    channels = [stream(1, count, first=number) for number, (stream, _) in enumerate(ten())]
    mixed = list(chain.from_iterable(zip(*(channel[: count // TEN] for channel in channels), strict=True)))
    composes = [compose for _, compose in ten()]
    taken: dict[str, list[float]] = {"alone": [], "ten": [], "one": [], "all": []}
    for _ in range(runs):
        pairs = list(zip(composes, channels, strict=True))
        taken["alone"].append(statistics.mean(_through([compose], channel, False) for compose, channel in pairs))
        taken["ten"].append(_through(composes, mixed, False))
        taken["one"].append(statistics.mean(_through([compose], mixed, True) for compose in composes))
        taken["all"].append(_through(composes, mixed, True))
    ns = {name: round(statistics.median(each) / count * 1e9, 1) for name, each in taken.items()}
    ratios = {"a message": round(ns["ten"] / ns["alone"], 3), "a feed": round(ns["all"] / ns["one"], 3)}
    return {"pipeline": "ten at once", "products": TEN, "messages": count, "ns": ns, "ratios": ratios}


def run(count: int, runs: int, products: tuple[int, ...] = (1, 1000)) -> Report:
    report = Report("pipelines")
    print(f"ns a message ({count:,} messages, medians of {runs} alternating runs)")
    print(f"{'':>16} {'products':>9}" + "".join(f"{name:>9}" for name in WAYS) + "   plain/hub   stock/hub")
    for many in products:
        for pipeline in pipelines(many):
            row = compare(pipeline, count, runs)
            report.rows.append(row)
            ns = row["ns"]
            costs = "".join(f"{ns[name]:>9,.0f}" if name in ns else f"{'-':>9}" for name in WAYS)
            ratios = f"{row['ratio']:>12.2f}{ns['stock'] / ns['hub']:>12.1f}"
            print(f"{pipeline.name:>16} {many:>9,}{costs}{ratios}", flush=True)
            goal = f"{pipeline.name}, {many} product{'s' * (many > 1)}: speed by the plain loop's"
            report.at_least(goal, row["ratio"], 0.6)
            if "live" in ns:
                report.at_least(f"{goal} whose book goes on changing", ns["live"] / ns["hub"], 0.6)
    row = compare_ten(count, runs)
    report.rows.append(row)
    ratios = row["ratios"]
    print(f"ten pipelines by one: {ratios['a message']:.2f} a message, {ratios['a feed']:.2f} a feed of ten channels")
    report.at_most("ten pipelines, each on its own channel and product: cost by one's", ratios["a message"], 2)
    report.show()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipelines", description=__doc__)
    parser.add_argument("--messages", type=int, default=120_000, help="per run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each, alternating (default %(default)s)")
    with_json(parser)
    arguments = parser.parse_args()
    run(arguments.messages, arguments.runs).save(arguments.json)


if __name__ == "__main__":
    main()
