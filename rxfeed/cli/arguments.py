"""The options of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from rxfeed._version import __version__
from rxfeed.cli.archive_arguments import add_export, add_replay
from rxfeed.cli.parsing import Formatter as _Formatter
from rxfeed.cli.parsing import Parser as _Parser
from rxfeed.cli.parsing import natural as _natural
from rxfeed.cli.parsing import positive as _positive
from rxfeed.errors import needs_extra
from rxfeed.venues import DEFAULT_VENUE, VENUES

_DEMO = """\
Run all of rxfeed on this machine: a local exchange that simulates markets, a
feed that is connected to it, and a MongoDB.

One feed serves several operator pipelines: live prices, traded volume by time
windows, crossings of price levels, and a sink that stores every message. At
the end the counts are compared: frames that the exchange sent, messages that
the feed received, documents in the database.
"""
_DEMO_EXAMPLES = """\
exit status: 0 if the counts agree, 1 if not or if standard output cannot be
written, 2 for bad usage or if a package is missing

examples:
  rxfeed demo                                      until Ctrl-C
  rxfeed demo --seconds 20 --rate 500              a busier market
  rxfeed demo --venue coinbase_advanced            the market on another venue
  rxfeed demo --mongo mongodb://localhost:27017    keep the documents
  rxfeed demo --seconds 5 --summary sums.json      for a script
"""
_WATCH = """\
Print a live feed, one line for each message: time (UTC), product, type, and
content.

Market data goes to standard output. The events of the connection and rejected
requests go to standard error.
"""
_WATCH_EXAMPLES = """\
exit status: 0 if --count, --seconds, Ctrl-C or a closed pipe ended it, 1 if
the feed failed or standard output cannot be written, 2 for bad usage

examples:
  rxfeed watch BTC-USD
  rxfeed watch BTC-USD ETH-USD --channel matches --channel heartbeat
  rxfeed watch BTC-USD --channel full --auth --json > full.jsonl
  rxfeed watch BTC-USD --url ws://127.0.0.1:8765 --count 10
  rxfeed watch BTC-USD --venue coinbase_advanced --channel trades
"""
_RECORD = """\
Record a live feed into compressed files: each frame as it was received, the
time of its receipt, and the events of the connection. docs/recording.md
describes the files.

Progress goes to standard output, and at the end a summary, which checks that
all frames were recorded. The events of the connection go to standard error. If
one of the two cannot be written (a full disk, a closed pipe), recording
continues. Ctrl-C, SIGTERM and SIGHUP end it. If the connection is lost, or
fails at the start, it is retried.
"""
_RECORD_EXAMPLES = """\
exit status: 0 if everything is recorded and nothing was missed, 1 if a
received frame could not be recorded, the feed failed, or there was no
connection at all, 2 for bad usage or if a package is not installed, 3 if all
received frames are recorded, but data may be missing: there were gaps, the
connection was lost, or the first attempt to connect failed

examples:
  rxfeed record BTC-USD --to recordings
  rxfeed record BTC-USD ETH-USD --channel matches --channel heartbeat --to DIR
  rxfeed record BTC-USD --channel full --auth --to DIR --segment-minutes 15
  rxfeed record BTC-USD --venue coinbase_advanced --channel book --to DIR
  zstdcat DIR/*.jsonl.zst | jq -c '.frame // empty'
"""
_LS = """\
List the content of recordings, for each session (one run of a recorder) and in
total: sizes, times of receipt, products and types, known gaps, and damage.

All files are read completely, in bounded memory. Segments of rxfeed, older
recordings and plain JSON lines, compressed or not, are recognized by their
content.
"""
_LS_EXAMPLES = """\
exit status: 0 if everything could be read, 1 if a file is damaged, 2 for bad
usage; a segment that is being written is open, which is not damage

examples:
  rxfeed ls recordings/
  rxfeed ls recordings/ --json | jq .total.by_type
  rxfeed ls here/ there/2026-11-24.jsonl.gz
"""


def parser() -> argparse.ArgumentParser:
    """The command's parser; `options.run(options)` then runs the subcommand."""
    top = _Parser(
        prog="rxfeed",
        description="Reactive streams over market-data feeds.",
        epilog="examples:\n  rxfeed demo\n  rxfeed watch BTC-USD --channel matches\n"
        "  rxfeed record BTC-USD --channel matches --to recordings\n  rxfeed ls recordings\n"
        "  rxfeed export recordings --to archive\n  rxfeed replay recordings --as-exchange 8765\n",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"rxfeed {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_watch(commands)
    _add_record(commands)
    _add_ls(commands)
    add_export(commands)
    add_replay(commands)
    return top


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="run a local exchange, pipelines and a MongoDB, and compare their counts",
        description=_DEMO,
        epilog=_DEMO_EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    demo.add_argument(
        "--venue",
        choices=tuple(VENUES),
        default=DEFAULT_VENUE,
        help="the venue of the local exchange",
    )
    demo.add_argument("--seconds", type=_positive, metavar="N", help="duration (default: until Ctrl-C)")
    demo.add_argument("--rate", type=_positive, default=200.0, metavar="N", help="orders a second on the exchange")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the simulated market")
    demo.add_argument("--window", type=_positive, default=5.0, metavar="SECONDS", help="width of the volume windows")
    mongo = demo.add_mutually_exclusive_group()
    mongo.add_argument(
        "--mongo", metavar="URL", help="store on this server, in a new collection of the database rxfeed_demo"
    )
    mongo.add_argument(
        "--mongo-file",
        type=Path,
        metavar="FILE",
        help="read that URL from FILE, so that its password is not in the list of processes; or set RXFEED_MONGO_URL",
    )
    demo.add_argument("--summary", type=Path, metavar="FILE", help="write the counts to FILE, as JSON")
    demo.set_defaults(run=_demo)


def _add_watch(commands: argparse._SubParsersAction[_Parser]) -> None:
    watch = commands.add_parser(
        "watch",
        help="print a live feed",
        description=_WATCH,
        epilog=_WATCH_EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    _add_feed(watch, "ticker")
    watch.add_argument(
        "--json",
        action="store_true",
        default=None,
        help="print the frames as received, one on each line, with control characters escaped",
    )
    watch.add_argument("--count", type=_natural, metavar="N", help="end after N messages")
    watch.add_argument("--seconds", type=_positive, metavar="N", help="end after N seconds")
    watch.set_defaults(run=_watch)


def _add_record(commands: argparse._SubParsersAction[_Parser]) -> None:
    record = commands.add_parser(
        "record",
        help="record a live feed",
        description=_RECORD,
        epilog=_RECORD_EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    _add_feed(record, "trades")
    record.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="the folder; it is created if it does not exist"
    )
    record.add_argument("--seconds", type=_positive, metavar="N", help="end after N seconds")
    record.add_argument(
        "--segment-mb", type=_positive, default=64.0, metavar="N", help="megabytes of a file before the next begins"
    )
    record.add_argument(
        "--segment-minutes", type=_positive, default=60.0, metavar="N", help="minutes before the next file begins"
    )
    record.add_argument("--level", type=_natural, default=3, metavar="N", help="compression level, 1 to 22")
    record.add_argument(
        "--flush-seconds",
        type=_positive,
        default=1.0,
        metavar="N",
        help="seconds after which received frames can be read",
    )
    record.add_argument(
        "--mode",
        type=_permissions,
        default="600",
        metavar="OCTAL",
        help="permissions of the files, such as 640; new folders get the same, with search for their readers",
    )
    record.set_defaults(run=_record)


def _add_feed(command: argparse.ArgumentParser, channel: str) -> None:
    """Add the options that `live.make_feed` takes; *channel* is the default."""
    command.add_argument("products", nargs="+", metavar="PRODUCT", help="such as BTC-USD; one or more")
    command.add_argument(
        "--channel",
        action="append",
        metavar="NAME",
        help=f"may be repeated (default: {channel}): the venue's name of a channel, or one of trades, book, ticker, "
        "heartbeat, user, status",
    )
    command.add_argument(
        "--venue",
        choices=tuple(VENUES),
        help=f"the venue (default: that of the host in --url, or {DEFAULT_VENUE})",
    )
    command.add_argument("--url", help="URL of the feed (default: the venue's own)")
    command.add_argument(
        "--auth",
        action="store_true",
        default=None,
        help="sign with COINBASE_API_KEY, COINBASE_API_SECRET and, on Exchange, COINBASE_API_PASSPHRASE of the "
        "environment",
    )
    command.set_defaults(channels=[channel])


def _add_ls(commands: argparse._SubParsersAction[_Parser]) -> None:
    ls = commands.add_parser(
        "ls",
        help="list the content of recordings",
        description=_LS,
        epilog=_LS_EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    ls.add_argument("path", nargs="+", metavar="PATH", help="a folder or a file; one or more")
    ls.add_argument("--json", action="store_true", default=None, help="print one JSON object")
    ls.set_defaults(run=_ls)


def _demo(options: argparse.Namespace) -> int:
    with needs_extra("demo", "the demo"):
        from rxfeed.cli import demo
    return demo.run(options)


def _watch(options: argparse.Namespace) -> int:
    from rxfeed.cli import watch

    return watch.run(options)


def _record(options: argparse.Namespace) -> int:
    from rxfeed.cli import record

    return record.run(options)


def _ls(options: argparse.Namespace) -> int:
    from rxfeed.cli import ls

    return ls.run(options)


def _permissions(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = 0
    if mode & ~0o666 or mode & 0o600 != 0o600:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not from 600 to 666, in octal, with the owner reading and writing"
        )
    return mode
