"""Requests the trades before a subscription from a venue's REST API, on threads of its own, page by page.

Rules:
- A page goes back from the oldest trade that is known. The backfill ends with the first trade that is older than its
  time. That one is passed on, too, as the proof that none is missing.
- After each page another product has its turn, so that a long backfill does not delay the short ones.
- A page that fails is requested again, with growing pauses, in which other products are requested. If it fails
  for `PATIENCE` seconds, its backfill ends. If no request of any product is answered for so long, all of them end.
- A page that lacks trades is requested again, since they may be too new for the API. After a few of those answers the
  trades cannot be had.
- A backfill has bounds: `MOST` trades, and `LONGEST` seconds from its beginning, also if it waits for others. A server
  may have one more page for each request.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from heapq import heappop, heappush
from itertools import count

import msgspec

from rxfeed.core import Backoff
from rxfeed.errors import FrameMalformed, RxfeedError
from rxfeed.feed.backfills import LONGEST, MOST, PATIENCE, Shortfall
from rxfeed.feed.trade_answers import MOST_PASSES, PAUSES, SLACK, TradeAnswers, pause_after
from rxfeed.market import BackfilledOrigin, PriorOrigin, PriorTrade, stamp
from rxfeed.venues import RestTrade, Venue

log = logging.getLogger("rxfeed.feed")

_THREADS = 4
_PASSED_ON = 32
"""So many trades are passed on together, since each time wakes the feed's thread."""
_FIRST = 1
"""The id of a product's first trade."""
_FEWEST_ATTEMPTS = 3
"""So often a page is requested before its backfill ends: others may have used all of the time."""
_DEFECT = Shortfall("a defect, which is in the log")
_TOO_LONG = Shortfall(
    f"they did not arrive within {LONGEST:g} s", "request a shorter backfill, or that of fewer products"
)
_TOO_MANY = Shortfall(f"there are more than {MOST:,}", "request a shorter backfill")

_Item = tuple[RestTrade, bytes, int]
"""A trade, its item, and the time of the answer."""


class BackfillRequest(msgspec.Struct, frozen=True):
    """A request for the trades before *newer* (`None`: the newest ones) that are not older than *since*."""

    product_id: str
    newer: RestTrade | None
    since: datetime


class FetchedBackfill(msgspec.Struct, frozen=True):
    """Some of the trades of a backfill, and the one before them.

    *ended*: no more will come. *shortfall*: why trades are missing, if any are.
    """

    request: BackfillRequest
    trades: list[PriorTrade]
    ended: bool = False
    shortfall: Shortfall | None = None


class _Run:
    """How far a backfill is: the next page is before *newer*, and not newer than *latest*."""

    __slots__ = (
        "attempts",
        "backoff",
        "began",
        "cancelled",
        "failing_since",
        "latest",
        "left",
        "newer",
        "passes",
        "request",
    )

    def __init__(self, request: BackfillRequest, now: float) -> None:
        self.request = request
        self.began = now
        self.newer = request.newer
        self.latest: datetime | None = None if request.newer is None else request.newer.time
        self.left = MOST
        self.cancelled = False
        self.begin_page()

    def begin_page(self) -> None:
        self.backoff, self.passes, self.attempts = Backoff(PAUSES, apart=0.0), 0, 0
        self.failing_since = math.inf

    def failed(self, now: float) -> bool:
        """The page failed; True if it has done so for too long."""
        self.attempts += 1
        self.failing_since = min(self.failing_since, now)
        return self.attempts >= _FEWEST_ATTEMPTS and now - self.failing_since >= PATIENCE


class _Due:
    """Backfills, each from a time on, by `time.monotonic()`; from any thread."""

    def __init__(self) -> None:
        self._runs: list[tuple[float, int, _Run]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, run: _Run, at: float) -> None:
        with self._changed:
            heappush(self._runs, (at, next(self._numbers), run))
            self._changed.notify()

    def take(self) -> _Run | None:
        """The next one, when it is due; `None` after `close`."""
        with self._changed:
            while not self._closed:
                left = self._runs[0][0] - time.monotonic() if self._runs else None
                if left is not None and left <= 0:
                    return heappop(self._runs)[2]
                self._changed.wait(left)
        return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class BackfillFetcher:
    """Calls *answer* for each part of the requested trades, on its threads.

    *turn* takes the next turn of a request, and returns the seconds until then.
    """

    def __init__(
        self,
        venue: Venue,
        answers: TradeAnswers,
        turn: Callable[[], float],
        answer: Callable[[FetchedBackfill], None],
    ) -> None:
        assert venue.rest is not None
        self._venue, self._rules = venue, venue.rest
        self._answers = answers
        self._turn = turn
        self._answer = answer
        self._due = _Due()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._open: dict[str, _Run] = {}
        self._unanswered = 0
        self._silent_since = math.inf
        """Since when no request was answered."""
        self._failure = ""

    def request(self, product_id: str, newer: RestTrade | None, since: datetime) -> None:
        """Begin the backfill of a product; a former one ends."""
        if self._answers.closed.is_set():
            return
        self.end(product_id)
        run = _Run(BackfillRequest(product_id, newer, since), time.monotonic())
        with self._lock:
            self._open[product_id] = run
            self._unanswered += 1
            busy = self._unanswered > len(self._threads)
        self._due.put(run, run.began)
        if busy and len(self._threads) < _THREADS:  # the start of one takes the caller's time
            thread = threading.Thread(target=self._work, name="rxfeed-backfill", daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self, product_id: str) -> None:
        """No further page of the product's backfill is requested."""
        with self._lock:
            run = self._open.pop(product_id, None)
            if run is not None:
                run.cancelled = True

    def close(self) -> None:
        self._answers.close()
        self._due.close()

    # ---- on the threads

    def _work(self) -> None:
        while (run := self._due.take()) is not None:
            ended, shortfall = True, _DEFECT
            try:
                ended, shortfall = self._step(run)
            except Exception:
                log.exception("backfill: the request of past trades failed: this is a defect, please report it")
            if ended:
                self._end(run, None if run.cancelled or self._answers.closed.is_set() else shortfall)

    def _end(self, run: _Run, shortfall: Shortfall | None) -> None:
        with self._lock:
            self._unanswered -= 1
            if not run.cancelled:
                del self._open[run.request.product_id]
            if not self._open:
                self._silent_since = math.inf
        self._answer(FetchedBackfill(run.request, [], ended=True, shortfall=shortfall))

    def _step(self, run: _Run) -> tuple[bool, Shortfall | None]:
        """Request one page; True with the reason if the backfill is over, `None` if it is complete."""
        early = self._early_end(run)
        if early is not None:
            return True, early
        if run.cancelled or self._answers.closed.wait(self._turn()) or run.cancelled:
            return True, None
        begun = time.monotonic()
        try:
            page = self._page_before(run)
        except RxfeedError as error:
            with self._lock:
                self._silent_since, self._failure = min(self._silent_since, begun), str(error)
            if run.failed(begun):
                return True, _unanswered(str(error))
            self._again(run)
            return False, None
        with self._lock:
            self._silent_since = math.inf
        run.passes += 1
        if run.passes < MOST_PASSES and not (page and _follows(page, run.newer)):
            self._again(run)
            return False, None
        if not page:
            return True, _exhausted(run.newer)
        if self._pass_on(run, page):
            return True, None
        run.begin_page()
        self._due.put(run, time.monotonic())
        return False, None

    def _early_end(self, run: _Run) -> Shortfall | None:
        """Why the backfill ends before its next page, if it does."""
        now = time.monotonic()
        if now - run.began >= LONGEST:
            return _TOO_LONG
        if run.left <= 0:
            return _TOO_MANY
        with self._lock:
            silent = now - max(run.began, self._silent_since) >= PATIENCE
        return _unanswered(self._failure) if silent else None

    def _again(self, run: _Run) -> None:
        pause = run.backoff.failed()
        assert pause is not None, "the number of attempts has no limit"
        self._due.put(run, time.monotonic() + pause)

    def _page_before(self, run: _Run) -> list[_Item]:
        """The next page, newest first.

        Raises `FrameMalformed` if a trade is newer by its time than by its id, since an old time ends the backfill.
        """
        product, newer, latest = run.request.product_id, run.newer, run.latest
        items, ns = self._answers.get(product, self._rules.trades_path(product, older_than=newer))
        by_id = {number: item for number, item in items if newer is None or number < newer.trade_id}
        page: list[_Item] = []
        for number in sorted(by_id, reverse=True)[: run.left]:
            trade = self._rules.trade(product, by_id[number])
            if latest is not None and trade.time - latest > SLACK:
                if page:
                    raise FrameMalformed(f"not a list of trades: {number} is newer than {page[-1][0].trade_id}")
                continue
            page.append((trade, by_id[number], ns))
            latest = trade.time if latest is None else min(latest, trade.time)
            pause_after(page)
        return page

    def _pass_on(self, run: _Run, page: Sequence[_Item]) -> bool:
        """Pass on the trades of *page*; True if none before them is requested."""
        request = run.request
        trades: list[PriorTrade] = []
        for item, raw, ns in page:
            trade = self._venue.prior_trade(item)
            if trade is None:
                continue
            counts = item.time >= request.since
            trades.append(stamp(trade, BackfilledOrigin(raw, ns, 0) if counts else PriorOrigin(raw, ns, 0)))
            if not counts:
                self._answer(FetchedBackfill(request, trades))
                return True
            pause_after(trades)
            if len(trades) == _PASSED_ON:
                self._answer(FetchedBackfill(request, trades))
                trades = []
        self._answer(FetchedBackfill(request, trades))
        run.newer = page[-1][0]
        oldest = min(item.time for item, _, _ in page)
        run.latest = oldest if run.latest is None else min(run.latest, oldest)
        run.left -= len(page)
        return run.newer.trade_id <= _FIRST


def _follows(page: Sequence[_Item], newer: RestTrade | None) -> bool:
    """True if no trade is missing in *page*, up to *newer*."""
    newest = page[0][0].trade_id if newer is None else newer.trade_id - 1
    return [each.trade_id for each, _, _ in page] == [*range(newest, newest - len(page), -1)]


def _unanswered(error: str) -> Shortfall:
    return Shortfall(error, "check rest_url and the network")


def _exhausted(newer: RestTrade | None) -> Shortfall | None:
    """Why a backfill ends if the venue has no trade before *newer*; `None` if there was none."""
    if newer is None:
        return Shortfall("the venue has no trade of it")
    return None if newer.trade_id <= _FIRST else Shortfall(f"the venue has none before {newer.trade_id}")
