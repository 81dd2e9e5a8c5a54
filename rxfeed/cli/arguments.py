"""The options of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rxfeed._version import __version__
from rxfeed.cli import archive_options, audit_options, doctor_options, record_options, tape_options
from rxfeed.cli.config_file import apply_config
from rxfeed.cli.streams import write_line
from rxfeed.cli.values import address, natural, positive
from rxfeed.errors import needs_extra
from rxfeed.venues import DEFAULT_VENUE, VENUES

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

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
  rxfeed demo --metrics :9109                      what rxfeed top reads
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
_PRODUCTS = """\
List the products of a venue, from its REST API: id, alias, increments of sizes
and prices, status. No key is needed.

If a product has an alias, the feed's channels deliver it under that id; rxfeed
shows it under the id that was asked for.
"""
_PRODUCTS_EXAMPLES = """\
exit status: 0 if products were listed, 1 if no product matches, the list could
not be requested or standard output cannot be written, 2 for bad usage

If the server answers 429 (too many requests), the request is repeated when the
server allows it, at most twice.

examples:
  rxfeed products
  rxfeed products 'BTC-*' ETH-USD
  rxfeed products --venue coinbase_advanced '*-USDC'
  rxfeed products --json | jq -r '.[] | select(.status == "online").id'
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


_TOP = """\
Show a running process in the terminal, through its metrics (rxfeed record
--metrics, or rxfeed.metrics.serve), or a live feed of its own: for each product
the rate, price, spread, lag from the venue's time to the receipt, gaps, and the
state of its book; and connections, queues and sinks.

Without a terminal, and with --once, one table is printed.
"""
_TOP_EXAMPLES = """\
keys: q quits, s sorts by the next column, r reverses, / filters products,
p shows pipelines with their items a second

exit status: 0 if a key, a signal or --once ended it, 1 if the endpoint cannot
be read at the start, 2 for bad usage or if a package is missing

examples:
  rxfeed top --metrics :9109
  rxfeed top BTC-USD ETH-USD
  rxfeed top BTC-USD --venue coinbase_advanced --channel trades
"""


_VENUES = " or ".join(VENUES)


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps texts as they are, and appends the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Raises if a help text cannot be written, which argparse ignores; reads the file of `--config`."""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]  # the overloads are for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        parse = super().parse_known_args
        options, rest = parse(args, argparse.Namespace() if namespace is None else namespace)
        if any(action.dest == "config" for action in self._actions):
            if options.config is not None:
                apply_config(self, options, lambda empty: parse(args, empty)[0])
            record_options.check(self, options)
        return options, rest

    def format_help(self) -> str:
        """The help, where the first line has no options but the required ones: all of them are listed below."""
        needed = [each for each in self._actions if each.required or not each.option_strings]
        line = argparse.HelpFormatter(f"{self.prog} [options]", width=1000)
        line.add_usage(None, needed, [], prefix="")
        usage, self.usage = self.usage, line.format_help().strip().replace("%", "%%")
        try:
            return super().format_help()
        finally:
            self.usage = usage

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message and file is sys.stdout:
            write_line(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)


def parser() -> argparse.ArgumentParser:
    """The command's parser; `options.run(options)` then runs the subcommand."""
    top = _Parser(
        prog="rxfeed",
        description="Reactive streams over market-data feeds.",
        epilog="examples:\n  rxfeed demo\n  rxfeed watch BTC-USD --channel matches\n"
        "  rxfeed record BTC-USD --channel matches --to recordings\n  rxfeed ls recordings\n"
        "  rxfeed export recordings --to archive\n  rxfeed products 'BTC-*'\n  rxfeed top BTC-USD\n"
        "  rxfeed doctor BTC-USD --channel matches\n",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"rxfeed {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_watch(commands)
    _add_record(commands)
    _add_top(commands)
    _add_products(commands)
    _add_ls(commands)
    audit_options.add_audit(commands, _Formatter)
    audit_options.add_repair(commands, _Formatter)
    archive_options.add_export(commands, _Formatter)
    archive_options.add_replay(commands, _Formatter)
    tape_options.add_publish(commands, _Formatter, _add_feed)
    tape_options.add_work(commands, _Formatter)
    tape_options.add_tape(commands, _Formatter)
    _add_doctor(commands)
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
        metavar="VENUE",
        default=DEFAULT_VENUE,
        help=f"of the local exchange: {_VENUES}",
    )
    demo.add_argument("--seconds", type=positive, metavar="N", help="duration (default: until Ctrl-C)")
    demo.add_argument("--rate", type=positive, default=200.0, metavar="N", help="orders a second on the exchange")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the simulated market")
    demo.add_argument("--window", type=positive, default=5.0, metavar="SECONDS", help="width of the volume windows")
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
    demo.add_argument(
        "--metrics",
        type=address,
        metavar="ADDR",
        help="serve metrics to Prometheus at this address, such as :9109, with a recording and an archive",
    )
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
    watch.add_argument("--count", type=natural, metavar="N", help="end after N messages")
    watch.add_argument("--seconds", type=positive, metavar="N", help="end after N seconds")
    watch.set_defaults(run=_watch)


def _add_record(commands: argparse._SubParsersAction[_Parser]) -> None:
    record = commands.add_parser(
        "record",
        help="record a live feed",
        description=record_options.DESCRIPTION,
        epilog=record_options.EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
        add_help=False,
    )
    _add_feed(record, "trades", least="*")  # the products may be in the file of --config
    record_options.add(record)
    record.set_defaults(run=_record)


def _add_top(commands: argparse._SubParsersAction[_Parser]) -> None:
    top = commands.add_parser(
        "top",
        help="show a running process or a live feed in the terminal",
        description=_TOP,
        epilog=_TOP_EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    _add_feed(top, "ticker, trades, heartbeat, book", least="*")
    top.add_argument("--metrics", metavar="URL", help="the endpoint of a process, such as :9109, instead of a feed")
    top.add_argument("--interval", type=positive, default=1.0, metavar="SECONDS", help="between two requests")
    top.add_argument("--once", action="store_true", default=None, help="print one table")
    top.set_defaults(run=_top, channels=["ticker", "trades", "heartbeat", "book"], usage_error=top.error)


def _add_feed(command: argparse.ArgumentParser, channel: str, least: str = "+") -> None:
    """Add the options that `live.make_feed` takes; *channel* is the default, *least* the number of products."""
    command.add_argument("products", nargs=least, metavar="PRODUCT", help="such as BTC-USD, or '*-USD'; one or more")
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
        metavar="VENUE",
        help=f"{_VENUES} (default: that of the host in --url, or {DEFAULT_VENUE})",
    )
    command.add_argument("--url", help="URL of the feed (default: the venue's own)")
    _add_rest_url(command, "the venue's own, or the host and port of --url on this machine")
    command.add_argument(
        "--auth",
        action="store_true",
        default=None,
        help="sign with COINBASE_API_KEY, COINBASE_API_SECRET and, on Exchange, COINBASE_API_PASSPHRASE of the "
        "environment",
    )
    command.set_defaults(channels=[channel])


def _add_rest_url(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--rest-url", metavar="URL", help=f"URL of the REST API (default: {default})")


def _add_products(commands: argparse._SubParsersAction[_Parser]) -> None:
    products = commands.add_parser(
        "products",
        help="list the products of a venue",
        description=_PRODUCTS,
        epilog=_PRODUCTS_EXAMPLES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    products.add_argument(
        "pattern",
        nargs="*",
        metavar="PATTERN",
        help="an id, or a pattern with * and ?, in capitals or not (default: all products)",
    )
    products.add_argument("--venue", choices=tuple(VENUES), metavar="VENUE", default=DEFAULT_VENUE, help=_VENUES)
    _add_rest_url(products, "the venue's own")
    products.add_argument("--json", action="store_true", default=None, help="print one JSON array")
    products.set_defaults(run=_products)


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


def _add_doctor(commands: argparse._SubParsersAction[_Parser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="check a connection step by step: what is wrong, and what to do",
        description=doctor_options.DESCRIPTION,
        epilog=doctor_options.EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    _add_feed(doctor, "ticker")
    doctor_options.add(doctor)
    doctor.set_defaults(run=_doctor)


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


def _top(options: argparse.Namespace) -> int:
    if bool(options.products) == bool(options.metrics):
        options.usage_error("give either products or --metrics URL")
    with needs_extra("top", "rxfeed top"):
        from rxfeed.cli import top
    return top.run(options)


def _products(options: argparse.Namespace) -> int:
    from rxfeed.cli import products

    return products.run(options)


def _doctor(options: argparse.Namespace) -> int:
    from rxfeed.cli import doctor

    return doctor.run(options)


def _ls(options: argparse.Namespace) -> int:
    from rxfeed.cli import ls

    return ls.run(options)
