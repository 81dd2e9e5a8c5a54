"""`rxfeed replay --as-exchange`: serves a recording with the protocol of its venue."""

from __future__ import annotations

import argparse
import math
import time

from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import write_line
from rxfeed.sim import Exchange

_POLL = 0.2  # seconds


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    speed = 1.0 if options.speed is None else None if options.speed == math.inf else options.speed
    ended: list[bool] = []  # a signal handler must not use an object with a lock
    exchange = Exchange.of_recording(
        options.path,
        products=options.products,
        since=options.since,
        until=options.until,
        speed=speed,
        then="hold" if options.hold else "close",
        loop=bool(options.loop),
        port=options.as_exchange,
        subscribe_timeout=None,
        **({} if options.venue is None else {"venue": options.venue}),
    )
    with on_signals(lambda: ended.append(True)), exchange:
        pace = "as fast as the client reads" if speed is None else f"{speed:g} times the recorded pace"
        write_line(f"{exchange.url}: {pace}, from the first subscription of a client on; Ctrl-C ends it")
        while not ended:
            time.sleep(_POLL)
        accepted = exchange.accepted
        write_line(f"{accepted:,} connection{'' if accepted == 1 else 's'}, {exchange.sent.frames:,} frames sent")
    return 0
