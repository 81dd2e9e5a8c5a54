"""Makes the feed for the options of a command, and reports the status of its connection."""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from datetime import timedelta

from rxfeed.cli.streams import write_error
from rxfeed.cli.text import printable
from rxfeed.errors import (
    AddressNotFound,
    AuthenticationFailed,
    CertificateInvalid,
    ConfigError,
    HandshakeRejected,
    HostRetired,
    ProxyFailed,
    RxfeedError,
)
from rxfeed.feed import (
    Backfilled,
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
    ProductRenamed,
    Reconnecting,
    Rejected,
    Repaired,
    Subscribed,
    Unacknowledged,
    unacknowledged,
)
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, Venue, venue, venue_at

_VARIABLES = {
    COINBASE_EXCHANGE: "COINBASE_API_KEY, COINBASE_API_SECRET and COINBASE_API_PASSPHRASE",
    COINBASE_ADVANCED: "COINBASE_API_KEY and COINBASE_API_SECRET",
}
_WAIT_AFTER_REJECTION = 1.0  # seconds after a rejection during which another subscription may be acknowledged


def make_feed(
    options: argparse.Namespace,
    write: Callable[[int, str], None] = lambda level, text: write_error(text),
    *,
    count_items: bool = False,
) -> Feed:
    """The feed for the options that `arguments` adds; *write* is called with the level and text of its warnings."""
    named = venue_at(options.url or "") if options.venue is None else venue(options.venue)
    credentials = named.credentials[0].from_env() if options.auth else None
    if options.auth and credentials is None:
        raise ConfigError(f"--auth: {_VARIABLES[named]} are not set")
    hours = vars(options).get("renew_every")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        feed = Feed(
            options.products,
            options.channel or options.channels,
            venue=named,
            url=options.url,
            rest_url=options.rest_url,
            credentials=credentials,
            count_items=count_items,
            proxy=vars(options).get("proxy"),
            redundancy=vars(options).get("redundancy") or 1,
            renew_every=None if hours is None else timedelta(hours=hours),
            renew_at=vars(options).get("renew_at"),
        )
    for each in caught:
        write(logging.WARNING, str(each.message))
    return feed


class StatusReporter:
    """Writes the status of a feed's connection; raises `RxfeedError` if the command cannot continue.

    *verb*: the purpose of the feed (`watch`). *doing*: what is delayed by a lag (`printing`). *patient*: a failure of
    the first connection is only reported; without it, it is raised. *signed*: the feed has credentials. The exchange
    ends a connection when it refuses them, and the refusal is the cause of that end, so it is written once.
    *write* is called with the level and the text of each line; by default it writes to standard error.
    """

    def __init__(
        self,
        verb: str,
        doing: str,
        *,
        patient: bool = False,
        signed: bool = False,
        venue: Venue = COINBASE_EXCHANGE,
        write: Callable[[int, str], None] = lambda level, text: write_error(text),
    ) -> None:
        self._write = write
        self._signed = signed
        self._verb, self._doing = verb, doing
        self._venue = venue
        self._patient = patient
        self._connected = False
        self._answered = self._acknowledged = False
        self._rejected_at: float | None = None

    def report(self, status: FeedStatus) -> None:
        match status:
            case Connecting(url=url, attempt=attempt) if self._connected or attempt == 1:
                self._write(logging.INFO, f"connecting to {url}")
            case Connected():
                self._connected = True
                self._write(logging.INFO, "connected")
            case Disconnected(cause=AuthenticationFailed() | CertificateInvalid() | HostRetired()) if self._connected:
                pass  # the feed ends, and `Ended` has the cause
            case Disconnected(cause=cause) if self._connected:
                self._write(logging.WARNING, f"connection lost: {_text(cause)}")
            case Disconnected(cause=cause) if not self._patient:  # retrying does not help with a wrong address
                raise RxfeedError(_text(cause))
            case Reconnecting(delay=delay) if self._connected:
                self._write(logging.INFO, f"next attempt in {delay:.1f} s")
            case Reconnecting(delay=delay, cause=cause):
                self._write(
                    logging.WARNING, f"not connected: {_text(cause)}: {_remedy(cause)}; next attempt in {delay:.1f} s"
                )
            case Gap(product_id=product, channel=channel, first=first, last=last):
                self._write(logging.WARNING, f"missed {first} to {last} of {product or 'the connection'} on {channel}")
            case Repaired(product_id=product, channel=channel, first=first, last=last):
                self._write(logging.INFO, f"{first} to {last} of {product} on {channel} were missed, and have come now")
            case Backfilled(product_id=product, first=first, last=last):
                self._write(logging.INFO, f"{first} to {last} of {product} are from before the subscription")
            case ProductRenamed(product_id=product, delivered=delivered) if product != delivered:
                self._write(logging.INFO, f"{product} is delivered as {delivered}, and shown as {product}")
            case HeartbeatMissing(product_id=product, seconds=seconds):
                self._write(logging.WARNING, f"no heartbeat of {product} for {seconds:g} s")
            case HeartbeatBack(product_id=product):
                self._write(logging.INFO, f"the heartbeat of {product} is back")
            case Lagging(seconds=seconds):
                self._write(logging.WARNING, f"{self._doing} is {seconds:.1f} s behind")
            case CaughtUp():
                self._write(logging.INFO, f"{self._doing} has caught up")
            case Subscribed(channels=channels):
                self._answered = True
                self._acknowledged |= bool(channels)
                listed = (f"{each.name} ({', '.join(each.product_ids or ()) or 'all'})" for each in channels)
                self._write(logging.INFO, f"subscribed to {', '.join(listed) or 'nothing'}")
            case Rejected(message=message, reason=reason) if (
                self._signed and self._venue.refusal(message, reason) is not None
            ):
                pass
            case Rejected(message=message, reason=reason):
                self._rejected_at = time.monotonic()
                text = printable(message if reason is None else f"{message}: {reason}")
                self._write(logging.WARNING, f"rejected by the exchange: {text}")
                if what := remedy_of_refusal(self._venue, message, reason):
                    self._write(logging.WARNING, what)
            case Unacknowledged():
                self._write(logging.WARNING, unacknowledged(status))
                # An exchange that has not answered at all may be slow.
                if self._answered and not self._acknowledged:
                    raise RxfeedError(f"nothing to {self._verb}: the exchange acknowledged no subscription, see above")
            case Ended(cause=cause) if cause is not None:
                raise RxfeedError(_text(cause))

    def check_rejection(self) -> None:
        """Raise `RxfeedError` if there was a rejection and no acknowledgement; call it periodically."""
        if (
            self._rejected_at is None
            or self._acknowledged
            or time.monotonic() < self._rejected_at + _WAIT_AFTER_REJECTION
        ):
            return
        raise RxfeedError(f"nothing to {self._verb}: the exchange rejected the subscription, see above")


def remedy_of_refusal(venue: Venue, message: str, reason: str | None) -> str:
    """What to do about it, in the command's own options where it is about credentials."""
    what = venue.remedy(message, reason)
    if what.startswith("give credentials"):
        book = venue.named("book")
        return f"give --auth and credentials in the environment, or a --channel without a key, such as {book}"
    return what


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
