"""Repairs gaps of trades while a feed runs: holds a product's trades until the missing ones are here.

Rules:
- From the detection of missing trades on, the router passes the product's trades and heartbeats to this class instead
  of their observers. `TradeRepair` decides what is output, and when. All other messages pass as ever.
- What comes out is queued and delivered by `RepairOutput`, in small parts. Until all of a product is delivered, its
  trades and heartbeats are queued, too.
- The trades of a backfill (see `backfills.py`) come out in the same way, before the first trade of their product. They
  have the epoch with which the product's trades began.
- If a product is unsubscribed, its requests end. What has come of it is delivered then, and its backfill is dropped.
- Everything is delivered on the thread of the feed, between the frames that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from reactivex import Observer

from rxfeed.core import (
    Awaited,
    GapDetector,
    LostTrades,
    Missed,
    Pair,
    Repair,
    Restarted,
    TradeRepair,
)
from rxfeed.feed.backfill_fetcher import FetchedBackfill
from rxfeed.feed.backfills import FIRST_WITHIN, LONGEST, PATIENCE, Backfills, Shortfall, as_rest
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.held_messages import is_of_several
from rxfeed.feed.repair_output import Output, RepairOutput
from rxfeed.feed.trade_fetcher import MissingTrades, TradeFetcher
from rxfeed.market import BackfilledOrigin, Message, PriorOrigin, PriorTrade, Trade, of_connection, stamp
from rxfeed.venues import RestTrade

_NO_ANSWER_WITHIN = LONGEST + 2 * PATIENCE
"""Seconds after which a backfill is over even if the fetcher, which ends it before, fails."""
_NO_END = Shortfall(f"they did not arrive within {_NO_ANSWER_WITHIN:g} s")
_BEGAN_ANEW = Shortfall("the trade ids of the venue began anew")


class TradeRepairs:
    """The repairs of one feed, over all its connections; *now* is the feed's clock.

    *policy*: `None` repairs nothing. *backfills*: `None` for no backfill.
    """

    def __init__(
        self,
        policy: Repair | None,
        channel: str,
        streams: FeedStreams,
        continuity: GapDetector,
        fetcher: TradeFetcher,
        now: Callable[[], float],
        backfills: Backfills | None = None,
    ) -> None:
        repairs = policy is not None
        self._channel = channel
        self._streams = streams
        self._router = streams.router
        self._continuity = continuity
        self._fetcher = fetcher
        self._now = now
        policy = policy or Repair()
        self._machine = TradeRepair(policy)
        self._too_many_held = Shortfall(
            f"more than {policy.most:,} of its trades and heartbeats came meanwhile",
            "request a shorter backfill, or allow more with Repair(most=...)",
        )
        self._backfills = backfills
        self._out = RepairOutput(channel, streams, continuity)
        self._observer: Observer[Message] = Observer(self._hold)
        self._new: list[Awaited] = []  # not requested yet
        self._begun = self._finished = False
        self._holding: set[str] = set()  # products of which this object gets the trades
        self._trading: set[str] = set()  # products of which the trades are subscribed to
        if repairs:
            continuity.can_repair = self._can_repair

    def nudge_with(self, nudge: Callable[[], None]) -> None:
        """Answers call *nudge* from now on."""
        self._fetcher.nudge_with(nudge)

    @property
    def pending(self) -> bool:
        """True if `step` has something to do, or `remaining` has changed."""
        return bool(self._begun or self._fetcher.answers or self._out.pending)

    def remaining(self, now: float) -> float | None:
        """Seconds until `step` has something to do; `None` if nothing is held."""
        if self._out.pending:
            return 0.0
        return self._machine.remaining(now)

    def begin(self, found: Awaited) -> None:
        """Hold the trades after *found* from now on."""
        product = found.product_id
        if not self._machine.missed(product, found.first, found.last, self._now(), found.after, found.before):
            self._output(self._machine.finish(self._now(), product))
            self._output([LostTrades(product, found.first, found.last)])
            return
        self._out.awaited(found)
        self._new.append(found)
        self._begun = True
        self._hold_product(product)

    def subscribed(self, pairs: Iterable[Pair]) -> None:
        """These are the subscriptions from now on: the trades of new products are held for their backfill."""
        if self._backfills is None:
            return
        now = self._now()
        for product in self._backfills.subscribed(pairs, self._streams.now(), now + FIRST_WITHIN):
            if not self._out.waits_for(product) and self._machine.expect(product, now, FIRST_WITHIN):
                self._begun = True
                self._hold_product(product)
            else:
                self._backfills.close(product, Shortfall("trades of it are held already"))

    def still_subscribed(self, pairs: Iterable[Pair]) -> None:
        """No others are subscribed to any more; of a feed with one connection."""
        before, self._trading = self._trading, self._trades_of(pairs)
        self._remove(before - self._trading)

    def unsubscribed(self, pairs: Iterable[Pair]) -> None:
        """These are not subscribed to any more."""
        self._remove(self._trades_of(pairs))

    def _remove(self, products: Iterable[str]) -> None:
        for product in products:
            self._fetcher.end(product)
            if self._backfills is not None:
                self._backfills.close(product, None)
            self._new = [each for each in self._new if each.product_id != product]
            self._output(self._machine.remove(product, self._now()))
            if product in self._holding:
                self._pass_again(product)

    def _trades_of(self, pairs: Iterable[Pair]) -> set[str]:
        return {product for channel, product in pairs if channel == self._channel and product is not None}

    def restarted(self, found: Restarted) -> None:
        """The numbers begin anew, so that what is held cannot be put in order with what follows."""
        if found.channel == self._channel and found.product_id is not None:
            outputs = self._machine.finish(self._now(), found.product_id)
            self._check_backfill(found.product_id, _BEGAN_ANEW)
            self._output(outputs)

    def step(self) -> None:
        """Deliver what is due: answers, and what could not be had in time."""
        self._begun = False
        self._deliver_next()
        if self._new:  # no message has come after the gap
            self._request(None)
        if self._backfills is not None:
            self._request_backfills(self._backfills)
        self._take_answers()
        self._output(self._machine.due(self._now()))
        for product in [*self._holding]:  # one that had nothing to output
            self._pass_again(product)

    def finish(self) -> None:
        """Deliver all that is held; no further trades come."""
        self._finished = True
        self._fetcher.close()
        self._take_answers()
        self._output(self._machine.finish(self._now()))
        while self._deliver_next():
            pass

    def close(self) -> None:
        """End the requests, without a delivery."""
        self._fetcher.close()

    # ---- in

    def _can_repair(self, missed: Missed) -> bool:
        product = missed.product_id
        return (
            missed.channel == self._channel
            and product is not None
            and self._machine.can_repair(product, missed.first, missed.last)
        )

    def _hold(self, message: Message) -> None:
        """Called by the router with each message of a product that is held."""
        if self._new:
            self._request(message)
        backfills = self._backfills
        if (
            backfills is not None
            and isinstance(message, Trade | PriorTrade)
            and not backfills.requested(message.product_id)
            and self._begins(backfills, message)
        ):
            return
        self._out.received(message)
        if self._machine.holds(message.product_id):
            outputs = self._machine.hold(message, self._now())
            if outputs:
                self._check_backfill(str(message.product_id), self._too_many_held)
                self._output(outputs)
        else:
            self._out.add([message])

    def _begins(self, backfills: Backfills, trade: Trade | PriorTrade) -> bool:
        """*trade* is one of the first of its product. True if it was taken, False if it waits as any other."""
        product = trade.product_id
        self._begun = True
        self._machine.extend(product, self._now() + _NO_ANSWER_WITHIN)  # what is older is requested with the next step
        self._out.begins(product, trade.epoch)
        if isinstance(trade, Trade):
            backfills.came(trade)
            return False
        self._machine.begins_after(product, trade.trade_id)
        if backfills.counts(trade):
            kind = of_connection(BackfilledOrigin, trade.connection)
            stamp(trade, kind(trade.raw, trade.received_ns, trade.epoch))
            self._router.route_of(type(trade), product).count -= 1  # it is counted when it is delivered
            self._machine.fetched(product, [trade], self._now())
        else:
            origin = trade._origin  # pyright: ignore[reportPrivateUsage]  # which only a feed replaces
            if origin is not None and is_of_several(origin):
                kind = of_connection(PriorOrigin, trade.connection)
                stamp(trade, kind(trade.raw, trade.received_ns, trade.epoch))
            self._out.emit(trade)
        return True

    def _request_backfills(self, backfills: Backfills) -> None:
        now = self._now()
        for product, newer, since in backfills.due():
            if newer is None:
                self._end_backfill(product)
            else:
                self._request_backfill(product, newer, since, now)
        for product, since in backfills.silent(now):
            self._request_backfill(product, None, since, now)

    def _request_backfill(self, product: str, newer: RestTrade | None, since: datetime, now: float) -> None:
        self._machine.extend(product, now + _NO_ANSWER_WITHIN)
        self._fetcher.backfill(product, newer, since)

    def _check_backfill(self, product: str, shortfall: Shortfall) -> None:
        """If the product's trades do not wait for its backfill any more, that is over, because of *shortfall*."""
        if self._backfills is not None and not self._machine.backfilling(product):
            self._fetcher.end_backfill(product)
            self._backfills.close(product, shortfall)

    def _end_backfill(self, product: str, shortfall: Shortfall | None = None) -> None:
        """No more of the product's backfill comes: deliver what is here."""
        self._fetcher.end_backfill(product)
        if self._backfills is not None:
            self._backfills.close(product, None if self._finished else shortfall)
        self._output(self._machine.backfilled(product, self._now()))
        self._pass_again(product)

    def _request(self, message: Message | None) -> None:
        """Request the trades of new holes; *message*: the first one after them, `None` if none has come."""
        waiting: list[Awaited] = []
        for hole in self._new:
            newer: RestTrade | None = None
            if isinstance(message, Trade | PriorTrade) and message.product_id == hole.product_id:
                if message.trade_id < hole.first:  # of a frame in which the hole is
                    waiting.append(hole)
                    continue
                if message.trade_id > hole.last:
                    newer = as_rest(message)
            self._fetcher.request(hole.product_id, hole.first, hole.last, newer)
        self._new = waiting

    def _take_answers(self) -> None:
        answers = self._fetcher.answers
        while answers:
            answer = answers.popleft()
            request, now = answer.request, self._now()
            if isinstance(answer, FetchedBackfill):
                self._take_backfill(answer, now)
                continue
            assert isinstance(request, MissingTrades)
            self._output(self._machine.fetched(request.product_id, answer.trades, now))
            if answer.ended:
                self._output(self._machine.exhausted(request.product_id, request.first, request.last, now))

    def _take_backfill(self, answer: FetchedBackfill, now: float) -> None:
        request, product = answer.request, answer.request.product_id
        if request.newer is None:
            if self._backfills is None or not self._backfills.takes_newest(product):
                return
            if answer.trades and self._backfills.begins_with_newest(product):
                self._begin_with(answer.trades[0])
        self._output(self._machine.fetched(product, answer.trades, now))
        if answer.ended:
            self._end_backfill(product, answer.shortfall)

    def _begin_with(self, newest: PriorTrade) -> None:
        """No trade has come: the product's trades begin after the *newest* one that was requested."""
        product = newest.product_id
        self._continuity.begins_after(self._channel, product, newest.trade_id, newest.time)
        self._out.begins(product, self._out.epoch_of(product))
        self._machine.begins_after(product, newest.trade_id)

    # ---- out

    def _output(self, outputs: Iterable[Output]) -> None:
        """Deliver *outputs*: the first of them at once, unless others wait, and the rest with the next steps."""
        waits = self._out.pending
        self._out.add(outputs)
        if not waits:
            self._deliver_next()
        for product in self._out.products:
            if product not in self._holding:
                self._hold_product(product)

    def _deliver_next(self) -> bool:
        """Deliver the next outputs of one product; False if there are none."""
        product = self._out.deliver()
        if product is None:
            return False
        self._pass_again(product)
        return True

    def _hold_product(self, product: str) -> None:
        self._router.hold(product, self._observer)
        self._holding.add(product)

    def _pass_again(self, product: str) -> None:
        """If nothing of *product* is held or queued any more, its messages go to their observers again."""
        if not self._machine.holds(product) and not self._out.waits_for(product):
            self._router.let_pass(product)
            self._holding.discard(product)
            self._out.forget(product)
            if self._backfills is not None:
                self._fetcher.end_backfill(product)
                self._backfills.close(product, None if self._finished else _NO_END)
