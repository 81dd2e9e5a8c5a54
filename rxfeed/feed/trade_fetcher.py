"""Requests missing trades from a venue's REST API, on threads of its own.

Rules:
- A request goes back page by page, from the trade after the missing ones to the first of them. Each page is passed on
  as it comes.
- Failures (no connection, 429, an answer that is no list of trades) are tried again, with growing pauses, until the
  time is up. So are answers that lack some of the trades, which may be too new for the API; but after a few of those
  the trades cannot be had. If there is no answer in time, that is logged.
- Backfills (see `backfill_fetcher.py`) have threads, a connection and turns of their own, so that no repair waits for
  them.
- Requests of all threads together are within the venue's rate limit, and a `Retry-After` holds for all.
- The feed's thread waits for the interpreter while one of these threads computes. So an answer is not decoded as a
  whole, but only the trades that are missing, a few at once, with pauses in between.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from queue import SimpleQueue

import msgspec

from rxfeed.core import Backoff
from rxfeed.errors import FrameMalformed, RxfeedError
from rxfeed.feed.backfill_fetcher import BackfillFetcher, FetchedBackfill
from rxfeed.feed.backfills import PATIENCE
from rxfeed.feed.trade_answers import MOST_PASSES, PAUSES, TradeAnswers, pause_after
from rxfeed.market import RestOrigin, Trade, stamp
from rxfeed.transport import HttpClient
from rxfeed.venues import RestTrade, TradeItem, Venue

log = logging.getLogger("rxfeed.feed")

_THREADS = 4
_PASSED_ON = 32
"""So many trades are passed on together, since each time wakes the feed's thread."""
_LONGEST_REQUEST = 60.0
"""Seconds; with a long patience, a request without an answer is sent again after these."""


class MissingTrades(msgspec.Struct, frozen=True):
    """A request for the trades *first* to *last*; *newer*: the trade after them, if it is known."""

    product_id: str
    first: int
    last: int
    newer: RestTrade | None
    until: float
    """When the time is up, by `time.monotonic()`."""


class FetchedTrades(msgspec.Struct, frozen=True):
    """Some of the trades of a request, with their origins; *ended*: no more will come."""

    request: MissingTrades
    trades: list[Trade]
    ended: bool = False


class TradeFetcher:
    """Answers requests in `answers`, and calls *nudge* for each; from any thread.

    *patience*: seconds until the time of a repair is up. *client* makes a client with a timeout. *turn* takes the next
    turn of a backfill's request, and returns the seconds until then.
    """

    def __init__(
        self,
        venue: Venue,
        client: Callable[[float], HttpClient],
        patience: float,
        nudge: Callable[[], None],
        turn: Callable[[], float] = lambda: 0.0,
    ) -> None:
        assert venue.rest is not None
        self.answers: deque[FetchedTrades | FetchedBackfill] = deque()
        self._venue, self._rules = venue, venue.rest
        self._patience = patience
        self._nudge = nudge
        # Two attempts fit into the time, if the first one has no answer.
        timeout = min(patience / 2, _LONGEST_REQUEST)
        self._pages = TradeAnswers(venue.rest, lambda: client(timeout))
        older = TradeAnswers(venue.rest, lambda: client(PATIENCE / 2))
        self._backfills = BackfillFetcher(venue, older, turn, self._answer)
        self._requests: SimpleQueue[MissingTrades | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._unanswered = 0
        self._closed = self._pages.closed
        self._warned: set[str] = set()
        self._ended: set[str] = set()  # products of which nothing is requested any more

    def nudge_with(self, nudge: Callable[[], None]) -> None:
        """Answers call *nudge* from now on."""
        self._nudge = nudge

    def request(self, product_id: str, first: int, last: int, newer: RestTrade | None) -> None:
        """Request the trades *first* to *last*; *newer*: the trade after them, if it is known."""
        if self._closed.is_set():
            return
        self._ended.discard(product_id)
        with self._lock:
            self._unanswered += 1
            busy = self._unanswered > len(self._threads)
        self._requests.put(MissingTrades(product_id, first, last, newer, time.monotonic() + self._patience))
        if busy and len(self._threads) < _THREADS:  # the start of one takes the caller's time
            thread = threading.Thread(target=self._work, name="rxfeed-repair", daemon=True)
            self._threads.append(thread)
            thread.start()

    def backfill(self, product_id: str, newer: RestTrade | None, since: datetime) -> None:
        """Request the trades before *newer* (`None`: the newest ones) that are not older than *since*."""
        self._backfills.request(product_id, newer, since)

    def end_backfill(self, product_id: str) -> None:
        """No further page of the product's backfill is requested."""
        self._backfills.end(product_id)

    def end(self, product_id: str) -> None:
        """Nothing of the product is requested any more, until the next request."""
        self._ended.add(product_id)
        self.end_backfill(product_id)

    def close(self) -> None:
        """End; a running request fails at once."""
        self._backfills.close()
        self._pages.close()
        for _ in self._threads:
            self._requests.put(None)

    # ---- on the threads

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._serve(request)
            except Exception:
                log.exception("repair: the request of missing trades failed: this is a defect, please report it")
            with self._lock:
                self._unanswered -= 1
            self._answer(FetchedTrades(request, [], ended=True))

    def _serve(self, request: MissingTrades) -> None:
        backoff, passes, answered = Backoff(PAUSES, apart=0.0), 0, False
        missing = set(range(request.first, request.last + 1))
        while not self._is_over(request):
            try:
                answered |= self._read_pages(request, missing)
                passes += 1
            except RxfeedError as error:
                self._warn(request, "could not be requested, and are requested again: %s. Check rest_url", error)
            pause = backoff.failed()
            over = pause is None or time.monotonic() + pause >= request.until
            if over and not answered:
                self._warn(request, "did not arrive within %g s. Check rest_url", self._patience)
            if not missing or passes >= MOST_PASSES or over or self._closed.wait(pause):
                return

    def _is_over(self, request: MissingTrades) -> bool:
        return self._closed.is_set() or request.product_id in self._ended

    def _read_pages(self, request: MissingTrades, missing: set[int]) -> bool:
        """Read the pages with *missing* trades, and remove from those what was found. False if there was no time."""
        newer, product, answered = request.newer, request.product_id, False
        while missing and not self._is_over(request) and time.monotonic() < request.until:
            path = self._rules.trades_path(product, older_than=newer, back_to=min(missing))
            items, ns = self._pages.get(product, path)
            answered = True
            self._pass_on(request, missing, [each for each in items if each[0] in missing], ns)
            oldest = min(items, default=None)
            if oldest is None or oldest[0] <= min(missing, default=0):
                break
            if newer is not None and oldest[0] >= newer.trade_id:  # the page goes no further back
                break
            newer = self._rules.trade(product, oldest[1])
        return answered

    def _pass_on(self, request: MissingTrades, missing: set[int], found: list[TradeItem], received_ns: int) -> None:
        """Pass on what was *found*, but what is *missing* still; raises `FrameMalformed` after the others."""
        failure: FrameMalformed | None = None
        trades: list[Trade] = []
        for number, item in found:
            try:
                trade = self._venue.new_trade(self._rules.trade(request.product_id, item))
            except FrameMalformed as error:
                failure = error
                continue
            if trade is not None and number in missing:
                missing.discard(number)
                trades.append(stamp(trade, RestOrigin(item, received_ns, 0)))
                pause_after(trades)
                if len(trades) == _PASSED_ON:
                    self._answer(FetchedTrades(request, trades))
                    trades = []
        if trades:
            self._answer(FetchedTrades(request, trades))
        if failure is not None:
            raise failure

    def _answer(self, answer: FetchedTrades | FetchedBackfill) -> None:
        self.answers.append(answer)
        self._nudge()

    def _warn(self, request: MissingTrades, what: str, value: object) -> None:
        """Log *what* has happened to *request*: the first time as a WARNING."""
        if self._is_over(request):
            return
        log.log(
            logging.INFO if what in self._warned else logging.WARNING,
            f"repair: trades %d to %d of %s {what} and the network",
            *(request.first, request.last, request.product_id, value),
        )
        self._warned.add(what)
