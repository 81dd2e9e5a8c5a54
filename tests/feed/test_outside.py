"""Messages for products and channels that were never subscribed to: delivered up to a bound, counted, reported once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rxfeed import Feed, Match, window_volume
from rxfeed.feed.stats import Stats
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import ChannelSubscription, Unknown
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE, ExchangeSubscription
from rxfeed.venues.coinbase_exchange.messages import ExchangeSubscriptions, ExchangeTicker
from tests.support.collect import Collected
from tests.support.make import match, ticker

MOST = 1_000


def reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    texts = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    return [text for text in texts if not text.startswith("disconnected")]


def served(frames: list[bytes], channels: Any, products: Any = "A-B") -> tuple[Collected[Any], Collected[Any], Stats]:
    """All that a feed delivers of *frames*, and its windows."""
    with Exchange.serving(frames, then="close") as exchange:
        feed = Feed(products, channels, url=exchange.url, reconnect=False)
        got, windows = Collected(feed), Collected(feed.pipe(window_volume(60)))
        with feed:
            got.wait_for_end()
    return got, windows, feed.stats


def test_product_outside_the_subscription_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    frames = [match(product_id=product, trade_id=n).raw for n in range(1, 4) for product in ("A-B", "C-D")]
    got, _, stats = served(frames, "matches")
    assert [each.product_id for each in got.items if isinstance(each, Match)] == ["A-B", "C-D"] * 3
    assert stats.unsubscribed == 3
    (report,) = reports(caplog)
    assert "Match for C-D" in report


def test_channel_outside_the_subscription_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    frames = [ticker(1, product_id="A-B", sequence=n).raw for n in range(1, 4)]
    got, _, stats = served(frames, "matches")
    assert len(got.items) == stats.unsubscribed == 3
    assert len(reports(caplog)) == 1


def test_unlimited_products_take_bounded_memory(caplog: pytest.LogCaptureFixture) -> None:
    frames = [match(product_id=f"P{n}", trade_id=1).raw for n in range(3 * MOST)] * 2
    frames.append(match(product_id="A-B", trade_id=1).raw)
    got, windows, stats = served(frames, "matches")
    # Copies are dropped before that.
    products = {each.product_id for each in got.items}
    assert len(products) == MOST + 1
    assert "A-B" in products
    assert len(windows.items) == MOST + 1
    assert stats.unsubscribed == 3 * MOST
    assert len(reports(caplog)) == 20 + 1


def test_what_was_removed_or_is_listed_by_the_exchange_is_inside() -> None:
    manager = SubscriptionManager(ExchangeSubscription.of(["A-B"], ["matches", "level2_50"]), COINBASE_EXCHANGE)
    manager.add(ExchangeSubscription.of("C-D", "ticker"))
    manager.remove(ExchangeSubscription.of("C-D", "ticker"))
    ticks, books = frozenset(["ticker", "ticker_batch"]), frozenset(["level2", "level2_batch"])
    assert manager.has(ticks, "C-D")
    assert manager.has(books, "A-B")
    assert manager.has(None, "A-B")
    assert not manager.has(ticks, "A-B")
    assert not manager.has(None, "E-F")
    listed = (ChannelSubscription("ticker_1000", ("E-F",)), ChannelSubscription("rfq_matches", ("ALL",)))
    manager.missing(ExchangeSubscriptions(channels=listed))
    assert manager.has(ticks, "E-F")
    assert not manager.has(ticks, "G-H")
    assert manager.has(frozenset(["rfq_matches"]), "G-H")
    assert not manager.has(frozenset(["heartbeat"]), None)


@pytest.mark.parametrize("frame", [b'{"type":"new"}', b'{"type":"error","message":"x"}'])
def test_message_without_product_and_channel_is_inside(frame: bytes, caplog: pytest.LogCaptureFixture) -> None:
    _, _, stats = served([frame], "matches")
    assert stats.unsubscribed == 0
    assert [each for each in reports(caplog) if "outside" in each] == []


def test_unknown_type_of_a_product_outside_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    got, _, stats = served([b'{"type":"new","product_id":"C-D"}'], "matches")
    assert isinstance(got.items[0], Unknown)
    assert (stats.unsubscribed, len(reports(caplog))) == (1, 1)


def test_later_subscription_is_delivered() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "matches", url=exchange.url)
        got = Collected(feed)
        with feed:
            exchange.wait_for_clients()
            feed.add("ETH-USD", "ticker")
            got.wait_for(lambda items: any(isinstance(each, ExchangeTicker) for each in items))
    assert feed.stats.unsubscribed == 0
