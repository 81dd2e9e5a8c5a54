"""`python -m rxfeed.compat SCRIPT.py`: runs an old script unchanged, and reports what it needs."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rxfeed.compat.hosts import LOCAL_KEYS, VARIABLE, Servers, chosen, redirect, websocket_server
from rxfeed.compat.rehearsal import rehearse
from rxfeed.errors import RxfeedError, needs_extra
from rxfeed.transport import redirect_sockets
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, VENUES

_PRODUCTS = ("BTC-USD", "ETH-USD", "LTC-USD", "BCH-USD", "ETC-USD", "ETH-BTC", "LTC-BTC", "BTC-EUR", "ETH-EUR")
_DESCRIPTION = """\
Run a script that was written for cbpro or gdax, unchanged, and report what it
used, what is not available today, and what was substituted.
"""
_EXAMPLES = """\
exit status: that of the script; 1 if it ended with an exception; 2 for bad
usage or if a package is missing

examples:
  python -m rxfeed.compat bot.py
  python -m rxfeed.compat --sim --seconds 20 bot.py BTC-USD
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the script that *argv* names (default: the arguments of the process)."""
    parser = _parser()
    options = parser.parse_args(argv)
    script = Path(options.script)
    if not script.is_file():
        parser.error(f"there is no file {script}")
    if options.venue is not None:
        os.environ[VARIABLE] = options.venue
    try:
        chosen(None)
        with _servers(options.sim) as where:
            return rehearse(script, options.arguments, where, options.seconds)
    except RxfeedError as error:  # the local exchange cannot start
        parser.exit(2, f"{parser.prog}: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rxfeed.compat",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sim", action="store_true", help="use a local exchange, to which all URLs are redirected")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="interrupt the script after N seconds, as Ctrl-C does"
    )
    parser.add_argument(
        "--venue",
        choices=list(VENUES),
        help=f"the venue of clients that name none, as {VARIABLE} in the environment (default: coinbase_exchange)",
    )
    parser.add_argument("script", metavar="SCRIPT.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="the script's own arguments")
    return parser


@contextlib.contextmanager
def _servers(sim: bool) -> Iterator[str]:
    """A description of the servers that the script uses within this block."""
    if not sim:
        venue = chosen(None)
        yield "the exchange" if venue is None else f"the exchange ({venue.name})"
        return
    with needs_extra("sim", "--sim"):
        from rxfeed.sim import Exchange
    for name in ("rxfeed.sim", "rxfeed.sim.server"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a script may show the log of the process at INFO
    # A script may have clients of both; an exchange without clients stands still.
    with (
        Exchange(_PRODUCTS, rate=200, credentials=LOCAL_KEYS) as exchange,
        Exchange(_PRODUCTS, rate=200, venue=COINBASE_ADVANCED.name) as advanced,
    ):
        venues = {COINBASE_EXCHANGE.name: exchange, COINBASE_ADVANCED.name: advanced}
        for name, each in venues.items():
            redirect(Servers(each.url, each.rest_url, LOCAL_KEYS), name)
        end = redirect_sockets(websocket_server)
        try:
            yield "a local exchange, in place of all URLs and keys (--sim)"
        finally:
            end()
            for name in venues:
                redirect(None, name)


if __name__ == "__main__":
    sys.exit(main())
