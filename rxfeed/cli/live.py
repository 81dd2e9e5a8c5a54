"""A live feed as the command line asks for it, and what its connection does in words."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import warnings

from rxfeed.cli.streams import printable
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.feed import (
    CaughtUp,
    Connected,
    Connecting,
    Disconnected,
    Ended,
    Feed,
    FeedStatus,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    Lagging,
    Reconnecting,
    Rejected,
    Subscribed,
)
from rxfeed.protocol import Credentials

_REFUSED_FOR = 1.0  # seconds after a refusal until which something else may still be granted


def make_feed(options: argparse.Namespace) -> Feed:
    """The feed of the options that `arguments` adds for one; its warnings are said."""
    credentials = Credentials.from_env() if options.auth else None
    if options.auth and credentials is None:
        raise ConfigError("--auth: COINBASE_API_KEY, COINBASE_API_SECRET and COINBASE_API_PASSPHRASE are not set")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        feed = Feed(options.product, options.channel or options.channels, url=options.url, credentials=credentials)
    for each in told:
        say(str(each.message))
    return feed


def say(text: str) -> None:
    """Write a line to standard error, which may be closed."""
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()


class Teller:
    """Says what a feed's connection does, and ends the command with a `RxfeedError` where there is no hope.

    *to*: what the feed is there to do (`watch`), *doing*: what the messages are waiting for (`printing`).
    """

    def __init__(self, to: str, doing: str) -> None:
        self._to, self._doing = to, doing
        self._connected = False
        self._granted = False
        self._refusal = ""
        self._refused_at: float | None = None

    def tell(self, status: FeedStatus) -> None:
        match status:
            case Connecting(url=url):
                say(f"connecting to {url}")
            case Connected():
                self._connected = True
                say("connected")
            case Disconnected(cause=cause):
                if not self._connected:  # a wrong address does not get better by trying
                    raise RxfeedError(printable(str(cause) or repr(cause)))
                say(f"connection lost: {cause}")
            case Reconnecting(delay=delay):
                say(f"again in {delay:.1f} s")
            case Gap(product_id=product, channel=channel, first=first, last=last):
                say(f"missed {first} to {last} of {product} on {channel}")
            case HeartbeatMissing(product_id=product, seconds=seconds):
                say(f"no heartbeat of {product} for {seconds:g} s")
            case HeartbeatBack(product_id=product):
                say(f"the heartbeat of {product} is back")
            case Lagging(seconds=seconds):
                say(f"{self._doing} is {seconds:.1f} s behind")
            case CaughtUp():
                say(f"{self._doing} has caught up")
            case Subscribed(channels=channels):
                self._granted = bool(channels)
                told = (f"{each.name} ({', '.join(each.product_ids or ()) or 'all'})" for each in channels)
                say(f"subscribed to {', '.join(told) or 'nothing'}")
            case Rejected(message=message, reason=reason):
                self._refusal = message if reason is None else f"{message}: {reason}"
                self._refused_at = time.monotonic()
                say(f"the exchange refuses: {self._refusal}")
            case Ended(cause=cause) if cause is not None:
                raise RxfeedError(printable(str(cause) or repr(cause)))

    def check_refusal(self) -> None:
        """To be called now and then: whether nothing but a refusal came."""
        if self._refused_at is None or self._granted or time.monotonic() < self._refused_at + _REFUSED_FOR:
            return
        raise RxfeedError(f"nothing to {self._to}: {printable(self._refusal)}")
