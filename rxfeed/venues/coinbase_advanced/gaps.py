"""Which numbers the messages of Advanced Trade have, and what follows from them.

Rules:
- `sequence_num` counts the frames of one connection, from 0, over all channels, acknowledgements and heartbeats
  included; only errors have none. A jump is a gap of the connection: of any product something may be missing. Malformed
  frames count, too.
- On one connection no frame comes late, so a lower number is a duplicate. But one wrong number must not make duplicates
  of all that follow: a number that continues the run before a jump, or the third one in a row of lower numbers that
  rise by one, continues the count. That is reported as a restart.
- After a reconnect the numbers begin anew.
- The trade ids of a product rise by one, over all connections. `rxfeed.core.sequence` has the rules for them. Those of
  a frame that cannot be decoded are not missing.
- A connection begins with the last trades of each product. Where the product is known, those that came before are
  duplicates, and the others were missed while there was no connection: they are new trades, and the gap is repaired.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from rxfeed.core import CheckedFrame, Findings, FrameCheck, GapDetector, Missed, Pair, Repaired, Restarted
from rxfeed.market import Malformed, Message, Unknown
from rxfeed.venues.coinbase_advanced.channels import ALIASES, BOOK, TRADES
from rxfeed.venues.coinbase_advanced.decode import number_in, trade_ids_in
from rxfeed.venues.coinbase_advanced.messages import (
    BARE,
    AdvancedError,
    AdvancedSubscriptions,
    MarketTrade,
    PriorMarketTrade,
    as_new,
)

CONNECTION = "sequence_num"
"""The name of a connection's numbers, in place of a channel's."""
_PROVEN = 3


class FrameCount:
    """The numbers of a connection's frames."""

    __slots__ = ("_before", "_findings", "_lower", "_refused", "last", "since")

    def __init__(self, findings: Findings, last: int | None = None) -> None:
        self.last = last
        """The last number; -1 before the frame 0, `None` if any number may be the first one."""
        self._findings = findings
        self._before = -1  # the last number before the last jump
        self.since = 0
        """Frames since the last jump."""
        self._refused = -1  # the last one of lower numbers that rise by one
        self._lower = 0  # how many they are

    def take(self, number: int) -> bool:
        """False for a duplicate."""
        if self.last is None or number == self.last + 1:
            self.last = number
            self.since += 1
            return True
        if number < 0:
            return True
        if number > self.last:
            self._findings.report(Missed(None, CONNECTION, self.last + 1, number - 1))
            self._before, self.since = self.last, 1
        elif not self._continues(number):
            return False
        else:
            self._findings.report(Restarted(None, CONNECTION, self.last, number))
            self._before, self.since = -1, _PROVEN
        self._findings.lost(None)
        self.last, self._lower = number, 0
        return True

    def _continues(self, number: int) -> bool:
        self._lower = self._lower + 1 if number == self._refused + 1 else 1
        self._refused = number
        return self._lower >= _PROVEN or (self.since < _PROVEN and number == self._before + 1 > 0)


class _Numbered(Protocol):
    @property
    def sequence_num(self) -> int: ...


class AdvancedGaps(GapDetector):
    """The gap detector of Advanced Trade. *connections*: False for messages of several connections, merged."""

    aliases: ClassVar = ALIASES
    books: ClassVar = frozenset((BOOK,))
    of_all_products: ClassVar = frozenset(("user",))

    def __init__(self, *, connections: bool = True) -> None:
        super().__init__()
        self._connections = connections
        self._frames = FrameCount(self)
        self._begun = False
        numbered = [kind for kind in BARE.__args__ if kind is not AdvancedError]
        self.checks |= dict.fromkeys(numbered, self._numbered) | {
            Unknown: self._unknown,
            AdvancedSubscriptions: self._subscriptions,
            MarketTrade: self._one_trade,
            PriorMarketTrade: self._one_trade,
        }

    def _rewatched(self, pairs: frozenset[Pair], renewed: frozenset[Pair]) -> None:
        if not self._begun:  # a feed subscribes before the first frame; a recording may begin anywhere
            self._frames = FrameCount(self, -1)

    def reconnected(self, least: int = 0) -> None:
        super().reconnected(least)
        self._begun, self._frames = False, FrameCount(self, -1)

    def lost(self, product_id: str | None) -> None:
        if product_id is None:
            self.interrupted()
        else:
            super().lost(product_id)

    def malformed(self, frame: Malformed) -> None:
        number = number_in(frame.raw)
        if number is not None:
            self._number(number)
        for product, trade_id in trade_ids_in(frame.raw) if frame.type == TRADES else ():
            run = self._runs.get((TRADES, frame.product_id or product))
            if run is not None:
                run.unknown(trade_id)

    # ---- frames

    def _number(self, number: int) -> bool:
        self._begun = True
        return not self._connections or self._frames.take(number)

    def frame(self, messages: tuple[Message, ...]) -> CheckedFrame:
        first: Any = messages[0]
        if not self._number(first.sequence_num):
            return CheckedFrame(messages, (None,) * len(messages))
        if not isinstance(first, MarketTrade | PriorMarketTrade):
            return CheckedFrame(messages, tuple(self.epoch_of(each) for each in messages))
        known = {product for product in {each.product_id for each in messages} if self._is_known(product)}
        check = FrameCheck(self)
        repaired: list[int] = []
        for place, trade in enumerate(messages):
            before = len(self.missed)
            fresh = self._trade(trade)
            if fresh and isinstance(trade, PriorMarketTrade) and trade.product_id in known:
                trade = as_new(trade)
                repaired.append(place)
                self._repaired(trade, before)
            check.add(trade, fresh)
        return check.result(tuple(repaired))

    def _is_known(self, product: str | None) -> bool:
        run = None if product is None else self._runs.get((TRADES, product))
        return run is not None and run.last >= 0

    def _repaired(self, trade: MarketTrade, before: int) -> None:
        """Report that *trade* was missed and is here; *before*: how many reports there were before it was checked."""
        last = self.missed[-1] if self.missed else None
        if (
            len(self.missed) == before
            and isinstance(last, Repaired)
            and (last.product_id, last.last) == (trade.product_id, trade.trade_id - 1)
        ):
            self.missed[-1] = Repaired(trade.product_id, TRADES, last.first, trade.trade_id)
        else:
            self.missed.append(Repaired(trade.product_id, TRADES, trade.trade_id, trade.trade_id))

    # ---- by type

    def _numbered(self, message: _Numbered) -> bool:
        number, frames = message.sequence_num, self._frames
        if self._begun and self._connections and number - 1 == frames.last:  # as nearly always
            frames.last = number
            frames.since += 1
            return True
        return self._number(number)

    def _unknown(self, message: Unknown) -> bool:
        return message.sequence is None or self._number(message.sequence)

    def _subscriptions(self, answer: AdvancedSubscriptions) -> bool:
        return self._number(answer.sequence_num) and self.acknowledged(answer)

    def _one_trade(self, trade: MarketTrade | PriorMarketTrade) -> bool:
        return self._number(trade.sequence_num) and self._trade(trade)

    def _trade(self, trade: Any) -> bool:
        run = self._runs.get((TRADES, trade.product_id))
        if run is None:
            run = self._run(TRADES, trade.product_id)
        if isinstance(trade, PriorMarketTrade) and trade.trade_id <= run.last:
            return False  # older than the last trade: it is no sign that the ids began anew
        return run.take(trade.trade_id, trade.time) or self.hold(run, trade)
