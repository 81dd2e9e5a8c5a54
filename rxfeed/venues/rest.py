"""The contract of a venue's public REST API: paths and answers, without any I/O.

A path is below the venue's `rest_url`; the query is part of it. An answer is parsed by the function of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from rxfeed.errors import ConfigError, FrameMalformed
from rxfeed.market import UNDECODED, Count, Level, Side, Time, check, check_sizes

T = TypeVar("T")
TradeItem: TypeAlias = tuple[int, bytes]
"""The id of a trade of an answer, and its bytes: most of an answer may not be needed, so these are not decoded."""
JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | Decimal | None"
"""What JSON can be, decoded."""
decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""The content of an answer, with decimal numbers."""


class RestProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product of the venue's list.

    *alias*: the id under which the feed delivers the product, if that is another one. *status*: as the venue names it.
    """

    id: str
    alias: str | None = None
    base_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    status: str = ""
    trading_disabled: bool = False

    def __post_init__(self) -> None:
        check(self.base_increment, self.quote_increment)


class RestTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A past trade; *maker_side* is the side of the order that rested, `None` where the venue does not name it."""

    product_id: str
    trade_id: Count
    price: Decimal
    size: Decimal
    time: Time
    maker_side: Side | None

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)
        _in_utc(self, "time", self.time)


class TradeRow(msgspec.Struct):
    """The fields of a trade that the answers of all venues have."""

    trade_id: Count
    price: Decimal
    size: Decimal
    time: Time

    def trade(self, product: str, maker_side: Side | None) -> RestTrade:
        return RestTrade(
            product_id=product,
            trade_id=self.trade_id,
            price=self.price,
            size=self.size,
            time=self.time,
            maker_side=maker_side,
        )


class NumberedItem(msgspec.Struct):
    """What is decoded of every trade of an answer."""

    trade_id: Count


class RestCandle(msgspec.Struct, frozen=True, kw_only=True):
    """The candle of the time from *start* on. No price is below *low* or above *high*."""

    start: Time
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def __post_init__(self) -> None:
        check(self.open, self.high, self.low, self.close)
        check_sizes(self.volume)
        for price in (self.open, self.close):
            if not self.low <= price <= self.high:
                raise ValueError(f"a candle from {self.low} to {self.high} opens or closes at {price}")
        _in_utc(self, "start", self.start)


class RestBook(msgspec.Struct, frozen=True, kw_only=True):
    """A book by price, best first on each side."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time: Time | None = None
    sequence: int | None = None

    def __post_init__(self) -> None:
        for price, size in (*self.bids, *self.asks):
            check(price)
            check_sizes(size)
        _in_utc(self, "time", self.time)


def _in_utc(struct: msgspec.Struct, name: str, time: datetime | None) -> None:
    """Convert the *time* of that *name*, which may have an offset in an answer."""
    if time is not None and time.tzinfo is not UTC:
        msgspec.structs.force_setattr(struct, name, time.astimezone(UTC))


class RestRules(Protocol):
    """The paths and answers of a venue. Parsing raises `FrameMalformed` for any other answer."""

    requests_per_second: float
    most_trades: int
    """Trades of one answer."""
    most_candles: int
    """Candles of one answer; a longer span is an error."""
    candle_seconds: tuple[int, ...]
    """The lengths of candles that the venue has."""

    def products_path(self) -> str: ...
    def products(self, body: bytes) -> tuple[RestProduct, ...]: ...
    def trades_path(
        self, product: str, *, older_than: RestTrade | None = None, limit: int | None = None, back_to: int = 0
    ) -> str:
        """The path of the newest trades, or of those before *older_than* (which may be among them).

        *back_to*: trades with a lower id are not needed.
        """
        ...

    def trades(self, product: str, body: bytes) -> tuple[RestTrade, ...]:
        """The trades of an answer, newest first."""
        ...

    def trade_items(self, product: str, body: bytes) -> tuple[TradeItem, ...]:
        """The trades of an answer about *product*, in the same order, as they are."""
        ...

    def trade(self, product: str, item: bytes) -> RestTrade:
        """One of them."""
        ...

    def candles_path(self, product: str, seconds: int, start: datetime, end: datetime) -> str:
        """The path of the candles that begin in `[start, end]`."""
        ...

    def candles(self, body: bytes) -> tuple[RestCandle, ...]:
        """The candles of an answer, oldest first."""
        ...

    def book_path(self, product: str) -> str: ...
    def book(self, body: bytes) -> RestBook: ...


def path(template: str, product: str = "", **query: object) -> str:
    """*template* with *product* in its place, and the *query*, without what is `None`.

    >>> from rxfeed.venues.rest import path
    >>> path("/products/{product}/trades", "BTC-USD", limit=100, after=None)
    '/products/BTC-USD/trades?limit=100'
    """
    given = {name: str(value) for name, value in query.items() if value is not None}
    filled = template.format(product=quote(product, safe=""))
    return f"{filled}?{urlencode(given)}" if given else filled


def numbered(items: Sequence[msgspec.Raw], numbers: Sequence[NumberedItem]) -> tuple[TradeItem, ...]:
    """The *items* of an answer with trades, each with its id; raises `ValueError` if two of an id are not equal."""
    found = tuple((number.trade_id, bytes(item)) for item, number in zip(items, numbers, strict=True))
    distinct(found)
    return found


def distinct(trades: Sequence[TradeItem | RestTrade]) -> None:
    """Raise `ValueError` if two of *trades* have one id and are not equal."""
    known: dict[int, TradeItem | RestTrade] = {}
    for each in trades:
        number = each.trade_id if isinstance(each, RestTrade) else each[0]
        if known.setdefault(number, each) != each:
            raise ValueError(f"two trades have the id {number}")


def parsed(what: str, parse: Callable[[], T]) -> T:
    """What *parse* returns; raises `FrameMalformed`, with *what* it should be, where that raises."""
    try:
        return parse()
    except (*UNDECODED, TypeError, LookupError, AttributeError) as error:  # JSON of another shape
        raise FrameMalformed(f"not {what}: {error}") from None


def checked_seconds(seconds: object, known: tuple[int, ...]) -> int:
    if not isinstance(seconds, int) or seconds not in known:  # 60.0 has another text in a path
        raise ConfigError(f"seconds: {seconds!r} is not the length of a candle: {', '.join(map(str, known))}")
    return seconds


def aliases(products: Iterable[RestProduct]) -> Mapping[str, str]:
    """By the id of each product with an alias: the id under which the feed delivers it.

    >>> from rxfeed.venues import RestProduct, aliases
    >>> aliases([RestProduct(id="BTC-USDC", alias="BTC-USD"), RestProduct(id="BTC-USD")])
    {'BTC-USDC': 'BTC-USD'}
    """
    return {each.id: each.alias for each in products if each.alias and each.alias != each.id}


def plain(value: JsonValue) -> JsonValue:
    """*value* without fields that are null or an empty text, which the venues send for what is not there."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if each is not None and each != ""}
    return [plain(each) for each in value] if isinstance(value, list) else value
