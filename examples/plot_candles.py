"""Plot the candles of a recording, with their volume.

Run: python examples/plot_candles.py recordings/ --seconds 300
Run: python examples/plot_candles.py

Without a folder, three hours of the local exchange are recorded first, which takes some seconds.
Needs matplotlib, zstandard and websockets: pip install ".[plot,record,sim]"
"""

import argparse
from typing import Any

from shared.drawing import (
    ACCENT,
    BUY,
    LENGTHS,
    SELL,
    Axes,
    Patch,
    bar,
    duration,
    incomplete,
    legend,
    missing,
    picture,
    readable,
    shade,
    thin,
)
from shared.market import Hole, add_venue, holes, recording

from rxfeed import Candle, Replay, candles


def draw(path: str, product: str, drawn: list[Candle], missed: list[Hole]) -> None:
    base, quoted = product.split("-")
    first, last = drawn[0], drawn[-1]
    assert first.open
    assert last.close
    change = 100 * (last.close / first.open - 1)
    length = (first.end - first.start).total_seconds()
    told = f"{first.open:,} to {last.close:,} {quoted}, {change:+.2f} %, in {len(drawn)} candles of {duration(length)}"
    with picture(path, product, told, (first.start, last.end), (5, 2)) as (above, below):
        draw_candles(above, drawn, quoted)
        draw_volume(below, drawn, base)
        shade((above, below), missed)


def color_of(candle: Candle) -> str:
    assert candle.open is not None
    assert candle.close is not None
    return BUY if candle.close >= candle.open else SELL


def draw_candles(axes: Axes, drawn: list[Candle], quoted: str) -> None:
    middles: list[Any] = [c.start + (c.end - c.start) / 2 for c in drawn]
    colors = [color_of(c) for c in drawn]
    axes.vlines(
        middles,
        [float(c.low or 0) for c in drawn],
        [float(c.high or 0) for c in drawn],
        colors,
        linewidth=thin(1.2, len(drawn)),
    )
    for candle, color in zip(drawn, colors, strict=True):
        opened, closed = float(candle.open or 0), float(candle.close or 0)
        bar(axes, candle, abs(closed - opened), min(opened, closed), color)
    # Marks for few candles; they would cover many, so then it is a line.
    prices = [float(c.vwap or c.close or 0) for c in drawn]
    if len(drawn) <= 80:
        axes.scatter(middles, prices, s=26, marker="_", color=ACCENT, zorder=3, label="VWAP")
    else:
        axes.plot(middles, prices, color=ACCENT, linewidth=0.8, zorder=3, label="VWAP")
    axes.use_sticky_edges = False  # of bars, which would touch the axis
    axes.set_ylabel(f"price, {quoted}")
    axes.yaxis.set_major_formatter("{x:,.8g}")
    rose, fell = Patch(color=BUY, label="rose"), Patch(color=SELL, label="fell")
    (vwap,) = axes.get_legend_handles_labels()[0]
    legend(axes, 5, [rose, fell, vwap, incomplete("candle"), missing()])


def draw_volume(axes: Axes, drawn: list[Candle], base: str) -> None:
    for candle in drawn:
        bar(axes, candle, float(candle.volume), 0.0, color_of(candle))
    axes.yaxis.set_major_formatter("{x:,.8g}")
    axes.set_ylabel(f"volume, {base}")
    axes.grid(axis="x", visible=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the candles of a recording.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--seconds", type=float, help="length of a candle (default: so that there are at most 200)")
    parser.add_argument("--output", default="candles.png", help="file of the plot (default: candles.png)")
    add_venue(parser)
    options = parser.parse_args()

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
    draw(options.output, options.product, drawn, missed)


if __name__ == "__main__":
    main()
