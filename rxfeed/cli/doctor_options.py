"""The options of `rxfeed doctor`, its help, and its exit statuses."""

from __future__ import annotations

import argparse
from enum import IntEnum

from rxfeed.cli.values import positive

DESCRIPTION = """\
Check the way of a feed's data step by step: resolve, connect, proxy, TLS,
handshake, clock, subscription, data. Each step is printed when it has ended.
A failed step is printed with its cause and what to do.
"""
EPILOG = """\
exit status: 0 if data arrived; 2 for bad usage; else the first step that
failed: 3 resolve, 4 connect or proxy, 5 TLS, 6 handshake, 7 subscription,
8 credentials, 9 no data, 10 the clock of this machine

examples:
  rxfeed doctor BTC-USD --channel matches --channel heartbeat
  rxfeed doctor BTC-USD --channel level2 --auth
  rxfeed doctor BTC-USD --venue coinbase_advanced --channel trades
  rxfeed doctor BTC-USD --proxy http://proxy.example:3128
"""


class ExitStatus(IntEnum):
    """The exit statuses: the first step that failed."""

    OK = 0
    RESOLVE = 3
    CONNECT = 4
    TLS = 5
    HANDSHAKE = 6
    SUBSCRIPTION = 7
    CREDENTIALS = 8
    DATA = 9
    CLOCK = 10


def add(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--proxy", metavar="URL", help="connect through it (default: the environment's proxy)")
    doctor.add_argument(
        "--seconds", type=positive, default=10.0, metavar="N", help="the longest wait for the connection, and for data"
    )
