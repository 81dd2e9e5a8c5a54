"""`python -m benchmarks.plot`: the results as one picture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import LOAD, PACES, RATES
from benchmarks.table import RESULTS, ROOT

PICTURE = ROOT / "docs" / "benchmarks.png"


class _Colors(NamedTuple):
    """*detail*: of the other clients' marks and labels."""

    rxfeed: str
    others: str
    detail: str
    ink: str
    faint: str
    paper: str


_LIGHT = _Colors("#0b6e99", "#a5aeb7", "#7d8a95", "#24292f", "#e5e8eb", "#ffffff")
_DARK = _Colors("#4fb3dd", "#56616c", "#97a3af", "#e8ecf0", "#2a333c", "#0f151b")
_PACES = {"bursts": "50 every 10 ms", "packets": "one a packet"}


def _style(colors: _Colors) -> Any:
    return {
        "font.size": 9,
        "text.color": colors.ink,
        "figure.facecolor": colors.paper,
        "savefig.facecolor": colors.paper,
        "axes.facecolor": colors.paper,
        "axes.edgecolor": colors.faint,
        "axes.labelcolor": colors.ink,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "xtick.color": colors.ink,
        "ytick.color": colors.ink,
        "xtick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.major.size": 0,
    }


def draw(results: dict[str, Any], path: Path, *, dark: bool = False) -> None:
    """Write the PNG: speed by client, latency by rate, CPU at a steady load, as far as they were measured.

    *dark*: light text on a dark ground.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = {"speed": _speed, "latency": _latency, "load": _load}
    chosen = [name for name in panels if name in results]
    bars = {name: len(results[name]) for name in chosen} | {"load": 2 * len(results.get("load", {}).get("bursts", ()))}
    heights = [0.9 + 0.3 * bars[name] for name in chosen]
    colors = _DARK if dark else _LIGHT
    with pyplot.rc_context(_style(colors)):
        figure = pyplot.figure(figsize=(10, sum(heights)), layout="constrained")
        parts = figure.subfigures(len(chosen), 1, height_ratios=heights, squeeze=False)
        for name, part in zip(chosen, parts[:, 0], strict=True):
            panels[name](part, results, colors)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


def _speed(part: Any, results: dict[str, Any], colors: _Colors) -> None:
    rows = results["speed"]
    where = f"{results['source']}, {results['cores']} cores, Python {results['python']}, loopback"
    _title(part, "Messages a second", where)
    shown = sorted(rows.values(), key=lambda row: row.get("rate", 0))
    axis = part.subplots()
    bars = axis.barh(
        [_plain(row) for row in shown],
        [row.get("rate", 0) for row in shown],
        color=[_color(row, colors) for row in shown],
    )
    axis.bar_label(bars, [f"{row['rate']:,.0f}" if "rate" in row else "missing" for row in shown], padding=4)
    _bare(axis)


def _latency(part: Any, results: dict[str, Any], colors: _Colors) -> None:
    rows = results["latency"]
    _title(part, "Latency", "from the server's send to the callback, ms: p50 (dot), p99 (bar), p99.9 (triangle)")
    names = [name for name in rows if any("p50" in found for found in rows[name].values())][::-1]
    labels = [_plain(results.get("speed", {}).get(name, {"label": name})) for name in names]
    for axis, rate in zip(part.subplots(1, len(RATES), sharex=True, sharey=True), RATES, strict=True):
        for place, name in enumerate(names):
            found = rows[name].get(str(rate), {})
            color = colors.rxfeed if name in ("feed", "compat") else colors.detail
            if "p50" not in found:
                axis.text(0.5, place, "cannot keep up", color=color, fontsize=8, ha="center", va="center",
                          transform=axis.get_yaxis_transform())  # fmt: skip
                continue
            milliseconds = [seconds * 1e3 for seconds in found.values()]
            axis.plot(milliseconds, [place] * 3, color=color, linewidth=2, alpha=0.4)
            for value, marker in zip(milliseconds, "o|^", strict=True):
                axis.plot(value, place, marker, color=color, markersize=9 if marker == "|" else 5, markeredgewidth=2)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.grid(axis="x", color=colors.faint)
        axis.set_axisbelow(True)
        axis.set_yticks(range(len(names)), labels)
        axis.set_title(f"at {rate:,} messages/s", loc="left")


def _load(part: Any, results: dict[str, Any], colors: _Colors) -> None:
    _title(part, f"CPU at {LOAD:,} messages a second", "% of a core, a minute's volume and a price crossing at work")
    paces = results["load"]
    names = list(paces["bursts"])[::-1]
    axis = part.subplots()
    for turn, pace in enumerate(PACES):
        rows = [paces[pace][name] for name in names]
        places = [at + (0.5 - turn) * 0.38 for at in range(len(names))]
        values, filled = [row.get("cpu", 0) for row in rows], [_color(row, colors) for row in rows]
        bars = axis.barh(places, values, 0.36, color=filled, alpha=1 - 0.45 * turn)
        labels = [f"{row['cpu']:.1f}   {_PACES[pace]}" if "cpu" in row else "missing" for row in rows]
        axis.bar_label(bars, labels, padding=4)
    axis.set_yticks(range(len(names)), [_plain(paces["bursts"][name]) for name in names])
    _bare(axis)


def _title(part: Any, title: str, more: str) -> None:
    bold = title.replace(" ", r"\ ").replace(",", "{,}")
    part.suptitle(rf"$\bf{{{bold}}}$   {more}", x=0.01, ha="left", fontsize=10)


def _bare(axis: Any) -> None:
    """Remove the scale of an axis, since the bars have their numbers."""
    axis.margins(x=0.15, y=0.02)
    axis.xaxis.set_visible(False)
    axis.spines["bottom"].set_visible(False)


def _plain(row: dict[str, Any]) -> str:
    return row["label"].replace("`", "")


def _color(row: dict[str, Any], colors: _Colors) -> str:
    return colors.rxfeed if row["label"].startswith("rxfeed") else colors.others


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS, help="the results (default %(default)s)")
    parser.add_argument("--into", type=Path, default=PICTURE, help="the PNG (default %(default)s)")
    parser.add_argument("--dark", action="store_true", help="light text on a dark ground")
    options = parser.parse_args(arguments)
    draw(json.loads(options.json.read_text()), options.into, dark=options.dark)


if __name__ == "__main__":
    main()
