"""Detects gaps and duplicates, and counts epochs.

Rules, from the channels' documentation:
- `full` (received, open, match, change, done) and `level3` number their messages by product; numbers rise by one. On
  `matches` trade ids rise by one, on `ticker` sequences rise, level2 has no numbers. `sequence.py` has the rules for
  numbers that rise by one.
- A ticker with a lower sequence is dropped. But if its time is newer, or if it is the third one in a row with a rising
  sequence, the sequence restarted.
- A match comes twice if both `full` and `matches` are subscribed to, and the user's own orders come twice if `user` is.
  Such a copy may come ahead of its stream; then the stream's own message is dropped.
- After a reconnect the numbers continue, and the numbers between were missed.
- An epoch rises for all products when the connection was interrupted or a frame could not be decoded. It rises for one
  product when messages of it were missed, when its numbers restarted, and when one of its channels was unsubscribed or
  resubscribed (again at the acknowledgement, since messages before it may be of the old subscription).
- Product ids come from the server. So the number of products that are followed without a subscription is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from rxfeed.core.completeness import LAST, moment
from rxfeed.core.coverage import LEVEL2, Pair, by_subscribed_name
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.sequence import Missed, Restarted, Sequence
from rxfeed.messages import (
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
    Message,
    Open,
    Received,
    Subscriptions,
    Ticker,
    Unknown,
)

_MOST_UNWATCHED = 10_000
_OF_ALL_PRODUCTS = frozenset(("user", "rfq_matches", "full", "level3", "matches"))
_PROVEN = 3
_SECOND = 10**9
_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


class Resubscribed(msgspec.Struct, frozen=True):
    """A channel of *product_id* (`None`: not known) was unsubscribed or resubscribed, and its epoch has risen."""

    product_id: str | None


class GapDetector:
    """Checks every message: `step` returns False for a duplicate, and appends gaps and restarts to `missed`.

    `epoch(product_id)` is the epoch of the next message of the product. O(1) a message.
    """

    def __init__(self) -> None:
        self.missed: list[Missed | Restarted | Resubscribed] = []
        self.limit = LAST
        """The latest credible time, by the receipt of the messages (see `EventClock`)."""
        self._limited_ns = 0
        self._runs: dict[tuple[str, str], Sequence] = {}
        self._tickers: dict[str, Ticker] = {}
        self._refused: dict[str, tuple[int, int]] = {}  # lower tickers: the last sequence, and how many in a row
        self._renewed: set[str] = set()  # products without a ticker since the last reconnect
        self._epoch = 0
        self._epochs: dict[str | None, int] = {}
        self._watched: frozenset[Pair] = frozenset()
        self._products: frozenset[str | None] = frozenset()
        self._left: set[Pair] = set()  # channels that were subscribed to before
        self._rejoining: set[Pair] = set()  # resubscribed, and not acknowledged yet
        self._full: frozenset[str | None] = frozenset()
        self._matches: frozenset[str | None] = frozenset()
        self._user: frozenset[str | None] = frozenset()
        self.checks: dict[type[Message], Callable[[Any], bool]] = {
            Match: self._match,
            LastMatch: self._last_match,
            Ticker: self._ticker,
            Heartbeat: self._heartbeat,
            Subscriptions: self._acknowledged,
            Unknown: self._unknown,
            **dict.fromkeys((Received, Open, Change, Done), self._order),
            **dict.fromkeys((Level3Open, Level3Done, Level3Match, Level3Change, Level3Noop), self._level3),
        }

    def watch(self, channels: Iterable[Pair]) -> None:
        """Set the subscriptions: pairs of channel and product (`None`: all). Their numbers are checked.

        If a channel was unsubscribed or resubscribed, the epochs of its products rise.
        """
        pairs = frozenset(map(by_subscribed_name, channels))
        before, self._watched = self._watched, pairs
        left, rejoined = before - pairs, (pairs - before) & self._left
        self._left = (self._left | left) - pairs
        self._rejoining = (self._rejoining | rejoined) & pairs
        if len(self._left) > _MOST_UNWATCHED:  # beyond the limit any pair may have been subscribed before
            self._left.clear()
            self.interrupted()
        self._products = frozenset(product for _, product in pairs)
        self._full, self._matches, self._user = (
            frozenset(product for channel, product in pairs if channel == name) for name in ("full", "matches", "user")
        )
        for channel, product in left | rejoined:
            if product is not None:
                self._runs.pop((channel, product), None)
                if channel in ("ticker", "ticker_batch") and product in self._tickers:
                    self._renewed.add(product)
        self._resubscribed(left | rejoined)

    def received(self, ns: int) -> None:
        """Set the receipt of the next message, Unix nanoseconds. Once a second the limit of credible times follows."""
        if not 0 <= ns - self._limited_ns < _SECOND:
            self._limited_ns = ns
            self.limit = moment((ns + _SECOND) // 1000 + _MAX_AHEAD)

    def step(self, message: Message) -> bool:
        """True for a message to deliver, False for a duplicate. A gap that it reveals is in `missed` and its epoch."""
        check = self.checks.get(type(message))
        return check is None or check(message)

    def last(self, channel: str, product_id: str) -> int:
        """The last number of *product_id* on *channel*; -1 if there was none."""
        if channel == "ticker":
            ticker = self._tickers.get(product_id)
            return -1 if ticker is None or ticker.sequence is None else ticker.sequence
        run = self._runs.get((channel, product_id))
        return -1 if run is None else run.last

    def epoch(self, product_id: str | None) -> int:
        return self._epochs.get(product_id, self._epoch)

    def lost(self, product_id: str | None) -> None:
        """Messages of this product may have been missed: its epoch rises."""
        if product_id not in self._epochs and len(self._epochs) >= _MOST_UNWATCHED + len(self._products):
            self.interrupted()  # beyond the limit all products share an epoch
            self._epochs.clear()
        else:
            self._epochs[product_id] = self.epoch(product_id) + 1

    def report(self, found: Missed | Restarted) -> None:
        self.missed.append(found)

    def interrupted(self, least: int = 0) -> None:
        """Messages of any product may have been missed (a new connection, an undecodable frame): all epochs rise.

        Each epoch is at least *least* then.
        """
        self._epoch = max(self._epoch + 1, least)
        for product, epoch in self._epochs.items():
            self._epochs[product] = max(epoch + 1, least)

    @property
    def highest(self) -> int:
        """The highest epoch of all products."""
        return max(self._epoch, *self._epochs.values()) if self._epochs else self._epoch

    def reconnected(self, least: int = 0) -> None:
        self.interrupted(least)
        self._renewed.update(self._tickers)
        self._rejoining.clear()
        for run in self._runs.values():
            run.reconnected()

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

    def _acknowledged(self, answer: Subscriptions) -> bool:
        if self._rejoining:
            listed = set(
                map(
                    by_subscribed_name,
                    (
                        (channel.name, product)
                        for channel in answer.channels
                        for product in channel.product_ids or (None,)
                    ),
                )
            )
            # A level2 book begins with its own snapshot.
            self._resubscribed(pair for pair in self._rejoining & listed if pair[0] not in LEVEL2)
            self._rejoining -= listed
        return True

    # ---- products

    def _resubscribed(self, pairs: Iterable[Pair]) -> None:
        """Raise the epochs of the products in *pairs*."""
        by_product: dict[str | None, set[str]] = {}
        for channel, product in pairs:
            by_product.setdefault(product, set()).add(channel)
        for product, channels in by_product.items():
            if product is None and channels & _OF_ALL_PRODUCTS:
                self.interrupted()
            else:
                self.lost(product)
            if not channels <= LEVEL2:
                self.missed.append(Resubscribed(product))

    def _run(self, channel: str, product_id: str) -> Sequence:
        run = self._runs.get((channel, product_id))
        if run is None:
            run, pair = Sequence(product_id, channel, self), (channel, product_id)
            # Messages of a channel that was unsubscribed, or is not acknowledged yet, may be incomplete.
            settled = pair not in self._left and pair not in self._rejoining
            if settled and self._may_follow(product_id, len(self._runs)):
                self._runs[pair] = run
        return run

    def _may_follow(self, product_id: str, count: int) -> bool:
        return count < _MOST_UNWATCHED or product_id in self._products


def _sequence(ticker: Ticker) -> int:
    return -1 if ticker.sequence is None else ticker.sequence


def _earlier(ticker: Ticker, than: Ticker) -> bool:
    return ticker.time is not None and than.time is not None and ticker.time < than.time
