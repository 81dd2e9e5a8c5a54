"""The public REST API of Advanced Trade: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from math import ceil, floor

import msgspec

from rxfeed.market import Level, Side, Time
from rxfeed.venues.coinbase_advanced.decode import microsecond_times
from rxfeed.venues.rest import (
    NumberedItem,
    RestBook,
    RestCandle,
    RestProduct,
    RestTrade,
    TradeItem,
    TradeRow,
    checked_seconds,
    decode,
    distinct,
    numbered,
    parsed,
    path,
    plain,
)

_MARKET = "/api/v3/brokerage/market"
_GRANULARITIES = {
    60: "ONE_MINUTE",
    300: "FIVE_MINUTE",
    900: "FIFTEEN_MINUTE",
    1800: "THIRTY_MINUTE",
    3600: "ONE_HOUR",
    7200: "TWO_HOUR",
    21600: "SIX_HOUR",
    86400: "ONE_DAY",
}
_SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}


class _Product(RestProduct, frozen=True, kw_only=True, rename={"id": "product_id"}):
    id: str


class _ProductTrade(TradeRow):
    product_id: str
    side: str = ""


class _Items(msgspec.Struct):
    trades: list[msgspec.Raw]


class _NumberedItem(NumberedItem):
    product_id: str


class _Numbers(msgspec.Struct):
    trades: list[_NumberedItem]


_decode_items = msgspec.json.Decoder(_Items).decode
_decode_numbers = msgspec.json.Decoder(_Numbers, strict=False).decode


class _BookLevel(msgspec.Struct):
    price: Decimal
    size: Decimal

    @property
    def level(self) -> Level:
        return self.price, self.size


class _Book(msgspec.Struct):
    bids: list[_BookLevel]
    asks: list[_BookLevel]
    time: Time | None = None


class AdvancedRest:
    """The paths and answers of Advanced Trade."""

    requests_per_second = 10.0
    most_trades = 1000
    most_candles = 350
    candle_seconds: tuple[int, ...] = tuple(_GRANULARITIES)

    def products_path(self) -> str:
        return path(f"{_MARKET}/products")

    def products(self, body: bytes) -> tuple[RestProduct, ...]:
        def read() -> tuple[RestProduct, ...]:
            found = msgspec.convert(plain(decode(body)["products"]), list[_Product], strict=False)
            return tuple(RestProduct(**msgspec.structs.asdict(each)) for each in found)

        return parsed("a list of products", read)

    def trades_path(
        self, product: str, *, older_than: RestTrade | None = None, limit: int | None = None, back_to: int = 0
    ) -> str:
        # Whole seconds: the trades of the last one may come again, so it is not known how many are needed.
        end = None if older_than is None else ceil(older_than.time.timestamp())
        return path(f"{_MARKET}/products/{{product}}/ticker", product, limit=limit or self.most_trades, end=end)

    def trades(self, product: str, body: bytes) -> tuple[RestTrade, ...]:
        def read() -> tuple[RestTrade, ...]:
            content = decode(microsecond_times(body))["trades"]
            found = msgspec.convert(plain(content), list[_ProductTrade], strict=False)
            _check_product(product, found)
            trades = tuple(each.trade(product, _SIDES.get(each.side)) for each in found)
            distinct(trades)
            return trades

        return parsed("a list of trades", read)

    def trade_items(self, product: str, body: bytes) -> tuple[TradeItem, ...]:
        def read() -> tuple[TradeItem, ...]:
            numbers = _decode_numbers(body).trades
            _check_product(product, numbers)
            return numbered(_decode_items(body).trades, numbers)

        return parsed("a list of trades", read)

    def trade(self, product: str, item: bytes) -> RestTrade:
        def read() -> RestTrade:
            each = msgspec.convert(plain(decode(microsecond_times(item))), _ProductTrade, strict=False)
            _check_product(product, (each,))
            return each.trade(product, _SIDES.get(each.side))

        return parsed("a trade", read)

    def candles_path(self, product: str, seconds: int, start: datetime, end: datetime) -> str:
        granularity = _GRANULARITIES[checked_seconds(seconds, self.candle_seconds)]
        return path(
            f"{_MARKET}/products/{{product}}/candles",
            product,
            granularity=granularity,
            start=floor(start.timestamp()),
            end=ceil(end.timestamp()),
            limit=self.most_candles,
        )

    def candles(self, body: bytes) -> tuple[RestCandle, ...]:
        def read() -> tuple[RestCandle, ...]:
            found = msgspec.convert(decode(body)["candles"], list[RestCandle], strict=False)
            return tuple(sorted(found, key=lambda candle: candle.start))

        return parsed("a list of candles", read)

    def book_path(self, product: str) -> str:
        return path(f"{_MARKET}/product_book", product_id=product)

    def book(self, body: bytes) -> RestBook:
        def read() -> RestBook:
            content = plain(decode(microsecond_times(body))["pricebook"])
            found = msgspec.convert(content, _Book, strict=False)
            bids, asks = (tuple(each.level for each in side) for side in (found.bids, found.asks))
            return RestBook(bids=bids, asks=asks, time=found.time)

        return parsed("a book", read)


def _check_product(product: str, trades: Iterable[_NumberedItem | _ProductTrade]) -> None:
    """Raise `ValueError` if one of *trades* is of another product than *product*, or its alias.

    A product quoted in USDC and that in USD are one, which has either id.
    """
    for found in {each.product_id for each in trades}:
        if found != product and _in_dollars(found) != _in_dollars(product):
            raise ValueError(f"it has trades of {found!r:.40}, and {product} was requested")


def _in_dollars(product: str) -> str:
    return f"{product.removesuffix('-USDC')}-USD" if product.endswith("-USDC") else product
