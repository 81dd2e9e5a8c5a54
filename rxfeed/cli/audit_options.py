"""The options of `rxfeed audit` and `rxfeed repair`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeVar

from rxfeed.cli.archive_options import add_range, add_venue
from rxfeed.cli.values import duration
from rxfeed.errors import needs_extra

P = TypeVar("P", bound=argparse.ArgumentParser)

_AUDIT = """\
Audit a recording: for each product, channel and hour, are the messages all
there? Trade ids and sequences rise by one, so consecutive ones prove it, over
segments, sessions and connections.

  verified        all numbers are consecutive
  repaired        the same, with trades that had been missed and came later
  missing         numbers are missing, or may be after a lost connection
  unverifiable    the messages have no numbers
  not subscribed  the channel was not subscribed to
  offline         there was no connection

Finished segments are read once: what was found is stored in the folder
(.audit-3600), and `rxfeed record --after audit` may delete them from then on.
"""
_EXAMPLES = """\
exit status: 0 if nothing is known to be missing, 1 if a file is damaged, 2 for
bad usage, 3 if messages are missing, or may be because there was no connection,
or if no message was recorded in this time

examples:
  rxfeed audit recordings
  rxfeed audit recordings --every 1m --since 2026-11-24T19:00 --products BTC-USD
  rxfeed audit recordings --json | jq '.missing'
  rxfeed audit recordings --png calendar.png
"""
_REPAIR = """\
Request the trades that are missing in a recording, between its segments and
sessions too, from the REST API of the venue, and write them beside the
segments. A replay then plays them at their places.

Trades that the exchange no longer has are written down as lost, and not
requested again. The command can be run again at any time, also after it was
killed.
"""
_REPAIR_EXAMPLES = """\
exit status: 0 if all missing trades were repaired, 1 if some could not be
requested, 2 for bad usage, 3 if the exchange no longer has some

examples:
  rxfeed repair recordings --dry-run
  rxfeed repair recordings
  rxfeed repair recordings --since 2026-11-24 --products BTC-USD
"""


def add_audit(commands: argparse._SubParsersAction[P], formatter: type[argparse.HelpFormatter]) -> None:
    audit = commands.add_parser(
        "audit",
        help="prove that a recording is complete, or list what is missing",
        description=_AUDIT,
        epilog=_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    audit.add_argument("path", nargs="+", metavar="PATH", help="a folder or a file; one or more")
    audit.add_argument(
        "--every", type=duration, default="1h", metavar="TIME", help="length of a span, such as 1m, 1h or 86400"
    )
    add_range(audit)
    shown = audit.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", default=None, help="print one JSON object, with all spans")
    shown.add_argument("--spans", action="store_true", default=None, help="list all spans, not only the first ones")
    audit.add_argument("--png", type=Path, metavar="FILE", help="draw a calendar, a row for each product, into FILE")
    audit.add_argument("--dark", action="store_true", default=None, help="draw it with light text on a dark ground")
    add_venue(audit)
    audit.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    with needs_extra("record", "an audit"):
        from rxfeed.cli import audit
    return audit.run(options)


def add_repair(commands: argparse._SubParsersAction[P], formatter: type[argparse.HelpFormatter]) -> None:
    repair = commands.add_parser(
        "repair",
        help="request the trades that are missing in a recording",
        description=_REPAIR,
        epilog=_REPAIR_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    repair.add_argument("path", metavar="DIR", help="the folder of the recording")
    repair.add_argument(
        "--dry-run", action="store_true", default=None, help="only list what is missing; request and write nothing"
    )
    add_range(repair)
    repair.add_argument(
        "--rest-url", metavar="URL", help="URL of the REST API (default: that of the feed that was recorded)"
    )
    repair.add_argument("--json", action="store_true", default=None, help="print one JSON object")
    add_venue(repair)
    repair.set_defaults(run=_repair)


def _repair(options: argparse.Namespace) -> int:
    with needs_extra("record", "a repair"):
        from rxfeed.cli import repair
    return repair.run(options)
