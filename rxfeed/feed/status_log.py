"""The log lines of a feed's status.

Rules:
- Every status is logged at INFO, except a `Disconnected`, a `Rejected` or an `Unacknowledged` that is a warning.
- A warning is one line: what happened, and what to do. The same warning is logged once in an outage, and the same
  rejection once in a feed. Repetitions are logged at INFO.
- A cause that is not an `RxfeedError` was already logged with its traceback where it was caught.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from http import HTTPStatus

from rxfeed.errors import (
    AddressNotFound,
    AuthenticationFailed,
    CertificateInvalid,
    ConnectFailed,
    HandshakeRejected,
    HostRetired,
    ProxyFailed,
    RxfeedError,
    TimestampRejected,
)
from rxfeed.feed.forks import keep_lines_whole
from rxfeed.feed.status import Disconnected, FeedStatus, Rejected, Unacknowledged
from rxfeed.venues import COINBASE_EXCHANGE, Venue

log = logging.getLogger("rxfeed.feed.status")
keep_lines_whole()

_MOST_REJECTIONS = 1_000
_MOST_NAMED = 5  # pairs in a warning

# The first match applies. The text of any other cause has its remedy, or needs none.
_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (AddressNotFound, "check the name of the host and the network's DNS"),
    (CertificateInvalid, "check the URL, and the clock and the CA certificates of this machine"),
    (ProxyFailed, "check the proxy: the argument, or the variables https_proxy and http_proxy"),
    (HostRetired, "use {default_url}"),
    (ConnectFailed, "check the URL and the network"),
)


class StatusLog:
    """Logs the status of one feed; no item of the types *quiet* is a warning.

    *remedy*: what to do about what the server rejects, by its message and reason; by default *venue* gives it.
    *level*: of the lines that are no warning.
    """

    def __init__(
        self,
        quiet: Collection[type[FeedStatus]] = (),
        venue: Venue = COINBASE_EXCHANGE,
        remedy: Callable[[str, str | None], str] | None = None,
        level: int = logging.INFO,
    ) -> None:
        self._level = level
        self._venue = venue
        self._quiet = frozenset(quiet)
        self._remedy = venue.remedy if remedy is None else remedy
        self._outage: set[str] = set()
        self._rejections: set[str] = set()

    def recovered(self) -> None:
        """An outage has ended, so that the next one is logged again."""
        self._outage.clear()

    def write(self, status: FeedStatus, note: str = "") -> None:
        """Log *status*; *note*, its consequence, is appended to a warning."""
        text = None if type(status) in self._quiet else self._warning(status)
        if text is None:
            log.log(self._level, "%s", status)
        else:
            log.warning("%s", f"{text}; {note}" if note else text)

    def _warning(self, status: FeedStatus) -> str | None:
        """The text of the warning; `None` for what is no warning, or was one before."""
        if isinstance(status, Disconnected):
            return self._disconnected(status)
        if isinstance(status, Unacknowledged):
            return unacknowledged(status)
        return self._rejected(status) if isinstance(status, Rejected) else None

    def _disconnected(self, status: Disconnected) -> str | None:
        cause = status.cause
        own = isinstance(cause, AuthenticationFailed | TimestampRejected)
        kind = type(cause).__name__ if own else "connection"
        if not isinstance(cause, RxfeedError) or kind in self._outage:
            return None
        self._outage.add(kind)
        what = "no connection" if isinstance(cause, ConnectFailed) else "disconnected"
        return ": ".join(filter(None, (what, _one_line(cause), _advice(cause, self._venue))))

    def _rejected(self, status: Rejected) -> str | None:
        text = status.message if status.reason is None else f"{status.message}: {status.reason}"
        key = re.sub(r"\d+", "0", text)  # texts that differ only in a time or a number are the same
        if key in self._rejections or len(self._rejections) >= _MOST_REJECTIONS:
            return None
        self._rejections.add(key)
        return ": ".join(filter(None, ("rejected", _one_line(text), self._remedy(status.message, status.reason))))


def unacknowledged(status: Unacknowledged) -> str:
    """The text of the warning of *status*: what has no data, and what to do."""
    named = [channel if product is None else f"{channel} of {product}" for channel, product in status.pairs]
    more = f" and {len(named) - _MOST_NAMED:,} more" if len(named) > _MOST_NAMED else ""
    return (
        f"not acknowledged by the exchange within {status.seconds:g} s: {', '.join(named[:_MOST_NAMED])}{more}: check "
        "the ids, for example with `rxfeed products`"
    )


def _advice(cause: RxfeedError, venue: Venue) -> str:
    if isinstance(cause, HandshakeRejected):
        if cause.status == HTTPStatus.TOO_MANY_REQUESTS:
            return "the server limits connections: open fewer of them"
        # The text of a redirect has its own remedy.
        return "" if "location" in cause.headers else "check the URL and the headers"
    text = next((text for kind, text in _REMEDIES if isinstance(cause, kind)), "")
    return text.format(default_url=venue.default_url)


def _one_line(text: object) -> str:
    return " ".join(str(text).split()) or repr(text)
