"""Past trades from answers that lead nowhere: the requests end, and nothing is taken as lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from rxfeed.audit.fetching import PastTrades
from rxfeed.errors import FrameMalformed
from rxfeed.transport import HttpClient, Response
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, Venue

BTC = "BTC-USD"
AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
NS = int(AT.timestamp()) * 10**9


class _Client:
    """Each of its answers is one trade, with the id and time that *each* makes of the number of the request."""

    def __init__(self, venue: Venue, each: Callable[[int], tuple[int, datetime]]) -> None:
        self.requests = 0
        self._venue, self._each = venue, each

    def get(self, path: str) -> Response:
        self.requests += 1
        number, at = self._each(self.requests)
        item: dict[str, Any] = {"trade_id": number, "price": "1", "size": "1", "time": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"}
        whole: object = [{**item, "side": "buy"}]
        if self._venue is COINBASE_ADVANCED:
            whole = {"trades": [{**item, "trade_id": str(number), "side": "", "product_id": BTC}]}
        return Response(200, {}, json.dumps(whole).encode())

    def close(self) -> None: ...


def fetching(venue: Venue, each: Callable[[int], tuple[int, datetime]]) -> tuple[PastTrades, _Client]:
    client = _Client(venue, each)
    trades = PastTrades(venue, "http://127.0.0.1:1")
    trades.close()
    trades._client = cast(HttpClient, client)
    return trades, client


@pytest.mark.parametrize("venue", [COINBASE_EXCHANGE, COINBASE_ADVANCED])
def test_pages_that_never_reach_the_gap_are_an_error(venue: Venue) -> None:
    trades, client = fetching(venue, lambda request: (10**15 - request, AT - timedelta(seconds=request)))
    with pytest.raises(FrameMalformed, match="101 pages of trades of BTC-USD have none of 7 to 9"):
        trades.fetch(BTC, 7, 9, NS)
    assert client.requests == 101


@pytest.mark.parametrize("venue", [COINBASE_EXCHANGE, COINBASE_ADVANCED])
@pytest.mark.parametrize("number", [8, 10])
def test_pages_with_the_same_trade_end(venue: Venue, number: int) -> None:
    trades, client = fetching(venue, lambda request: (number, AT - timedelta(seconds=request)))
    found = trades.fetch(BTC, 7, 9, NS)
    assert [*found] == ([8] if number == 8 and venue is COINBASE_EXCHANGE else [])  # the other one has no side
    assert client.requests <= 6  # of two readings


@pytest.mark.parametrize("venue", [COINBASE_EXCHANGE, COINBASE_ADVANCED])
def test_pages_with_a_later_trade_alone_are_an_error(venue: Venue) -> None:
    trades, client = fetching(venue, lambda request: (10**15, AT - timedelta(seconds=request)))
    with pytest.raises(FrameMalformed, match=r"no trade of BTC-USD before 10+, and 10+: check rest_url"):
        trades.fetch(BTC, 7, 9, NS)
    assert client.requests <= 3


def test_lost_trades_were_requested_twice() -> None:
    """Also long after: an answer may be incomplete by a mistake."""
    trades, client = fetching(COINBASE_EXCHANGE, lambda request: (8 if request < 3 else 7, AT))
    assert [*trades.fetch(BTC, 7, 8, NS)] == [8, 7]
    assert client.requests == 3
