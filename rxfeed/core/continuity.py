"""What was missed, what came twice, and the epochs that show it.

Rules, from the channels' documentation:
- `full` (received, open, match, change, done) and `level3` number their messages by product, each one more than the
  last. `matches` numbers its trades (`trade_id`) so, `ticker` only must not go back, level2 has no number at all. What
  follows from a number is in `sequence.py`.
- A ticker with a lower sequence is dropped. But if its time is newer, or if it is the third in a row that rises, the
  sequence began anew with it.
- A match comes twice where both `full` and `matches` are subscribed to, and the user's own orders come twice where
  `user` is: such a copy may run ahead of its stream, and the other one is then dropped.
- After a reconnect the numbers go on, and what lies between was missed.
- An epoch rises for all products when the connection was interrupted or a frame could not be decoded, and for one
  product when something of it was missed, when its numbers began anew, and when one of its channels was left or
  rejoined (then again when the exchange acknowledges that: what came between may be of the old subscription).
- Products come from outside: of those that are not subscribed to, only so many are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from rxfeed.core.coverage import LEVEL2, Pair, by_subscribed_name
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.sequence import Missed, Restarted, Sequence
from rxfeed.core.watched import LAST, moment
from rxfeed.market import Message, Unknown
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

_MOST_UNWATCHED = 10_000
_OF_ALL_PRODUCTS = frozenset(("user", "rfq_matches", "full", "level3", "matches"))
_PROVEN = 3
_SECOND = 10**9
_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


class Resubscribed(msgspec.Struct, frozen=True):
    """A channel of *product_id* (`None`: of products that are not known) was left or rejoined: its epoch has risen."""

    product_id: str | None


class Continuity:
    """Steps every message: False for one that came before. `missed` has what did not come.

    `epoch(product_id)` is what the next message of the product is to be stamped with. O(1) a message.
    """

    def __init__(self) -> None:
        self.missed: list[Missed | Restarted | Resubscribed] = []
        self.limit = LAST
        """Later times are not credible, by the receipt of the messages (see `EventClock`)."""
        self._limited_ns = 0
        self._runs: dict[tuple[str, str], Sequence] = {}
        self._tickers: dict[str, Ticker] = {}
        self._refused: dict[str, tuple[int, int]] = {}  # lower tickers: the last sequence, and how many in a row
        self._renewed: set[str] = set()  # products of which a new connection has brought no ticker yet
        self._epoch = 0
        self._epochs: dict[str | None, int] = {}
        self._watched: frozenset[Pair] = frozenset()
        self._products: frozenset[str | None] = frozenset()
        self._left: set[Pair] = set()  # channels that were watched once
        self._rejoining: set[Pair] = set()  # not acknowledged yet
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
        """What is subscribed to now: pairs of channel and product (`None`: of all); which numbers have to be unbroken.

        The products of channels that were left, or are rejoined, get another epoch.
        """
        pairs = frozenset(map(by_subscribed_name, channels))
        before, self._watched = self._watched, pairs
        left, rejoined = before - pairs, (pairs - before) & self._left
        self._left = (self._left | left) - pairs
        self._rejoining = (self._rejoining | rejoined) & pairs
        if len(self._left) > _MOST_UNWATCHED:  # an exchange that lists ever others: each may have been here before
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
        """What comes next was received at *ns*, Unix nanoseconds. The limit of credible times follows once a second."""
        if not 0 <= ns - self._limited_ns < _SECOND:
            self._limited_ns = ns
            self.limit = moment((ns + _SECOND) // 1000 + _MAX_AHEAD)

    def step(self, message: Message) -> bool:
        """True for a message to deliver. What it shows to be missing is in `missed` then, and in its epoch."""
        check = self.checks.get(type(message))
        return check is None or check(message)

    def last(self, channel: str, product_id: str) -> int:
        """The newest number of *product_id* on *channel*; -1 where there was none."""
        if channel == "ticker":
            ticker = self._tickers.get(product_id)
            return -1 if ticker is None or ticker.sequence is None else ticker.sequence
        run = self._runs.get((channel, product_id))
        return -1 if run is None else run.last

    def epoch(self, product_id: str | None) -> int:
        return self._epochs.get(product_id, self._epoch)

    def lost(self, product_id: str | None) -> None:
        """Something of this product alone may have been missed."""
        if product_id not in self._epochs and len(self._epochs) >= _MOST_UNWATCHED + len(self._products):
            self.interrupted()  # of so many products none is known by its own epoch
            self._epochs.clear()
        else:
            self._epochs[product_id] = self.epoch(product_id) + 1

    def report(self, found: Missed | Restarted) -> None:
        self.missed.append(found)

    def interrupted(self, least: int = 0) -> None:
        """Anything may have been missed: a new connection, or a frame that could not be decoded.

        No epoch is below *least* then.
        """
        self._epoch = max(self._epoch + 1, least)
        for product, epoch in self._epochs.items():
            self._epochs[product] = max(epoch + 1, least)

    @property
    def highest(self) -> int:
        """No epoch is above it."""
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
        if last is not None and ticker.sequence <= _sequence(last) and not self._follows(ticker, last):
            return False
        if self._renewed:
            self._renewed.discard(product)
        if self._refused:
            self._refused.pop(product, None)
        if last is not None or self._may_follow(product, len(self._tickers)):
            self._tickers[product] = ticker
        return True

    def _follows(self, ticker: Ticker, last: Ticker) -> bool:
        """Whether *ticker*, of a sequence no higher than that of *last*, comes after it."""
        product, newer = ticker.product_id, _earlier(last, ticker)
        number, before = _sequence(ticker), _sequence(last)
        # A connection begins with the newest one, which may have come already.
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
            # A book by price begins with its own snapshot.
            self._resubscribed(pair for pair in self._rejoining & listed if pair[0] not in LEVEL2)
            self._rejoining -= listed
        return True

    # ---- products

    def _resubscribed(self, pairs: Iterable[Pair]) -> None:
        """The epochs of what *pairs* name rise."""
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
            # What still comes of a channel that was left, or is not acknowledged again, will have a hole.
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
