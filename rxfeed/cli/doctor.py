"""`rxfeed doctor`: checks the way of a feed's data step by step, and names what is wrong and what to do."""

from __future__ import annotations

import argparse
import logging
import textwrap
import time
import warnings
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import Empty, Queue

from rxfeed.cli.doctor_options import ExitStatus
from rxfeed.cli.doctor_remedies import connect_status, remedy_of_connect
from rxfeed.cli.live import make_feed, remedy_of_refusal
from rxfeed.cli.streams import write_line
from rxfeed.cli.text import printable
from rxfeed.errors import AuthenticationFailed, ConnectFailed, RequestRejected, RxfeedError
from rxfeed.feed import Disconnected, Ended, Feed, FeedStatus, ProductsRest, Rejected, Subscribed
from rxfeed.market import ErrorMessage, Message, Subscriptions
from rxfeed.secrets import Secret, shown_url
from rxfeed.transport import TransportOptions, probe
from rxfeed.venues import venue, venue_at

_WIDTH = 80
_INDENT = 21
_MOST_OFF = 5.0  # seconds; the header has whole seconds, and signed requests of the venues allow 30
_REFUSED_ALONE = 1.0  # seconds after a refusal in which other channels may be acknowledged

# The steps of a connection, by the words that their texts begin with.
_STEPS = {
    "resolving": "resolve",
    "connecting": "connect",
    "waiting for the proxy": "proxy",
    "setting up TLS": "TLS",
    "sending the handshake": "handshake",
    "waiting for the response": "handshake",
}


def run(options: argparse.Namespace) -> int:
    """Check each step; returns the exit status."""
    logger = logging.getLogger("rxfeed")
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL + 1)  # what it logs is printed as a step
        return _Doctor(options).run()
    finally:
        logger.setLevel(level)


def now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


class _Doctor:
    """The checks of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._status = ExitStatus.OK

    def run(self) -> ExitStatus:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            feed = make_feed(self._options, lambda level, text: self._note("products", text))
        about = feed.about
        channels, products = ", ".join(about.get("channels", ())), ", ".join(about.get("products", ()))
        write_line(f"{feed.venue.name}: {channels} for {products or 'no product'}\n{feed.url}\n")
        try:
            if self._connects():
                self._products(feed)
                self._delivers(feed)
        finally:
            feed.close()
        write_line(
            "\nno fault was found" if self._status is ExitStatus.OK else f"\nfailed (exit status {self._status})"
        )
        return self._status

    # ---- the connection

    def _connects(self) -> bool:
        options = self._options
        found = venue_at(options.url or "") if options.venue is None else venue(options.venue)
        url = Secret(found.url(options.url or found.url_for(options.channel or options.channels)))
        began: list[tuple[str, float]] = []

        def step(text: str) -> None:
            name = next((name for words, name in _STEPS.items() if text.startswith(words)), "")
            if began and began[-1][0] != name and name:
                self._passed(*began[-1])
            if name and not (began and began[-1][0] == name):
                began.append((name, time.monotonic()))

        transport = TransportOptions(connect_timeout=options.seconds, proxy=options.proxy)
        asked = now()
        try:
            probed = probe(url, transport, step)
        except ConnectFailed as error:
            name = began[-1][0] if began else "connect"
            text = str(error).removeprefix(f"{shown_url(url.reveal())}: ").replace("connect_timeout", "--seconds")
            self._failed(connect_status(error, name), name, text, remedy_of_connect(error, name))
            return False
        through = f", through {probed.proxy}" if probed.proxy else ""
        self._passed("handshake", began[-1][1], f"by {probed.peer}{through}{probed.tls and ', '}{probed.tls}")
        self._clock(probed.date, asked)
        return True

    def _clock(self, date: str, asked: datetime) -> None:
        """Compare this machine's clock with the header `Date` of the answer, which has whole seconds."""
        answered = now()
        try:
            server = parsedate_to_datetime(date)
        except ValueError:
            self._note("clock", "not checked: the server's answer has no Date")
            return
        server = server if server.tzinfo else server.replace(tzinfo=UTC)
        early, late = (asked - server).total_seconds(), (answered - server).total_seconds()
        off = late if late < 0 else max(0.0, early - 1)  # the server's second has begun, and not ended
        if abs(off) <= _MOST_OFF:
            self._ok("clock", f"within {max(1, round(abs(off)))} s of the server's")
            return
        way = "ahead of" if off > 0 else "behind"
        self._failed(
            ExitStatus.CLOCK,
            "clock",
            f"this machine's clock is {abs(off):,.0f} s {way} the server's",
            "set it, best by NTP (timedatectl set-ntp true): signed subscriptions are refused by their time, and the "
            "times of trades look wrong",
        )

    # ---- the products, and the data

    def _products(self, feed: Feed) -> None:
        """Look the products up in the REST API, which names what the feed may leave out in silence."""
        asked = feed.about.get("products", ())
        if not asked or feed.venue.rest is None or not feed.rest_url:
            return
        timeout, rest = min(30.0, self._options.seconds), self._options.rest_url or feed.rest_url
        try:
            client = ProductsRest(rest, venue=feed.venue, timeout=timeout, proxy=self._options.proxy)
            listed = {product.id: product for product in client.products()}
        except RxfeedError as error:
            limited = isinstance(error, RequestRejected) and error.status == 429
            advice = "try again later" if limited else "check --rest-url; the feed itself does not need it"
            self._note("products", f"not checked: {printable(str(error))}: {advice}")
            return
        for product in asked:
            if product not in listed:
                near = [each for each in sorted(listed) if each.partition("-")[0] == product.partition("-")[0]][:5]
                advice = f"of that currency there is {', '.join(near)}" if near else "list them with: rxfeed products"
                self._failed(ExitStatus.SUBSCRIPTION, "products", f"{product} is not a product of the venue", advice)
            elif listed[product].trading_disabled:
                self._note("products", f"{product} is not traded ({listed[product].status}): it may have no data")
            else:
                self._ok("products", f"{product} is {listed[product].status or 'listed'}")

    def _delivers(self, feed: Feed) -> None:
        items: Queue[FeedStatus | Message] = Queue()
        feed.status.subscribe(items.put)
        feed.subscribe(items.put, on_error=lambda _: None)  # it is a status, too
        began = time.monotonic()
        until, subscribed = began + self._options.seconds, False
        waited = {channel: feed.venue.types_of(channel) for channel in feed.about.get("channels", ())}
        feed.connect()
        while waited and (left := until - time.monotonic()) > 0:
            try:
                item = items.get(timeout=left)
            except Empty:
                break
            match item:
                case Subscribed(channels=channels) if channels and not subscribed:
                    subscribed, until = True, time.monotonic() + self._options.seconds
                    listed = (f"{each.name} ({', '.join(each.product_ids or ()) or 'all'})" for each in channels)
                    self._ok("subscribe", ", ".join(listed))
                case Rejected(message=message, reason=reason):
                    self._refused(feed, message, reason)
                    until = min(until, time.monotonic() + _REFUSED_ALONE)
                case Ended(cause=Exception() as cause) | Disconnected(cause=cause):
                    self._lost(cause)
                    return
                case Message() if not isinstance(item, Subscriptions | ErrorMessage):
                    for channel in [name for name, types in waited.items() if isinstance(item, tuple(types))]:
                        del waited[channel]
                        self._ok("data", f"{channel}: the first message came after {time.monotonic() - began:.1f} s")
                case _:
                    pass
        self._silent(feed, waited, subscribed)

    def _refused(self, feed: Feed, message: str, reason: str | None) -> None:
        text = printable(message if reason is None else f"{message}: {reason}")
        advice = remedy_of_refusal(feed.venue, message, reason) or "check the channel and the product"
        about_keys = feed.venue.refusal(message, reason) is not None
        if not self._options.auth and (about_keys or advice.startswith("check key")):
            advice = "it needs a key: give --auth, with the key in the environment (see rxfeed doctor --help)"
        if not about_keys or not self._options.auth:
            self._failed(ExitStatus.SUBSCRIPTION, "subscribe", f"the venue refused it: {text}", advice)
        else:
            advice = "check COINBASE_API_KEY and its secret, its rights, and that it is a key of this venue"
            self._failed(ExitStatus.CREDENTIALS, "credentials", f"the venue refused them: {text}", advice)

    def _lost(self, cause: BaseException) -> None:
        if self._status in (ExitStatus.SUBSCRIPTION, ExitStatus.CREDENTIALS):
            return  # it closes the connection after its refusal
        if isinstance(cause, AuthenticationFailed):
            advice = "check COINBASE_API_KEY and its secret, its rights, and that it is a key of this venue"
            self._failed(ExitStatus.CREDENTIALS, "credentials", printable(str(cause)), advice)
            return
        advice = "try again; if it is repeated, the server or a proxy between ends connections"
        self._failed(ExitStatus.DATA, "data", f"the connection was lost: {printable(str(cause))}", advice)

    def _silent(self, feed: Feed, waited: dict[str, frozenset[type[Message]]], subscribed: bool) -> None:
        if not waited or self._status in (ExitStatus.SUBSCRIPTION, ExitStatus.CREDENTIALS):
            return
        which, seconds = ", ".join(waited), f"{self._options.seconds:g} s"
        if len(waited) < len(feed.about.get("channels", ())):
            self._note("data", f"{which}: nothing in {seconds}; the product may be quiet, since other channels deliver")
            return
        if not subscribed:
            advice = "the server accepts connections and answers no request: check --url and --venue"
            self._failed(ExitStatus.SUBSCRIPTION, "subscribe", f"no answer in {seconds}", advice)
            return
        advice = "a quiet product has no messages: add --channel heartbeat, or raise --seconds"
        if set(waited) <= feed.venue.heartbeats:
            advice = "not even a heartbeat: the server, or a proxy that holds data back, is at fault; try without it"
        self._failed(ExitStatus.DATA, "data", f"{which}: nothing in {seconds}", advice)

    # ---- the lines

    def _passed(self, step: str, began: float, text: str = "") -> None:
        took = f"{(time.monotonic() - began) * 1000:,.0f} ms"
        self._ok(step, f"{took} {text}".rstrip())

    def _ok(self, step: str, text: str) -> None:
        self._line("ok", step, text)

    def _note(self, step: str, text: str) -> None:
        self._line("note", step, text)

    def _failed(self, status: ExitStatus, step: str, text: str, advice: str) -> None:
        self._status = self._status or status
        self._line("FAILED", step, printable(text))
        self._line("", "", f"-> {advice}")

    def _line(self, result: str, step: str, text: str) -> None:
        head = f"{result:<8}{step:<13}"
        wrapped = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False) or [""]
        write_line("\n".join([f"{head}{wrapped[0]}".rstrip(), *(" " * _INDENT + line for line in wrapped[1:])]))
