"""`rxfeed export`: recordings as Parquet files."""

from __future__ import annotations

import argparse
import json
import sys
import time

import msgspec

from rxfeed.archive import TABLES, ExportProgress, ExportSummary, export
from rxfeed.cli.progress import size
from rxfeed.cli.streams import write_error, write_line
from rxfeed.cli.text import printable

_EVERY = 2.0  # seconds between two lines of progress


def run(options: argparse.Namespace) -> int:
    """Export; returns 1 if a file is damaged."""
    done = export(
        options.path,
        options.to,
        tables=options.tables or TABLES,
        products=options.products,
        since=options.since,
        until=options.until,
        floats=bool(options.floats),
        scale=options.scale,
        seconds=options.seconds,
        every=options.every,
        depth=options.depth,
        venue=options.venue,
        progress=_Progress().show,
    )
    if options.json:
        write_line(json.dumps(msgspec.to_builtins(done)))
    else:
        write_line("\n".join(printable(line) for line in _lines(done, options)))
    return 1 if done.damaged else 0


class _Progress:
    """Writes where a long export is to standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY
        self._shown = sys.stderr.isatty()

    def show(self, progress: ExportProgress) -> None:
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            write_error(f"{progress.place:,} of {progress.total:,} files, {progress.rows:,} rows: {progress.path}")


def _lines(done: ExportSummary, options: argparse.Namespace) -> list[str]:
    files = f"{done.segments:,} file{'' if done.segments == 1 else 's'} exported in {done.seconds:.1f} s"
    if done.skipped:
        files += f", {done.skipped:,} were exported before"
    if done.open:
        files += f", {len(done.open):,} are being written"
    lines = [files]
    if done.segments:
        lines.append(f"{done.messages:,} messages into {done.files:,} files of {options.to}, {size(done.bytes)}")
    lines += [f"  {table:<13}{done.rows[table]:>14,}" for table in TABLES if table in done.rows]
    if done.late:
        lines.append(f"{done.late:,} trades were too late for their candle")
    lines += [f"damaged: {each.path}, line {each.line:,}: {each.reason}" for each in done.damaged]
    return lines
