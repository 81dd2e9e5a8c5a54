"""The paths and answers of the REST APIs, of both venues."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.errors import ConfigError, FrameMalformed
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, RestProduct, RestRules, aliases

EXCHANGE: Any = COINBASE_EXCHANGE.rest
ADVANCED: Any = COINBASE_ADVANCED.rest
START, END = datetime(2026, 8, 9, 21, 0, tzinfo=UTC), datetime(2026, 8, 9, 22, 0, tzinfo=UTC)
MARKET = "/api/v3/brokerage/market"


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


def test_paths_of_exchange() -> None:
    assert EXCHANGE.products_path() == "/products"
    assert EXCHANGE.trades_path("BTC-USD") == "/products/BTC-USD/trades?limit=1000"
    (last,) = EXCHANGE.trades("BTC-USD", body([TRADE]))
    assert EXCHANGE.trades_path("A/B", older_than=last, limit=5) == "/products/A%2FB/trades?limit=5&after=7"
    assert EXCHANGE.candles_path("BTC-USD", 60, START, END) == (
        "/products/BTC-USD/candles?granularity=60&start=2026-08-09T21%3A00%3A00%2B00%3A00"
        "&end=2026-08-09T22%3A00%3A00%2B00%3A00"
    )
    assert EXCHANGE.book_path("BTC-USD") == "/products/BTC-USD/book?level=2"


def test_paths_of_advanced_trade() -> None:
    assert ADVANCED.products_path() == f"{MARKET}/products"
    assert ADVANCED.trades_path("BTC-USD") == f"{MARKET}/products/BTC-USD/ticker?limit=1000"
    (last,) = ADVANCED.trades("BTC-USD", body({"trades": [ADVANCED_TRADE]}))
    assert ADVANCED.trades_path("BTC-USD", older_than=last, limit=5) == (
        f"{MARKET}/products/BTC-USD/ticker?limit=5&end=1786309549"
    )
    assert ADVANCED.candles_path("BTC-USD", 300, START, END) == (
        f"{MARKET}/products/BTC-USD/candles?granularity=FIVE_MINUTE&start=1786309200&end=1786312800&limit=350"
    )
    assert ADVANCED.book_path("BTC-USD") == f"{MARKET}/product_book?product_id=BTC-USD"


@pytest.mark.parametrize("rest", [EXCHANGE, ADVANCED])
def test_length_that_no_candle_has_is_rejected(rest: RestRules) -> None:
    for seconds in (61, 60.0, True):
        with pytest.raises(ConfigError, match=f"{seconds} is not the length of a candle: 60, 300"):
            rest.candles_path("BTC-USD", seconds, START, END)  # pyright: ignore[reportArgumentType]


PRODUCT = {"id": "BTC-USD", "base_increment": "0.00000001", "quote_increment": "0.01", "status": "online"}


def test_products_have_increments_status_and_alias() -> None:
    (exchange,) = EXCHANGE.products(body([{**PRODUCT, "trading_disabled": False, "new": [1]}]))
    assert exchange == RestProduct(
        id="BTC-USD", base_increment=Decimal("0.00000001"), quote_increment=Decimal("0.01"), status="online"
    )
    usd = {**PRODUCT, "product_id": "BTC-USD", "alias": "", "base_increment": "", "alias_to": ["BTC-USDC"]}
    usdc = {**usd, "product_id": "BTC-USDC", "alias": "BTC-USD", "trading_disabled": True}
    found = ADVANCED.products(body({"products": [usd, usdc], "num_products": 2}))
    assert [(each.id, each.alias, each.base_increment, each.trading_disabled) for each in found] == [
        ("BTC-USD", None, None, False),
        ("BTC-USDC", "BTC-USD", None, True),
    ]
    assert aliases(found) == {"BTC-USDC": "BTC-USD"}


TRADE = {"time": "2026-08-09T21:05:48.170326Z", "trade_id": 7, "price": "10.5", "size": "1.50", "side": "sell"}
ADVANCED_TRADE = {
    "trade_id": "7",
    "product_id": "BTC-USD",
    "price": "10.5",
    "size": "1.50",
    "time": "2026-08-09T21:05:48.170326999Z",
    "side": "SELL",
    "bid": "",
    "ask": "",
}


def test_trades_have_the_side_of_the_maker() -> None:
    found = (
        *EXCHANGE.trades("BTC-USD", body([TRADE])),
        *ADVANCED.trades("BTC-USD", body({"trades": [ADVANCED_TRADE], "best_bid": "1"})),
    )
    for each in found:
        assert (each.product_id, each.trade_id, each.price, each.size, each.maker_side) == (
            "BTC-USD",
            7,
            Decimal("10.5"),
            Decimal("1.50"),
            "sell",
        )
        assert each.time == datetime(2026, 8, 9, 21, 5, 48, 170326, UTC)
    (other,) = ADVANCED.trades("BTC-USD", body({"trades": [{**ADVANCED_TRADE, "side": "UNKNOWN_ORDER_SIDE"}]}))
    assert other.maker_side is None


def test_items_of_trades_are_decoded_one_by_one() -> None:
    invalid = {**TRADE, "trade_id": 6, "price": "none"}
    for rest, items, content in (
        (EXCHANGE, [TRADE, invalid], body([TRADE, invalid])),
        (ADVANCED, [ADVANCED_TRADE, {**ADVANCED_TRADE, **invalid}], None),
    ):
        content = content or body({"trades": items, "best_bid": "1"})
        found = rest.trade_items("BTC-USD", content)
        assert [(number, json.loads(item)) for number, item in found] == [(7, items[0]), (6, items[1])]
        assert (rest.trade("BTC-USD", found[0][1]),) == rest.trades("BTC-USD", content.replace(b"none", b"1"))[:1]
        with pytest.raises(FrameMalformed, match="not a trade"):
            rest.trade("BTC-USD", found[1][1])


def test_trades_of_another_product_are_malformed() -> None:
    """Advanced Trade names the product in each trade; one that is quoted in USDC may have the id in USD."""
    content = body({"trades": [ADVANCED_TRADE, {**ADVANCED_TRADE, "product_id": "ETH-USD"}]})
    for parse in (ADVANCED.trades, ADVANCED.trade_items):
        with pytest.raises(FrameMalformed, match="it has trades of 'ETH-USD', and BTC-USD was requested"):
            parse("BTC-USD", content)
    with pytest.raises(FrameMalformed, match="not a trade: it has trades of 'BTC-USD'"):
        ADVANCED.trade("ETH-USD", body(ADVANCED_TRADE))
    own = body({"trades": [ADVANCED_TRADE]})
    for product in ("BTC-USD", "BTC-USDC"):
        assert [number for number, _ in ADVANCED.trade_items(product, own)] == [7]
        assert [each.product_id for each in ADVANCED.trades(product, own)] == [product]


@pytest.mark.parametrize("number", [-1, 2**63, 10**40, 1e300, None, "x"])
def test_answer_with_an_impossible_id_is_malformed(number: object) -> None:
    for rest, content in (
        (EXCHANGE, body([TRADE, {**TRADE, "trade_id": number}])),
        (ADVANCED, body({"trades": [ADVANCED_TRADE, {**ADVANCED_TRADE, "trade_id": number}]})),
    ):
        for parse in (rest.trades, rest.trade_items):
            with pytest.raises(FrameMalformed):
                parse("BTC-USD", content)


def test_exchange_is_asked_for_no_more_trades_than_are_missing() -> None:
    (last,) = EXCHANGE.trades("BTC-USD", body([{**TRADE, "trade_id": 5000}]))
    for back_to, limit in ((4999, 1), (4990, 10), (4000, 1000), (7, 1000), (5000, 1)):
        path = EXCHANGE.trades_path("BTC-USD", older_than=last, back_to=back_to)
        assert path == f"/products/BTC-USD/trades?limit={limit}&after=5000"


def test_candles_are_oldest_first() -> None:
    rows = [[1786309260, 1.5, 3, 2, 2.5, 9], [1786309200, 1, 2, 1, 2, 0.1]]
    named = [
        {"start": "1786309260", "low": "1.5", "high": "3", "open": "2", "close": "2.5", "volume": "9"},
        {"start": "1786309200", "low": "1", "high": "2", "open": "1", "close": "2", "volume": "0.1"},
    ]
    for found in (EXCHANGE.candles(body(rows)), ADVANCED.candles(body({"candles": named}))):
        assert [each.start.timestamp() for each in found] == [1786309200, 1786309260]
        assert (found[1].low, found[1].high, found[1].open, found[1].close, found[1].volume) == (
            Decimal("1.5"),
            3,
            2,
            Decimal("2.5"),
            9,
        )
        assert found[0].volume == Decimal("0.1")


PRICES = st.integers(-2, 3).map(Decimal)


def candles(*values: Any) -> tuple[tuple[RestRules, bytes], ...]:
    """The answers of both venues with one candle of the *values*: start, low, high, open, close, volume."""
    names = ("start", "low", "high", "open", "close", "volume")
    texts = [str(each) for each in values]
    return (
        (EXCHANGE, body([[values[0], *texts[1:]]])),
        (ADVANCED, body({"candles": [dict(zip(names, texts, strict=True))]})),
    )


@given(PRICES, PRICES, PRICES, PRICES, PRICES)
def test_prices_of_a_candle_are_from_its_low_to_its_high(
    low: Decimal, high: Decimal, opens: Decimal, closes: Decimal, volume: Decimal
) -> None:
    """Any of them may be equal, and the volume may be zero, but not below."""
    valid = low <= min(opens, closes) and max(opens, closes) <= high and volume >= 0
    for rest, content in candles(1786309200, low, high, opens, closes, volume):
        if valid:
            (found,) = rest.candles(content)
            assert (found.low, found.high, found.open, found.close) == (low, high, opens, closes)
            assert found.volume == volume
        else:
            with pytest.raises(FrameMalformed, match=r"opens or closes at|below zero"):
                rest.candles(content)


def candle_start(venue: int, time: str) -> datetime:
    rest, content = candles(time, 1, 1, 1, 1, 1)[venue]
    return rest.candles(content)[0].start


NO_LEVELS: dict[str, Any] = {"bids": [], "asks": []}
TIMES: list[Callable[[str], datetime]] = [
    lambda time: EXCHANGE.trades("BTC-USD", body([{**TRADE, "time": time}]))[0].time,
    lambda time: ADVANCED.trades("BTC-USD", body({"trades": [{**ADVANCED_TRADE, "time": time}]}))[0].time,
    lambda time: EXCHANGE.book(body({**NO_LEVELS, "time": time})).time,
    lambda time: ADVANCED.book(body({"pricebook": {**NO_LEVELS, "time": time}})).time,
    partial(candle_start, 0),
    partial(candle_start, 1),
]


@pytest.mark.parametrize("read", TIMES)
def test_times_of_answers_are_in_utc(read: Callable[[str], datetime]) -> None:
    found = read("2026-08-09T22:05:00+01:00")
    assert (found, found.tzinfo) == (datetime(2026, 8, 9, 21, 5, tzinfo=UTC), UTC)
    with pytest.raises(FrameMalformed):  # in UTC it is before the calendar
        read("0001-01-01T00:00:00+01:00")


def test_books_are_by_price() -> None:
    exchange = EXCHANGE.book(body({"bids": [["10", "1", 3]], "asks": [["11", "2", 1]], "sequence": 5, "time": None}))
    levels = {"bids": [{"price": "10", "size": "1"}], "asks": [{"price": "11", "size": "2"}]}
    advanced = ADVANCED.book(body({"pricebook": {"product_id": "BTC-USD", **levels, "time": "2026-08-09T21:05:48.1Z"}}))
    for book in (exchange, advanced):
        assert (book.bids, book.asks) == (((10, 1),), ((11, 2),))
    assert (exchange.sequence, advanced.sequence) == (5, None)


NOTHING: list[Any] = [{}, "", None, False, 0]
OTHER = [
    b"",
    b"{",
    b"[1]",
    b'{"products":[1],"trades":[{}],"candles":[[1]]}',
    b'"x"',
    *map(body, NOTHING),
    *(body(dict.fromkeys(("products", "trades", "candles", "pricebook", "bids", "asks"), each)) for each in NOTHING),
    *(body({"pricebook": {"bids": each, "asks": each}}) for each in NOTHING),
    body({"pricebook": {"bids": []}, "bids": []}),
]
"""What is no list, nor a book. It must not count as an empty one either."""


@pytest.mark.parametrize("rest", [EXCHANGE, ADVANCED])
@pytest.mark.parametrize("content", OTHER)
def test_other_answers_are_malformed(rest: RestRules, content: bytes) -> None:
    trades = (lambda body: rest.trades("BTC-USD", body), lambda body: rest.trade_items("BTC-USD", body))
    for parse in (rest.products, *trades, rest.candles, rest.book):
        with pytest.raises(FrameMalformed, match=r"not a (list of|book)"):
            parse(content)
