"""Test a small market maker against recordings, with several latencies, and report what the latency costs.

Run: python examples/backtest.py recordings/ --latency 0 0.5 2 5 --fee 0.1
Run: python examples/backtest.py

It bids and offers around the mid, and quotes anew when that moves; its orders go to the local exchange's matching
engine, in which the recording stands (rxfeed/backtest/market.py has what they get). Strategy and recording are the
same: only the time differs that an order, and a cancel, takes. Every fill is a maker's: its orders never take.

A profit is luck to a large part, so the time is cut into spans. The cost of a latency is the mean over all spans of
what the first latency earned more in the same span, with its standard error: a cost below two of them is not
significant. Without a folder, some markets of the local exchange are recorded first, each with a seed of its own, which
takes a minute.
Needs zstandard and websockets: pip install ".[record,sim]"
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from shared.market import add_venue, recording

from rxfeed import Message, Replay
from rxfeed.backtest import PaperDone, PaperEvent, PaperFill, PaperMarket
from rxfeed.market import Side

ZERO = Decimal(0)


class Account:
    """The position and cash after fills, exactly."""

    def __init__(self) -> None:
        self.fills = 0
        self.volume = self.position = self.cash = self.fees = self.most = ZERO

    def book(self, fill: PaperFill) -> None:
        signed = fill.size if fill.side == "buy" else -fill.size
        self.fills += 1
        self.volume += fill.size
        self.position += signed
        self.cash -= signed * fill.price
        self.fees += fill.fee
        self.most = max(self.most, abs(self.position))

    def profit(self, mid: Decimal) -> Decimal:
        """The profit before fees, with the position valued at *mid*."""
        return self.cash + self.position * mid


class MarketMaker:
    """Keeps one order on each side, *edge* (a fraction) from the mid, and never holds more than *most*.

    What it holds moves its quotes, by up to a quarter of the edge, towards getting rid of it. An order that is off by
    a twentieth of the edge is canceled, and another one sent. An order counts until the exchange reports its end, also
    while its cancel is under way: no order is sent that could make the position larger than *most*.
    """

    def __init__(self, market: PaperMarket, span: timedelta, edge: Decimal, size: Decimal, most: Decimal) -> None:
        self.account = Account()
        self.spans: dict[datetime, Decimal] = {}
        """The net worth at the end of each span, by the beginning of the span."""
        self.mid: Decimal | None = None
        self._market, self._span = market, span
        self._edge, self._size, self._most = edge, size, most
        self._quotes: dict[Side, tuple[str, Decimal] | None] = {"buy": None, "sell": None}
        self._open: dict[Side, dict[str, Decimal]] = {"buy": {}, "sell": {}}  # what remains of each order

    def step(self, message: Message) -> None:
        self._handle(self._market.step(message))
        book, time = self._market.book, self._market.time
        if book is None or book.best_bid is None or book.mid is None:
            return  # at a gap all orders are canceled, and none is accepted: see PaperMarket
        self.mid, held = book.mid, self.account.position
        edge = self._edge * book.mid
        fair, tick = book.mid - edge / 4 * held / self._most, book.best_bid[0]
        self._quote("buy", (fair - edge).quantize(tick), edge / 20)
        self._quote("sell", (fair + edge).quantize(tick), edge / 20)
        if time is not None:
            self._value(time)

    def finish(self) -> None:
        self._handle(self._market.finish())
        if self._market.time is not None and self.mid is not None:
            self._value(self._market.time)

    def _value(self, time: datetime) -> None:
        start = time - (time - datetime.min.replace(tzinfo=time.tzinfo)) % self._span
        self.spans[start] = self.account.profit(self.mid or ZERO) - self.account.fees

    def _handle(self, events: Iterable[PaperEvent]) -> None:
        for event in events:
            if isinstance(event, PaperFill):
                self.account.book(event)
                self._open[event.side][event.order_id] = event.remaining
            elif isinstance(event, PaperDone):
                for side, quote in self._quotes.items():
                    self._open[side].pop(event.order_id, None)
                    if quote is not None and quote[0] == event.order_id:
                        self._quotes[side] = None

    def _quote(self, side: Side, price: Decimal, near: Decimal) -> None:
        quote = self._quotes[side]
        if quote is not None and abs(quote[1] - price) > near:
            self._market.cancel(quote[0])
            quote = self._quotes[side] = None
        held = self.account.position if side == "buy" else -self.account.position
        if quote is None and held + sum(self._open[side].values()) + self._size <= self._most:
            order_id = self._market.limit(side, price, self._size, post_only=True)
            self._open[side][order_id] = self._size
            self._quotes[side] = (order_id, price)


def trade(
    folder: Path, product: str, latencies: list[float], fee: Decimal, span: timedelta, **rules: Decimal
) -> list[MarketMaker]:
    """A market maker for each latency, after one replay of the whole recording."""
    replay = Replay(folder, products=product)
    makers = [MarketMaker(PaperMarket(product, latency=each, maker_fee=fee), span, **rules) for each in latencies]
    failures: list[Exception] = []
    for maker in makers:
        replay.subscribe(maker.step, failures.append)
    replay.run()
    if failures:
        raise failures[0]
    if makers and makers[0].mid is None:
        raise SystemExit(f"{folder}: it has no book of {product}: record its channels book and trades, too")
    for maker in makers:
        maker.finish()
    return makers


def earned(maker: MarketMaker) -> list[Decimal]:
    """What it earned in each span, after fees."""
    return [after - before for before, after in pairwise([ZERO, *maker.spans.values()])]


def mean_and_error(values: Sequence[Decimal]) -> tuple[float, float]:
    """Their mean and its standard error, which is NaN for fewer than two."""
    numbers = [float(value) for value in values]
    error = statistics.stdev(numbers) / math.sqrt(len(numbers)) if len(numbers) > 1 else math.nan
    return statistics.fmean(numbers), error


def report(product: str, latencies: list[float], markets: list[list[MarketMaker]], span: timedelta) -> None:
    """Print a line for each latency: what it earned a span, and how much less than the first latency."""
    base, quoted = product.split("-")
    row("latency", "fills", "volume", "most held", "fees", "net", "+-", "cost", "+-")
    row("s", "", base, base, quoted, quoted, "", quoted, "")
    first: list[Decimal] = [each for makers in markets for each in earned(makers[0])]
    for place, latency in enumerate(latencies):
        makers = [each[place] for each in markets]
        accounts = [maker.account for maker in makers]
        spans = [each for maker in makers for each in earned(maker)]
        (net, error), costs = mean_and_error(spans), [one - other for one, other in zip(first, spans, strict=True)]
        cost, cost_error = mean_and_error(costs)
        volume, most = sum(each.volume for each in accounts), max(each.most for each in accounts)
        counted = (f"{sum(each.fills for each in accounts):,}", f"{volume:.4f}", f"{most:.4f}")
        fees = f"{sum(each.fees for each in accounts):,.2f}"
        compared = (f"{cost:+,.3f}", f"{cost_error:,.3f}") if place else ("", "")
        row(f"{latency:g}", *counted, fees, f"{net:+,.3f}", f"{error:,.3f}", *compared)
    minutes = span.total_seconds() / 60
    print(f"net, cost: mean and standard error of {len(first)} spans of {minutes:g} min in {len(markets)} recordings")


def row(*cells: str) -> None:
    widths = (8, 8, 10, 11, 9, 9, 8, 9, 8)
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description="Trade in recordings, with one latency after the other.")
    parser.add_argument("folder", nargs="*", help="of a recording (default: new ones)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 0.5, 2, 5], help="seconds (default: 0 0.5 2 5)")
    parser.add_argument("--edge", type=Decimal, default="0.7", help="distance from the mid, in bp (default: 0.7)")
    parser.add_argument("--fee", type=Decimal, default="0", help="fee of a fill, in bp of its value (default: 0)")
    parser.add_argument("--size", type=Decimal, default="0.01", help="size of an order (default: 0.01)")
    parser.add_argument("--most", type=Decimal, default="0.1", help="largest position, long or short (default: 0.1)")
    parser.add_argument("--span", type=float, default=60, help="seconds of a span of the comparison (default: 60)")
    parser.add_argument("--seeds", type=int, default=8, help="number of new recordings (default: 8)")
    add_venue(parser)
    options = parser.parse_args()

    edge, fee, span = options.edge / 10_000, options.fee / 10_000, timedelta(seconds=options.span)
    rules = {"edge": edge, "size": options.size, "most": options.most}
    folders = options.folder or [None] * options.seeds
    markets: list[list[MarketMaker]] = []
    for seed, folder in enumerate(folders, 1):
        with recording(folder, options.product, hours=0.25, rate=10, venue=options.venue, seed=seed) as found:
            markets.append(trade(found, options.product, options.latency, fee, span, **rules))
    report(options.product, options.latency, markets, span)


if __name__ == "__main__":
    main()
