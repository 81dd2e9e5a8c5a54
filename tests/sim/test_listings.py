"""Products that are listed and delisted while the exchange runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rxfeed import ConfigError, Feed
from rxfeed.feed import Gap, ProductsRest, Rejected, Subscribed
from rxfeed.market import Message, Trade
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.connections import ADVANCED, BTC, ETH, VENUES, Books, until
from tests.support.scenes import of

NEW = "NEW-USD"


def statuses(exchange: Exchange, venue: str) -> dict[str, tuple[str, bool]]:
    found = ProductsRest(exchange.rest_url, venue=venue).products()
    return {each.id: (each.status, each.trading_disabled) for each in found}


@pytest.mark.parametrize("venue", VENUES)
def test_listed_product_is_traded_like_the_others(venue: str) -> None:
    with Exchange([BTC], venue=venue, seed=3, rate=50, auto=False) as exchange:
        exchange.step(10)
        assert statuses(exchange, venue) == {BTC: ("online", False)}
        exchange.list_product(NEW)
        assert statuses(exchange, venue) == {BTC: ("online", False), NEW: ("online", False)}
        feed = Feed([BTC, NEW], ["book", "trades", "heartbeat"], venue=venue, url=exchange.url)
        books, got, status = Books(feed, [BTC, NEW]), Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            until(lambda: any(each.product_id == NEW for each in traded(got)), every=exchange.step)
            books.compare(exchange)
    assert of(status, Gap) + of(status, Rejected) == []


def traded(got: Collected[Message]) -> list[Any]:
    return [each for each in got.items if isinstance(each, Trade)]


@pytest.mark.parametrize("venue", VENUES)
def test_delisted_product_has_no_further_messages(venue: str) -> None:
    with Exchange([BTC, ETH], venue=venue, seed=3, rate=50, auto=False) as exchange:
        feed = Feed([BTC, ETH], ["book", "trades", "ticker", "heartbeat"], venue=venue, url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            until(lambda: any(not each.missing for each in of(status, Subscribed)))
            exchange.advance(2)
            exchange.delist_product(ETH)
            exchange.advance(1)  # what was collected before
            until(lambda: feed.stats.frames == exchange.sent.frames)
            assert {each.product_id for each in got.items} >= {BTC, ETH}
            sequence = exchange.sequence(ETH)
            del got.items[:]
            exchange.advance(2)
            until(lambda: feed.stats.frames == exchange.sent.frames)
            assert {each.product_id for each in got.items} <= {BTC, None}
            assert statuses(exchange, venue) == {BTC: ("online", False), ETH: ("delisted", True)}
            exchange.list_product(ETH)
            assert exchange.sequence(ETH) == sequence
            until(lambda: any(each.product_id == ETH for each in traded(got)), every=lambda: exchange.advance(0.5))
    assert of(status, Gap) == []


@pytest.mark.parametrize("venue", VENUES)
def test_status_channel_has_listings_and_delistings(venue: str) -> None:
    with Exchange([BTC, ETH], venue=venue, seed=3, auto=False) as exchange:
        feed = Feed([], "status", venue=venue, url=exchange.url)
        got = Collected(feed)

        def state() -> dict[str, str]:
            return {each.id: each.status for message in got.items for each in getattr(message, "products", ())}

        with feed:
            exchange.wait_for_clients()
            until(lambda: state() == {BTC: "online", ETH: "online"})
            exchange.list_product(NEW)
            exchange.delist_product(ETH)
            until(lambda: state() == {BTC: "online", ETH: "delisted", NEW: "online"}, every=lambda: exchange.advance(5))


def test_product_that_is_not_listed_is_refused() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        feed = Feed([BTC, NEW], "ticker", url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            until(lambda: of(status, Rejected))
            exchange.list_product(NEW)
            feed.add(NEW, "matches")
            until(lambda: any(each.product_id == NEW for each in got.items))


def test_listed_alias_brings_its_product() -> None:
    with Exchange([BTC], venue=ADVANCED, seed=3, auto=False) as exchange:
        exchange.list_product("NEW-USDC")
        assert list(statuses(exchange, ADVANCED)) == [BTC, NEW, "NEW-USDC"]
        exchange.delist_product("NEW-USDC")
        assert statuses(exchange, ADVANCED)[NEW] == ("delisted", True)


def test_listings_keep_the_frames_reproducible() -> None:
    def played() -> tuple[int, Any]:
        with Exchange([BTC, ETH], seed=3, auto=False, start=datetime(2026, 1, 2, tzinfo=UTC)) as exchange:
            exchange.step(20)
            exchange.list_product(NEW)
            exchange.step(20)
            exchange.delist_product(BTC)
            exchange.step(20)
            return exchange.sequence(NEW), exchange.book(NEW)

    assert played() == played()


def test_products_that_cannot_be_listed_or_delisted_are_errors() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        with pytest.raises(ConfigError, match="'new' is not a product id"):
            exchange.list_product("new")
        with pytest.raises(ConfigError, match="'ETH-USD' is none of BTC-USD"):
            exchange.delist_product(ETH)
        with pytest.raises(ConfigError, match="or the last one"):
            exchange.delist_product(BTC)
