"""The public REST requests of Coinbase Exchange."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from http import HTTPStatus
from itertools import islice, takewhile

from rxfeed.core.matching import MICROSECONDS, SIDES, SIZE_UNIT, Product, RestingOrders, size_text
from rxfeed.sim.coinbase_exchange.status import currencies, state
from rxfeed.sim.history import PastTrade, ProductHistory, TradedSpan
from rxfeed.sim.rest_arguments import BadArgument, seconds, whole
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import NOT_FOUND, RestAnswer, RestRequest

MOST_TRADES = 1_000
MOST_CANDLES = 300
DAY = 86_400
GRANULARITIES = (60, 300, 900, 3_600, 21_600, 86_400)


class SimulatedExchangeRest:
    """Answers from the market and its history."""

    def __init__(self, simulation: Simulation) -> None:
        self._market = simulation.market
        self._history = simulation.history

    def answer(self, request: RestRequest) -> RestAnswer:
        """The answer to a request."""
        engines = self._market.engines
        match request.path.split("/"):
            case ["", "time"]:
                return RestAnswer(HTTPStatus.OK, self._time())
            case ["", "currencies"]:
                return RestAnswer(HTTPStatus.OK, currencies(engine.product for engine in engines.values()))
            case ["", "products"]:
                return RestAnswer(HTTPStatus.OK, [self._product(each) for each in engines])
            case ["", "products", name] if name in engines:
                return RestAnswer(HTTPStatus.OK, self._product(name))
            case ["", "products", name, what] if name in engines:
                answers: dict[str, Callable[[str, RestRequest], RestAnswer]] = {
                    "book": self._book,
                    "trades": self._trades,
                    "candles": self._candles,
                    "ticker": self._ticker,
                    "stats": self._stats,
                }
                try:
                    return answers[what](name, request) if what in answers else NOT_FOUND
                except BadArgument as bad:
                    return _invalid(f"Invalid {bad}")
        return NOT_FOUND

    def _product(self, name: str) -> dict[str, object]:
        product = self._market.engines[name].product
        return _product(product, state(product, self._market.delisted))

    def _time(self) -> dict[str, object]:
        return {"iso": self._market.clock(), "epoch": self._market.shown_micros / MICROSECONDS}

    def _book(self, name: str, request: RestRequest) -> RestAnswer:
        level = request.query.get("level", "1")
        if level not in ("1", "2", "3"):
            return _invalid("Invalid level")
        engine = self._market.engines[name]
        bids, asks = (_entries(engine.product, engine.sides[side], int(level)) for side in SIDES)
        book = {
            "bids": bids,
            "asks": asks,
            "sequence": engine.sequence,
            "auction_mode": False,
            "auction": None,
            "time": self._market.clock(),
        }
        return RestAnswer(HTTPStatus.OK, book)

    def _trades(self, name: str, request: RestRequest) -> RestAnswer:
        """A page of trades, newest first: with ids less than `after`, and greater than `before`."""
        limit = whole(request.query, "limit", MOST_TRADES) or MOST_TRADES
        after, before = whole(request.query, "after"), whole(request.query, "before")
        if not 1 <= limit <= MOST_TRADES:
            return _invalid("Invalid limit")
        trades = self._history.of[name].newest_first(after)
        if before is not None:
            floor = before
            trades = takewhile(lambda trade: trade.trade_id > floor, trades)
        page = list(islice(trades, limit))
        cursors = {"CB-BEFORE": str(page[0].trade_id), "CB-AFTER": str(page[-1].trade_id)} if page else {}
        return RestAnswer(HTTPStatus.OK, [_trade(trade) for trade in page], cursors)

    def _candles(self, name: str, request: RestRequest) -> RestAnswer:
        granularity = whole(request.query, "granularity", 60)
        if granularity not in GRANULARITIES:
            return _invalid("Unsupported granularity")
        start, end = seconds(request.query, "start"), seconds(request.query, "end")
        if (start is None) != (end is None):
            return _invalid("start and end are needed together")
        if start is not None and end is not None and (end - start) // granularity > MOST_CANDLES:
            return _invalid(
                "granularity too small for the requested time range. "
                f"Count of aggregations requested exceeds {MOST_CANDLES}"
            )
        history: ProductHistory = self._history.of[name]
        candles = history.candles(granularity, start, end)[-MOST_CANDLES:]
        return RestAnswer(HTTPStatus.OK, [_candle(history.product, candle) for candle in reversed(candles)])

    def _ticker(self, name: str, request: RestRequest) -> RestAnswer:
        engine = self._market.engines[name]
        last = engine.last_match
        assert last is not None
        bid, ask = (_entries(engine.product, engine.sides[side], 1) for side in SIDES)
        ticker = {
            "trade_id": last.trade_id,
            "price": last.price,
            "size": last.size,
            "time": last.time,
            "bid": bid[0][0] if bid else "0",
            "ask": ask[0][0] if ask else "0",
            "volume": size_text(self._day(name).volume),
        }
        return RestAnswer(HTTPStatus.OK, ticker)

    def _stats(self, name: str, request: RestRequest) -> RestAnswer:
        history: ProductHistory = self._history.of[name]
        product, day, now = history.product, self._day(name), self._market.shown_micros // MICROSECONDS
        month = history.candles(3_600, now - 30 * DAY, now)
        stats = {
            "open": product.price_text(day.open),
            "high": product.price_text(day.high),
            "low": product.price_text(day.low),
            "last": product.price_text(day.close),
            "volume": size_text(day.volume),
            "volume_30day": size_text(sum(candle.volume for candle in month)),
        }
        return RestAnswer(HTTPStatus.OK, stats)

    def _day(self, name: str) -> TradedSpan:
        """The trades of the last 24 hours, as one candle."""
        now = self._market.shown_micros // MICROSECONDS
        return reduce(TradedSpan.then, self._history.of[name].candles(3_600, now - DAY, now))


def _invalid(message: str) -> RestAnswer:
    return RestAnswer(HTTPStatus.BAD_REQUEST, {"message": message})


def _trade(trade: PastTrade) -> dict[str, object]:
    return {
        "trade_id": trade.trade_id,
        "side": trade.side,
        "size": trade.size,
        "price": trade.price,
        "time": trade.time,
    }


def _candle(product: Product, candle: TradedSpan) -> list[float]:
    """Time, low, high, open, close, volume, as JSON numbers."""
    prices = [price / 10**product.decimals for price in (candle.low, candle.high, candle.open, candle.close)]
    return [candle.start, *prices, candle.volume / SIZE_UNIT]


def _product(product: Product, state: str) -> dict[str, object]:
    return {
        "id": product.product_id,
        "base_currency": product.base,
        "quote_currency": product.quote,
        "quote_increment": product.quote_increment,
        "base_increment": size_text(1),
        "display_name": f"{product.base}-{product.quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": state,
        "status_message": "",
        "trading_disabled": state != "online",
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def _entries(product: Product, side: RestingOrders, level: int) -> list[tuple[str, str, str | int]]:
    """(price, size, number of orders) of the best price or of all, or (price, size, order id) of every order."""
    if level == 3:
        return [(product.price_text(each.price), size_text(each.size), each.order_id) for each in side.orders()]
    lengths: dict[int, int] = {}
    for each in side.orders():
        lengths[each.price] = lengths.get(each.price, 0) + 1
    levels = islice(side, 1) if level == 1 else iter(side)
    return [(product.price_text(price), size_text(size), lengths[price]) for price, size in levels]
