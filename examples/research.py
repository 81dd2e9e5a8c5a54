"""Collect half an hour of trades and tickers and plot them: price and VWAP, volume by taker's side, spread.

Run: python examples/research.py
Run: python examples/research.py --url wss://ws-feed.exchange.coinbase.com --seconds 600

Without --url, a local exchange simulates the market, 300 times as fast as a real one.
Needs matplotlib, and the local exchange websockets: pip install ".[plot,sim]"
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from reactivex import operators as ops
from shared.drawing import Drawing, add_output, parsed, picture, show_numbers
from shared.scales import Points, length_for

from rxfeed import Feed, Trade, VolumeWindow, heartbeats, tickers, trades, window_volume
from rxfeed.market import Ticker
from rxfeed.venues import DEFAULT_VENUE, VENUES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Quote(NamedTuple):
    """The best prices after a trade; the spread in basis points (hundredths of a percent) of the mid price."""

    time: datetime
    bid: Decimal
    mid: Decimal
    spread: Decimal


class Flow(NamedTuple):
    """The volume that takers bought and sold so far, in the base currency."""

    trades: int = 0
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)

    def add(self, trade: Trade) -> Flow:
        bought = trade.taker_side == "buy"
        return Flow(
            self.trades + 1,
            self.bought + (trade.size if bought else 0),
            self.sold + (0 if bought else trade.size),
        )


def quote(ticker: Ticker) -> list[Quote]:
    """The quote of a ticker, if it has one."""
    if not (ticker.time and ticker.best_bid and ticker.best_ask):
        return []
    mid = (ticker.best_bid + ticker.best_ask) / 2
    return [Quote(ticker.time, ticker.best_bid, mid, 10_000 * (ticker.best_ask - ticker.best_bid) / mid)]


class Study:
    """The pipelines on one feed, and their results."""

    def __init__(self, feed: Feed, product: str, seconds: int, window: float) -> None:
        self.product = product
        self.windows: list[VolumeWindow] = []
        self.quotes: list[Quote] = []
        self.flow = Flow()

        feed.pipe(window_volume(window)).subscribe(self._window)
        # (The first ticker is of a trade before the subscription.)
        feed.pipe(tickers(product), ops.skip(1), ops.map(quote)).subscribe(self.quotes.extend)
        feed.pipe(trades(product), ops.scan(Flow.add, Flow())).subscribe(self._flow)
        # A heartbeat arrives for each second of the market's time, at any speed of the exchange.
        feed.pipe(heartbeats(), ops.take(seconds)).subscribe(on_completed=feed.close)

    def _window(self, window: VolumeWindow) -> None:
        self.windows.append(window)
        print(f"{window.start:%H:%M:%S} volume {window.volume} vwap {window.vwap:.8g}")

    def _flow(self, flow: Flow) -> None:
        self.flow = flow

    def summary(self) -> str:
        base, quoted = self.product.split("-")
        trades, volume = self.flow.trades, self.flow.bought + self.flow.sold
        if not volume:
            return "no trades"
        vwap = sum(w.notional for w in self.windows) / volume
        share = 100 * self.flow.bought / volume
        return f"{trades} trades, {volume} {base} at {vwap:.8g} {quoted} on average, {share:.1f} % bought by takers"


def draw(study: Study, options: argparse.Namespace) -> None:
    base, quoted = study.product.split("-")
    span = (min(w.start for w in study.windows), max(w.end for w in study.windows))
    with picture(options, study.product, study.summary(), span, (5, 3, 2)) as drawing:
        above, middle, below = drawing.axes
        draw_price(drawing, above, study, quoted)
        draw_volume(drawing, middle, study, base)
        draw_spread(drawing, below, study)


def draw_price(drawing: Drawing, axes: Axes, study: Study, quoted: str) -> None:
    points = Points()
    for q in study.quotes:
        points.add(q.time, float(q.mid))
    times, mids = points.line()
    shown: Any = times
    axes.plot(shown, mids, color=drawing.colors.price, linewidth=1, label="mid price")
    vwaps = [float(w.vwap or 0) for w in study.windows]
    starts: Any = [w.start for w in study.windows]
    ends: Any = [w.end for w in study.windows]
    axes.hlines(vwaps, starts, ends, color=drawing.colors.accent, linewidth=2.4, label="VWAP of each window")
    show_numbers(axes, f"price, {quoted}", max(-int(q.bid.as_tuple().exponent) for q in study.quotes))
    drawing.legend(axes)


def draw_volume(drawing: Drawing, axes: Axes, study: Study, base: str) -> None:
    colors = drawing.colors
    for w in study.windows:
        drawing.bar(axes, w, float(w.buy_volume), 0.0, colors.buy)
        drawing.bar(axes, w, float(w.sell_volume), float(w.buy_volume), colors.sell)
    show_numbers(axes, f"volume, {base}")
    axes.grid(axis="x", visible=False)
    shown = [drawing.patch("takers bought", colors.buy), drawing.patch("takers sold", colors.sell)]
    drawing.legend(axes, [*shown, drawing.incomplete("window")])


def draw_spread(drawing: Drawing, axes: Axes, study: Study) -> None:
    edges: list[Any] = []
    deciles: list[list[float]] = []
    for w in study.windows:
        spreads = [float(q.spread) for q in study.quotes if w.start <= q.time < w.end]
        if len(spreads) > 1:
            edges += [w.start, w.end]
            deciles += [statistics.quantiles(spreads, n=10, method="inclusive")] * 2
    low, median, high = ([each[index] for each in deciles] for index in (0, 4, 8))
    axes.fill_between(edges, low, high, color=drawing.colors.spread, alpha=0.22, linewidth=0, label="8 of 10 quotes")
    axes.plot(edges, median, color=drawing.colors.spread, linewidth=1.6, label="median")
    axes.set_ylim(bottom=0)
    show_numbers(axes, "spread, bp of mid")
    drawing.legend(axes)


def main() -> None:
    parser = argparse.ArgumentParser(description="Gather a span of the market and draw it.")
    parser.add_argument(
        "--seconds", type=int, default=1800, help="seconds of the market's time to collect (default: 1800)"
    )
    parser.add_argument("--window", type=float, help="seconds of a window (default: so that there are at most 200)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--venue", choices=tuple(VENUES), help=f"(default: that of --url, or {DEFAULT_VENUE})")
    parser.add_argument("--url", help="the exchange (default: a local one, at 300 times the speed of a real one)")
    add_output(parser, "research.png")
    options = parsed(parser)

    with contextlib.ExitStack() as stack:
        url = options.url
        if url is None:
            from rxfeed.sim import Exchange

            venue = options.venue or DEFAULT_VENUE
            url = stack.enter_context(Exchange([options.product], venue=venue, seed=7, rate=10, speed=300)).url
        feed = Feed(options.product, ["trades", "ticker", "heartbeat"], venue=options.venue, url=url)
        study = Study(feed, options.product, options.seconds, options.window or length_for(options.seconds))
        feed.run()  # Ctrl-C ends it early

    print(f"{options.product}: {study.summary()}")
    if study.windows and study.quotes:
        draw(study, options)


if __name__ == "__main__":
    main()
