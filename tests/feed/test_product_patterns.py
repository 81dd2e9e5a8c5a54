"""Products by patterns: what the venue lists is subscribed to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from rxfeed import ConfigError, Feed
from rxfeed.feed import ProductDelisted, ProductListed, SteppedFeed
from rxfeed.feed.product_patterns import ProductPatterns
from rxfeed.market import Message, Trade
from rxfeed.sim import Exchange, faults
from rxfeed.venues import RestProduct
from tests.support.collect import Collected
from tests.support.connections import VENUES, until
from tests.support.leaks import nothing_left_behind
from tests.support.scenes import FAST, of

PRODUCTS = ["BTC-USD", "ETH-USD", "ETH-BTC", "SOL-EUR"]


def listed(*products: str, **fields: Any) -> tuple[RestProduct, ...]:
    return tuple(RestProduct(id=each, base_increment=Decimal(1), **fields) for each in products)


class Lists:
    """A client of a list that the test sets, and what a `ProductPatterns` made of it."""

    def __init__(self, *patterns: str, products: tuple[RestProduct, ...] = (), every: float = 3600) -> None:
        self.found = products
        self.requests = 0
        self.subscribed: dict[str, list[str]] = {}
        self.events: list[tuple[list[str], list[str]]] = []
        self.patterns = ProductPatterns(lambda: self, every, self._change, lambda seconds: seconds)  # pyright: ignore
        for each in patterns:
            self.patterns.add([each], ["matches"])

    def products(self) -> tuple[RestProduct, ...]:
        self.requests += 1
        return self.found

    def close(self) -> None:
        pass

    def _change(self, requests: Any, listed: list[str], delisted: list[str]) -> None:
        self.subscribed = {}
        for products, channels in requests:
            for channel in channels:
                self.subscribed.setdefault(channel, []).extend(products)
        if listed or delisted:
            self.events.append((listed, delisted))

    def read(self) -> None:
        self.patterns._known = self.patterns._listed()  # pyright: ignore[reportPrivateUsage]
        self.patterns._apply()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*-USD", ["BTC-USD", "ETH-USD"]),
        ("*", PRODUCTS),
        ("ETH-*", ["ETH-USD", "ETH-BTC"]),
        ("*ETH*", ["ETH-USD", "ETH-BTC"]),
        ("???-USD*", []),
        ("[E]TH-USD*", []),
    ],
)
def test_pattern_matches_products(pattern: str, expected: list[str]) -> None:
    lists = Lists(pattern, products=listed(*PRODUCTS))
    lists.read()
    assert lists.subscribed.get("matches", []) == expected


def test_products_that_cannot_be_traded_do_not_match() -> None:
    found = listed("BTC-USD") + listed("OLD-USD", status="delisted") + listed("OFF-USD", trading_disabled=True)
    lists = Lists("*-USD", products=found)
    lists.read()
    assert lists.subscribed == {"matches": ["BTC-USD"]}


def test_product_that_is_delivered_as_another_match_is_left_out() -> None:
    found = listed("BTC-USD") + listed("BTC-USDC", alias="BTC-USD") + listed("DOT-USDC", alias="DOT-USD")
    lists = Lists("*", products=found)
    lists.read()
    assert lists.subscribed == {"matches": ["BTC-USD", "DOT-USDC"]}


def test_changes_of_the_list_are_subscribed_and_reported() -> None:
    lists = Lists("*-USD", products=listed("BTC-USD", "ETH-USD", "SOL-EUR"))
    lists.read()
    lists.events.clear()
    lists.found = listed("ETH-USD", "NEW-USD", "NEW-EUR")
    lists.read()
    assert lists.subscribed == {"matches": ["ETH-USD", "NEW-USD"]}
    assert lists.events == [(["NEW-USD"], ["BTC-USD"])]


def test_list_without_a_match_removes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    lists = Lists("*-USD", products=listed("BTC-USD"))
    lists.read()
    lists.found = ()
    lists.read()
    assert lists.subscribed == {"matches": ["BTC-USD"]}
    assert "matches '*-USD', so the list is not used" in caplog.text


def test_removed_pattern_is_no_delisting() -> None:
    lists = Lists("*-USD", "*-EUR", products=listed("BTC-USD", "SOL-EUR"))
    lists.read()
    lists.events.clear()
    lists.patterns.remove(["*-EUR"], ["matches"])
    lists.read()
    assert lists.subscribed == {"matches": ["BTC-USD"]}
    assert lists.events == []


def test_status_names_products() -> None:
    class State:
        def __init__(self, product: str, status: str) -> None:
            self.id, self.status = product, status

    class StatusMessage:
        products = (State("BTC-USD", "delisted"), State("NEW-USD", "online"))

    lists = Lists("*-USD", products=listed("BTC-USD", "ETH-USD"))
    lists.read()
    lists.events.clear()
    lists.patterns.status(StatusMessage())  # pyright: ignore[reportArgumentType]
    lists.patterns.start()
    until(lambda: lists.events)
    lists.patterns.close()
    lists.patterns.join()
    assert lists.subscribed == {"matches": ["ETH-USD", "NEW-USD"]}
    assert lists.events == [(["NEW-USD"], ["BTC-USD"])]


def test_messages_of_the_status_channel_delay_no_request() -> None:
    """They come more often than the list is requested, and do not name what cannot be traded any more."""
    lists = Lists("*-USD", products=listed("BTC-USD", "ETH-USD"), every=0.2)
    lists.read()
    lists.found = listed("BTC-USD")
    message: Any = object()
    try:
        lists.patterns.start()
        until(lambda: lists.requests >= 3, every=lambda: lists.patterns.status(message))
    finally:
        lists.patterns.close()
        lists.patterns.join()
    assert lists.events[1:] == [([], ["ETH-USD"])]


# ---- feeds


@contextmanager
def running(venue: str, pattern: str, **options: Any) -> Iterator[tuple[Exchange, Feed, Collected[Message]]]:
    with nothing_left_behind(), Exchange(PRODUCTS, venue=venue, seed=3, auto=False) as exchange:
        feed = Feed(pattern, ["ticker", "heartbeat"], venue=venue, url=exchange.url, **options)
        got = Collected(feed)
        with feed:
            yield exchange, feed, got


@pytest.mark.parametrize("venue", VENUES)
def test_feed_of_a_pattern(venue: str) -> None:
    with running(venue, "*-USD") as (exchange, feed, _):
        exchange.wait_for_clients()
        assert feed.about.get("products") == ["BTC-USD", "ETH-USD"]
        feed.add("*-BTC", "ticker")
        until(lambda: feed.about.get("products") == ["BTC-USD", "ETH-BTC", "ETH-USD"])
        feed.add("SOL-EUR", "ticker")
        feed.remove("*-USD", ["ticker", "heartbeat"])
        until(lambda: feed.about.get("products") == ["ETH-BTC", "SOL-EUR"])


@pytest.mark.parametrize("by_status", [False, True])
@pytest.mark.parametrize("venue", VENUES)
def test_listed_products_join_and_delisted_ones_leave(venue: str, by_status: bool) -> None:
    """By the list, which is requested again, or sooner by the channel `status`."""
    options: dict[str, Any] = {} if by_status else {"products_every": 20, "clock": FAST}
    with nothing_left_behind(), Exchange(PRODUCTS, venue=venue, seed=3, auto=False) as exchange:
        feed = Feed("*-USD", ["trades", *["status"] * by_status], venue=venue, url=exchange.url, **options)
        got, status = Collected(feed), Collected(feed.status)

        def step() -> None:
            exchange.advance(5)

        def has_trades(product: str) -> bool:
            return any(isinstance(each, Trade) and each.product_id == product for each in got.items)

        with feed:
            exchange.wait_for_clients()
            exchange.list_product("NEW-USD")
            exchange.list_product("NEW-EUR")
            until(lambda: of(status, ProductListed), every=step)
            until(lambda: has_trades("NEW-USD"), every=step)
            exchange.delist_product("BTC-USD")
            until(lambda: of(status, ProductDelisted), every=step)
            until(lambda: feed.about.get("products") == ["ETH-USD", "NEW-USD"])
            exchange.list_product("BTC-USD")
            until(lambda: len(of(status, ProductListed)) == 2, every=step)
            before = len(got.items)
            until(lambda: any(each.product_id == "BTC-USD" for each in got.items[before:]), every=step)
    assert [each.product_id for each in of(status, ProductListed)] == ["NEW-USD", "BTC-USD"]
    assert [each.product_id for each in of(status, ProductDelisted)] == ["BTC-USD"]


def test_pattern_without_a_match_fails_with_a_clear_error() -> None:
    with Exchange(PRODUCTS, seed=3, auto=False) as exchange:
        feed = Feed("*-JPY", "ticker", url=exchange.url)
        with pytest.raises(ConfigError, match=r"no product of the venue matches '\*-JPY'"):
            feed.run()


def test_list_is_requested_again_until_it_is_there() -> None:
    script = [faults.RestStatus(503, count=3)]
    with Exchange(PRODUCTS, seed=3, auto=False, faults=script) as exchange:
        feed = Feed("*-USD", "ticker", url=exchange.url, clock=FAST)
        with feed:
            exchange.wait_for_clients(1, timeout=30)
        assert exchange.rest_requests > 3


def test_close_ends_the_waiting_for_the_list() -> None:
    with nothing_left_behind():
        feed = Feed("*-USD", "ticker", url="ws://127.0.0.1:9")
        feed.connect()
        feed.close()
        assert feed.wait(5)


def test_pattern_needs_a_list_of_products() -> None:
    with pytest.raises(ConfigError, match="no patterns"):
        SteppedFeed("*", "ticker", url="ws://127.0.0.1:9").open()
