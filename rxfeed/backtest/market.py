"""`PaperMarket`: fills the orders of a strategy as realistically as a recording allows."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, NamedTuple

from rxfeed.backtest.events import PaperDone, PaperEvent, PaperFill, PaperOpen, Reason
from rxfeed.backtest.queue_model import PRICE_PLACES, Change, QueueModel, price_decimal, price_units, size_units
from rxfeed.core import (
    EPOCH_KINDS,
    EXACT,
    LEVELS,
    MAX_AHEAD,
    PRODUCT,
    TRADES,
    BookView,
    EventClock,
    Level2Book,
    Seconds,
    arguments,
)
from rxfeed.core.matching import SIDES, MatchingEngine, Product, events
from rxfeed.errors import RxfeedError
from rxfeed.market import Auction, BookSnapshot, BookUpdate, Heartbeat, Message, PriorTrade, Side, Trade
from rxfeed.operators import report_once

log = logging.getLogger(__name__)

_KINDS = frozenset((PRODUCT, TRADES, LEVELS))  # of the messages that orders depend on
_PATIENCE = timedelta(minutes=1)  # of the market's time without a book, after which that is reported
_BOOK = "the channel book, that is level2 or level2_batch, too"
_TRADES = "the channel trades, that is matches or market_trades, too"


class _PaperOrder(NamedTuple):
    order_id: str
    side: Side
    price: Decimal | None  # of a limit order
    size: Decimal
    post_only: bool


class PaperMarket:
    """Outputs the events of orders that are sent into the recorded (or live) market of *product_id*.

    It uses `level2` (or `level2_batch`) and `matches`. Step every message of the product through it, and send orders
    between the steps:

        >>> from rxfeed.backtest import PaperMarket
        >>> from rxfeed.testing import book, heartbeat, trade
        >>> market = PaperMarket("BTC-USD", latency=0.05, maker_fee="0.004")
        >>> market.step(book(bids=[(10, 1)], asks=[(11, 1)])), market.limit("buy", 10, "0.5")
        ((), 'paper-1')
        >>> [(e.order_id, str(e.price), str(e.remaining)) for e in market.step(heartbeat(1))]
        [('paper-1', '10', '0.5')]
        >>> for sold in ("0.9", "0.3"):
        ...     _ = market.step(trade(10, sold, taker_side="sell", time=2))
        >>> [(str(e.size), str(e.remaining), str(e.fee), e.maker) for e in market.finish()]
        [('0.2', '0.3', '0.0080', True)]

    An order, and a cancel, arrives *latency* seconds after the time of the newest message when it was sent. These are
    the exchange's times, so *latency* includes the way of that message to the strategy and of the order to the
    exchange. The order arrives after all recorded messages of its microsecond, also with a *latency* of 0.

    Orders are sent to a `MatchingEngine` that contains the recorded orders; `rxfeed.backtest.queue_model` has the
    rules. Recorded size that a paper order took is not available again while the recording shows it. A resting order is
    behind all orders that were at its price. It is filled by recorded trades that exceed those orders or that are
    beyond its price, and by recorded orders with prices that reach it, never for more than their size. If a level gets
    smaller without a trade, the last orders in its queue are assumed to be canceled. The recording does not react to
    paper orders.

    While the book is not ready (no snapshot yet, or a gap: a higher `epoch`) or crossed (an auction), arriving orders
    are rejected with that reason, and resting orders are canceled. If only trades were missed, that ends with the next
    update of the book, otherwise with its next snapshot. A late trade, after a newer message, fills nothing.
    An order that would trade with another paper order is rejected. If no snapshot comes in the first minute or until
    `finish`, or no trade comes, that is logged at WARNING, once.

    *maker_fee*, *taker_fee*: parts of the notional (`"0.004"` is 0.4 %; negative for a rebate). Prices have at most 12
    decimal places, sizes 8; more raise `ConfigError`. A message dated more than *max_ahead* seconds after its receipt
    (60; `None`: no limit) does not advance time, and such a trade fills nothing. It uses no clock and no thread: equal
    messages and orders give equal events. O(log n) a change for n prices.
    """

    accepts: ClassVar[frozenset[type[Message]]] = Level2Book.accepts | {Trade}

    def __init__(
        self,
        product_id: str,
        *,
        latency: Seconds = 0.0,
        maker_fee: Decimal | str | int = 0,
        taker_fee: Decimal | str | int = 0,
        max_ahead: Seconds | None = MAX_AHEAD,
    ) -> None:
        self._level2 = Level2Book(product_id, max_ahead=max_ahead)
        self.clock = EventClock(max_ahead)
        self.clock.report = report_once("PaperMarket")
        self.product_id = product_id
        self.latency = arguments.number("latency", latency, zero=True)
        self._delay = timedelta(seconds=self.latency)
        self._fees = {True: arguments.decimal("maker_fee", maker_fee), False: arguments.decimal("taker_fee", taker_fee)}
        self._engine = MatchingEngine(
            Product(product_id, PRICE_PLACES),
            publish=self._published,
            clock=str,  # the engine's times are not used
            new_id=lambda: self._arriving or self._queue.new_id(),
        )
        self._queue = QueueModel(self._engine)
        self.book: BookView | None = None
        self.time: datetime | None = None
        self._moment: datetime | None = None  # of the events that are being made
        self._sent: deque[tuple[datetime, _PaperOrder | str]] = deque()  # a str: the id to cancel
        self._count = 0
        self._arriving = ""  # the id of the order that is arriving
        self._open: dict[str, _PaperOrder] = {}  # orders that have arrived and are not done; size is what remains
        self._events: list[PaperEvent] = []
        self._began: datetime | None = None
        self._has_book = self._has_trades = self._warned = False
        self._not_ready_reason: Reason | None = "gap"  # why the book is not ready
        self._epoch = 0  # the highest one
        # The messages of the present microsecond so far.
        self._broken = True
        self._lost = False
        self._replaced = False
        self._trades: list[Trade] = []
        self._changed: dict[tuple[Side, Decimal], datetime | None] = {}

    # ---- orders

    def limit(
        self, side: Side, price: Decimal | str | int, size: Decimal | str | int, *, post_only: bool = False
    ) -> str:
        """The id of a new limit order. The part that does not trade at its arrival rests on the book.

        *post_only*: it is rejected if it would trade at once. Raises `RxfeedError` before the first message.
        """
        limit = arguments.positive("price", price)
        price_units(limit)
        return self._send(side, limit, size, post_only)

    def market(self, side: Side, size: Decimal | str | int) -> str:
        """The id of a new market order. It trades at the best prices at its arrival; the rest is canceled."""
        return self._send(side, None, size, False)

    def cancel(self, order_id: str) -> None:
        """Send a cancel, with the latency of an order. It has no effect if the order is done at its arrival."""
        self._sent.append((self._due(), order_id))

    def _send(self, side: Side, price: Decimal | None, size: Decimal | str | int, post_only: bool) -> str:
        arguments.one_of("side", side, SIDES)
        amount = arguments.positive("size", size)
        size_units(amount)
        due = self._due()
        self._count += 1
        order = _PaperOrder(f"paper-{self._count}", side, price, amount, post_only)
        self._sent.append((due, order))
        return order.order_id

    def _due(self) -> datetime:
        if self.time is None:
            raise RxfeedError("no order can be sent before the market's first message: there is no time yet")
        return self.time + self._delay

    # ---- recorded messages

    def step(self, message: Message) -> tuple[PaperEvent, ...]:
        if message.product_id != self.product_id:
            return ()
        time = message.time
        ahead = time is not None and time > self.clock.limit and self.clock.is_ahead(message, time)
        if ahead:  # its changes are applied at the present time, and a trade fills nothing
            time = self.time
        if time is not None and (self.time is None or time > self.time):
            # A microsecond is complete only when it is over: a trade may come before its change of the book, or after.
            self._settle()
            self._arrive(time)
            self.time = time
            if not self._has_book and not isinstance(message, PriorTrade):  # those may be hours old
                self._without_book(time)
        if message.epoch > self._epoch and EPOCH_KINDS[type(message)] in _KINDS:
            self._broken = self._lost = True
            self._epoch = message.epoch
        if isinstance(message, Trade):
            self._has_trades = True
            if time == self.time and not ahead:
                self._trades.append(message)
        elif isinstance(message, BookSnapshot | BookUpdate | Auction | Heartbeat):
            self._update_book(message, time)
        return self._take_events()

    def finish(self) -> tuple[PaperEvent, ...]:
        """The events of the last microsecond. Orders that have not arrived by then are not executed."""
        self._settle()
        if self.time is not None:
            self._arrive(self.time + timedelta.resolution)
        if not self._has_book:
            self._warn(f"no snapshot of its book came, so no order was taken: record {_BOOK}")
        elif not self._has_trades:
            self._warn(f"no trade came, and trades fill the orders that rest: record {_TRADES}")
        return self._take_events()

    def _without_book(self, time: datetime) -> None:
        self._began = self._began or time
        if time - self._began >= _PATIENCE:
            self._warn(f"no snapshot of its book came in the first minute: subscribe to {_BOOK}")

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning("PaperMarket of %s: %s", self.product_id, what)

    def _take_events(self) -> tuple[PaperEvent, ...]:
        events, self._events = self._events, []
        return tuple(events)

    def _update_book(self, message: Message, time: datetime | None) -> None:
        for view in self._level2.step(message):
            self.book = view
            if not view.ready:
                self._broken = self._lost = True
            elif isinstance(message, BookSnapshot):
                self._broken, self._replaced = False, True
                self._has_book = True
        if isinstance(message, BookUpdate) and self._broken and self.book is not None and self.book.ready:
            self._broken, self._replaced = False, True  # the update is of the book's epoch: only trades were missed
        if isinstance(message, BookUpdate) and not self._broken:
            # Also unchanged sizes: they confirm the effect of trades.
            self._changed.update({(side, price): time for side, price, _ in message.changes})

    def _settle(self) -> None:
        """Apply the recorded messages of the microsecond that is over."""
        lost, replaced, trades, changed = self._lost, self._replaced, self._trades, self._changed
        self._lost, self._replaced, self._trades, self._changed = False, False, [], {}
        self._moment, view, before = self.time, self.book, self._not_ready_reason
        now = self._unready()
        if lost or now:
            self._not_ready_reason = "gap" if lost else now
            for order_id in list(self._open):
                self._engine.cancel(order_id)
        elif not before and not replaced:
            for trade in trades:
                self._queue.trade(trade)
        self._not_ready_reason = now
        if view is not None and now != "gap":
            changes: list[Change] = [
                (side, price, view.size_at(side, price), when) for (side, price), when in changed.items()
            ]
            self._queue.settle(self._queue.replace(view.bids, view.asks) if replaced else changes, trading=not now)

    def _unready(self) -> Reason | None:
        """Why no order can be accepted; `None` if one can."""
        view = self.book
        if view is None or not view.ready or self._broken:
            return "gap"
        return "crossed" if view.best_bid and view.best_ask and view.best_bid[0] >= view.best_ask[0] else None

    # ---- orders that arrive

    def _arrive(self, before: datetime) -> None:
        while self._sent and self._sent[0][0] < before:
            self._moment, arrived = self._sent.popleft()
            if isinstance(arrived, _PaperOrder):
                self._accept(arrived)
            elif arrived in self._open:
                self._engine.cancel(arrived)

    def _accept(self, order: _PaperOrder) -> None:
        self._open[order.order_id] = order
        price, size = None if order.price is None else price_units(order.price), size_units(order.size)
        opposite = self._engine.sides["sell" if order.side == "buy" else "buy"]
        if self._not_ready_reason:
            self._done(order.order_id, self._not_ready_reason)
        elif order.post_only and price is not None and opposite.reaches(price):
            self._done(order.order_id, "post_only")
        elif self._would_self_trade(order.side, price, size):
            self._done(order.order_id, "self_trade")
        else:
            self._arriving = order.order_id
            if price is None:
                self._engine.market(order.side, size=size)
            else:
                self._engine.limit(order.side, price, size)
                if order.order_id in self._open:
                    self._queue.joined(order.side, price)
            self._arriving = ""

    def _would_self_trade(self, side: Side, price: int | None, size: int) -> bool:
        """True if it would trade with another paper order."""
        for maker in self._engine.sides["sell" if side == "buy" else "buy"].orders():
            if size <= 0 or (price is not None and (maker.price > price if side == "buy" else maker.price < price)):
                return False
            if maker.order_id in self._open:
                return True
            size -= maker.size
        return False

    # ---- events of the engine

    def _published(self, event: events.OrderEvent) -> None:
        if isinstance(event, events.MatchEvent):
            for order_id, maker in ((event.maker_order_id, True), (event.taker_order_id, False)):
                if order_id in self._open:
                    self._fill(order_id, _plain(event.price), _plain(event.size), maker)
        elif event.order_id not in self._open:
            return
        elif isinstance(event, events.OpenEvent):
            order = self._open[event.order_id]
            price = price_decimal(self._engine.product.price_of(event.price))
            self._events.append(PaperOpen(self.product_id, *order[:2], price, order.size, self._now()))
        elif isinstance(event, events.DoneEvent):
            self._done(event.order_id, "filled" if event.reason == "filled" else self._not_ready_reason or "canceled")

    def _fill(self, order_id: str, price: Decimal, size: Decimal, maker: bool) -> None:
        order = self._open[order_id]
        order = self._open[order_id] = order._replace(size=EXACT.subtract(order.size, size))
        fee = EXACT.multiply(EXACT.multiply(price, size), self._fees[maker])
        about = (self.product_id, order_id, order.side, price, size, fee, maker, order.size)
        self._events.append(PaperFill(*about, self._now()))

    def _done(self, order_id: str, reason: Reason) -> None:
        remaining = self._open.pop(order_id).size
        self._events.append(PaperDone(self.product_id, order_id, reason, remaining, self._now()))

    def _now(self) -> datetime:
        assert self._moment is not None
        return self._moment


def _plain(text: str) -> Decimal:
    """The engine's number, without zeros at its end."""
    return Decimal(text.rstrip("0").rstrip("."))
