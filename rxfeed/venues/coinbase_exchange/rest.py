"""The public REST API of Coinbase Exchange: https://docs.cdp.coinbase.com/exchange/reference."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from rxfeed.market import Side, Time
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


class _MakerTrade(TradeRow):
    side: Side  # the maker's


class _BookLevel(msgspec.Struct, array_like=True):
    """A level is an array: price, size, and the number of orders."""

    price: Decimal
    size: Decimal


class _Book(msgspec.Struct):
    bids: list[_BookLevel]
    asks: list[_BookLevel]
    time: Time | None = None
    sequence: int | None = None


_decode_trades = msgspec.json.Decoder(list[_MakerTrade]).decode
_decode_trade = msgspec.json.Decoder(_MakerTrade).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_numbers = msgspec.json.Decoder(list[NumberedItem], strict=False).decode
_decode_rows = msgspec.json.Decoder(list[list[Any]], float_hook=Decimal).decode
_decode_book = msgspec.json.Decoder(_Book).decode


class ExchangeRest:
    """The paths and answers of Exchange."""

    requests_per_second = 10.0
    most_trades = 1000
    most_candles = 300
    candle_seconds: tuple[int, ...] = (60, 300, 900, 3600, 21600, 86400)

    def products_path(self) -> str:
        return path("/products")

    def products(self, body: bytes) -> tuple[RestProduct, ...]:
        return parsed("a list of products", lambda: msgspec.convert(plain(decode(body)), tuple[RestProduct, ...]))

    def trades_path(
        self, product: str, *, older_than: RestTrade | None = None, limit: int | None = None, back_to: int = 0
    ) -> str:
        after = None if older_than is None else older_than.trade_id
        if after is not None and limit is None:
            limit = max(1, min(self.most_trades, after - back_to))
        return path("/products/{product}/trades", product, limit=limit or self.most_trades, after=after)

    def trades(self, product: str, body: bytes) -> tuple[RestTrade, ...]:
        def read() -> tuple[RestTrade, ...]:
            found = tuple(each.trade(product, each.side) for each in _decode_trades(body))
            distinct(found)
            return found

        return parsed("a list of trades", read)

    def trade_items(self, product: str, body: bytes) -> tuple[TradeItem, ...]:
        return parsed("a list of trades", lambda: numbered(_decode_items(body), _decode_numbers(body)))

    def trade(self, product: str, item: bytes) -> RestTrade:
        def read() -> RestTrade:
            each = _decode_trade(item)
            return each.trade(product, each.side)

        return parsed("a trade", read)

    def candles_path(self, product: str, seconds: int, start: datetime, end: datetime) -> str:
        granularity = checked_seconds(seconds, self.candle_seconds)
        first, last = (each.astimezone(UTC).isoformat() for each in (start, end))
        return path("/products/{product}/candles", product, granularity=granularity, start=first, end=last)

    def candles(self, body: bytes) -> tuple[RestCandle, ...]:
        def read() -> tuple[RestCandle, ...]:
            return tuple(sorted(map(_candle, _decode_rows(body)), key=lambda candle: candle.start))

        return parsed("a list of candles", read)

    def book_path(self, product: str) -> str:
        return path("/products/{product}/book", product, level=2)

    def book(self, body: bytes) -> RestBook:
        def read() -> RestBook:
            found = _decode_book(body)
            bids, asks = (tuple((each.price, each.size) for each in side) for side in (found.bids, found.asks))
            return RestBook(bids=bids, asks=asks, time=found.time, sequence=found.sequence)

        return parsed("a book", read)


def _candle(row: list[Any]) -> RestCandle:
    """A candle is an array: time, low, high, open, close, volume."""
    if len(row) != 6:
        raise ValueError(f"a candle has six values: {row!r:.80}")
    names = ("start", "low", "high", "open", "close", "volume")
    return msgspec.convert(dict(zip(names, row, strict=True)), RestCandle, strict=False)
