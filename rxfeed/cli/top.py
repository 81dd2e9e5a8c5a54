"""`rxfeed top`: a terminal view of a process through its metrics, or of a feed of its own."""

from __future__ import annotations

import argparse
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException

from rich.live import Live

from rxfeed.cli.keys import Keys
from rxfeed.cli.live import make_feed
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import is_screen, writing
from rxfeed.cli.top_screen import console, picture, plain
from rxfeed.cli.top_state import Controls, History, TopReading
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.metrics import Scrape, read_scrape, serve
from rxfeed.operators import order_book
from rxfeed.secrets import shown_url

_TIMEOUT = 2.0
_LARGEST = 20_000_000  # bytes of a response
_BOOK_CHANNELS = frozenset(("book", "level2", "level2_batch", "level2_50"))
_FIRST = 1.0  # seconds between the two requests of the plain table


def run(options: argparse.Namespace) -> int:
    """Show it until a key or a signal ends it; without a terminal, print one table."""
    with _notes() as notes, _endpoint(options) as url:
        head = shown_url(url) if options.metrics else ", ".join(options.products)
        if not is_screen() or options.once:
            _print_once(url, head)
        else:
            _show(url, head, options.interval, notes)
    return 0


def _print_once(url: str, head: str) -> None:
    history = History()
    history.add(request(url), time.monotonic())
    time.sleep(_FIRST)
    reading = history.add(request(url), time.monotonic())
    with writing():
        screen = console() if is_screen() else console(120)
        screen.print(plain(reading, Controls(), head, screen.width))


def _show(url: str, head: str, interval: float, notes: list[str]) -> None:
    history, controls = History(), Controls()
    ended: list[bool] = []  # a signal handler must not use an object with a lock
    reading = history.add(request(url), time.monotonic())  # raises before the screen is taken
    problem, due = "", time.monotonic() + min(interval, _FIRST)
    screen = console()

    def draw(reading: TopReading) -> None:
        text = f"{head}   {datetime.now(UTC):%H:%M:%S} UTC"
        note = problem or (notes[-1] if notes else "")
        with writing():
            live.update(picture(reading, controls, text, note, screen.width, screen.height), refresh=True)

    with (
        on_signals(lambda: ended.append(True)),
        Keys() as keys,
        Live(console=screen, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live,
    ):
        draw(reading)
        while not ended and not controls.over:
            now = time.monotonic()
            if now >= due:
                due = now + interval
                try:
                    reading, problem = history.add(request(url), now), ""
                except RxfeedError as error:
                    problem = str(error)
            for key in keys.wait(max(0.02, min(0.2, due - time.monotonic()))):
                controls.press(key)
            draw(reading)


def request(url: str) -> Scrape:
    """The values of the endpoint at *url*; raises `RxfeedError` if it cannot be read."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            body = response.read(_LARGEST)
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RxfeedError(f"{shown_url(url)} cannot be read: {reason}; start the process with --metrics") from None
    return read_scrape(body.decode(errors="replace"))


def endpoint_url(text: str) -> str:
    """The URL of an endpoint; *text* may leave out the scheme and the path.

    >>> from rxfeed.cli.top import endpoint_url
    >>> endpoint_url(":9109"), endpoint_url("http://host:9109/metrics"), endpoint_url("host:80")
    ('http://127.0.0.1:9109/metrics', 'http://host:9109/metrics', 'http://host:80/metrics')
    """
    url = text if "://" in text else f"http://{'127.0.0.1' if text.startswith(':') else ''}{text}"
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ConfigError(f"--metrics: {text!r} is not the URL of a metrics endpoint, such as http://127.0.0.1:9109")
    return url if "/" in rest else f"{url}/metrics"


@contextmanager
def _endpoint(options: argparse.Namespace) -> Iterator[str]:
    """The URL of the endpoint: a given one, or that of a feed of this process."""
    if options.metrics:
        yield endpoint_url(options.metrics)
        return
    feed = make_feed(options, logging.getLogger("rxfeed.cli").log, count_items=True)
    feed.subscribe(lambda message: None, lambda error: None)  # so that every type has a subscriber
    if _BOOK_CHANNELS & set(options.channel or options.channels):
        for product in options.products:
            feed.pipe(order_book(product)).subscribe(lambda view: None, lambda error: None)
    with serve(feed, port=0) as server, feed:
        yield server.url


class _Notes(logging.Handler):
    """Keeps the newest warning, since a log line would destroy the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines[:] = [f"{datetime.now(UTC):%H:%M:%S} {record.getMessage()}"]


@contextmanager
def _notes() -> Iterator[list[str]]:
    log, handler = logging.getLogger("rxfeed"), _Notes()
    before, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield handler.lines
    finally:
        log.removeHandler(handler)
        log.propagate = before
