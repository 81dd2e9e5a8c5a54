"""The style of the examples' plots: times in UTC, incomplete data hatched, missing data shaded; light or dark."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.scales import dates_of, places_of

from rxfeed.errors import ExtraMissing, needs_extra

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from shared.market import Hole


class Colors(NamedTuple):
    """The colors of a picture."""

    paper: str
    ink: str
    muted: str
    grid: str
    missing: str
    price: str
    accent: str
    buy: str
    sell: str
    spread: str


LIGHT = Colors(
    paper="#ffffff",
    ink="#1f2933",
    muted="#616e7c",
    grid="#e4e7eb",
    missing="#eef0f3",
    price="#7b8794",
    accent="#d9480f",
    buy="#1c7c7d",
    sell="#ef9a76",
    spread="#5f5aa2",
)
DARK = Colors(
    paper="#0f151b",
    ink="#e8ecf0",
    muted="#9aa6b2",
    grid="#242d36",
    missing="#1e262f",
    price="#a9b4c0",
    accent="#ffd166",
    buy="#35a79c",
    sell="#f08a5d",
    spread="#9a94e8",
)


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the options for the file of the picture, and for its colors."""
    parser.add_argument("--output", default=default, help=f"file of the plot (default: {default})")
    parser.add_argument("--dark", action="store_true", help="light text on a dark ground")


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options; without matplotlib the command ends here, before it has done any work."""
    options = parser.parse_args()
    try:
        with needs_extra("plot", "this picture"):
            import matplotlib
    except ExtraMissing as error:
        raise SystemExit(str(error)) from None
    matplotlib.use("Agg")  # draws into files, and needs no display
    return options


class Drawing:
    """Axes, one below the other, and what is drawn in more than one of them."""

    def __init__(self, axes: Sequence[Axes], colors: Colors) -> None:
        self.axes = axes
        self.colors = colors

    def bar(self, axes: Axes, item: Any, height: float, bottom: float, color: str) -> None:
        """A bar as wide as its window or candle, hatched if that is not complete."""
        width: Any = 0.82 * (item.end - item.start)
        middle: Any = item.start + (item.end - item.start) / 2
        if item.complete:
            axes.bar(middle, height, width, bottom, color=color)
        else:
            axes.bar(middle, height, width, bottom, color=self.colors.paper, edgecolor=color, hatch="////")

    def shade(self, axes: Iterable[Axes], holes: Iterable[Hole]) -> None:
        """Shade the times without data."""
        for each in axes:
            for hole in holes:
                edges: Any = hole
                each.axvspan(*edges, color=self.colors.missing, zorder=0)

    def legend(self, axes: Axes, handles: Sequence[Artist] | None = None) -> None:
        """A legend in one line above the axes, at the right."""
        given = {} if handles is None else {"handles": handles}
        columns = len(axes.get_legend_handles_labels()[0]) if handles is None else len(handles)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, **given)

    def patch(self, label: str, color: str, **style: Any) -> Artist:
        """An entry of a legend."""
        from matplotlib.patches import Patch

        return Patch(color=color, label=label, **style)

    def incomplete(self, what: str) -> Artist:
        """The legend's entry for hatched bars."""
        from matplotlib.patches import Patch

        colors = self.colors
        return Patch(facecolor=colors.paper, edgecolor=colors.muted, hatch="////", label=f"incomplete {what}")

    def missing(self) -> Artist:
        """The legend's entry for shaded times."""
        return self.patch("nothing recorded", self.colors.missing)


@contextmanager
def picture(
    options: argparse.Namespace,
    title: str,
    summary: str,
    span: tuple[datetime, datetime],
    heights: Sequence[float],
    *,
    timeless: int = 0,
) -> Iterator[Drawing]:
    """A drawing that is saved at the end; all but its last *timeless* axes share the time axis of *span*."""
    import matplotlib.pyplot as plt

    colors = DARK if options.dark else LIGHT
    with plt.rc_context(style(colors)):
        figure, column = plt.subplots(
            len(heights), 1, squeeze=False, figsize=(11, 8), height_ratios=heights, layout="constrained"
        )
        axes = [row[0] for row in column]
        show_times(axes[: len(axes) - timeless], *span)
        yield Drawing(axes, colors)
        figure.align_ylabels()
        axes[0].set_title(title, loc="left", size=17, weight="bold", pad=44)
        axes[0].annotate(summary, (0, 1), (0, 27), "axes fraction", "offset points", size=11, color=colors.muted)
        figure.savefig(options.output, dpi=140)
        plt.close(figure)
    print("drawn in", options.output)


def show_times(axes: Sequence[Axes], start: datetime, end: datetime) -> None:
    """One time axis for all of *axes*, with numbers at the lowest one and a label that names both ends."""
    import matplotlib.dates as mdates

    for each in axes:
        each.sharex(axes[0])
        each.tick_params(labelbottom=each is axes[-1])
        ticks = mdates.AutoDateLocator(minticks=4, maxticks=10, tz=UTC)
        each.xaxis.set_major_locator(ticks)
        each.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ticks, tz=UTC, show_offset=False))
    axes[0].set_xlim(mdates.date2num(start), mdates.date2num(end))
    axes[-1].set_xlabel(dates_of(start, end))


def show_numbers(axes: Axes, label: str, places: int | None = None) -> None:
    """Numbers with separators at the vertical axis: with *places* (of a price), or as many as its ticks need."""

    def number(value: float, _: float) -> str:
        shown = places_of(axes.yaxis.get_majorticklocs()) if places is None else places
        return f"{round(value, shown) + 0.0:,.{shown}f}".replace("-", "\N{MINUS SIGN}")

    axes.yaxis.set_major_formatter(number)
    axes.set_ylabel(label)


def style(colors: Colors) -> Any:
    """The settings of matplotlib for *colors*."""
    return {
        "font.size": 10,
        "text.color": colors.ink,
        "figure.facecolor": colors.paper,
        "savefig.facecolor": colors.paper,
        "axes.facecolor": colors.paper,
        "axes.edgecolor": colors.muted,
        "axes.labelcolor": colors.ink,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": colors.grid,
        "xtick.color": colors.muted,
        "ytick.color": colors.muted,
        "hatch.linewidth": 0.8,
        "legend.frameon": False,
        "legend.borderaxespad": 0.2,
        "figure.constrained_layout.h_pad": 0.1,
    }


def thin(full: float, count: int) -> float:
    """The width of *count* lines: *full* for few, and smaller for many."""
    return full * min(1.0, 60 / count) if count else full
