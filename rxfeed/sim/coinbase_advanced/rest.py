"""The public REST requests of Advanced Trade."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus
from itertools import islice

from rxfeed.core.matching import MICROSECONDS, SIZE_UNIT, MatchingEngine, size_text
from rxfeed.sim.coinbase_advanced.products import alias_of, rest_product
from rxfeed.sim.coinbase_advanced.texts import plain, trimmed, trimmed_time
from rxfeed.sim.frames import Json
from rxfeed.sim.history import PastTrade, TradedSpan
from rxfeed.sim.rest_arguments import BadArgument, levels, seconds, whole
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import RestAnswer, RestRequest

ROOT = "/api/v3/brokerage/"
MOST_CANDLES = 350
MOST_TRADES = 1_000
GRANULARITIES = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1_800,
    "ONE_HOUR": 3_600,
    "TWO_HOUR": 7_200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}
TOO_MANY_CANDLES = (
    f"start and end argument is invalid - number of candles requested should be less than {MOST_CANDLES} "
)


class SimulatedAdvancedRest:
    """Answers from the market and its history; *products* are those that clients may name: the list may change."""

    def __init__(self, simulation: Simulation, products: Sequence[str]) -> None:
        self._market = simulation.market
        self._history = simulation.history
        self._named = products

    @property
    def _products(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._market.engines, *self._named)))

    def answer(self, request: RestRequest) -> RestAnswer:
        """The answer to a request."""
        if not request.path.startswith(ROOT):
            return _failed(HTTPStatus.NOT_FOUND, "NOT_FOUND", "route not found")
        try:
            match request.path.removeprefix(ROOT).split("/"):
                case ["time"]:
                    return _good(self._time())
                case ["market", "products"]:
                    return self._catalogue(request)
                case ["market", "product_book"]:
                    return self._book(request)
                case ["market", "products", name, *rest]:
                    return self._product(name, rest, request)
        except BadArgument as bad:
            return _failed(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", f"{bad} argument is invalid")
        return _failed(HTTPStatus.NOT_FOUND, "NOT_FOUND", "route not found")

    def _engine(self, name: str) -> MatchingEngine | None:
        return self._market.engines[alias_of(name) or name] if name in self._products else None

    def _product(self, name: str, rest: list[str], request: RestRequest) -> RestAnswer:
        engine = self._engine(name)
        if engine is None:
            return _failed(HTTPStatus.NOT_FOUND, "NOT_FOUND", "valid product_id is required")
        match rest:
            case []:
                return _good(self._described(name))
            case ["ticker"]:
                return self._trades(engine, request)
            case ["candles"]:
                return self._candles(engine, request)
        return _failed(HTTPStatus.NOT_FOUND, "NOT_FOUND", "route not found")

    def _time(self) -> dict[str, str]:
        micros = self._market.shown_micros
        return {
            "iso": f"{self._market.clock()[:19]}Z",
            "epochSeconds": str(micros // MICROSECONDS),
            "epochMillis": str(micros // 1_000),
        }

    def _catalogue(self, request: RestRequest) -> RestAnswer:
        offset = whole(request.query, "offset", 0) or 0
        limit = whole(request.query, "limit")
        names = self._products
        if wanted := request.query.get("product_ids"):
            names = tuple(name for name in names if name in wanted.split(","))
        page = names[offset:] if limit is None else names[offset : offset + limit]
        return _good({"products": [self._described(name) for name in page], "num_products": len(names)})

    def _described(self, name: str) -> dict[str, object]:
        engine = self._engine(name)
        assert engine is not None
        aliases = [each for each in self._products if alias_of(each) == name]
        day = self._market.shown_micros // MICROSECONDS - 86_400
        candles = self._history.of[engine.product.product_id].candles(3_600, day)
        volume = Decimal(sum(candle.volume for candle in candles)) / SIZE_UNIT
        delisted = engine.product.product_id in self._market.delisted
        return rest_product(name, engine, volume, aliases, delisted=delisted)

    def _trades(self, engine: MatchingEngine, request: RestRequest) -> RestAnswer:
        """Trades from `start` to `end`, newest first."""
        limit = whole(request.query, "limit")
        if limit is None or not 1 <= limit <= MOST_TRADES:
            return _failed(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", "limit argument is invalid")
        start, end = seconds(request.query, "start"), seconds(request.query, "end")
        trades = self._history.of[engine.product.product_id].newest_first()
        found = (
            trade
            for trade in trades
            if (start is None or trade.micros >= start * MICROSECONDS)
            and (end is None or trade.micros <= end * MICROSECONDS)
        )
        (bid, *_), (ask, *_) = (side or [("", "")] for side in levels(engine, 1))
        return _good(
            {
                "trades": [_trade(engine.product.product_id, trade) for trade in islice(found, limit)],
                "best_bid": trimmed(bid[0]),
                "best_ask": trimmed(ask[0]),
            }
        )

    def _candles(self, engine: MatchingEngine, request: RestRequest) -> RestAnswer:
        start, end = seconds(request.query, "start"), seconds(request.query, "end")
        width = GRANULARITIES.get(request.query.get("granularity", ""))
        for name, value in (("start", start), ("end", end), ("granularity", width)):
            if value is None:
                raise BadArgument(name)
        assert start is not None
        assert end is not None
        assert width is not None
        limit = whole(request.query, "limit", MOST_CANDLES) or MOST_CANDLES
        if (end - start) // width > MOST_CANDLES or limit > MOST_CANDLES:
            return _failed(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", TOO_MANY_CANDLES)
        candles = self._history.of[engine.product.product_id].candles(width, start, end)[-limit:]
        return _good({"candles": [_candle(engine, candle) for candle in reversed(candles)]})

    def _book(self, request: RestRequest) -> RestAnswer:
        name = request.query.get("product_id", "")
        engine = self._engine(name)
        if engine is None:
            return _failed(HTTPStatus.NOT_FOUND, "NOT_FOUND", "valid product_id is required")
        bids, asks = levels(engine, whole(request.query, "limit"))
        bid, ask = (Decimal(side[0][0]) if side else Decimal(0) for side in (bids, asks))
        middle = (bid + ask) / 2
        spread = ask - bid
        last = engine.last_match
        assert last is not None
        pricebook = {
            "product_id": engine.product.product_id,
            "bids": [{"price": trimmed(price), "size": trimmed(size)} for price, size in bids],
            "asks": [{"price": trimmed(price), "size": trimmed(size)} for price, size in asks],
            "time": trimmed_time(self._market.clock()),
        }
        return _good(
            {
                "pricebook": pricebook,
                "last": trimmed(last.price),
                "mid_market": plain(middle),
                "spread_bps": plain(round(10_000 * spread / middle, 8)) if middle else "0",
                "spread_absolute": plain(spread),
            }
        )


def _good(content: Json) -> RestAnswer:
    return RestAnswer(HTTPStatus.OK, content)


def _failed(status: HTTPStatus, error: str, message: str) -> RestAnswer:
    return RestAnswer(status, {"error": error, "error_details": message, "message": message})


def _trade(product_id: str, trade: PastTrade) -> dict[str, str]:
    return {
        "trade_id": str(trade.trade_id),
        "product_id": product_id,
        "price": trimmed(trade.price),
        "size": trimmed(trade.size),
        "time": trimmed_time(trade.time),
        "side": trade.side.upper(),
        "exchange": "coinbase",
    }


def _candle(engine: MatchingEngine, candle: TradedSpan) -> dict[str, str]:
    price_text = engine.product.price_text
    return {
        "start": str(candle.start),
        "low": trimmed(price_text(candle.low)),
        "high": trimmed(price_text(candle.high)),
        "open": trimmed(price_text(candle.open)),
        "close": trimmed(price_text(candle.close)),
        "volume": trimmed(size_text(candle.volume)),
    }
