"""`rxfeed watch`: a live feed, a line a message."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
import warnings
from queue import Empty, Full, Queue
from typing import Any

from rxfeed.cli.lines import line
from rxfeed.cli.streams import on_signals, printable, silence_stdout
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
from rxfeed.messages import ErrorMessage, Malformed, Message, Subscriptions
from rxfeed.protocol import Credentials

_QUEUE = 10_000  # messages; a reader slower than the feed makes the feed wait
_REFUSED_FOR = 1.0  # seconds after a refusal until which something else may still be granted
_LOOK = 0.2  # seconds


def run(options: argparse.Namespace) -> int:
    """Print what the options ask for, until they or the feed end it."""
    credentials = Credentials.from_env() if options.auth else None
    if options.auth and credentials is None:
        raise ConfigError("--auth: COINBASE_API_KEY, COINBASE_API_SECRET and COINBASE_API_PASSPHRASE are not set")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        feed = Feed(options.product, options.channel or ["ticker"], url=options.url, credentials=credentials)
    for each in told:
        _say(str(each.message))
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a terminal without UTF-8 shows what it can
    try:
        with on_signals(_interrupt):
            _Watch(feed, as_json=bool(options.json)).run(options.count, options.seconds)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        silence_stdout()
    return 0


class _Watch:
    """Takes what the feed's thread puts into a queue, and prints it in the main one."""

    def __init__(self, feed: Feed, *, as_json: bool) -> None:
        self._feed = feed
        self._as_json = as_json
        self._items: Queue[Any] = Queue(_QUEUE)
        self._over = threading.Event()
        self._connected = False
        self._granted = False
        self._refusal = ""
        self._refused_at: float | None = None
        feed.status.subscribe(self._put)
        feed.malformed.subscribe(self._put)
        feed.subscribe(self._put, on_error=lambda error: None)  # the status tells it, too

    def run(self, count: int | None, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        printed = 0
        try:
            self._feed.connect()
            while printed != count and (deadline is None or time.monotonic() < deadline):
                try:
                    item = self._items.get(timeout=_LOOK if deadline is None else _left(deadline))
                except Empty:
                    item = None
                printed += self._print(item)
                if self._items.empty():
                    sys.stdout.flush()
                self._check_refusal()
            sys.stdout.flush()
        finally:
            self._over.set()
            self._feed.close()

    def _put(self, item: Any) -> None:
        """On the feed's thread; waits while the queue is full, but not for a reader that is gone."""
        while not self._over.is_set():
            with contextlib.suppress(Full):
                self._items.put(item, timeout=_LOOK)
                return

    def _print(self, item: Any) -> bool:
        """Whether *item* was market data, and is printed."""
        if isinstance(item, FeedStatus):
            self._status(item)
        elif isinstance(item, Malformed):
            _say(f"malformed frame: {item.reason}")
        elif isinstance(item, Message) and not isinstance(item, Subscriptions | ErrorMessage):
            sys.stdout.write(f"{_frame(item.raw) if self._as_json else line(item)}\n")
            return True
        return False

    def _status(self, status: FeedStatus) -> None:
        match status:
            case Connecting(url=url):
                _say(f"connecting to {url}")
            case Connected():
                self._connected = True
                _say("connected")
            case Disconnected(cause=cause):
                if not self._connected:  # a wrong address does not get better by trying
                    raise RxfeedError(printable(str(cause) or repr(cause)))
                _say(f"connection lost: {cause}")
            case Reconnecting(delay=delay):
                _say(f"again in {delay:.1f} s")
            case Gap(product_id=product, channel=channel, first=first, last=last):
                _say(f"missed {first} to {last} of {product} on {channel}")
            case HeartbeatMissing(product_id=product, seconds=seconds):
                _say(f"no heartbeat of {product} for {seconds:g} s")
            case HeartbeatBack(product_id=product):
                _say(f"the heartbeat of {product} is back")
            case Lagging(seconds=seconds):
                _say(f"printing is {seconds:.1f} s behind")
            case CaughtUp():
                _say("printing has caught up")
            case Subscribed(channels=channels):
                self._granted = bool(channels)
                told = (f"{each.name} ({', '.join(each.product_ids or ()) or 'all'})" for each in channels)
                _say(f"subscribed to {', '.join(told) or 'nothing'}")
            case Rejected(message=message, reason=reason):
                self._refusal = message if reason is None else f"{message}: {reason}"
                self._refused_at = time.monotonic()
                _say(f"the exchange refuses: {self._refusal}")
            case Ended(cause=cause) if cause is not None:
                raise RxfeedError(printable(str(cause) or repr(cause)))

    def _check_refusal(self) -> None:
        if self._refused_at is None or self._granted or time.monotonic() < self._refused_at + _REFUSED_FOR:
            return
        raise RxfeedError(f"nothing to watch: {printable(self._refusal)}")


def _left(deadline: float) -> float:
    return min(_LOOK, max(0.0, deadline - time.monotonic()))


def _frame(raw: bytes) -> str:
    # Inside JSON's strings a line break is escaped; between its tokens it is only space.
    return raw.decode().replace("\n", " ").replace("\r", " ")


def _say(text: str) -> None:
    # Standard error, too, may be closed.
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()


def _interrupt() -> None:
    raise KeyboardInterrupt
