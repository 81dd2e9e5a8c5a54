"""The options of the commands for tapes: `rxfeed publish`, `rxfeed work` and `rxfeed tape`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rxfeed.cli.values import byte_count, duration, natural, positive
from rxfeed.errors import needs_extra
from rxfeed.venues import VENUES

P = TypeVar("P", bound=argparse.ArgumentParser)

_PUBLISH = """\
Publish a live feed on a tape: a stream of NATS JetStream, which any number of
processes play as a feed (rxfeed.tape.NatsFeed).

If the server is not available, messages wait in memory, or on disk (--spill),
and are sent in their order when it is. docs/how_to/tape.md describes the tape, and what is guaranteed.
"""
_PUBLISH_EXAMPLES = """\
exit status: 0 if --seconds or a signal ended it, 1 if the feed failed or
messages were lost, 2 for bad usage or if a package is missing

examples:
  rxfeed publish BTC-USD ETH-USD --channel trades --channel heartbeat
  rxfeed publish '*-USD' --channel trades --nats nats://tape:4222 --max-age 72h
  rxfeed publish BTC-USD --channel book --shared --publisher here
"""
_WORK = """\
Run a study on a share of the products of a tape. Any number of workers of one
group, on any number of machines, spread the shards among them; the shards of a
worker that dies move to the others within 5 seconds.

The study is a function that takes a feed and returns a pipeline. Its results
are published, each once, on the stream STREAM_results.
"""
_WORK_EXAMPLES = """\
exit status: 0 if --seconds or a signal ended it, 1 if it failed, 2 for bad
usage or if a package is missing

examples:
  rxfeed work study.py:study --group volumes --shards 16
  rxfeed work study.py:study --group volumes --shards 16 --warmup 1h
"""
_TAPE = """\
Show a tape: its stream and retention, publishers with their last sign of life,
consumers with their lag, leases of books and shards, and results of workers.
"""
_TAPE_EXAMPLES = """\
exit status: 0 if the tape was shown, 1 if the server cannot be reached, 2 for
bad usage, if there is no such stream, or if a package is missing

examples:
  rxfeed tape
  rxfeed tape --nats nats://tape:4222 --json | jq .publishers
"""


def add_server(command: argparse.ArgumentParser) -> None:
    """Add the options of the server."""
    server = command.add_mutually_exclusive_group()
    server.add_argument(
        "--nats",
        metavar="URL",
        help="one or several URLs of servers, separated by commas (default: RXFEED_NATS_URL, or nats://127.0.0.1:4222)",
    )
    server.add_argument(
        "--nats-file",
        type=Path,
        metavar="FILE",
        help="read that URL from FILE, so that its password is not in the list of processes",
    )
    command.add_argument("--creds", type=Path, metavar="FILE", help="a credentials file of NATS")
    command.add_argument("--tls-ca", type=Path, metavar="FILE", help="trust the certificates of this authority (PEM)")
    command.add_argument("--stream", default="rxfeed", metavar="NAME", help="the tape")


def add_publish(
    commands: argparse._SubParsersAction[P],
    formatter: type[argparse.HelpFormatter],
    add_feed: Callable[[argparse.ArgumentParser, str], None],
) -> None:
    publish = commands.add_parser(
        "publish",
        help="publish a live feed on a tape of NATS JetStream",
        description=_PUBLISH,
        epilog=_PUBLISH_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    add_feed(publish, "trades")
    add_server(publish)
    publish.add_argument("--publisher", metavar="NAME", help="the name of this publisher (default: that of the host)")
    publish.add_argument(
        "--shared", action="store_true", default=None, help="other publishers put the same products on the tape"
    )
    publish.add_argument(
        "--spill", type=Path, metavar="FILE", help="what waits for the server is on disk, and survives a kill"
    )
    publish.add_argument("--max-age", type=duration, metavar="TIME", help="retention of the stream, such as 72h")
    publish.add_argument("--max-bytes", type=byte_count, metavar="SIZE", help="retention of the stream, such as 50GB")
    publish.add_argument("--replicas", type=natural, metavar="N", help="servers that have a copy of the stream")
    publish.add_argument("--seconds", type=positive, metavar="N", help="end after N seconds")
    publish.set_defaults(run=_publish)


def add_work(commands: argparse._SubParsersAction[P], formatter: type[argparse.HelpFormatter]) -> None:
    work = commands.add_parser(
        "work",
        help="run a study on a share of the products of a tape",
        description=_WORK,
        epilog=_WORK_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    work.add_argument("study", metavar="FILE:FUNCTION", help="takes a feed, and returns a pipeline of results")
    add_server(work)
    work.add_argument("--group", required=True, metavar="NAME", help="the workers that share the products")
    work.add_argument("--shards", type=natural, default=16, metavar="N", help="the same for all workers of a group")
    work.add_argument("--products", nargs="+", metavar="PRODUCT", help="(default: all on the tape)")
    work.add_argument("--channel", action="append", metavar="NAME", help="may be repeated (default: all)")
    work.add_argument("--venue", choices=tuple(VENUES), help="the venue of the messages")
    work.add_argument(
        "--warmup",
        type=duration,
        metavar="TIME",
        help="what the study remembers at most, such as 15m (default: the whole tape is played)",
    )
    work.add_argument("--seconds", type=positive, metavar="N", help="end after N seconds")
    work.set_defaults(run=_work)


def add_tape(commands: argparse._SubParsersAction[P], formatter: type[argparse.HelpFormatter]) -> None:
    tape = commands.add_parser(
        "tape",
        help="show the state of a tape",
        description=_TAPE,
        epilog=_TAPE_EXAMPLES,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    add_server(tape)
    tape.add_argument("--json", action="store_true", default=None, help="print one JSON object")
    tape.set_defaults(run=_tape)


def _publish(options: argparse.Namespace) -> int:
    with needs_extra("nats", "rxfeed publish"):
        from rxfeed.cli import publish
    return publish.run(options)


def _work(options: argparse.Namespace) -> int:
    with needs_extra("nats", "rxfeed work"):
        from rxfeed.cli import work
    return work.run(options)


def _tape(options: argparse.Namespace) -> int:
    with needs_extra("nats", "rxfeed tape"):
        from rxfeed.cli import tape_table
    return tape_table.run(options)
