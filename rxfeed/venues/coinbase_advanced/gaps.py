"""Which numbers the messages of Advanced Trade have, and what follows from them.

Rules:
- `sequence_num` counts the frames of one connection, from 0, over all channels, acknowledgements and heartbeats
  included; only errors have none. A jump is a gap of the connection: of any product something may be missing. Malformed
  frames count, too.
- A lower number is of a frame that is late or came before, or a wrong number was higher. The messages of its frame are
  held. The second number of a run that continues the one before the last jump, and the third one of any other run, show
  that the count goes on there. That is reported as a restart, and what was held is delivered. If the present run goes
  on instead, what was held is dropped: the gap that it was missed in is reported already, and books are renewed.
- Trades are never held so, since their ids show where they belong. Neither are acknowledgements. In a frame with a
  lower number, trades that are older than the last one are late, and dropped: they show no restart of the ids.
- After a reconnect the numbers begin anew.
- The trade ids of a product rise by one, over all connections. `rxfeed.core.sequence` has the rules for them. Those of
  a frame that cannot be decoded are not missing.
- A connection begins with the last trades of each product. Where the product is known, those that came before are
  duplicates, and the others were missed while there was no connection: they are new trades, and the gap is repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rxfeed.core import (
    PROVEN,
    CheckedFrame,
    Findings,
    FrameCheck,
    GapDetector,
    HeldRun,
    Missed,
    Pair,
    RepairedNumbers,
    Restarted,
)
from rxfeed.market import Malformed, Message, Skipped, Unknown
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


_TRADES = (MarketTrade, PriorMarketTrade)


class FrameCount:
    """The numbers of a connection's frames."""

    __slots__ = ("_before", "_findings", "_held", "last", "since")

    def __init__(self, findings: Findings, last: int | None = None) -> None:
        self.last = last
        """The last number; -1 before the frame 0, `None` if any number may be the first one."""
        self._findings = findings
        self._before = -1  # the last number before the last jump
        self.since = 0
        """Frames since the last jump."""
        self._held = HeldRun()

    def take(self, number: int) -> bool:
        """False for a frame that is not to be delivered now: a duplicate, or to be held, for which call `hold`."""
        self._held.open = False
        if self.last is None or number == self.last + 1:
            self.last = number
            self.since += 1
            return True
        if number < 0:
            return True
        if number > self.last:
            self._findings.report(Missed(None, CONNECTION, self.last + 1, number - 1))
            self._before, self.since = self.last, 1
        elif not self._continues(number, self.last):
            return False
        else:
            numbers, messages = self._held.take()
            self._findings.report(Restarted(None, CONNECTION, self.last, numbers[0][0]))
            self._findings.release(messages)
            self._before, self.since = -1, PROVEN
        self._findings.lost(None)
        self.last = number
        return True

    def hold(self, message: Message | Skipped) -> bool:
        """Hold *message* of the frame of which `take` was False. False if it is a duplicate."""
        if not self._held.open or isinstance(message, Skipped):
            return False
        self._held.messages.append(message)
        return True

    def _continues(self, number: int, last: int) -> bool:
        """True if the lower *number* completes a run. The number that was accepted *last* is the place of the run."""
        held = self._held
        second = held.ends_with(number - 1, last)
        if not second:
            held.take()
        returned = second and self.since < PROVEN and held.numbers[0][0] == self._before + 1 > 0
        return held.add(number, None, last, returned)


class AdvancedGaps(GapDetector):
    """The gap detector of Advanced Trade.

    *connections*: False for messages of several connections, merged: they are checked by the ids of trades. *trades*:
    False for a detector that leaves these ids to another one.
    """

    aliases: ClassVar = ALIASES
    books: ClassVar = frozenset((BOOK,))
    of_all_products: ClassVar = frozenset(("user",))

    def __init__(self, *, connections: bool = True, trades: bool = True) -> None:
        super().__init__()
        self._connections = connections
        self.count = FrameCount(self)
        """The numbers of the present connection."""
        self._trades = trades
        self._begun = False
        numbered = [kind for kind in BARE.__args__ if kind is not AdvancedError]
        self.checks |= dict.fromkeys(numbered, self._numbered) | {
            Unknown: self._unknown,
            AdvancedSubscriptions: self._subscriptions,
            MarketTrade: self._one_trade,
            PriorMarketTrade: self._one_trade,
        }

    def of_connection(self) -> GapDetector:
        own = AdvancedGaps(trades=False)
        own.count, own._begun, self._connections = FrameCount(own, self.count.last), self._begun, False
        return own

    def rejoin(self, of_connection: GapDetector) -> None:
        if isinstance(of_connection, AdvancedGaps):
            self.count, self._begun = FrameCount(self, of_connection.count.last), of_connection._begun
        self._connections = True

    def _rewatched(self, pairs: frozenset[Pair], renewed: frozenset[Pair]) -> None:
        if not self._begun:  # a feed subscribes before the first frame; a recording may begin anywhere
            self.count = FrameCount(self, -1)

    def reconnected(self, least: int = 0) -> None:
        super().reconnected(least)
        self._begun, self.count = False, FrameCount(self, -1)

    def lost(self, product_id: str | None) -> None:
        if product_id is None:
            self.interrupted()
        else:
            super().lost(product_id)

    def malformed(self, frame: Malformed) -> None:
        number = number_in(frame.raw)
        if number is not None:
            self._number(number)
        for product, trade_id in trade_ids_in(frame.raw) if self._trades and frame.type == TRADES else ():
            run = self._runs.get((TRADES, frame.product_id or product))
            if run is not None:
                run.unknown(trade_id)

    # ---- frames

    def _number(self, number: int) -> bool:
        self._begun = True
        return not self._connections or self.count.take(number)

    def frame(self, messages: tuple[Message, ...]) -> CheckedFrame:
        first: Any = messages[0]
        fresh = self._number(first.sequence_num)
        if not self._trades or not isinstance(first, _TRADES):
            if not fresh and not isinstance(first, _TRADES):
                places = tuple(place for place, each in enumerate(messages) if self.count.hold(each))
                return CheckedFrame(messages, (None,) * len(messages), held=places)
            return CheckedFrame(messages, tuple(self.epoch_of(each) for each in messages))
        followed = self._followed(messages) if fresh else 0
        if followed == len(messages):
            return CheckedFrame(messages, (self.epoch_of(first),) * followed)
        known = {product for product in {each.product_id for each in messages} if self._is_known(product)}
        check = FrameCheck(self)
        repaired: list[int] = []
        in_order = fresh
        for place, trade in enumerate(messages):
            before = len(self.missed)
            fresh = place < followed or self._trade(trade, in_order)
            if fresh and isinstance(trade, PriorMarketTrade) and trade.product_id in known:
                trade = as_new(trade)
                repaired.append(place)
                self._repaired(trade, before)
            check.add(trade, fresh)
        return check.result(tuple(repaired))

    def _followed(self, trades: Sequence[Any]) -> int:
        """Take the first of *trades*, as far as they are new ones of one product with the next ids; their number."""
        product, place = trades[0].product_id, 0
        run = self._runs.get((TRADES, product))
        if run is None:
            return 0
        for trade in trades:
            if (
                type(trade) is not MarketTrade
                or trade.product_id != product
                or not run.follow(trade.trade_id, trade.time)
            ):
                break
            place += 1
        return place

    def _is_known(self, product: str | None) -> bool:
        run = None if product is None else self._runs.get((TRADES, product))
        return run is not None and run.last >= 0

    def _repaired(self, trade: MarketTrade, before: int) -> None:
        """Report that *trade* was missed and is here; *before*: how many reports there were before it was checked."""
        last = self.missed[-1] if self.missed else None
        if (
            len(self.missed) == before
            and isinstance(last, RepairedNumbers)
            and (last.product_id, last.last) == (trade.product_id, trade.trade_id - 1)
        ):
            self.missed[-1] = RepairedNumbers(trade.product_id, TRADES, last.first, trade.trade_id)
        else:
            self.missed.append(RepairedNumbers(trade.product_id, TRADES, trade.trade_id, trade.trade_id))

    # ---- by type

    def _numbered(self, message: Any) -> bool:
        number, frames = message.sequence_num, self.count
        if self._begun and self._connections and number - 1 == frames.last:  # as nearly always
            frames.last = number
            frames.since += 1
            return True
        return self._number(number) or self.hold(self.count, message)

    def _unknown(self, message: Unknown) -> bool:
        return message.sequence is None or self._number(message.sequence) or self.hold(self.count, message)

    def _subscriptions(self, answer: AdvancedSubscriptions) -> bool:
        self._number(answer.sequence_num)
        return self.acknowledged(answer)

    def _one_trade(self, trade: MarketTrade | PriorMarketTrade) -> bool:
        number, count = trade.sequence_num, self.count
        if self._begun and self._connections and number - 1 == count.last:  # as nearly always
            count.last = number
            count.since += 1
            run = self._runs.get((TRADES, trade.product_id))
            return (run is not None and run.follow(trade.trade_id, trade.time)) or self._trade(trade, True)
        return self._trade(trade, self._number(number))

    def _trade(self, trade: Any, in_order: bool) -> bool:
        """*in_order*: False for a trade of a late or repeated frame."""
        if not self._trades:
            return True
        run = self._runs.get((TRADES, trade.product_id))
        if run is None:
            run = self._run(TRADES, trade.product_id)
        if trade.trade_id <= run.last and (not in_order or isinstance(trade, PriorMarketTrade)):
            return False  # older than the last trade: it is no sign that the ids began anew
        return run.take(trade.trade_id, trade.time) or self.hold(run, trade)
