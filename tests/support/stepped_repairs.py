"""A connection with repairs, of which a test decides when each step is done, and what is answered."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

from rxfeed.core import Repair
from rxfeed.feed import FeedStatus, Gap
from rxfeed.feed.backfill_fetcher import BackfillRequest, FetchedBackfill
from rxfeed.feed.backfills import Backfills
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.trade_fetcher import FetchedTrades, MissingTrades, TradeFetcher
from rxfeed.feed.trade_repairs import TradeRepairs
from rxfeed.market import BackfilledOrigin, Message, PriorTrade, RestOrigin, Trade, stamp
from rxfeed.venues import COINBASE_EXCHANGE, RestTrade

A, B = "A-USD", "B-USD"
PRODUCTS: tuple[str, ...] = (A, B)
TIME = "2026-01-02T12:00:00.000000Z"


class Fetcher:
    """What is requested, and the answers that a test gives."""

    def __init__(self) -> None:
        self.answers: deque[FetchedTrades | FetchedBackfill] = deque()
        self.requests: deque[MissingTrades] = deque()
        self.backfills: list[BackfillRequest] = []
        """Those that have not been ended."""

    def request(self, product_id: str, first: int, last: int, newer: RestTrade | None) -> None:
        self.requests.append(MissingTrades(product_id, first, last, newer, 0.0))

    def backfill(self, product_id: str, newer: RestTrade | None, since: datetime) -> None:
        self.backfills.append(BackfillRequest(product_id, newer, since))

    def end_backfill(self, product_id: str) -> None:
        self.backfills = [each for each in self.backfills if each.product_id != product_id]

    def end(self, product_id: str) -> None:
        self.end_backfill(product_id)
        self.requests = deque(each for each in self.requests if each.product_id != product_id)

    def answer(self, lacks: int) -> None:
        """Answer the oldest request, without every trade of which the id is a multiple of *lacks*."""
        if self.requests:
            request = self.requests.popleft()
            numbers = [each for each in range(request.first, request.last + 1) if not lacks or each % lacks]
            self.answers.append(FetchedTrades(request, [fetched(request.product_id, each) for each in numbers]))
            self.answers.append(FetchedTrades(request, [], ended=True))

    def close(self) -> None: ...


def fetched(product: str, number: int, seconds: float = 0) -> Trade:
    trade = COINBASE_EXCHANGE.new_trade(_item(product, number, seconds))
    assert trade is not None
    return stamp(trade, RestOrigin(b"{}", 1, 0))


def _item(product: str, number: int, seconds: float) -> RestTrade:
    return RestTrade(
        product_id=product,
        trade_id=number,
        price=Decimal(10),
        size=Decimal(1),
        time=datetime(2026, 1, 2, 12, tzinfo=UTC) + timedelta(seconds=seconds),
        maker_side="buy",
    )


def prior(product: str, number: int) -> PriorTrade:
    """A trade of a backfill."""
    trade = COINBASE_EXCHANGE.prior_trade(_item(product, number, 0))
    assert trade is not None
    return stamp(trade, BackfilledOrigin(b"{}", 1, 0))


class SteppedConnection:
    """A dispatcher with repairs, and the frames of a market that it may miss."""

    def __init__(self, patience: float = 5, most: int = 10_000, backfill: float | None = None) -> None:
        self.now = 0.0
        self.fetcher = Fetcher()
        self.streams = FeedStreams(1.0)
        gaps = COINBASE_EXCHANGE.gaps()
        gaps.watch([("matches", each) for each in PRODUCTS])
        self.repairs = TradeRepairs(
            Repair(patience=patience, most=most),
            "matches",
            self.streams,
            gaps,
            cast(TradeFetcher, self.fetcher),
            lambda: self.now,
            None if backfill is None else Backfills(backfill, "matches", set()),
        )
        self.subscribe(*PRODUCTS)
        self.dispatcher = Dispatcher(self.streams, gaps, repairs=self.repairs)
        self.out: list[Message | FeedStatus] = []
        self.streams.router.subscribe(self.out.append)
        self.streams.status.subscribe(self.out.append)
        self.newest: dict[str, int] = dict.fromkeys(PRODUCTS, 0)
        self.tickers = 0
        if backfill is None:
            self.trade(A)
            self.trade(B)

    def subscribe(self, *products: str) -> None:
        """These are the subscribed products from now on."""
        pairs = [("matches", each) for each in products]
        self.repairs.still_subscribed(pairs)
        self.repairs.subscribed(pairs)

    def frame(self, text: str) -> None:
        self.dispatcher.frames([text.encode()], 1)

    def trade(self, product: str, missed: int = 0) -> None:
        self.newest[product] += 1 + missed
        self.frame(
            f'{{"type":"match","product_id":"{product}","time":"{TIME}","trade_id":{self.newest[product]},"sequence":1,'
            '"side":"buy","price":"10","size":"1","maker_order_id":"m","taker_order_id":"t"}'
        )

    def heartbeat(self, product: str) -> None:
        self.frame(
            f'{{"type":"heartbeat","product_id":"{product}","time":"{TIME}","last_trade_id":{self.newest[product]},'
            '"sequence":1}'
        )

    def ticker(self, product: str) -> None:
        self.tickers += 1
        self.frame(
            f'{{"type":"ticker","product_id":"{product}","time":"{TIME}","sequence":{self.tickers},"price":"10"}}'
        )

    def drain(self) -> None:
        while self.repairs.pending:
            self.repairs.step()

    def trades(self, product: str) -> list[Trade]:
        return [each for each in self.out if isinstance(each, Trade) and each.product_id == product]

    def gaps(self, product: str) -> list[int]:
        found = [each for each in self.out if isinstance(each, Gap) and each.product_id == product]
        return [number for gap in found for number in range(gap.first, gap.last + 1)]
