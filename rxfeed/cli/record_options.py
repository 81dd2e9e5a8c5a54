"""The options and the help of `rxfeed record`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rxfeed.cli.logs import LEVELS, LOG_FORMATS
from rxfeed.cli.values import address, byte_count, min_free, natural, permissions, positive

if TYPE_CHECKING:
    from rxfeed.recording import Mark

_MARK_OF: dict[str, Mark] = {"export": "exported", "audit": "audited"}

SHORT = """\
Record a live feed into compressed files: each frame as it was received, the
time of its receipt, and the events of the connection. A connection that fails
is retried. SIGTERM and Ctrl-C end the recording, with a summary.
"""
DESCRIPTION = """\
Record a live feed into compressed files: each frame as it was received, the
time of its receipt, and the events of the connection.
docs/reference/recording.md describes the files, docs/how_to/run_for_months.md
the operation as a service.

A connection that fails, also the first one, is retried. When the disk is
nearly full, or cannot be written, the recording stops, and starts again when
there is room. Log lines go to standard error. A terminal shows the progress,
and at the end a summary checks that all frames were recorded. SIGTERM and
Ctrl-C end the recording. SIGHUP begins a new file; at a terminal it ends the
recording.
"""
EXAMPLES = """\
exit status: 0 if everything is recorded and nothing was missed, 1 for a
failure, 2 for bad usage, 3 if data may be missing

examples:
  rxfeed record BTC-USD --to recordings
  rxfeed record BTC-USD --channel full --auth --to DIR
  rxfeed record BTC-USD --to DIR --keep-days 30 --min-free 5%

more options (connections, files, disk, MongoDB, logs): record --help-all
"""
EPILOG = """\
exit status:
  0  everything is recorded, and nothing was missed
  1  a received frame is not recorded, the feed failed, a message could not be
     stored in MongoDB, or there was no connection at all
  2  bad usage, a folder that cannot be written, or a missing package
  3  all received frames are recorded, but data may be missing: there were
     gaps, the connection was lost or came late (with --redundancy: all
     connections of a product, or the one that its book came from), or the disk
     had no room

examples:
  rxfeed record BTC-USD --to recordings
  rxfeed record BTC-USD ETH-USD --channel matches --channel heartbeat --to DIR
  rxfeed record BTC-USD --channel full --auth --to DIR --segment-minutes 15
  rxfeed record '*-USD' --channel trades --redundancy 2 --to DIR
  rxfeed record --config /etc/rxfeed/record.toml
  rxfeed record BTC-USD --to DIR --keep-days 30 --after export --min-free 5%
  rxfeed record BTC-USD --to DIR --mongo mongodb://localhost:27017
  zstdcat DIR/*.jsonl.zst | jq -c '.frame // empty'
"""


class _ShortHelp(argparse.Action):
    """Prints the help without the groups of rarer options, so that it fits a screen."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        usual = parser._get_formatter()
        shown = [each for each in parser._actions if getattr(each, "container", None) not in parser._action_groups[2:]]
        usual.add_usage("%(prog)s [options] [PRODUCT ...]", [], [])
        usual.add_text(SHORT)
        for title, actions in (("positional arguments", False), ("options", True)):
            usual.start_section(title)
            usual.add_arguments([each for each in shown if bool(each.option_strings) is actions])
            usual.end_section()
        usual.add_text(EXAMPLES)
        parser._print_message(usual.format_help(), sys.stdout)
        parser.exit()


def add(record: argparse.ArgumentParser) -> None:
    """Add the options, except those of the feed."""
    record.add_argument("-h", "--help", action=_ShortHelp, nargs=0, help="show this help and exit")
    record.add_argument("--help-all", action="help", help="show all options and exit")
    record.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read options from FILE (TOML), by the names of this list, and products; the command line has precedence",
    )
    record.add_argument("--to", type=Path, metavar="DIR", help="the folder; it is created if it does not exist")
    record.add_argument(
        "--redundancy",
        type=natural,
        default=1,
        metavar="N",
        help="record each product over N connections, so that the loss of one loses nothing",
    )
    record.add_argument("--seconds", type=positive, metavar="N", help="end after N seconds")
    _add_renewal(record.add_argument_group("connections"))
    _add_files(record.add_argument_group("files"))
    _add_disk(record.add_argument_group("disk"))
    _add_mongo(record.add_argument_group("MongoDB"))
    record.add_argument(
        "--metrics",
        type=address,
        metavar="ADDR",
        help="serve metrics to Prometheus at this address, such as :9109",
    )
    logs = record.add_argument_group("logs")
    logs.add_argument("--log-level", choices=tuple(LEVELS), default="info", help="the least level of a log line")
    logs.add_argument("--log-format", choices=LOG_FORMATS, default="text", help="the form of a log line")


def _add_renewal(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--renew-every",
        type=positive,
        metavar="HOURS",
        help="replace each connection after so many hours, without a gap",
    )
    group.add_argument(
        "--renew-at",
        action="append",
        metavar="TIME",
        help="replace the connections at this time of the week, without a gap: 'Sun 03:00' (UTC), "
        "'Mon,Wed 14:00 America/New_York', or 'deployments' for those that the venue names; may be repeated",
    )


def _add_files(files: argparse._ArgumentGroup) -> None:
    files.add_argument(
        "--segment-mb", type=positive, default=64.0, metavar="N", help="megabytes of a file before the next begins"
    )
    files.add_argument(
        "--segment-minutes", type=positive, default=60.0, metavar="N", help="minutes before the next file begins"
    )
    files.add_argument("--level", type=natural, default=3, metavar="N", help="compression level, 1 to 22")
    files.add_argument(
        "--flush-seconds",
        type=positive,
        default=1.0,
        metavar="N",
        help="seconds after which received frames can be read",
    )
    files.add_argument(
        "--sync",
        type=positive,
        metavar="SECONDS",
        help="the most seconds of messages that a kill of this process may lose, of the files and of those for MongoDB "
        "(default: --flush-seconds)",
    )
    files.add_argument(
        "--mode",
        type=permissions,
        default="600",
        metavar="OCTAL",
        help="permissions of the files, such as 640; new folders get the same, with search for their readers",
    )


def _add_disk(disk: argparse._ArgumentGroup) -> None:
    disk.add_argument("--keep-days", type=positive, metavar="N", help="delete finished files after N days")
    disk.add_argument(
        "--keep-bytes",
        type=byte_count,
        metavar="SIZE",
        help="delete the oldest finished files while all files of the folder have more than SIZE, such as 200GB",
    )
    disk.add_argument(
        "--after",
        action="append",
        choices=tuple(_MARK_OF),
        help="delete a file only after it was exported or audited; may be repeated",
    )
    disk.add_argument(
        "--min-free",
        type=min_free,
        default="200MB",
        metavar="SIZE|PERCENT",
        help="stop the recording before less of the disk is free, such as 5GB or 5%%, and start again when more is",
    )


def _add_mongo(mongo: argparse._ArgumentGroup) -> None:
    mongo.add_argument(
        "--mongo",
        metavar="URL",
        help="store the messages there, too; DIR/mongo.spill has those that wait for the database",
    )
    mongo.add_argument(
        "--mongo-file",
        type=Path,
        metavar="FILE",
        help="read that URL from FILE, so that its password is not in the list of processes",
    )
    mongo.add_argument(
        "--mongo-collection",
        default="rxfeed.messages",
        metavar="DATABASE.COLLECTION",
        help="where the messages are stored",
    )


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a usage error if a required option is neither in the command line nor in the file of `--config`."""
    missing = [name for name, given in (("PRODUCT", options.products), ("--to", options.to)) if not given]
    if missing:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    if options.mongo is not None and options.mongo_file is not None:
        parser.error("argument --mongo-file: not allowed with argument --mongo")
    if options.after and options.keep_days is None and options.keep_bytes is None:
        parser.error("argument --after: needs --keep-days or --keep-bytes")


def required_marks(options: argparse.Namespace) -> frozenset[Mark]:
    """The marks that a file must have before it is deleted."""
    return frozenset(_MARK_OF[each] for each in options.after or ())
