"""`python -m rxfeed.compat SCRIPT.py`: runs an old script unchanged, and reports what it needs."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rxfeed.compat.hosts import Servers, redirect
from rxfeed.compat.rehearsal import rehearse
from rxfeed.errors import RxfeedError, needs_extra
from rxfeed.venues.coinbase_exchange import Credentials

_PRODUCTS = ("BTC-USD", "ETH-USD", "LTC-USD", "BCH-USD", "ETC-USD", "ETH-BTC", "LTC-BTC", "BTC-EUR", "ETH-EUR")
_KEYS = Credentials("key", "c2VjcmV0", "phrase")
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
    try:
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
    parser.add_argument("script", metavar="SCRIPT.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="the script's own arguments")
    return parser


@contextlib.contextmanager
def _servers(sim: bool) -> Iterator[str]:
    """A description of the servers that the script uses within this block."""
    if not sim:
        yield "the exchange"
        return
    with needs_extra("sim", "--sim"):
        from rxfeed.sim import Exchange
    with Exchange(_PRODUCTS, rate=200, credentials=_KEYS) as exchange:
        redirect(Servers(exchange.url, exchange.rest_url, _KEYS))
        try:
            yield "a local exchange, in place of all URLs and keys (--sim)"
        finally:
            redirect(None)


if __name__ == "__main__":
    sys.exit(main())
