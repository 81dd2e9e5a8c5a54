"""Plot the candles of a recording, with their volume.

Run: python examples/plot_candles.py recordings/ --seconds 300
Run: python examples/plot_candles.py

Without a folder, three hours of the local exchange are recorded first, which takes some seconds.
Needs matplotlib, zstandard and websockets: pip install ".[plot,record,sim]"
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.drawing import Drawing, add_output, parsed, picture, show_numbers, thin
from shared.market import Hole, add_venue, holes, recording
from shared.scales import LENGTHS, duration, readable

from rxfeed import Candle, Replay, candles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(options: argparse.Namespace, drawn: list[Candle], missed: list[Hole]) -> None:
    base, quoted = options.product.split("-")
    first, last = drawn[0], drawn[-1]
    assert first.open
    assert last.close
    change = 100 * (last.close / first.open - 1)
    length = (first.end - first.start).total_seconds()
    prices = f"{first.open:,} to {last.close:,} {quoted}, {change:+.2f} %"
    summary = f"{prices}, in {len(drawn)} candles of {duration(length)}"
    with picture(options, options.product, summary, (first.start, last.end), (5, 2)) as drawing:
        above, below = drawing.axes
        draw_candles(drawing, above, drawn, quoted)
        draw_vwap(drawing, above, drawn, missed)
        draw_volume(drawing, below, drawn, base)
        drawing.shade((above, below), missed)


def color_of(drawing: Drawing, candle: Candle) -> str:
    assert candle.open is not None
    assert candle.close is not None
    return drawing.colors.buy if candle.close >= candle.open else drawing.colors.sell


def draw_candles(drawing: Drawing, axes: Axes, drawn: list[Candle], quoted: str) -> None:
    middles: list[Any] = [c.start + (c.end - c.start) / 2 for c in drawn]
    colors = [color_of(drawing, c) for c in drawn]
    axes.vlines(
        middles,
        [float(c.low or 0) for c in drawn],
        [float(c.high or 0) for c in drawn],
        colors,
        linewidth=thin(1.2, len(drawn)),
    )
    for candle, color in zip(drawn, colors, strict=True):
        opened, closed = float(candle.open or 0), float(candle.close or 0)
        drawing.bar(axes, candle, abs(closed - opened), min(opened, closed), color)
    axes.use_sticky_edges = False  # of bars, which would touch the axis
    increments = [-int(c.close.as_tuple().exponent) for c in drawn if c.close is not None]
    show_numbers(axes, f"price, {quoted}", max(0, *increments))


def draw_vwap(drawing: Drawing, axes: Axes, drawn: list[Candle], missed: list[Hole]) -> None:
    """Marks for few candles; they would cover many, so then it is a line, with breaks where data is missing."""
    colors = drawing.colors
    times: list[Any] = [c.start + (c.end - c.start) / 2 for c in drawn]
    prices = [float(c.vwap or c.close or 0) for c in drawn]
    if len(drawn) <= 80:
        axes.scatter(times, prices, s=26, marker="_", color=colors.accent, zorder=3, label="VWAP")
    else:
        breaks = [later.start for earlier, later in pairwise(drawn) if interrupted(earlier, later, missed)]
        for time in reversed(breaks):
            place = next(number for number, candle in enumerate(drawn) if candle.start == time)
            times.insert(place, time)
            prices.insert(place, math.nan)
        axes.plot(times, prices, color=colors.accent, linewidth=0.8, zorder=3, label="VWAP")
    (vwap,) = axes.get_legend_handles_labels()[0]
    rose, fell = drawing.patch("rose", colors.buy), drawing.patch("fell", colors.sell)
    drawing.legend(axes, [rose, fell, vwap, drawing.incomplete("candle"), drawing.missing()])


def interrupted(earlier: Candle, later: Candle, missed: list[Hole]) -> bool:
    """True if a whole candle or more is missing between the two."""
    return earlier.end < later.start and any(hole.start < later.start and earlier.end < hole.end for hole in missed)


def draw_volume(drawing: Drawing, axes: Axes, drawn: list[Candle], base: str) -> None:
    for candle in drawn:
        drawing.bar(axes, candle, float(candle.volume), 0.0, color_of(drawing, candle))
    show_numbers(axes, f"volume, {base}")
    axes.grid(axis="x", visible=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the candles of a recording.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--seconds", type=float, help="length of a candle (default: so that there are at most 200)")
    add_output(parser, "candles.png")
    add_venue(parser)
    options = parsed(parser)

    lengths: tuple[float, ...] = (options.seconds,) if options.seconds else LENGTHS
    by_length: dict[float, list[Candle]] = {length: [] for length in lengths}
    missed: list[Hole] = []
    with recording(options.folder, options.product, hours=3, venue=options.venue) as folder:
        replay = Replay(folder, products=options.product)
        for length, kept in by_length.items():
            replay.pipe(candles(length)).subscribe(kept.append)
        replay.pipe(holes(options.product)).subscribe(missed.append)
        replay.run()
    drawn = readable(by_length)
    if not drawn:
        raise SystemExit(f"no trade of {options.product} in the recording")
    draw(options, drawn, missed)


if __name__ == "__main__":
    main()
