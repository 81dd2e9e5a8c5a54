"""`python -m benchmarks.table`: the saved results as Markdown, between the markers in README.md."""

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


def markdown(results: dict[str, Any]) -> str:
    """Tables of what was measured, and the verdicts."""
    parts = [_about(results)]
    if "speed" in results or "latency" in results:
        parts.append(_clients(results))
    if "load" in results:
        parts.append(_load(results["load"]))
    parts.append("\n".join(f"- {verdict}" for verdict in verdicts(results)))
    return "\n\n".join(part for part in parts if part)


def inserted(text: str, table: str) -> str:
    """*text* with *table* between the markers; raises `SystemExit` where they are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"put {BEGIN} and {END} where the table belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _about(results: dict[str, Any]) -> str:
    settings = results["settings"]
    drained = f" The server gives {results['server']:,.0f} messages/s to who only reads." if "server" in results else ""
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


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rules = ["---", *["---:"] * (len(head) - 1)]
    # A reason may come from anywhere.
    rows = [[cell.replace("|", "\\|") for cell in row] for row in (head, rules, *lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS, help="the results (default %(default)s)")
    parser.add_argument("--into", type=Path, default=ROOT / "README.md", help="with the markers (default %(default)s)")
    options = parser.parse_args(arguments)
    table = markdown(json.loads(options.json.read_text()))
    options.into.write_text(inserted(options.into.read_text(), table))


if __name__ == "__main__":
    main()
