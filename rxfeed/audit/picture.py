"""Draws a certificate as a calendar: a row for each product, from one hour to a year."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rxfeed.audit.result import Audit, AuditRow, State
from rxfeed.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from matplotlib.artist import Artist

# The state of a product is the first of these that one of its channels has.
_ORDER: tuple[State, ...] = ("missing", "offline", "repaired", "verified", "unverifiable", "not subscribed")


class _Colours(NamedTuple):
    """*touched*: of a span in which numbers are missing, outside of the gap itself."""

    states: dict[State, str]
    touched: str
    paper: str
    ink: str
    edge: str


# Distinguishable also with a colour vision deficiency (Okabe and Ito), and in grey by their lightness.
_LIGHT = _Colours(
    {
        "verified": "#009e73",
        "repaired": "#56b4e9",
        "missing": "#d55e00",
        "offline": "#444444",
        "unverifiable": "#c8c8c8",
        "not subscribed": "#f2f2f2",
    },
    touched="#f8d8c0",
    paper="#ffffff",
    ink="#1f2933",
    edge="#999999",
)
_DARK = _Colours(
    {
        "verified": "#009e73",
        "repaired": "#56b4e9",
        "missing": "#ff7a1a",
        "offline": "#8b949e",
        "unverifiable": "#4a535c",
        "not subscribed": "#1c232a",
    },
    touched="#5c3b26",
    paper="#0f151b",
    ink="#e8ecf0",
    edge="#6b7580",
)
_LEAST = 1 / 350
"""The least width of a mark, as a part of the row: a missing hour of a year is visible."""
_MOST_ROWS = 60
_SHORTEST = 1e-8
"""Days: about a millisecond."""
_LONGEST_NAME = 40
_HEIGHT = 0.62


def draw(found: Audit, path: Path, *, dark: bool = False) -> None:
    """Draw *found* into *path*, a PNG; *dark*: light text on a dark ground.

    Raises `ConfigError` if there is nothing to draw, or the file cannot be written, and `ExtraMissing` without
    matplotlib.
    """
    with needs_extra("plot", "a picture"):
        from matplotlib import dates
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    rows = _by_product(found.rows)
    if not rows:
        raise ConfigError("png: there is nothing to draw: the recording has no messages of a product")
    shown = dict([*rows.items()][:_MOST_ROWS])
    colours = _DARK if dark else _LIGHT
    figure = Figure(figsize=(12, 1.7 + 0.42 * len(shown)), layout="constrained", facecolor=colours.paper)
    axes = figure.add_subplot(facecolor=colours.paper)
    begin = dates.date2num(found.since)
    end = max(dates.date2num(found.until), begin + _SHORTEST)
    for place, (product, spans) in enumerate(shown.items()):
        for colour, marks in _marks(found, product, spans, colours, (begin, end)).items():
            axes.broken_barh(marks, (place - _HEIGHT / 2, _HEIGHT), facecolors=colour, linewidth=0)
    axes.set_xlim(begin, end)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [_label(product) for product in shown])
    summary = axes.secondary_yaxis("right")
    summary.set_yticks(range(len(shown)), [_summary(found, product, spans) for product, spans in shown.items()])
    for side in (axes, summary):
        side.tick_params(axis="y", length=0, colors=colours.ink)
    axes.tick_params(axis="x", colors=colours.ink)
    locator = dates.AutoDateLocator(minticks=4, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, show_offset=False))
    for spine in (*axes.spines.values(), *summary.spines.values()):
        spine.set_visible(False)
    more = f" (the first {_MOST_ROWS} of {len(rows)} products)" if len(rows) > _MOST_ROWS else ""
    clock = "%Y-%m-%d %H:%M:%S" if found.until - found.since < timedelta(minutes=10) else "%Y-%m-%d %H:%M"
    both_ends = f"{found.since.strftime(clock)} to {found.until.strftime(clock)} UTC"
    axes.set_title(f"{both_ends}{more}", loc="left", fontsize=11, color=colours.ink)
    drawn = {state for spans in shown.values() for state, _, _ in spans}
    states: list[State] = [state for state in colours.states if state in drawn]
    patch = partial(Patch, edgecolor=colours.edge, linewidth=0.5)
    patches: list[Artist] = [patch(facecolor=colours.states[state], label=state) for state in states]
    if any(first.missing for spans in shown.values() for _, first, _ in spans):
        patches.append(patch(facecolor=colours.touched, label="span with a gap"))
    legend = partial(figure.legend, frameon=False, fontsize=9, labelcolor=colours.ink)
    legend(handles=patches, loc="outside lower left", ncols=len(patches))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # the name of a product may be in any script
            figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise ConfigError(f"png: {path} cannot be written: {error.strerror or error}") from error


_Spans = list[tuple[State, AuditRow, AuditRow]]
"""A state, and the first and the last of the rows that have it."""
_Marks = dict[str, list[tuple[float, float]]]
"""By colour: for each mark two numbers of days, where it begins, and where it ends or how long it is."""


def _by_product(rows: Iterable[AuditRow]) -> dict[str, _Spans]:
    """The spans of each product, in order; those of the same state are joined."""
    states: dict[str, dict[datetime, AuditRow]] = defaultdict(dict)
    for row in rows:
        if row.product is None:
            continue
        known = states[row.product].get(row.start)
        if known is None or _ORDER.index(row.state) < _ORDER.index(known.state):
            states[row.product][row.start] = row
    found: dict[str, _Spans] = {}
    for product, by_time in sorted(states.items()):
        found[product] = []
        for _, several in groupby((by_time[each] for each in sorted(by_time)), key=lambda row: row.state):
            same = [*several]
            found[product].append((same[0].state, same[0], same[-1]))
    return found


def _marks(found: Audit, product: str, spans: _Spans, colours: _Colours, bounds: tuple[float, float]) -> _Marks:
    """The marks of a row by their colours, in the order in which they are drawn.

    The important ones are the last, so that a short one is not covered by the next. There is one list for each colour,
    since a list is drawn at once, and a year can have thousands of marks.
    """
    from matplotlib.dates import date2num

    drawn: _Marks = {colours.states[state]: [] for state in reversed(_ORDER) if state != "missing"}
    drawn[colours.touched] = []
    drawn[colours.states["missing"]] = []
    for state, first, last in spans:
        colour = colours.touched if first.missing else colours.states[state]
        drawn[colour].append(_extent(state, date2num(first.start), date2num(last.end), *bounds))
    for each in found.missing:
        if each.product == product:
            after, before = sorted((date2num(each.after), date2num(each.before)))
            drawn[colours.states["missing"]].append(_extent("missing", after, before, *bounds))
    return {colour: _joined(marks) for colour, marks in drawn.items() if marks}


def _extent(state: State, left: float, right: float, begin: float, end: float) -> tuple[float, float]:
    """From where to where the mark of a *state* is visible."""
    least = (end - begin) * _LEAST
    left, right = min(max(left, begin), end), max(min(right, end), begin)
    if right - left < least and state in ("missing", "offline", "repaired"):
        left = min(max(begin, (left + right - least) / 2), end - least)
        right = left + least
    return left, right


def _joined(marks: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """*marks* in order, those that overlap as one: each with its begin and its width."""
    found: list[tuple[float, float]] = []
    for left, right in sorted(marks):
        if found and left <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], right)
        else:
            found.append((left, right))
    return [(left, right - left) for left, right in found]


def _summary(found: Audit, product: str, spans: _Spans) -> str:
    """How much of the time is whole, and how many numbers are missing; the state where no number proves anything."""
    seconds = dict.fromkeys(_ORDER, 0.0)
    for state, first, last in spans:
        seconds[state] += (last.end - first.start).total_seconds()
    if not seconds["verified"] + seconds["repaired"] + seconds["missing"]:
        return max(seconds, key=lambda state: seconds[state])
    total = sum(seconds.values()) or 1.0
    whole = (total - seconds["missing"] - seconds["offline"]) / total
    missing = sum(each.count for each in found.missing if each.product == product)
    shown = "100 %" if whole == 1 else f"{min(whole, 0.9999):.2%}".replace("%", " %")
    return f"{shown}, {missing:,} missing" if missing else shown


def _label(text: str) -> str:
    """*text* in one line, without the signs of mathematical notation."""
    clean = "".join(each if each.isprintable() else "?" for each in text)
    if len(clean) > _LONGEST_NAME:
        clean = f"{clean[: _LONGEST_NAME - 1]}…"
    return clean.replace("$", r"\$")
