"""Plot the volume that takers bought and sold in a recording, by window, and the running sum of the difference.

Run: python examples/plot_volume.py recordings/
Run: python examples/plot_volume.py

Without a folder, three hours of the local exchange are recorded first, which takes some seconds.
Needs matplotlib, zstandard and websockets: pip install ".[plot,record,sim]"
"""

import argparse
import math
from typing import Any

from shared.drawing import (
    ACCENT,
    BUY,
    LENGTHS,
    MUTED,
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
)
from shared.market import Hole, add_venue, holes, recording

from rxfeed import Replay, VolumeWindow, window_volume


def draw(path: str, product: str, windows: list[VolumeWindow], missed: list[Hole]) -> None:
    base, length = product.partition("-")[0], (windows[0].end - windows[0].start).total_seconds()
    volume, trades = sum(w.volume for w in windows), sum(w.count for w in windows)
    share = 100 * sum(w.buy_volume for w in windows) / volume
    told = f"{trades:,} trades, {volume:,.2f} {base}, {share:.1f} % bought by takers, in windows of {duration(length)}"
    with picture(path, f"{product} volume", told, (windows[0].start, windows[-1].end), (5, 3)) as (above, below):
        draw_volume(above, windows, base)
        draw_flow(below, windows, base)
        shade((above, below), missed)


def draw_volume(axes: Axes, windows: list[VolumeWindow], base: str) -> None:
    for w in windows:
        bar(axes, w, float(w.buy_volume), 0.0, BUY)
        bar(axes, w, float(w.sell_volume), float(w.buy_volume), SELL)
    axes.yaxis.set_major_formatter("{x:,.8g}")
    axes.set_ylabel(f"volume, {base}")
    axes.grid(axis="x", visible=False)
    shown = [Patch(color=BUY, label="takers bought"), Patch(color=SELL, label="takers sold")]
    legend(axes, 4, [*shown, incomplete("window"), missing()])


def draw_flow(axes: Axes, windows: list[VolumeWindow], base: str) -> None:
    """The running sum of bought minus sold volume, with breaks where windows are missing."""
    times: list[Any] = [windows[0].start]
    flow = [0.0]
    for w in windows:
        if w.start > times[-1]:
            times += [times[-1], w.start, w.start]
            flow += [math.nan, math.nan, flow[-1]]
        times.append(w.end)
        flow.append(flow[-1] + float(w.buy_volume - w.sell_volume))
    axes.plot(times, flow, drawstyle="steps-pre", color=ACCENT, linewidth=1.6)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.yaxis.set_major_formatter("{x:,.8g}")
    axes.set_ylabel(f"bought less sold, summed, {base}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the volume of a recording.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--window", type=float, help="seconds of a window (default: so that there are at most 200)")
    parser.add_argument("--output", default="volume.png", help="file of the plot (default: volume.png)")
    add_venue(parser)
    options = parser.parse_args()

    lengths: tuple[float, ...] = (options.window,) if options.window else LENGTHS
    by_length: dict[float, list[VolumeWindow]] = {length: [] for length in lengths}
    missed: list[Hole] = []
    with recording(options.folder, options.product, hours=3, venue=options.venue) as folder:
        replay = Replay(folder, products=options.product)
        for length, kept in by_length.items():
            replay.pipe(window_volume(length)).subscribe(kept.append)
        replay.pipe(holes(options.product)).subscribe(missed.append)
        replay.run()
    windows = readable(by_length)
    if not windows:
        raise SystemExit(f"no trade of {options.product} in the recording")
    draw(options.output, options.product, windows, missed)


if __name__ == "__main__":
    main()
