"""A fetcher of trades with a client that answers from a function, and what it has answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from rxfeed.feed.backfill_fetcher import FetchedBackfill
from rxfeed.feed.backfills import Shortfall
from rxfeed.feed.trade_fetcher import TradeFetcher
from rxfeed.transport import HttpClient, Response
from rxfeed.venues import COINBASE_EXCHANGE, RestTrade

BTC = "BTC-USD"
TIME = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Client:
    """A client of which *answer* makes the content of each response from its path."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        self.paths: list[str] = []
        self.answer = answer

    def get(self, path: str) -> Response:
        self.paths.append(path)
        return Response(200, {}, json.dumps(self.answer(path)).encode())

    def close(self) -> None: ...


class Answers:
    """A fetcher with *client*, and what it has answered."""

    def __init__(self, client: Client, patience: float, turn: Callable[[], float]) -> None:
        self._answered = threading.Condition()
        made = cast(HttpClient, client)
        self.fetcher = TradeFetcher(COINBASE_EXCHANGE, lambda timeout: made, patience, self._nudge, turn)
        self.ended = 0
        self.pieces: list[list[int]] = []
        self.shortfalls: dict[str, Shortfall | None] = {}
        """Those of the backfills that have ended, by product."""

    def _nudge(self) -> None:
        with self._answered:
            self._answered.notify_all()

    def until_ended(self, count: int) -> None:
        with self._answered:
            while self.ended < count:
                while self.fetcher.answers:
                    answer = self.fetcher.answers.popleft()
                    self.ended += answer.ended
                    if answer.trades:
                        self.pieces.append([each.trade_id for each in answer.trades])
                    if isinstance(answer, FetchedBackfill) and answer.ended:
                        self.shortfalls[answer.request.product_id] = answer.shortfall
                if self.ended < count:
                    assert self._answered.wait(30)


@contextmanager
def fetching(client: Client, *, patience: float = 60, turn: Callable[[], float] = lambda: 0.0) -> Generator[Answers]:
    made = Answers(client, patience, turn)
    try:
        yield made
    finally:
        made.fetcher.close()


def item(number: int, seconds: float = 0, **other: object) -> dict[str, Any]:
    time = (TIME + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return {"trade_id": number, "side": "buy", "price": "10", "size": "1", "time": time, **other}


def trade(number: int) -> RestTrade:
    return RestTrade(product_id=BTC, trade_id=number, price=Decimal(10), size=Decimal(1), time=TIME, maker_side="buy")


def page(path: str) -> list[dict[str, Any]]:
    """The trades of a market that began with the id 1, all at one time."""
    query = dict(each.split("=") for each in path.partition("?")[2].split("&"))
    newest = int(query["after"]) - 1
    return [item(number) for number in range(newest, max(0, newest - int(query["limit"])), -1)]
