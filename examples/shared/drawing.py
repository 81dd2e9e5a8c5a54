"""The style of the examples' plots: times in UTC, incomplete data hatched, missing data shaded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from shared.market import Hole

from rxfeed.errors import needs_extra

with needs_extra("plot", "this picture"):
    import matplotlib

    matplotlib.use("Agg")  # draws into files, and needs no display

    import matplotlib.dates as mdates
    import matplotlib.pyplot as plt
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

INK, MUTED, GRID, MISSING = "#1f2933", "#616e7c", "#e4e7eb", "#eef0f3"
PRICE, ACCENT, BUY, SELL, SPREAD = "#7b8794", "#d9480f", "#1c7c7d", "#ef9a76", "#5f5aa2"
STYLE: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.borderaxespad": 0.2,
    "figure.constrained_layout.h_pad": 0.1,
}


MOST_BARS = 200
LENGTHS = (60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
T = TypeVar("T")


def readable(by_length: Mapping[float, list[T]]) -> list[T]:
    """The items of the shortest length that has at most `MOST_BARS` of them, or of the longest length."""
    return next((items for items in by_length.values() if len(items) <= MOST_BARS), [*by_length.values()][-1])


def dates_of(start: datetime, end: datetime) -> str:
    """The label of a time axis: both ends of it, and the day once if they are of one."""
    if start.date() == end.date():
        return f"{start.day} {start:%B %Y}, {start:%H:%M} to {end:%H:%M} UTC"
    return f"{start.day} {start:%B %Y %H:%M} to {end.day} {end:%B %Y %H:%M}, UTC"


def duration(seconds: float) -> str:
    """*seconds* in the largest unit that has a whole number of them."""
    units = ((86_400, "days"), (3600, "h"), (60, "min"))
    return next((f"{seconds / size:g} {unit}" for size, unit in units if not seconds % size), f"{seconds:g} s")


@contextmanager
def picture(
    path: str, title: str, told: str, span: tuple[datetime, datetime], heights: Sequence[float], *, timeless: int = 0
) -> Iterator[Sequence[Axes]]:
    """Axes, one below the other, saved at the end; all but the last *timeless* ones share the time axis of *span*."""
    start, end = span
    with plt.rc_context(STYLE):
        figure, column = plt.subplots(
            len(heights), 1, squeeze=False, figsize=(11, 8), height_ratios=heights, layout="constrained"
        )
        axes = [row[0] for row in column]
        timed = axes[: len(axes) - timeless]
        for each in timed:
            each.sharex(timed[0])
            each.tick_params(labelbottom=each is timed[-1])
            ticks = mdates.AutoDateLocator(minticks=4, maxticks=10, tz=UTC)
            each.xaxis.set_major_locator(ticks)
            each.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ticks, tz=UTC, show_offset=False))
        timed[0].set_xlim(mdates.date2num(start), mdates.date2num(end))
        timed[-1].set_xlabel(dates_of(start, end))
        yield axes
        figure.align_ylabels()
        axes[0].set_title(title, loc="left", size=17, weight="bold", pad=44)
        axes[0].annotate(told, (0, 1), (0, 27), "axes fraction", "offset points", size=11, color=MUTED)
        figure.savefig(path, dpi=140)
        plt.close(figure)
    print("drawn in", path)


def shade(axes: Iterable[Axes], holes: Iterable[Hole]) -> None:
    """Shade the times without data."""
    for each in axes:
        for hole in holes:
            edges: Any = hole
            each.axvspan(*edges, color=MISSING, zorder=0)


def thin(full: float, count: int) -> float:
    """The width of *count* lines: *full* for few, and smaller for many."""
    return full * min(1.0, 60 / count) if count else full


def bar(axes: Axes, item: Any, height: float, bottom: float, color: str) -> None:
    """A bar as wide as its window or candle, hatched if that is not complete."""
    width: Any = 0.82 * (item.end - item.start)
    middle: Any = item.start + (item.end - item.start) / 2
    if item.complete:
        axes.bar(middle, height, width, bottom, color=color)
    else:
        axes.bar(middle, height, width, bottom, color="white", edgecolor=color, hatch="////")


def incomplete(what: str) -> Patch:
    """The legend's entry for hatched bars."""
    return Patch(facecolor="white", edgecolor=MUTED, hatch="////", label=f"incomplete {what}")


def missing() -> Patch:
    """The legend's entry for shaded times."""
    return Patch(color=MISSING, label="nothing recorded")


def legend(axes: Axes, columns: int, handles: Sequence[Artist] | None = None) -> None:
    """A legend above the axes, at the right."""
    given = {} if handles is None else {"handles": handles}
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, **given)
