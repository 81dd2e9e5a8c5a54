"""What was missed, what came twice, and the epochs that say so.

Rules, from the channels' documentation:
- `full` (received, open, match, change, done) and `level3` number their messages by product, each one more than the
  last. `matches` numbers its trades (`trade_id`) so, `ticker` only must not go back, level2 has no number at all.
- A heartbeat names the last trade and sequence. It may overtake them, so only what has not come by the next heartbeat
  was dropped.
- One product's match comes twice where both `full` and `matches` are subscribed to, and one's own orders twice where
  `user` is: such a copy may run ahead of its stream, and the other one is then dropped.
- After a reconnect the numbers go on, and what lies between was missed. Numbers that went back are the same market
  sent again where their time went back too, and a market that began anew otherwise.
- An epoch rises for all products when the connection was interrupted or something came that nobody could read, and for
  one product when something of it was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

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
    Ticker,
)

_MOST_AHEAD = 10_000


class Missed(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* (sequences; trade ids on `matches`) never came."""

    product_id: str
    channel: str
    first: int
    last: int


class _Run:
    """Numbers that must rise by one."""

    __slots__ = ("ahead", "channel", "fresh", "last", "pending", "product_id", "time")

    def __init__(self, product_id: str, channel: str) -> None:
        self.product_id = product_id
        self.channel = channel
        self.last = -1  # none yet
        self.time: datetime | None = None
        self.fresh = False  # a new connection, and nothing of it yet
        self.pending = -1  # what the last heartbeat named and had not come
        self.ahead: set[int] = set()  # delivered from another channel before this one had come to them


class Continuity:
    """Steps every message: False for one that came before, and `missed` tells what did not come.

    `epoch(product_id)` is what the next message of the product is to be stamped with. O(1) a message.
    """

    def __init__(self) -> None:
        self.missed: list[Missed] = []
        self._runs: dict[tuple[str, str], _Run] = {}
        self._tickers: dict[str, Ticker] = {}
        self._renewed: set[str] = set()  # products of which a new connection has brought no ticker yet
        self._epoch = 0
        self._epochs: dict[str | None, int] = {}
        self._channels: dict[str, frozenset[str]] = {}
        self._full: frozenset[str] = frozenset()
        self._matches: frozenset[str] = frozenset()
        self._user: frozenset[str] = frozenset()
        self.checks: dict[type[Message], Callable[[Any], bool]] = {
            Match: self._match,
            LastMatch: self._last_match,
            Ticker: self._ticker,
            Heartbeat: self._heartbeat,
            **dict.fromkeys((Received, Open, Change, Done), self._order),
            **dict.fromkeys((Level3Open, Level3Done, Level3Match, Level3Change, Level3Noop), self._level3),
        }

    def watch(self, channels: Iterable[tuple[str, str]]) -> None:
        """What is subscribed to now: pairs of channel and product; it decides which numbers have to be unbroken."""
        pairs = set(channels)
        full, matches, user = (
            frozenset(product for channel, product in pairs if channel == name) for name in ("full", "matches", "user")
        )
        # What is not subscribed to any more will have a hole, and that is nobody's loss.
        for channel, before, now in (("full", self._full, full), ("matches", self._matches, matches)):
            for product in before - now:
                self._runs.pop((channel, product), None)
        level3 = {product for channel, product in pairs if channel == "level3"}
        for channel, product in list(self._runs):
            if channel == "level3" and product not in level3:
                del self._runs[channel, product]
        self._full, self._matches, self._user = full, matches, user

    def step(self, message: Message) -> bool:
        """True for a message to deliver. What it shows to be missing is in `missed` then, and in its epoch."""
        check = self.checks.get(type(message))
        return check is None or check(message)

    def step_first(self, message: Message) -> bool:
        """`step`, for a connection's first one of its channel where others are merged with it.

        Numbers that went back may then be a market that began anew; where they are not, nothing has changed.
        """
        product: Any = message.product_id
        if isinstance(message, Ticker):
            last = self._tickers.get(product)
            if last is not None and _earlier(last, message):
                del self._tickers[product]
        runs = [run for name in ("full", "matches", "level3") if (run := self._runs.get((name, product))) is not None]
        before = [run.fresh for run in runs]
        for run in runs:
            run.fresh = True
        delivered = self.step(message)
        for run, fresh in zip(runs, before, strict=True):
            run.fresh = run.fresh and fresh
        return delivered

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
        self._epochs[product_id] = self.epoch(product_id) + 1

    def interrupted(self, least: int = 0) -> None:
        """Anything may have been missed: a new connection, or a frame that nobody could read.

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
        for run in self._runs.values():
            run.fresh, run.pending = True, -1

    # ---- by type

    def _order(self, order: Received | Open | Change | Done) -> bool:
        product = order.product_id
        if product not in self._full or order.sequence is None:
            return True
        own = order.user_id is not None and product in self._user
        return self._advance(self._run("full", product), order.sequence, order.time, copy=own)

    def _match(self, match: Match) -> bool:
        product = match.product_id
        if product in self._full:
            copy = product in self._matches or (match.user_id is not None and product in self._user)
            return self._advance(self._run("full", product), match.sequence, match.time, copy=copy)
        if product in self._user:
            if product not in self._matches:
                return True
            return self._advance(
                self._run("matches", product), match.trade_id, match.time, copy=match.user_id is not None
            )
        return self._advance(self._run("matches", product), match.trade_id, match.time)

    def _last_match(self, last: LastMatch) -> bool:
        if last.product_id in self._full:
            return True
        run = self._run("matches", last.product_id)
        if last.trade_id > run.last >= 0:
            self._miss(run, last.trade_id)
        if last.trade_id > run.last or self._began_anew(run, last.time):
            run.last, run.time = last.trade_id, last.time
        run.fresh = False
        return True

    def _ticker(self, ticker: Ticker) -> bool:
        if ticker.sequence is None:  # a product's first one, before any trade
            return True
        product, last = ticker.product_id, self._tickers.get(ticker.product_id)
        # A connection begins with the newest one, which may have come already.
        again = product in self._renewed and last is not None and not _earlier(ticker, last)
        if last is not None and last.sequence is not None and ticker.sequence <= last.sequence and not again:
            return False
        self._renewed.discard(product)
        self._tickers[product] = ticker
        return True

    def _heartbeat(self, heartbeat: Heartbeat) -> bool:
        product = heartbeat.product_id
        for channel, number in (("full", heartbeat.sequence), ("matches", heartbeat.last_trade_id)):
            run = self._runs.get((channel, product))
            if run is None or run.last < 0 or run.fresh:
                continue
            if run.pending > run.last:
                self._miss(run, run.pending)
                run.last = run.pending
            run.pending = number
        return True

    def _level3(self, message: Any) -> bool:
        return self._advance(self._run("level3", message.product_id), message.sequence, message.time)

    # ---- runs

    def _run(self, channel: str, product_id: str) -> _Run:
        run = self._runs.get((channel, product_id))
        if run is None:
            run = self._runs[channel, product_id] = _Run(product_id, channel)
        return run

    def _advance(self, run: _Run, number: int, time: datetime | None, *, copy: bool = False) -> bool:
        """Take *number*; False where it was delivered before. *copy*: it may be another channel's, and run ahead."""
        if number == run.last + 1 and run.last >= 0:
            run.last, run.time, run.fresh = number, time, False
            if run.ahead and number in run.ahead:
                run.ahead.discard(number)
                return False
            return True
        return self._jump(run, number, time, copy=copy)

    def _jump(self, run: _Run, number: int, time: datetime | None, *, copy: bool) -> bool:
        if 0 <= number <= run.last:
            if not (run.fresh and self._began_anew(run, time)):
                return False
            run.ahead.clear()
        elif copy:
            return self._run_ahead(run, number)
        elif run.last >= 0:
            self._miss(run, number - 1)
        seen = number in run.ahead
        run.ahead = {each for each in run.ahead if each > number}
        run.last, run.time, run.fresh = number, time, False
        return not seen

    def _run_ahead(self, run: _Run, number: int) -> bool:
        if number in run.ahead:
            return False
        if len(run.ahead) >= _MOST_AHEAD:
            run.ahead.clear()
        run.ahead.add(number)
        return True

    def _began_anew(self, run: _Run, time: datetime | None) -> bool:
        return run.time is not None and time is not None and time > run.time

    def _miss(self, run: _Run, last: int) -> None:
        """Everything after `run.last` up to *last* is missing, but for what another channel brought."""
        first = run.last + 1
        for brought in sorted(each for each in run.ahead if first <= each <= last):
            if brought > first:
                self.missed.append(Missed(run.product_id, run.channel, first, brought - 1))
            first = brought + 1
        if first <= last:
            self.missed.append(Missed(run.product_id, run.channel, first, last))
        self.lost(run.product_id)


def _earlier(ticker: Ticker, than: Ticker) -> bool:
    return ticker.time is not None and than.time is not None and ticker.time < than.time
