"""Which numbers the messages of Exchange have, and what follows from them.

Rules, from the channels' documentation:
- `full` (received, open, match, change, done) and `level3` number their messages by product; numbers rise by one. On
  `matches` trade ids rise by one, on `ticker` sequences rise, level2 has no numbers. `rxfeed.core.sequence` has
  the rules for numbers that rise by one.
- A ticker with a lower sequence is dropped. But if its time is newer, or if it is the third one in a row with a rising
  sequence, the sequence restarted.
- A match comes twice if both `full` and `matches` are subscribed to, and the user's own orders come twice if `user` is.
  Such a copy may come ahead of its stream; then the stream's own message is dropped.
- After a reconnect the numbers continue, and the numbers between were missed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from rxfeed.core import GapDetector, Pair, Restarted
from rxfeed.market import Unknown
from rxfeed.venues.coinbase_exchange.channels import ALIASES, BOOKS
from rxfeed.venues.coinbase_exchange.messages import (
    Change,
    Done,
    Heartbeat,
    LastMatch,
    Level3Change,
    Level3Done,
    Level3Match,
    Level3Noop,
    Level3Open,
    Match,
    Open,
    Received,
    Subscriptions,
    Ticker,
)

_PROVEN = 3


class ExchangeGaps(GapDetector):
    """The gap detector of Exchange."""

    aliases: ClassVar = ALIASES
    books: ClassVar = BOOKS
    of_all_products: ClassVar = frozenset(("user", "rfq_matches", "full", "level3", "matches"))

    def __init__(self) -> None:
        super().__init__()
        self._tickers: dict[str, Ticker] = {}
        self._refused: dict[str, tuple[int, int]] = {}  # lower tickers: the last sequence, and how many in a row
        self._renewed: set[str] = set()  # products without a ticker since the last reconnect
        self._full: frozenset[str | None] = frozenset()
        self._matches: frozenset[str | None] = frozenset()
        self._user: frozenset[str | None] = frozenset()
        self.checks |= {
            Match: self._match,
            LastMatch: self._last_match,
            Ticker: self._ticker,
            Heartbeat: self._heartbeat,
            Subscriptions: self.acknowledged,
            Unknown: self._unknown,
            **dict.fromkeys((Received, Open, Change, Done), self._order),
            **dict.fromkeys((Level3Open, Level3Done, Level3Match, Level3Change, Level3Noop), self._level3),
        }

    def last(self, channel: str, product_id: str) -> int:
        """The last number of *product_id* on *channel*; -1 if there was none."""
        if channel == "ticker":
            ticker = self._tickers.get(product_id)
            return -1 if ticker is None or ticker.sequence is None else ticker.sequence
        return super().last(channel, product_id)

    def reconnected(self, least: int = 0) -> None:
        super().reconnected(least)
        self._renewed.update(self._tickers)

    def _rewatched(self, pairs: frozenset[Pair], renewed: frozenset[Pair]) -> None:
        self._full, self._matches, self._user = (
            frozenset(product for channel, product in pairs if channel == name) for name in ("full", "matches", "user")
        )
        for channel, product in renewed:
            if channel in ("ticker", "ticker_batch") and product in self._tickers:
                self._renewed.add(product)

    # ---- by type

    def _order(self, order: Received | Open | Change | Done) -> bool:
        product = order.product_id
        if product is None or product not in self._full or order.sequence is None:
            return True
        own = order.user_id is not None and product in self._user
        return self._run("full", product).take(order.sequence, order.time, own)

    def _match(self, match: Match) -> bool:
        product = match.product_id
        if product in self._full:
            copy = product in self._matches or (match.user_id is not None and product in self._user)
            return self._run("full", product).take(match.sequence, match.time, copy)
        copy = False
        if product in self._user:
            if product not in self._matches:
                return True
            copy = match.user_id is not None
        run = self._runs.get(("matches", product))
        if run is None:
            run = self._run("matches", product)
        return run.take(match.trade_id, match.time, copy)

    def _last_match(self, last: LastMatch) -> bool:
        if last.product_id not in self._full:
            self._run("matches", last.product_id).base(last.trade_id, last.time)
        return True

    def _ticker(self, ticker: Ticker) -> bool:
        if ticker.sequence is None:  # a product's first one, before any trade
            return True
        product, last = ticker.product_id, self._tickers.get(ticker.product_id)
        if last is not None and ticker.sequence <= (last.sequence or 0) and not self._follows(ticker, last):
            return False
        if self._renewed:
            self._renewed.discard(product)
        if self._refused:
            self._refused.pop(product, None)
        if last is not None or self._may_follow(product, len(self._tickers)):
            self._tickers[product] = ticker
        return True

    def _follows(self, ticker: Ticker, last: Ticker) -> bool:
        """True if *ticker* comes after *last*, although its sequence is not higher."""
        product, newer = ticker.product_id, _earlier(last, ticker)
        number, before = _sequence(ticker), _sequence(last)
        # A connection begins with the newest ticker, which may have come before.
        again = product in self._renewed and not _earlier(ticker, last)
        if number < before and not newer and not again:
            refused, row = self._refused.get(product, (-1, 0))
            row = 1 if number < refused else row + (number > refused)
            self._refused[product] = (number, row)
            newer = row >= _PROVEN
        if number == before or not newer:
            return again
        self.report(Restarted(product, "ticker", before, number))
        self.lost(product)
        return True

    def _heartbeat(self, heartbeat: Heartbeat) -> bool:
        product = heartbeat.product_id
        for channel, number in (("full", heartbeat.sequence), ("matches", heartbeat.last_trade_id)):
            run = self._runs.get((channel, product))
            if run is not None:
                run.beat(number)
        return True

    def _level3(self, message: Any) -> bool:
        return self._run("level3", message.product_id).take(message.sequence, message.time)

    def _unknown(self, message: Unknown) -> bool:
        if message.sequence is not None and message.product_id is not None:
            run = self._runs.get(("level3" if message.level3 else "full", message.product_id))
            if run is not None:
                run.unknown(message.sequence)
        return True


def _sequence(ticker: Ticker) -> int:
    return -1 if ticker.sequence is None else ticker.sequence


def _earlier(ticker: Ticker, than: Ticker) -> bool:
    return ticker.time is not None and than.time is not None and ticker.time < than.time
