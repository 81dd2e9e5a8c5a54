"""Which numbers the messages of Exchange have, and what follows from them.

Rules, from the channels' documentation:
- `full` (received, open, match, change, done) and `level3` number their messages by product; numbers rise by one. On
  `matches` trade ids rise by one, on `ticker` sequences rise, level2 has no numbers. `rxfeed.core.sequence` has
  the rules for numbers that rise by one,
  `rxfeed.core.rising` has those for tickers.
- A match comes twice if both `full` and `matches` are subscribed to, and the user's own orders come twice if `user` is.
  Such a copy may come ahead of its stream; then the stream's own message is dropped.
- An auction, a message of an unknown type, and a frame that cannot be decoded may have a number of the product's
  sequence, which is not missing then. Neither is the trade id of a match that cannot be decoded.
- After a reconnect the numbers continue, and the numbers between were missed. A `last_match` with the very next trade
  id is the one trade that was missed: it is delivered as a `Match`, and nothing is missing.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from rxfeed.core import GapDetector, Pair, RepairedNumbers, RisingSequence
from rxfeed.market import Count, Malformed, Time, Unknown
from rxfeed.venues.coinbase_exchange.channels import ALIASES, BOOKS
from rxfeed.venues.coinbase_exchange.decode import numbers_in
from rxfeed.venues.coinbase_exchange.messages import (
    Change,
    Done,
    ExchangeAuction,
    ExchangeHeartbeat,
    ExchangeSubscriptions,
    ExchangeTicker,
    LastMatch,
    Level3Change,
    Level3Done,
    Level3Match,
    Level3Noop,
    Level3Open,
    Match,
    Open,
    Received,
    as_new,
)


class UnreadNumber(msgspec.Struct, frozen=True, gc=False):
    """The fields that the checks need of a message that nothing reads."""

    product_id: str
    sequence: Count
    time: Time
    user_id: str | None = None


class UnreadMatch(UnreadNumber, frozen=True, gc=False, tag_field="type", tag="match", kw_only=True):
    trade_id: Count


class ExchangeGaps(GapDetector):
    """The gap detector of Exchange."""

    aliases: ClassVar = ALIASES
    books: ClassVar = BOOKS
    of_all_products: ClassVar = frozenset(("user", "rfq_matches", "full", "level3", "matches"))

    def __init__(self) -> None:
        super().__init__()
        self._tickers: dict[str, RisingSequence] = {}
        self._full: frozenset[str | None] = frozenset()
        self._matches: frozenset[str | None] = frozenset()
        self._user: frozenset[str | None] = frozenset()
        self.checks |= {
            Match: self._match,
            LastMatch: self._last_match,
            ExchangeTicker: self._ticker,
            ExchangeHeartbeat: self._heartbeat,
            ExchangeSubscriptions: self.acknowledged,
            Unknown: self._unknown,
            ExchangeAuction: self._auction,
            **dict.fromkeys((Received, Open, Change, Done), self._order),
            **dict.fromkeys((Level3Open, Level3Done, Level3Match, Level3Change, Level3Noop), self._level3),
        }

    def last(self, channel: str, product_id: str) -> int:
        """The last number of *product_id* on *channel*; -1 if there was none."""
        if channel == "ticker":
            tickers = self._tickers.get(product_id)
            return -1 if tickers is None else tickers.last
        return super().last(channel, product_id)

    def last_time(self, channel: str, product_id: str) -> datetime | None:
        """The time of that message; `None` if there was none."""
        tickers = self._tickers.get(product_id)
        if channel != "ticker":
            return super().last_time(channel, product_id)
        return tickers.recent[-1][1] if tickers is not None and tickers.recent else None

    def reconnected(self, least: int = 0) -> None:
        super().reconnected(least)
        for tickers in self._tickers.values():
            tickers.renewed()

    def _rewatched(self, pairs: frozenset[Pair], renewed: frozenset[Pair]) -> None:
        self._full, self._matches, self._user = (
            frozenset(product for channel, product in pairs if channel == name) for name in ("full", "matches", "user")
        )
        for channel, product in renewed:
            if channel in ("ticker", "ticker_batch") and product in self._tickers:
                self._tickers[product].renewed()

    # ---- by type

    def _order(self, order: Received | Open | Change | Done) -> bool:
        product = order.product_id
        if product is None or product not in self._full or order.sequence is None:
            return True
        own = order.user_id is not None and product in self._user
        run = self._run("full", product)
        return run.take(order.sequence, order.time, own) or self.hold(run, order)

    def _match(self, match: Match) -> bool:
        product = match.product_id
        if product in self._full:
            copy = product in self._matches or (match.user_id is not None and product in self._user)
            run = self._run("full", product)
            return run.take(match.sequence, match.time, copy) or self.hold(run, match)
        copy = False
        if product in self._user:
            if product not in self._matches:
                return True
            copy = match.user_id is not None
        run = self._runs.get(("matches", product))
        if run is None:
            run = self._run("matches", product)
        return run.take(match.trade_id, match.time, copy) or self.hold(run, match)

    def _last_match(self, last: LastMatch) -> bool:
        product, number = last.product_id, last.trade_id
        if product in self._full:
            return True
        run = self._run("matches", product)
        if last.backfilled:
            return run.prior(number, last.time)
        if not run.continues_with(number, last.time):
            run.base(number, last.time)
            return True
        run.take(number, last.time)
        self.new = as_new(last)
        self.report(RepairedNumbers(product, "matches", number, number))
        return False

    def new_frame(self, raw: bytes) -> bytes:
        return raw.replace(b'"last_match"', b'"match"', 1)

    def _ticker(self, ticker: ExchangeTicker) -> bool:
        number, time = ticker.sequence, ticker.time
        if number is None:  # a product's first one, before any trade
            return True
        run = self._tickers.get(ticker.product_id)
        if run is None:
            run = RisingSequence(ticker.product_id, "ticker", self)
            if self._may_follow(ticker.product_id, len(self._tickers)):
                self._tickers[ticker.product_id] = run
        elif number > run.bound:
            run.bound = number
            run.recent.append((number, time))
            return True
        return run.take(number, time) or self.hold(run, ticker)

    def _heartbeat(self, heartbeat: ExchangeHeartbeat) -> bool:
        product = heartbeat.product_id
        for channel, number in (("full", heartbeat.sequence), ("matches", heartbeat.last_trade_id)):
            run = self._runs.get((channel, product))
            if run is not None:
                run.beat(number, heartbeat.time)
        return True

    def _level3(self, message: Level3Open | Level3Done | Level3Match | Level3Change | Level3Noop) -> bool:
        run = self._run("level3", message.product_id)
        return run.take(message.sequence, message.time) or self.hold(run, message)

    def _unknown(self, message: Unknown) -> bool:
        self._counted(message.product_id, message.sequence, level3=message.level3)
        return True

    def _auction(self, auction: ExchangeAuction) -> bool:
        self._counted(auction.product_id, auction.sequence)
        return True

    def malformed(self, frame: Malformed) -> None:
        product, sequence, trade_id, level3 = numbers_in(frame.raw)
        self._counted(product, sequence, level3=level3)
        trades = None if product is None else self._runs.get(("matches", product))
        if trades is not None and trade_id is not None:
            trades.unknown(trade_id)

    # ---- of messages that nothing reads: True, and the number is taken, if it is the next one of its product

    def ticker_follows(self, ticker: UnreadNumber) -> bool:
        run = self._tickers.get(ticker.product_id)
        if run is None or ticker.sequence <= run.bound:
            return False
        run.bound = ticker.sequence
        run.recent.append((ticker.sequence, ticker.time))
        return True

    def match_follows(self, match: UnreadMatch) -> bool:
        if match.product_id in self._full:
            return self.order_follows(match)
        run = self._runs.get(("matches", match.product_id))
        if run is None or match.product_id in self._user or match.user_id is not None:
            return False
        return run.follow(match.trade_id, match.time)

    def order_follows(self, order: UnreadNumber) -> bool:
        run = self._runs.get(("full", order.product_id))
        if run is None or order.product_id not in self._full or order.user_id is not None:
            return False
        return run.follow(order.sequence, order.time)

    def _counted(self, product: str | None, sequence: int | None, *, level3: bool = False) -> None:
        """A message that the rules for numbers do not cover has this *sequence*, so that is not missing."""
        if sequence is not None and product is not None:
            run = self._runs.get(("level3" if level3 else "full", product))
            if run is not None:
                run.unknown(sequence)
