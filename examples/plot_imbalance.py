"""Plot the imbalance of a recorded order book, and the price moves after it.

Run: python examples/plot_imbalance.py recordings/ --levels 5
Run: python examples/plot_imbalance.py

The imbalance is (bid size - ask size) / (bid size + ask size) at the best levels: -1 is a book of asks, 1 one of bids.
Without a folder, three hours of the local exchange are recorded first, which takes some seconds.
Needs matplotlib, zstandard and websockets: pip install ".[plot,record,sim]"
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.drawing import Drawing, add_output, parsed, picture, show_numbers
from shared.market import Hole, add_venue, holes, recording
from shared.scales import LENGTHS, MOST_BARS, Points, duration

from rxfeed import BookView, Replay, order_book

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS, FEWEST = 10, 20


class Sample(NamedTuple):
    """A book; *mid* and *imbalance* are `None` if it is not known or has an empty side."""

    time: datetime
    mid: float | None
    imbalance: float | None


def sample(book: BookView, levels: int) -> Sample:
    assert book.time is not None
    mid, imbalance = book.mid, book.imbalance(levels)
    if not book.ready or mid is None or imbalance is None:
        return Sample(book.time, None, None)
    return Sample(book.time, float(mid), float(imbalance))


class Moves:
    """The moves of the mid in the next *ahead* seconds, in basis points, after books that are as far apart.

    There is a list for each of `BINS` equal ranges of the imbalance.
    """

    def __init__(self, ahead: float) -> None:
        self.bins: list[list[float]] = [[] for _ in range(BINS)]
        self._ahead = timedelta(seconds=ahead)
        self._due: datetime | None = None  # when the mid is compared, and the next book is taken
        self._begun: tuple[float, int] | None = None  # the mid then, and the bin
        self._mid: float | None = None

    def add(self, each: Sample) -> None:
        if self._begun is not None and self._due is not None and each.time >= self._due:
            before, place = self._begun
            self._begun, later = None, each.mid if each.time == self._due else self._mid
            if later is not None:
                self.bins[place].append(10_000 * (later / before - 1))
        self._mid = each.mid
        if each.mid is None or each.imbalance is None:
            self._begun = None  # there is a gap before it is due
        elif self._due is None or each.time >= self._due:
            self._due = each.time + self._ahead
            self._begun = each.mid, min(BINS - 1, int((each.imbalance + 1) / 2 * BINS))


class Spans:
    """How often each imbalance, in hundredths, was in each span; the spans get longer, so that there are few."""

    def __init__(self) -> None:
        self.counts: dict[int, Counter[int]] = {}
        self._lengths = iter(LENGTHS)
        self.length = next(self._lengths)

    def add(self, time: datetime, imbalance: float) -> None:
        seconds = int(time.timestamp())
        self.counts.setdefault(seconds - seconds % self.length, Counter())[round(100 * imbalance)] += 1
        while len(self.counts) > MOST_BARS and (longer := next(self._lengths, None)):
            self.length = longer
            counts, self.counts = self.counts, {}
            for start, each in counts.items():
                self.counts.setdefault(start - start % longer, Counter()).update(each)

    @property
    def all(self) -> Counter[int]:
        return sum(self.counts.values(), Counter())


def quantile(counts: Counter[int], share: float) -> float:
    """The imbalance that *share* of the books do not exceed."""
    rank, passed = share * counts.total(), 0
    for hundredths in sorted(counts):
        passed += counts[hundredths]
        if passed >= rank:
            return hundredths / 100
    return math.nan


def mean(counts: Counter[int]) -> float:
    return sum(hundredths * count for hundredths, count in counts.items()) / counts.total() / 100


class Study:
    """What is drawn, in memory that does not grow with the books."""

    def __init__(self, levels: int, ahead: float) -> None:
        self.levels, self.ahead = levels, ahead
        self.mids, self.spans, self.moves = Points(), Spans(), Moves(ahead)
        self.missed: list[Hole] = []
        self.places = 0  # of the prices
        self.first: datetime | None = None
        self.last: datetime | None = None

    def book(self, book: BookView) -> None:
        if book.best_bid is not None:
            self.places = max(self.places, -int(book.best_bid[0].as_tuple().exponent))
        self.add(sample(book, self.levels))

    def hole(self, hole: Hole) -> None:
        self.missed.append(hole)
        if self.last is not None:
            self.add(Sample(max(self.last, hole.start), None, None))

    def add(self, each: Sample) -> None:
        self.first, self.last = self.first or each.time, each.time
        self.mids.add(each.time, each.mid)
        self.moves.add(each)
        if each.imbalance is not None:
            self.spans.add(each.time, each.imbalance)


def draw(options: argparse.Namespace, study: Study) -> None:
    assert study.first is not None
    assert study.last is not None
    known, quoted = study.spans.all, options.product.partition("-")[2]
    summary = (
        f"{known.total():,} books, {study.levels} best levels a side, median imbalance {quantile(known, 0.5):+.2f}"
    )
    title, span = f"{options.product} book imbalance", (study.first, study.last)
    with picture(options, title, summary, span, (3, 3, 3), timeless=1) as drawing:
        above, middle, below = drawing.axes
        draw_mid(drawing, above, study, quoted)
        draw_imbalance(drawing, middle, study.spans)
        draw_moves(drawing, below, study)
        drawing.shade((above, middle), study.missed)


def draw_mid(drawing: Drawing, axes: Axes, study: Study, quoted: str) -> None:
    times, mids = study.mids.line()
    shown: Any = times
    axes.plot(shown, mids, drawstyle="steps-post", color=drawing.colors.price, linewidth=1)
    show_numbers(axes, f"mid price, {quoted}", study.places)
    drawing.legend(axes, [drawing.missing()])


def draw_imbalance(drawing: Drawing, axes: Axes, spans: Spans) -> None:
    """The mean of each span, and its 10th and 90th percentiles."""
    colors, length = drawing.colors, timedelta(seconds=spans.length)
    times: list[Any] = []
    means: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for seconds, counts in spans.counts.items():
        start = datetime.fromtimestamp(seconds, UTC)
        if times and start > times[-1]:  # spans without books: nothing is drawn there
            times += [times[-1], start]
            means, lows, highs = ([*each, math.nan, math.nan] for each in (means, lows, highs))
        times += [start, start + length]
        means += [mean(counts)] * 2
        lows += [quantile(counts, 0.1)] * 2
        highs += [quantile(counts, 0.9)] * 2
    level = [0.0] * len(means)
    axes.fill_between(times, lows, highs, color=colors.spread, alpha=0.2, linewidth=0)
    axes.fill_between(times, means, level, where=[m > 0 for m in means], color=colors.buy, linewidth=0)
    axes.fill_between(times, means, level, where=[m < 0 for m in means], color=colors.sell, linewidth=0)
    axes.axhline(0, color=colors.muted, linewidth=0.8)
    axes.set_ylim(-1, 1)
    show_numbers(axes, "imbalance, \N{MINUS SIGN}1 to 1")
    more = drawing.patch(f"more bids (mean of {duration(spans.length)})", colors.buy)
    books = drawing.patch("8 of 10 books", colors.spread, alpha=0.2, linewidth=0)
    drawing.legend(axes, [more, drawing.patch("more asks", colors.sell), books])


def draw_moves(drawing: Drawing, axes: Axes, study: Study) -> None:
    colors = drawing.colors
    for number, moved in enumerate(study.moves.bins):
        if len(moved) < FEWEST:
            continue
        average, error = statistics.fmean(moved), statistics.stdev(moved) / math.sqrt(len(moved))
        middle = -1 + (number + 0.5) * 2 / BINS
        axes.bar(middle, average, 0.82 * 2 / BINS, color=colors.buy if middle > 0 else colors.sell)
        axes.errorbar(middle, average, 2 * error, color=colors.muted, linewidth=1)
    axes.axhline(0, color=colors.muted, linewidth=0.8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel(
        f"imbalance of the book (a bar: at least {FEWEST}, {study.ahead:g} s apart; a line: two standard errors)"
    )
    show_numbers(axes, f"move in {study.ahead:g} s, bp of mid")
    axes.grid(axis="x", visible=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the imbalance of a recorded order book.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--levels", type=int, default=5, help="the number of best prices of a side (default: 5)")
    parser.add_argument("--ahead", type=float, default=10, help="seconds until the price is compared (default: 10)")
    add_output(parser, "imbalance.png")
    add_venue(parser)
    options = parsed(parser)

    study = Study(options.levels, options.ahead)
    with recording(options.folder, options.product, hours=3, venue=options.venue) as folder:
        replay = Replay(folder, products=options.product)
        replay.pipe(holes(options.product)).subscribe(study.hole)
        replay.pipe(order_book(options.product)).subscribe(study.book)
        replay.run()
    if not study.spans.counts:
        raise SystemExit(f"no order book of {options.product} in the recording: it takes level2 or level2_batch")
    draw(options, study)


if __name__ == "__main__":
    main()
