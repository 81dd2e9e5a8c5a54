"""Requests past trades from a venue's REST API, page by page.

Rules:
- Pages go back from the trade after the missing ones. What is in none of them is lost, after they were read again. An
  answer that has nothing to do with the request is an error.
- The times of an answer's trades rise with their ids.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from rxfeed.core import Backoff, Reconnect
from rxfeed.errors import ConfigError, FrameMalformed, RequestRejected, RxfeedError
from rxfeed.market import Trade
from rxfeed.recording import moment_of
from rxfeed.transport import HttpClient
from rxfeed.venues import RestTrade, Venue

log = logging.getLogger("rxfeed.audit")

_TIMEOUT = 30.0
_RETRY = Reconnect(initial=0.5, maximum=20.0, retries=7)
_SETTLED = timedelta(minutes=1)
AGAIN = (0.2, 1.0)
"""Seconds before the pages with lost trades are read again: the newest trades may be too new for the API."""
_SLACK = timedelta(seconds=5)
_OUT_OF_ORDER = timedelta(seconds=1)
_TOO_MANY = 429
_MOST_FRUITLESS = 100
"""Pages in a row without a trade that is missing. Those between the gap and the trade after it are a few at most."""


class PastTrades:
    """Requests trades of *venue* at *url*; within the venue's rate limit, and again after failures."""

    def __init__(self, venue: Venue, url: str, retry: Reconnect = _RETRY) -> None:
        if venue.rest is None or not url:
            raise ConfigError(f"rest_url: {venue.name} has no REST API: give its URL")
        self._venue, self._rules = venue, venue.rest
        self._retry = retry
        self._client = HttpClient(url, timeout=_TIMEOUT, rate=venue.rest.requests_per_second, keep_alive=True)
        self._closed = threading.Event()
        self.requests = 0
        self.most_trades = self._rules.most_trades
        """Of a page."""

    def fetch(self, product: str, first: int, last: int, before_ns: int) -> dict[int, Trade]:
        """The trades *first* to *last* that the exchange has; they came before *before_ns*.

        Raises the `RxfeedError` of the last attempt if the pages cannot be read.
        """
        found: dict[int, Trade] = {}
        before = moment_of(before_ns)
        pauses = iter(AGAIN if datetime.now(UTC) - before < _SETTLED else AGAIN[:1])
        while True:
            self._pages(product, first, last, before, found)
            pause = next(pauses, None)
            if len(found) > last - first or pause is None:
                return found
            self._closed.wait(pause)

    def close(self) -> None:
        self._closed.set()
        self._client.close()

    def _pages(self, product: str, first: int, last: int, before: datetime, found: dict[int, Trade]) -> None:
        fruitless, begun = 0, False
        newer = RestTrade(
            product_id=product,
            trade_id=last + 1,
            price=Decimal(1),
            size=Decimal(0),
            time=before + _SLACK,
            maker_side=None,
        )
        while True:
            page = self._page(product, newer)
            before_page = len(found)
            for each in page:
                if first <= each.trade_id <= last and (trade := self._venue.new_trade(each)) is not None:
                    found[each.trade_id] = trade
            oldest = min(page, key=lambda each: each.trade_id, default=None)
            if oldest is None or oldest.trade_id <= first:
                return
            if oldest.trade_id >= newer.trade_id and (begun or oldest.time >= newer.time):
                if oldest.trade_id <= last + 1 and len(page) < self._rules.most_trades:
                    return  # the exchange has no older ones
                asked, has = newer.trade_id, oldest.trade_id
                raise FrameMalformed(f"an answer has no trade of {product} before {asked}, and {has}: check rest_url")
            fruitless = fruitless + 1 if len(found) == before_page else 0
            if fruitless > _MOST_FRUITLESS:
                raise FrameMalformed(
                    f"{fruitless} pages of trades of {product} have none of {first} to {last}: check rest_url"
                )
            newer, begun = oldest, True

    def _page(self, product: str, newer: RestTrade) -> tuple[RestTrade, ...]:
        backoff = Backoff(self._retry, apart=0.0)
        while True:
            self.requests += 1
            try:
                body = self._client.get(self._rules.trades_path(product, older_than=newer)).body
                return _in_order(self._rules.trades(product, body))
            except RxfeedError as error:
                final = isinstance(error, RequestRejected) and error.status < 500 and error.status != _TOO_MANY
                pause = None if final else backoff.failed()
                if pause is None or self._closed.is_set():
                    raise
                log.info("repair: a page of trades of %s is requested again in %.1f s: %s", product, pause, error)
                self._closed.wait(pause)


def _in_order(page: tuple[RestTrade, ...]) -> tuple[RestTrade, ...]:
    """*page*; raises `FrameMalformed` if the times of its trades do not rise with their ids."""
    by_id = sorted(page, key=lambda each: each.trade_id)
    for before, after in pairwise(by_id):
        if before.time - after.time > _OUT_OF_ORDER:
            raise FrameMalformed(f"not a list of trades: {before.trade_id} is newer than {after.trade_id}")
    return page
