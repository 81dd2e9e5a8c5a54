"""Products by patterns, such as `*-USD`: the venue's list of products decides what is subscribed to.

Rules:
- A pattern is a text with `*`, which stands for any characters. It matches the products of the venue's list that can be
  traded: neither delisted, nor with trading disabled. A product that is delivered as another one, which matches, too,
  is left out.
- The list is requested when the feed begins, and every *every* seconds. The first request is repeated until it
  succeeds; if no product matches then, the feed fails with a `ConfigError`. Later failures are logged, and nothing
  changes.
- The messages of the channel `status`, where it is subscribed to, add products between two requests, and remove those
  that they name as delisted.
- Each change is reported as `ProductListed` or `ProductDelisted`.
- A list without a match removes nothing: it is a failure of the list.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rxfeed.core import Backoff, Reconnect
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.feed.products_rest import ProductsRest
from rxfeed.market import Message
from rxfeed.venues import ChannelRequest

log = logging.getLogger("rxfeed.feed")

_DELISTED = "delisted"
_ANYTHING = "*"


def split(products: Iterable[str]) -> tuple[list[str], list[str]]:
    """The *products* that are ids, and those that are patterns.

    >>> from rxfeed.feed.product_patterns import split
    >>> split(["BTC-USD", "*-EUR"])
    (['BTC-USD'], ['*-EUR'])
    """
    given = list(products)
    return [each for each in given if _ANYTHING not in each], [each for each in given if _ANYTHING in each]


class ProductPatterns:
    """Keeps the subscriptions of patterns up to date, on a thread of its own.

    *client* makes what requests the list. *change*: called with the channels and their products now (from any pattern),
    and with the products that were listed and delisted. *real*: the seconds of the wall clock for those of the feed's.
    """

    def __init__(
        self,
        client: Callable[[], ProductsRest],
        every: float,
        change: Callable[[list[tuple[list[str], list[ChannelRequest]]], list[str], list[str]], None],
        real: Callable[[float], float],
    ) -> None:
        self._make_client = client
        self._every = every
        self._change = change
        self._real = real
        self._lock = threading.Lock()
        self._patterns: list[tuple[str, list[ChannelRequest]]] = []
        self._known: dict[str, str | None] = {}  # the products that can be traded, with their aliases
        self._before: set[str] = set()  # those of the last time
        self._matched: dict[str, None] = {}
        self._seen: deque[Mapping[str, str | None]] = deque()  # states that the channel `status` named
        self._wake = threading.Event()
        self._client: ProductsRest | None = None
        self._active = self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def given(self) -> list[str]:
        """The patterns."""
        with self._lock:
            return list(dict.fromkeys(pattern for pattern, _ in self._patterns))

    @property
    def matched(self) -> list[str]:
        """The products that match."""
        return list(self._matched)

    def add(self, patterns: Iterable[str], channels: list[ChannelRequest]) -> None:
        """Also match *patterns*, for *channels*."""
        with self._lock:
            self._patterns += [(each, channels) for each in patterns]
            self._begin()
        self._wake.set()

    def remove(self, patterns: Iterable[str], channels: list[ChannelRequest]) -> None:
        """No longer match *patterns* for *channels*."""
        gone = set(patterns)
        with self._lock:
            self._patterns = [
                (pattern, left)
                for pattern, own in self._patterns
                if (left := own if pattern not in gone else [each for each in own if each not in channels])
            ]
        self._wake.set()

    # ---- the thread

    def first(self, policy: Reconnect) -> None:
        """Request the list until that succeeds, with the waits of *policy*, and subscribe to what matches.

        Raises `ConfigError` if nothing does, and the last error if *policy* allows no further attempt.
        """
        backoff = Backoff(policy)
        while not self._closed:
            try:
                self._known = self._listed()
            except ConfigError:
                raise
            except RxfeedError as error:
                if self._closed:
                    return
                delay = backoff.failed()
                if delay is None:
                    raise
                text = "products: the list of products for %s could not be requested: %s; the next attempt is in %.1f s"
                log.log(logging.WARNING if backoff.failures == 1 else logging.INFO, text, self._named, error, delay)
                self._wake.wait(self._real(delay))
                self._wake.clear()
                continue
            self._apply(first=True)
            if not self._matched:
                raise ConfigError(
                    f"products: no product of the venue matches {self._named}: see the list with `rxfeed products`"
                )
            return

    def start(self) -> None:
        """Keep the subscriptions up to date from now on."""
        with self._lock:
            self._active = True
            self._begin()

    def _begin(self) -> None:
        if self._active and self._thread is None and self._patterns and not self._closed:
            self._thread = threading.Thread(target=self._run, name="rxfeed-products", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread, and a running request; from any thread."""
        self._closed = True
        self._wake.set()
        client = self._client
        if client is not None:
            client.close()

    def join(self) -> None:
        """Wait for the end of the thread."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def status(self, message: Message) -> None:
        """A *message* of the channel `status`; it is read on the thread."""
        named: dict[str, str | None] = {}
        rows: tuple[Any, ...] = getattr(message, "products", ())
        for each in rows:
            named[each.id] = each.status
        self._seen.append(named)
        self._wake.set()

    def _run(self) -> None:
        due = time.monotonic() + self._real(self._every)
        while not self._closed:
            self._wake.wait(min(max(0.0, due - time.monotonic()), threading.TIMEOUT_MAX))
            self._wake.clear()
            if self._closed:
                return
            try:
                if not self._known or time.monotonic() >= due:  # messages of the channel `status` delay no request
                    due = time.monotonic() + self._real(self._every)
                    self._known = self._listed()
                while self._seen:
                    self._named_by_status(self._seen.popleft())
                self._apply()
            except RxfeedError as error:
                if not self._closed:
                    log.warning("products: the list of products could not be requested, and is kept: %s", error)
            except Exception:
                log.exception("products: the list of products was not read: please report this defect of rxfeed")

    def _named_by_status(self, states: Mapping[str, str | None]) -> None:
        for product, state in states.items():
            if state == _DELISTED:
                self._known.pop(product, None)
            else:
                self._known.setdefault(product, None)

    def _listed(self) -> dict[str, str | None]:
        self._client = self._make_client()
        try:
            if self._closed:
                return {}
            found = self._client.products()
        finally:
            self._client = None
        return {each.id: each.alias for each in found if not each.trading_disabled and each.status.lower() != _DELISTED}

    @property
    def _named(self) -> str:
        return ", ".join(map(repr, self.given))

    def _apply(self, *, first: bool = False) -> None:
        """Subscribe to what matches now."""
        with self._lock:
            patterns = list(self._patterns)
        requests = [(self._matching(pattern), channels) for pattern, channels in patterns]
        matched = dict.fromkeys(product for products, _ in requests for product in products)
        if self._matched and patterns and not matched:
            log.warning("products: no product of the venue's list matches %s, so the list is not used", self._named)
            return
        listed = [] if first else [each for each in matched if each not in self._before]
        delisted = [each for each in self._matched if each not in self._known]
        self._matched, self._before = matched, set(self._known)
        self._change([each for each in requests if each[0]], listed, delisted)

    def _matching(self, pattern: str) -> list[str]:
        found = {each: alias for each, alias in self._known.items() if fnmatchcase(each, _escaped(pattern))}
        return [each for each, alias in found.items() if alias is None or alias == each or alias not in found]


def _escaped(pattern: str) -> str:
    """*pattern* for `fnmatch`, in which only `*` has a meaning."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
