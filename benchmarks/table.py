"""`python -m benchmarks.table`: write the saved results as Markdown between the markers of two files.

`benchmarks/README.md` gets all tables and the verdicts; the project's README gets three figures, beside those of
other clients.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.goals import server_is_the_limit, verdicts
from benchmarks.measure import LOAD, PACES, RATES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
COMPARED = ("cbpro", "advanced", "bare")  # the clients of the summary


def markdown(results: dict[str, Any]) -> str:
    """Tables of all measured parts, how many goals are met, and the verdicts."""
    parts = [_about(results)]
    if "speed" in results or "latency" in results:
        parts.append(_clients(results))
    if "load" in results:
        parts.append(_load(results["load"]))
    if "advanced_trade" in results:
        parts.append(_advanced_trade(results["advanced_trade"]))
    found = verdicts(results)
    judged = [verdict.met for verdict in found if verdict.met is not None]
    if judged:
        parts.append(f"{sum(judged)} of {len(judged)} goals are met.")
    parts.append("\n".join(f"- {verdict}" for verdict in found))
    return "\n\n".join(part for part in parts if part)


def summary(results: dict[str, Any]) -> str:
    """A table of three figures of rxfeed, each beside those of `COMPARED`."""
    speed, latency = results.get("speed", {}), results.get("latency", {})
    load = results.get("load", {}).get("bursts", {})
    names = ("feed", *COMPARED)
    labels = ["rxfeed", *((speed.get(name) or load.get(name) or {"label": name})["label"] for name in COMPARED)]
    lines: list[list[str]] = []
    if speed:
        rates = [speed.get(name, {}).get("rate") for name in ("pipeline", *COMPARED)]
        what = "messages/s; rxfeed with a filter and a window, the others without"
        lines.append([what, *_optional(rates, "{:,.0f}")])
    if latency:
        found = [latency.get(name, {}).get(str(LOAD), {}).get("p99") for name in names]
        milliseconds = [None if seconds is None else seconds * 1e3 for seconds in found]
        lines.append([f"p99 latency at {LOAD:,} messages/s, ms", *_optional(milliseconds, "{:.2f}")])
    if load:
        shares = [load.get(name, {}).get("cpu") for name in names]
        what = f"% of a core at {LOAD:,} messages/s in bursts of 50; window and crossing but in the bare loop"
        lines.append([what, *_optional(shares, "{:.1f}")])
    parts = [_about(results)]
    if lines:
        parts.append(_table(["", *(label.partition(":")[0] for label in labels)], lines))
    return "\n\n".join(parts)


def inserted(text: str, table: str) -> str:
    """*text* with *table* between the markers; raises `SystemExit` if they are absent."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"put {BEGIN} and {END} where the table belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _about(results: dict[str, Any]) -> str:
    settings = results["settings"]
    drained = (
        f" The server sends {results['server']:,.0f} messages/s to a client that only reads."
        if "server" in results
        else ""
    )
    return (
        f"{results['machine']}, {results['cores']} cores, Python {results['python']}, loopback; {results['source']}; "
        f"medians of {settings['runs']} alternating runs.{drained}"
    )


def _clients(results: dict[str, Any]) -> str:
    speed, latency = results.get("speed", {}), results.get("latency", {})
    head = ["client"]
    if speed:
        head += ["messages/s", "rxfeed's pipeline is", "CPU s a million", "peak MB"]
    if latency:
        head += [f"ms at {rate:,}/s: p50, p99, p99.9" for rate in RATES]
    lines: list[list[str]] = []
    for name in speed or latency:
        row = speed.get(name, {"label": name})
        if "missing" in row:
            lines.append([row["label"], f"missing: {row['missing']}", *[""] * (len(head) - 2)])
            continue
        line = [row["label"]]
        if speed:
            line += _figures(row, speed.get("pipeline", {}).get("rate"), results["server"])
        if latency:
            line += [_cell(latency.get(name, {}).get(str(rate))) for rate in RATES]
        lines.append(line)
    return _table(head, lines)


def _figures(row: dict[str, Any], base: float | None, server: float) -> list[str]:
    limit = " (the server is the limit)" if server_is_the_limit(row["rate"], server) else ""
    ratio = f"{base / row['rate']:.2g} x" if base else ""
    return [f"{row['rate']:,.0f}{limit}", ratio, f"{row['cpu']:.2f}", f"{row['peak'] / 2**20:.0f}"]


def _optional(figures: Iterable[float | None], pattern: str) -> list[str]:
    return ["" if figure is None else pattern.format(figure) for figure in figures]


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if "behind" in found:
        return "cannot keep up"
    if "failed" in found:
        return f"failed: {found['failed']}"
    return ", ".join(f"{seconds * 1e3:.2f}" for seconds in found.values())


def _load(paces: dict[str, Any]) -> str:
    head = [f"% of a core at {LOAD:,} messages/s, window and crossing", "50 every 10 ms", "one a packet"]
    names = list(next(iter(paces.values())))
    lines: list[list[str]] = []
    for name in names:
        rows = [paces[pace][name] for pace in PACES]
        shown = [f"{row['cpu']:.1f}" if "cpu" in row else f"missing: {row['missing']}" for row in rows]
        lines.append([rows[0]["label"], *shown])
    return _table(head, lines)


def _advanced_trade(part: dict[str, Any]) -> str:
    rows, snapshot = part["rows"], part["snapshot"]
    head = [
        "client, on frames of Advanced Trade",
        "frames/s",
        "trades/s",
        "rxfeed's pipeline is",
        "CPU s a million",
        "peak MB",
    ]
    lines: list[list[str]] = []
    for row in rows.values():
        if "missing" in row:
            lines.append([row["label"], f"missing: {row['missing']}", *[""] * (len(head) - 2)])
            continue
        rate, *others = _figures(row, rows.get("pipeline", {}).get("rate"), part["server"])
        lines.append([row["label"], rate, f"{row['trades']:,.0f}", *others])
    about = (
        f"Advanced Trade: {part['source']}, {part['bytes']:,.0f} bytes a frame; medians of {part['runs']} alternating "
        f"runs on {part['when']}. A snapshot of {snapshot['levels']:,} levels ({snapshot['bytes'] / 1e6:.1f} MB) is a "
        f"book after {snapshot['seconds']:.2f} s."
    )
    return f"{_table(head, lines)}\n\n{about}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rules = ["---", *["---:"] * (len(head) - 1)]
    # The reason of a failure may contain any character.
    rows = [[cell.replace("|", "\\|") for cell in row] for row in (head, rules, *lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS, help="the results (default %(default)s)")
    tables, readme = ROOT / "benchmarks" / "README.md", ROOT / "README.md"
    parser.add_argument("--into", type=Path, default=tables, help="for tables and verdicts (default %(default)s)")
    parser.add_argument("--summary", type=Path, default=readme, help="for the three figures (default %(default)s)")
    options = parser.parse_args(arguments)
    results = json.loads(options.json.read_text())
    written = [
        (path, inserted(path.read_text(), table))
        for path, table in ((options.into, markdown(results)), (options.summary, summary(results)))
    ]
    for path, text in written:
        path.write_text(text)


if __name__ == "__main__":
    main()
