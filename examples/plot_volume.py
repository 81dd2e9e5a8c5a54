"""Plot the volume that takers bought and sold in a recording, by window, and the running sum of the difference.

Run: python examples/plot_volume.py recordings/
Run: python examples/plot_volume.py

Without a folder, three hours of the local exchange are recorded first, which takes some seconds.
Needs matplotlib, zstandard and websockets: pip install ".[plot,record,sim]"
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from shared.drawing import Drawing, add_output, parsed, picture, show_numbers
from shared.market import Hole, add_venue, holes, recording
from shared.scales import LENGTHS, duration, readable

from rxfeed import Replay, VolumeWindow, window_volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(options: argparse.Namespace, windows: list[VolumeWindow], missed: list[Hole]) -> None:
    product = options.product
    base, length = product.partition("-")[0], (windows[0].end - windows[0].start).total_seconds()
    volume, trades = sum(w.volume for w in windows), sum(w.count for w in windows)
    share = 100 * sum(w.buy_volume for w in windows) / volume
    summary = (
        f"{trades:,} trades, {volume:,.2f} {base}, {share:.1f} % bought by takers, in windows of {duration(length)}"
    )
    span = (windows[0].start, windows[-1].end)
    with picture(options, f"{product} volume", summary, span, (5, 3)) as drawing:
        above, below = drawing.axes
        draw_volume(drawing, above, windows, base)
        draw_flow(drawing, below, windows, base)
        drawing.shade((above, below), missed)


def draw_volume(drawing: Drawing, axes: Axes, windows: list[VolumeWindow], base: str) -> None:
    colors = drawing.colors
    for w in windows:
        drawing.bar(axes, w, float(w.buy_volume), 0.0, colors.buy)
        drawing.bar(axes, w, float(w.sell_volume), float(w.buy_volume), colors.sell)
    show_numbers(axes, f"volume, {base}")
    axes.grid(axis="x", visible=False)
    shown = [drawing.patch("takers bought", colors.buy), drawing.patch("takers sold", colors.sell)]
    drawing.legend(axes, [*shown, drawing.incomplete("window"), drawing.missing()])


def draw_flow(drawing: Drawing, axes: Axes, windows: list[VolumeWindow], base: str) -> None:
    """The running sum of bought minus sold volume, with breaks where windows are missing."""
    times: list[Any] = [windows[0].start]
    flow = [0.0]
    for w in windows:
        if w.start > times[-1]:
            times += [times[-1], w.start, w.start]
            flow += [math.nan, math.nan, flow[-1]]
        times.append(w.end)
        flow.append(flow[-1] + float(w.buy_volume - w.sell_volume))
    axes.plot(times, flow, drawstyle="steps-pre", color=drawing.colors.accent, linewidth=1.6)
    axes.axhline(0, color=drawing.colors.muted, linewidth=0.8)
    show_numbers(axes, f"bought less sold, summed, {base}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the volume of a recording.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--window", type=float, help="seconds of a window (default: so that there are at most 200)")
    add_output(parser, "volume.png")
    add_venue(parser)
    options = parsed(parser)

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
    draw(options, windows, missed)


if __name__ == "__main__":
    main()
