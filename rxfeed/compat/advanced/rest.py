"""The classic's REST calls on Advanced Trade: the same paths and shapes, from other requests.

Rules:
- A call that Advanced Trade has no data for raises `ConfigError`, with what to use in its place.
- Times in parameters are as for the classic: ISO 8601, or Unix seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce

from rxfeed.compat.advanced.texts import price_text, size_text, time_text
from rxfeed.compat.types import Content, Json
from rxfeed.errors import ConfigError
from rxfeed.venues import COINBASE_ADVANCED, RestCandle, RestRules, RestTrade

Get = Callable[[str], bytes]
"""Requests a path with its query and returns the body; raises `RequestRejected`."""

_MARKET = "/api/v3/brokerage/market"
_TIME = "/api/v3/brokerage/time"
_PATH = re.compile(r"/products/([^/]+)/(book|ticker|trades|candles|stats)")
_PAGE = 100
_HOUR, _DAY = 3_600, 86_400
_SPAN = 300  # candles of a call without start and end, as Exchange gives
_NO_ORDERS = (
    "get_product_order_book: level=3: Advanced Trade has no single orders: use level=2, "
    "or PublicClient(venue='coinbase_exchange')"
)
_NO_CURRENCIES = (
    "get_currencies: Advanced Trade has no public list of currencies: use get_products, "
    "or PublicClient(venue='coinbase_exchange')"
)


class AdvancedCalls:
    """Answers the classic's calls with *get*."""

    def __init__(self, get: Get) -> None:
        self._get = get
        rules = COINBASE_ADVANCED.rest
        assert rules is not None
        self._rules: RestRules = rules

    def answer(self, endpoint: str, params: Mapping[str, object]) -> Json:
        """The classic's answer to a GET request of *endpoint*."""
        if endpoint == "/products":
            return [_product(each) for each in self._json(self._rules.products_path())["products"]]
        if endpoint == "/currencies":
            raise ConfigError(_NO_CURRENCIES)
        if endpoint == "/time":
            now = self._json(_TIME)
            return {"iso": now["iso"], "epoch": int(now["epochMillis"]) / 1000}
        found = _PATH.fullmatch(endpoint)
        if found is None:
            raise ConfigError(f"GET {endpoint}: Advanced Trade has no such call")
        product, what = found.groups()
        match what:
            case "book":
                return self._book(product, params)
            case "ticker":
                return self._ticker(product)
            case "trades":
                return list(next(self._pages(product, None), []))
            case "candles":
                return self._candles(product, params)
            case _:
                return self._stats(product)

    def trades(self, endpoint: str, params: Mapping[str, object]) -> Iterator[Json]:
        """The trades, newest first, with a request for each page."""
        found = _PATH.fullmatch(endpoint)
        if found is None or found[2] != "trades":
            raise ConfigError(f"GET {endpoint}: Advanced Trade has no such pages")
        before, after = _id(params.get("before")), _id(params.get("after"))
        for page in self._pages(found[1], before):
            for trade in page:
                if before is not None and trade["trade_id"] <= before:
                    return
                if after is None or trade["trade_id"] < after:
                    yield trade
            if before is not None:
                return

    # ---- calls

    def _pages(self, product: str, before: int | None) -> Iterator[list[Content]]:
        """Pages of trades; one page of the most trades for those after *before*."""
        limit = _PAGE if before is None else self._rules.most_trades
        oldest: RestTrade | None = None
        while True:
            page = self._rules.trades(
                product, self._get(self._rules.trades_path(product, older_than=oldest, limit=limit))
            )
            # The trades of the last second of a page come again with the next one.
            fresh = [each for each in page if oldest is None or each.trade_id < oldest.trade_id]
            if not fresh:
                if len(page) < limit or limit >= self._rules.most_trades:
                    return
                limit = self._rules.most_trades  # more trades in one second than a page has
                continue
            oldest = fresh[-1]
            yield [_trade(each) for each in fresh]

    def _newest(self, product: str) -> RestTrade | None:
        trades = self._rules.trades(product, self._get(self._rules.trades_path(product, limit=1)))
        return trades[0] if trades else None

    def _book(self, product: str, params: Mapping[str, object]) -> Content:
        level = str(params.get("level", 1))
        if level == "3":
            raise ConfigError(_NO_ORDERS)
        book = self._rules.book(self._get(self._rules.book_path(product)))
        count = 1 if level == "1" else None
        bids, asks = ([[price_text(p), size_text(s), 1] for p, s in side[:count]] for side in (book.bids, book.asks))
        newest = self._newest(product)
        return {
            "bids": bids,
            "asks": asks,
            "sequence": 0 if newest is None else newest.trade_id,
            "auction_mode": False,
            "auction": None,
            "time": time_text(book.time),
        }

    def _ticker(self, product: str) -> Content:
        answer = self._json(self._rules.trades_path(product, limit=1))
        newest = answer["trades"][0] if answer["trades"] else {}
        about = self._json(f"{_MARKET}/products/{product}")
        moment = str(newest.get("time", ""))
        return {
            "trade_id": int(newest.get("trade_id", 0)),
            "price": newest.get("price", "0"),
            "size": size_text(Decimal(newest.get("size", "0"))),
            "time": time_text(datetime.fromisoformat(moment)) if moment else "",
            "bid": answer.get("best_bid") or "0",
            "ask": answer.get("best_ask") or "0",
            "volume": about.get("volume_24h") or "0",
        }

    def _candles(self, product: str, params: Mapping[str, object]) -> list[list[float]]:
        seconds = int(str(params.get("granularity") or 60))
        end = _moment(params.get("end")) or datetime.fromtimestamp(self._now(), UTC)
        start = _moment(params.get("start")) or datetime.fromtimestamp(end.timestamp() - _SPAN * seconds, UTC)
        return [_candle(each) for each in reversed(self._between(product, seconds, start, end))]

    def _stats(self, product: str) -> Content:
        now = self._now()
        spans = ((_HOUR, _DAY), (_DAY, 30 * _DAY))
        hours, days = (
            self._between(product, width, datetime.fromtimestamp(now - span, UTC), datetime.fromtimestamp(now, UTC))
            for width, span in spans
        )
        if not hours:
            return dict.fromkeys(("open", "high", "low", "last", "volume", "volume_30day"), "0")
        return {
            "open": price_text(hours[0].open),
            "high": price_text(max(each.high for each in hours)),
            "low": price_text(min(each.low for each in hours)),
            "last": price_text(hours[-1].close),
            "volume": size_text(_volume(hours)),
            "volume_30day": size_text(_volume(days)),
        }

    def _between(self, product: str, seconds: int, start: datetime, end: datetime) -> tuple[RestCandle, ...]:
        return self._rules.candles(self._get(self._rules.candles_path(product, seconds, start, end)))

    def _now(self) -> float:
        """The server's Unix time."""
        return int(self._json(_TIME)["epochMillis"]) / 1000

    def _json(self, path: str) -> Json:
        return json.loads(self._get(path))


def _volume(candles: tuple[RestCandle, ...]) -> Decimal:
    return reduce(lambda total, each: total + each.volume, candles, Decimal(0))


def _product(given: Content) -> Content:
    return {
        "id": given["product_id"],
        "base_currency": given.get("base_currency_id"),
        "quote_currency": given.get("quote_currency_id"),
        "quote_increment": given.get("quote_increment"),
        "base_increment": given.get("base_increment"),
        "base_min_size": given.get("base_min_size"),
        "base_max_size": given.get("base_max_size"),
        "display_name": given.get("display_name"),
        "min_market_funds": given.get("quote_min_size"),
        "margin_enabled": False,
        "post_only": bool(given.get("post_only")),
        "limit_only": bool(given.get("limit_only")),
        "cancel_only": bool(given.get("cancel_only")),
        "status": given.get("status"),
        "status_message": "",
        "trading_disabled": bool(given.get("trading_disabled")),
        "fx_stablecoin": False,
        "auction_mode": bool(given.get("auction_mode")),
    }


def _trade(trade: RestTrade) -> Content:
    return {
        "trade_id": trade.trade_id,
        "side": trade.maker_side,
        "size": size_text(trade.size),
        "price": price_text(trade.price),
        "time": time_text(trade.time),
    }


def _candle(candle: RestCandle) -> list[float]:
    prices = (candle.low, candle.high, candle.open, candle.close, candle.volume)
    return [int(candle.start.timestamp()), *map(float, prices)]


def _id(given: object) -> int | None:
    return None if given in (None, "") else int(str(given))


def _moment(given: object) -> datetime | None:
    if given in (None, ""):
        return None
    if isinstance(given, datetime):
        found = given
    else:
        text = str(given)
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"start, end: {text!r} is no time of ISO 8601") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
