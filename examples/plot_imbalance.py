"""Plot the imbalance of a recorded order book, and the price moves after it.

Run: python examples/plot_imbalance.py recordings/ --levels 5
Run: python examples/plot_imbalance.py

The imbalance is (bid size - ask size) / (bid size + ask size) at the best levels: -1 is a book of asks, 1 one of bids.
Without a folder, three hours of the local exchange are recorded first, which takes some seconds.
Needs matplotlib, zstandard and websockets: pip install ".[plot,record,sim]"
"""

import argparse
import math
import statistics
from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from shared.drawing import BUY, MUTED, PRICE, SELL, SPREAD, Axes, Patch, legend, missing, picture, shade
from shared.market import Hole, add_venue, holes, recording

from rxfeed import BookView, Replay, order_book

BINS, FEWEST = 10, 20


class Sample(NamedTuple):
    """The book from *time* to *until*; *mid* and *imbalance* are `None` if it is not known or has an empty side."""

    time: datetime
    mid: float | None
    imbalance: float | None


def sample(book: BookView, levels: int) -> Sample:
    assert book.time is not None
    mid, imbalance = book.mid, book.imbalance(levels)
    if not book.ready or mid is None or imbalance is None:
        return Sample(book.time, None, None)
    return Sample(book.time, float(mid), float(imbalance))


def draw(path: str, product: str, samples: list[Sample], missed: list[Hole], levels: int, ahead: float) -> None:
    quoted = product.partition("-")[2]
    known = [s.imbalance for s in samples if s.imbalance is not None]
    told = f"{len(known):,} books, {levels} best levels a side, median imbalance {statistics.median(known):+.2f}"
    span = (samples[0].time, samples[-1].time)
    with picture(path, f"{product} book imbalance", told, span, (3, 3, 3), timeless=1) as (above, middle, below):
        draw_mid(above, samples, quoted)
        draw_imbalance(middle, samples)
        draw_moves(below, samples, ahead)
        shade((above, middle), missed)


def draw_mid(axes: Axes, samples: list[Sample], quoted: str) -> None:
    times: Any = [s.time for s in samples]
    mids = [math.nan if s.mid is None else s.mid for s in samples]
    axes.plot(times, mids, drawstyle="steps-post", color=PRICE, linewidth=1)
    axes.set_ylabel(f"mid price, {quoted}")
    axes.yaxis.set_major_formatter("{x:,.8g}")
    legend(axes, 1, [missing()])


def draw_imbalance(axes: Axes, samples: list[Sample]) -> None:
    """The mean of each minute, and its 10th and 90th percentiles."""
    times: list[Any] = []
    means: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for minute, group in groupby(samples, key=lambda s: s.time.replace(second=0, microsecond=0)):
        values = [s.imbalance for s in group if s.imbalance is not None]
        enough = len(values) > 1
        if times and minute > times[-1]:  # minutes without books: nothing is drawn there
            times += [times[-1], minute]
            means, lows, highs = ([*each, math.nan, math.nan] for each in (means, lows, highs))
        deciles = statistics.quantiles(values, n=10, method="inclusive") if enough else [math.nan] * 9
        times += [minute, minute + timedelta(minutes=1)]
        means += [statistics.fmean(values) if enough else math.nan] * 2
        lows += [deciles[0]] * 2
        highs += [deciles[8]] * 2
    axes.fill_between(times, lows, highs, color=SPREAD, alpha=0.16, linewidth=0)
    level = [0.0] * len(means)
    axes.fill_between(times, means, level, where=[m > 0 for m in means], color=BUY, linewidth=0)
    axes.fill_between(times, means, level, where=[m < 0 for m in means], color=SELL, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-1, 1)
    axes.set_ylabel("imbalance, -1 to 1")
    bids, asks = Patch(color=BUY, label="more bids (mean of a minute)"), Patch(color=SELL, label="more asks")
    legend(axes, 3, [bids, asks, Patch(color=SPREAD, alpha=0.16, linewidth=0, label="8 of 10 books")])


def draw_moves(axes: Axes, samples: list[Sample], ahead: float) -> None:
    """The moves of the mid in the next *ahead* seconds, after books that are as far apart."""
    moves: list[list[float]] = [[] for _ in range(BINS)]
    times = [s.time for s in samples]
    unknown = [s.time for s in samples if s.mid is None]
    due = times[0]
    for s in samples:
        if s.mid is None or s.imbalance is None or s.time < due:
            continue
        due = s.time + timedelta(seconds=ahead)
        if due > times[-1] or bisect_left(unknown, s.time) < bisect_right(unknown, due):
            continue  # the recording ends before, or has a gap
        later = samples[bisect_right(times, due) - 1].mid
        assert later is not None
        moves[min(BINS - 1, int((s.imbalance + 1) / 2 * BINS))].append(10_000 * (later / s.mid - 1))
    for number, moved in enumerate(moves):
        if len(moved) < FEWEST:
            continue
        mean, error = statistics.fmean(moved), statistics.stdev(moved) / math.sqrt(len(moved))
        middle = -1 + (number + 0.5) * 2 / BINS
        axes.bar(middle, mean, 0.82 * 2 / BINS, color=BUY if middle > 0 else SELL)
        axes.errorbar(middle, mean, 2 * error, color=MUTED, linewidth=1)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel(
        f"imbalance of the book (a bar: at least {FEWEST} of them, {ahead:g} s apart; a line: two standard errors)"
    )
    axes.set_ylabel(f"move in {ahead:g} s, bp of mid")
    axes.grid(axis="x", visible=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the imbalance of a recorded order book.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--levels", type=int, default=5, help="the number of best prices of a side (default: 5)")
    parser.add_argument("--ahead", type=float, default=10, help="seconds until the price is compared (default: 10)")
    parser.add_argument("--output", default="imbalance.png", help="file of the plot (default: imbalance.png)")
    add_venue(parser)
    options = parser.parse_args()

    samples: list[Sample] = []
    missed: list[Hole] = []
    with recording(options.folder, options.product, hours=3, venue=options.venue) as folder:
        replay = Replay(folder, products=options.product)
        books = replay.pipe(order_book(options.product))
        books.subscribe(lambda book: samples.append(sample(book, options.levels)))
        replay.pipe(holes(options.product)).subscribe(missed.append)
        replay.run()
    if not any(s.imbalance is not None for s in samples):
        raise SystemExit(f"no order book of {options.product} in the recording: it takes level2 or level2_batch")
    samples = sorted([*samples, *(Sample(hole.start, None, None) for hole in missed)], key=lambda s: s.time)
    draw(options.output, options.product, samples, missed, options.levels, options.ahead)


if __name__ == "__main__":
    main()
