"""A live feed as the command line asks for it, and what its connection does in words."""

from __future__ import annotations

import argparse
import time
import warnings

from rxfeed.cli.streams import write_error
from rxfeed.cli.text import printable
from rxfeed.errors import AddressNotFound, ConfigError, HandshakeRejected, ProxyFailed, RxfeedError
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
from rxfeed.venues.coinbase_exchange import Credentials

_REFUSED_FOR = 1.0  # seconds after a refusal until which something else may still be granted


def make_feed(options: argparse.Namespace) -> Feed:
    """The feed of the options that `arguments` adds for one; its warnings are written to standard error."""
    credentials = Credentials.from_env() if options.auth else None
    if options.auth and credentials is None:
        raise ConfigError("--auth: COINBASE_API_KEY, COINBASE_API_SECRET and COINBASE_API_PASSPHRASE are not set")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        feed = Feed(options.product, options.channel or options.channels, url=options.url, credentials=credentials)
    for each in caught:
        write_error(str(each.message))
    return feed


class StatusReporter:
    """Writes what a feed's connection does to standard error; raises `RxfeedError` where the command cannot go on.

    *verb*: what the feed is for (`watch`), *doing*: what the messages wait for (`printing`). *patient*: a failure of
    the first connection is reported, as that of any later one; without it, it is raised.
    """

    def __init__(self, verb: str, doing: str, *, patient: bool = False) -> None:
        self._verb, self._doing = verb, doing
        self._patient = patient
        self._connected = False
        self._granted = False
        self._refusal = ""
        self._refused_at: float | None = None

    def report(self, status: FeedStatus) -> None:
        match status:
            case Connecting(url=url, attempt=attempt) if self._connected or attempt == 1:
                write_error(f"connecting to {url}")
            case Connected():
                self._connected = True
                write_error("connected")
            case Disconnected(cause=cause) if self._connected:
                write_error(f"connection lost: {_text(cause)}")
            case Disconnected(cause=cause) if not self._patient:  # a wrong address does not get better by trying
                raise RxfeedError(_text(cause))
            case Reconnecting(delay=delay) if self._connected:
                write_error(f"again in {delay:.1f} s")
            case Reconnecting(delay=delay, cause=cause):
                write_error(f"warning: not connected: {_text(cause)}: {_remedy(cause)}; again in {delay:.1f} s")
            case Gap(product_id=product, channel=channel, first=first, last=last):
                write_error(f"missed {first} to {last} of {product} on {channel}")
            case HeartbeatMissing(product_id=product, seconds=seconds):
                write_error(f"no heartbeat of {product} for {seconds:g} s")
            case HeartbeatBack(product_id=product):
                write_error(f"the heartbeat of {product} is back")
            case Lagging(seconds=seconds):
                write_error(f"{self._doing} is {seconds:.1f} s behind")
            case CaughtUp():
                write_error(f"{self._doing} has caught up")
            case Subscribed(channels=channels):
                self._granted = bool(channels)
                listed = (f"{each.name} ({', '.join(each.product_ids or ()) or 'all'})" for each in channels)
                write_error(f"subscribed to {', '.join(listed) or 'nothing'}")
            case Rejected(message=message, reason=reason):
                self._refusal = printable(message if reason is None else f"{message}: {reason}")
                self._refused_at = time.monotonic()
                write_error(f"the exchange refuses: {self._refusal}")
            case Ended(cause=cause) if cause is not None:
                raise RxfeedError(_text(cause))

    def check_refusal(self) -> None:
        """To be called now and then; raises `RxfeedError` where nothing but a refusal came."""
        if self._refused_at is None or self._granted or time.monotonic() < self._refused_at + _REFUSED_FOR:
            return
        raise RxfeedError(f"nothing to {self._verb}: {self._refusal}")


def _text(cause: BaseException) -> str:
    return printable(str(cause) or repr(cause))


def _remedy(cause: Exception) -> str:
    match cause:
        case AddressNotFound():
            return "check the host name in --url, and this machine's network"
        case HandshakeRejected():
            return "check the path in --url"
        case ProxyFailed():
            return "check the proxy in the environment"
    return "check --url, and this machine's network"
