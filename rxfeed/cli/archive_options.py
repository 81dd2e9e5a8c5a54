"""The options of the commands that read recordings for other programs: `rxfeed export` and `rxfeed replay`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TypeVar

from rxfeed.cli.values import duration, moment, natural, positive
from rxfeed.errors import needs_extra
from rxfeed.venues import VENUES

P = TypeVar("P", bound=argparse.ArgumentParser)

_TABLES = ("trades", "book_updates", "book_tops", "tickers", "candles", "coverage")
_EXPORT = """\
Export recordings into Parquet files, for polars, DuckDB, pandas and any other
tool that reads them. docs/how_to/parquet.md describes the tables.

Only files that are finished and were not exported before are read, so the
command can run again and again, also after it was killed: with the same
options, each row is in the archive once.
"""
_EXPORT_EXAMPLES = """\
exit status: 0 if everything could be read, 1 if a file is damaged (the rest is
exported) or the archive cannot be written, 2 for bad usage, for other options
than before, or if a package is not installed

examples:
  rxfeed export recordings --to archive
  rxfeed export recordings --to archive --tables trades candles --seconds 300
  rxfeed export recordings --to floats --floats --products BTC-USD
  rxfeed export recordings --to books --tables book_tops --every change
  duckdb -c "select count(*) from 'archive/trades/**/*.parquet'"
"""
_REPLAY = """\
Play a recording: print its messages, or serve it.

With --as-exchange it is a WebSocket server with the protocol of the venue, so
that any client of the exchange, in any language, can be tested on it. A client
receives what it subscribes to, frame by frame as they were recorded, from the
beginning on, at the pace at which they were received.
"""
_REPLAY_EXAMPLES = """\
exit status: 0 at the end of the recording, or at Ctrl-C, 1 if the recording is
damaged or standard output cannot be written, 2 for bad usage or if a package is
not installed

examples:
  rxfeed replay recordings --since 2026-11-24T19:00 --until 2026-11-24T19:05
  rxfeed replay recordings --json | jq -c 'select(.type == "match")'
  rxfeed replay recordings --as-exchange 8765
  rxfeed replay recordings --as-exchange 8765 --speed 10 --loop
  rxfeed watch BTC-USD --url ws://127.0.0.1:8765
"""


def add_export(commands: argparse._SubParsersAction[P], formatter: type[argparse.HelpFormatter]) -> None:
    export = commands.add_parser(
        "export",
        help="export recordings into Parquet files",
        description=_EXPORT,
        epilog=_EXPORT_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    export.add_argument("path", nargs="+", metavar="PATH", help="a folder or a file; one or more")
    export.add_argument(
        "--to", type=Path, required=True, metavar="OUT", help="the archive; it is created if it does not exist"
    )
    export.add_argument(
        "--tables", nargs="+", choices=_TABLES, metavar="TABLE", help=f"(default: all) {', '.join(_TABLES)}"
    )
    add_range(export)
    export.add_argument(
        "--floats", action="store_true", default=None, help="prices and sizes as float64, not as exact decimals"
    )
    export.add_argument("--scale", type=natural, default=12, metavar="N", help="decimal places of exact decimals")
    export.add_argument("--seconds", type=positive, default=60.0, metavar="N", help="width of the candles")
    export.add_argument(
        "--every",
        type=_every,
        default="1s",
        metavar="TIME",
        help="time between two rows of book_tops, such as 500ms, 1s or 1m; or `change` for a row at each change",
    )
    export.add_argument("--depth", type=natural, default=1, metavar="N", help="levels of each side in book_tops")
    export.add_argument("--json", action="store_true", default=None, help="print the summary as one JSON object")
    add_venue(export)
    export.set_defaults(run=_export)


def add_replay(commands: argparse._SubParsersAction[P], formatter: type[argparse.HelpFormatter]) -> None:
    replay = commands.add_parser(
        "replay",
        help="print a recording, or serve it as an exchange",
        description=_REPLAY,
        epilog=_REPLAY_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    replay.add_argument("path", nargs="+", metavar="PATH", help="a folder or a file; one or more")
    shown = replay.add_mutually_exclusive_group()
    shown.add_argument(
        "--json", action="store_true", default=None, help="print the frames as recorded, one on each line"
    )
    shown.add_argument(
        "--as-exchange", type=_port, metavar="PORT", help="serve on this port of 127.0.0.1; 0: a free one"
    )
    replay.add_argument(
        "--speed",
        type=_speed,
        metavar="N",
        help="times the recorded pace; `max`: without waits (default: 1 for --as-exchange, otherwise max)",
    )
    add_range(replay)
    replay.add_argument(
        "--loop", action="store_true", default=None, help="with --as-exchange: begin again at the end, for ever"
    )
    replay.add_argument(
        "--hold",
        action="store_true",
        default=None,
        help="with --as-exchange: keep connections open at the end, and do not close them with 1000",
    )
    add_venue(replay)
    replay.set_defaults(run=_replay)


def add_range(command: argparse.ArgumentParser) -> None:
    command.add_argument("--products", nargs="+", metavar="PRODUCT", help="only these (default: all)")
    for name, text in (("--since", "from this time of receipt on"), ("--until", "before this time of receipt")):
        command.add_argument(name, type=moment, metavar="TIME", help=f"only {text}, in ISO 8601 (UTC)")


def add_venue(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--venue", choices=tuple(VENUES), metavar="VENUE", help="the venue of recordings that name none"
    )


def _export(options: argparse.Namespace) -> int:
    from rxfeed.cli import export

    return export.run(options)


def _replay(options: argparse.Namespace) -> int:
    if options.as_exchange is None:
        from rxfeed.cli import replay

        return replay.run(options)
    with needs_extra("sim", "a server"):
        from rxfeed.cli import serve
    return serve.run(options)


def _every(text: str) -> float | None:
    return None if text == "change" else duration(text)


def _speed(text: str) -> float:
    return math.inf if text == "max" else positive(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)
