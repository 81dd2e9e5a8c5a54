"""Requests missing trades from a venue's REST API, on threads of its own.

Rules:
- A request goes back page by page, from the trade after the missing ones to the first of them. Each page is passed on
  as it comes.
- Failures (no connection, 429, an answer that is no list of trades) are tried again, with growing pauses, until the
  time is up. So are answers that lack some of the trades, which may be too new for the API; but after a few of those
  the trades cannot be had.
- The trades of a backfill are requested in the same way, until one is older than its time. The first of those is passed
  on, too, as the proof that none is missing. If a page fails for `PATIENCE` seconds, the backfill ends there.
- Requests of all threads together are within the venue's rate limit, and a `Retry-After` holds for all.
- The feed's thread waits for the interpreter while one of these threads computes. So an answer is not decoded as a
  whole, but only the trades that are missing, a few at once, with pauses in between.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from queue import SimpleQueue

import msgspec

from rxfeed.core import Backoff, Reconnect
from rxfeed.errors import FrameMalformed, RxfeedError
from rxfeed.feed.backfills import PATIENCE
from rxfeed.market import BackfilledOrigin, PriorOrigin, PriorTrade, RestOrigin, Trade, stamp
from rxfeed.transport import HttpClient
from rxfeed.venues import RestTrade, TradeItem, Venue

log = logging.getLogger("rxfeed.feed")

_THREADS = 4
_PAUSES = Reconnect(initial=0.1, maximum=1.0)
_AT_ONCE = 4
"""So many trades are decoded without a pause, some 0.03 ms."""
_PAUSE = 0.0005
"""Seconds."""
_PASSED_ON = 32
"""So many trades are passed on together, since each time wakes the feed's thread."""
_SLACK = timedelta(seconds=1)
"""The times of a venue's trades may be a little out of order."""
_MOST_PASSES = 3
"""So often the pages are read if they lack trades that they should have."""


class MissingTrades(msgspec.Struct, frozen=True):
    """A request for the trades *first* to *last*; *newer*: the trade after them, if it is known."""

    product_id: str
    first: int
    last: int
    newer: RestTrade | None
    until: float
    """When the time is up, by `time.monotonic()`."""


class BackfillRequest(msgspec.Struct, frozen=True):
    """A request for the trades before *newer* (`None`: the newest ones) that are not older than *since*."""

    product_id: str
    newer: RestTrade | None
    since: datetime


class FetchedBackfill(msgspec.Struct, frozen=True):
    """Some of the trades of a backfill, and the one before them; *ended*: no more will come, because of *failure*."""

    request: BackfillRequest
    trades: list[PriorTrade]
    ended: bool = False
    failure: str = ""


class FetchedTrades(msgspec.Struct, frozen=True):
    """Some of the trades of a request, with their origins; *ended*: no more will come."""

    request: MissingTrades
    trades: list[Trade]
    ended: bool = False


class TradeFetcher:
    """Answers requests in `answers`, and calls *nudge* for each; from any thread.

    *patience*: seconds until the time of a request is up.
    """

    def __init__(
        self, venue: Venue, client: Callable[[float], HttpClient], patience: float, nudge: Callable[[], None]
    ) -> None:
        assert venue.rest is not None
        self.answers: deque[FetchedTrades | FetchedBackfill] = deque()
        self._venue, self._rules = venue, venue.rest
        self._make_client = client
        self._patience = patience
        self._nudge = nudge
        self._client: HttpClient | None = None
        self._requests: SimpleQueue[MissingTrades | BackfillRequest | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._unanswered = 0
        self._closed = threading.Event()
        self._warned = False
        self._backfilling: set[str] = set()  # products of which further pages are used

    def nudge_with(self, nudge: Callable[[], None]) -> None:
        """Answers call *nudge* from now on."""
        self._nudge = nudge

    def request(self, product_id: str, first: int, last: int, newer: RestTrade | None) -> None:
        until = time.monotonic() + self._patience
        self._enqueue(MissingTrades(product_id, first, last, newer, until))

    def backfill(self, product_id: str, newer: RestTrade | None, since: datetime) -> None:
        self._backfilling.add(product_id)
        self._enqueue(BackfillRequest(product_id, newer, since))

    def end_backfill(self, product_id: str) -> None:
        """No further page of the product's backfill is used."""
        self._backfilling.discard(product_id)

    def _enqueue(self, request: MissingTrades | BackfillRequest) -> None:
        if self._closed.is_set():
            return
        with self._lock:
            self._unanswered += 1
            busy = self._unanswered > len(self._threads)
        self._requests.put(request)
        if busy and len(self._threads) < _THREADS:  # the start of one takes the caller's time
            thread = threading.Thread(target=self._work, name="rxfeed-repair", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End; a running request fails at once."""
        with self._lock:
            self._closed.set()
            client = self._client
        if client is not None:
            client.close()
        for _ in self._threads:
            self._requests.put(None)

    # ---- on the threads

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            failure = "a defect, which is in the log"
            try:
                if isinstance(request, BackfillRequest):
                    failure = self._serve_backfill(request)
                else:
                    self._serve(request)
            except Exception:
                log.exception("repair: the request of missing trades failed: this is a defect, please report it")
            with self._lock:
                self._unanswered -= 1
            if isinstance(request, BackfillRequest):
                self._answer(FetchedBackfill(request, [], ended=True, failure=failure))
            else:
                self._answer(FetchedTrades(request, [], ended=True))

    def _get(self, product: str, path: str) -> tuple[tuple[TradeItem, ...], int]:
        """The trades of the answer, newest first as they are, and its time in nanoseconds."""
        with self._lock:
            if self._closed.is_set():
                return (), time.time_ns()
            if self._client is None:
                # Two attempts fit into the time, if the first one has no answer.
                self._client = self._make_client(self._patience / 2)
            client = self._client
        body = client.get(path).body
        return self._rules.trade_items(product, body), time.time_ns()

    def _serve_backfill(self, request: BackfillRequest) -> str:
        """Request the pages of a backfill; returns why it ended before its time, empty if it did not."""
        newer: RestTrade | None = request.newer
        backoff, passes = Backoff(_PAUSES, apart=0.0), 0
        until = time.monotonic() + PATIENCE
        failure = ""
        while not self._closed.is_set() and request.product_id in self._backfilling:
            try:
                page = self._page_before(request.product_id, newer)
                passes += 1
                if page or passes >= _MOST_PASSES:
                    if page and (passes >= _MOST_PASSES or _follows(page, newer)):
                        newer = self._pass_backfill(request, page)
                        if newer is None:
                            return ""
                        backoff, passes = Backoff(_PAUSES, apart=0.0), 0
                        until = time.monotonic() + PATIENCE
                        continue
                    if not page:
                        return _exhausted(newer)
            except RxfeedError as error:
                failure = str(error)
            pause = backoff.failed()
            if pause is None or time.monotonic() + pause >= until or self._closed.wait(pause):
                return failure or "the answers lack trades"
        return ""

    def _page_before(self, product: str, newer: RestTrade | None) -> list[tuple[RestTrade, bytes, int]]:
        """The trades before *newer*, newest first, with their items and the time of the answer.

        Raises `FrameMalformed` if one is newer by its time than by its id, since an old time ends the backfill.
        """
        items, ns = self._get(product, self._rules.trades_path(product, older_than=newer))
        by_id = {number: item for number, item in items if newer is None or number < newer.trade_id}
        page: list[tuple[RestTrade, bytes, int]] = []
        for number in sorted(by_id, reverse=True):
            trade = self._rules.trade(product, by_id[number])
            if page and trade.time - _SLACK > page[-1][0].time:
                raise FrameMalformed(f"not a list of trades: {trade.trade_id} is newer than {page[-1][0].trade_id}")
            if newer is None or trade.time <= newer.time:
                page.append((trade, by_id[number], ns))
                _pause_after(page)
        return page

    def _pass_backfill(self, request: BackfillRequest, page: list[tuple[RestTrade, bytes, int]]) -> RestTrade | None:
        """Pass on the trades of *page*; returns the one before which the next page is, `None`: there is none."""
        trades: list[PriorTrade] = []
        oldest: RestTrade | None = None
        for oldest, item, ns in page:
            trade = self._venue.prior_trade(oldest)
            if trade is None:
                continue
            counts = oldest.time >= request.since
            trades.append(stamp(trade, BackfilledOrigin(item, ns, 0) if counts else PriorOrigin(item, ns, 0)))
            if not counts:
                self._answer(FetchedBackfill(request, trades))
                return None
            _pause_after(trades)
            if len(trades) == _PASSED_ON:
                self._answer(FetchedBackfill(request, trades))
                trades = []
        self._answer(FetchedBackfill(request, trades))
        return oldest

    def _serve(self, request: MissingTrades) -> None:
        backoff, passes = Backoff(_PAUSES, apart=0.0), 0
        missing = set(range(request.first, request.last + 1))
        while not self._closed.is_set():
            try:
                self._read_pages(request, missing)
                passes += 1
            except RxfeedError as error:
                self._warn(request, error)
            pause = backoff.failed()
            over = pause is None or time.monotonic() + pause >= request.until
            if not missing or passes >= _MOST_PASSES or over or self._closed.wait(pause):
                return

    def _read_pages(self, request: MissingTrades, missing: set[int]) -> None:
        """Read the pages with *missing* trades, and remove from those what was found."""
        newer, product = request.newer, request.product_id
        while missing and not self._closed.is_set() and time.monotonic() < request.until:
            items, ns = self._get(product, self._rules.trades_path(product, older_than=newer, back_to=min(missing)))
            self._pass_on(request, missing, [each for each in items if each[0] in missing], ns)
            oldest = min(items, default=None)
            if oldest is None or oldest[0] <= min(missing, default=0):
                return
            if newer is not None and oldest[0] >= newer.trade_id:  # the page goes no further back
                return
            newer = self._rules.trade(product, oldest[1])

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
                _pause_after(trades)
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

    def _warn(self, request: MissingTrades, error: RxfeedError) -> None:
        if self._closed.is_set():
            return
        log.log(
            logging.INFO if self._warned else logging.WARNING,
            "repair: trades %d to %d of %s could not be requested, and are requested again: %s. Check rest_url and the "
            "network",
            *(request.first, request.last, request.product_id, error),
        )
        self._warned = True


def _pause_after(made: Sequence[object]) -> None:
    """After each `_AT_ONCE` of what was *made*, let other threads compute."""
    if len(made) % _AT_ONCE == 0:
        time.sleep(_PAUSE)


def _follows(page: Sequence[tuple[RestTrade, bytes, int]], newer: RestTrade | None) -> bool:
    """True if no trade is missing in *page*, up to *newer*."""
    newest = page[0][0].trade_id if newer is None else newer.trade_id - 1
    return [each.trade_id for each, _, _ in page] == [*range(newest, newest - len(page), -1)]


def _exhausted(newer: RestTrade | None) -> str:
    """Why a backfill ends if the venue has no trade before *newer*; empty if there was none."""
    if newer is None:
        return "the venue has no trade of it"
    return "" if newer.trade_id <= 1 else f"the venue has none before {newer.trade_id}"
