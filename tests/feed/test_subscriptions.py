"""Subscriptions of a live feed."""

from __future__ import annotations

import time

import pytest

from rxfeed import ConfigError, Feed, FeedClosed
from rxfeed.feed import (
    Rejected,
    Subscribed,
)
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.scenes import QUICK, of

# ---- subscriptions while running


def test_add_and_remove_on_a_live_feed() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("ETH-USD", ["heartbeat", "level2_batch"])
            feed.remove("BTC-USD", "heartbeat")
            status.wait_for(lambda items: len([s for s in items if isinstance(s, Subscribed)]) >= 3)
            before = len(got.items)
            exchange.advance(2)
            got.wait_for(before + 2)
        last = of(status, Subscribed)[-1]
    assert sorted(r["type"] for r in exchange.requests) == ["subscribe", "subscribe", "unsubscribe"]
    assert {c.name: c.product_ids for c in last.channels} == {"heartbeat": ("ETH-USD",), "level2_50": ("ETH-USD",)}
    assert last.missing == ()
    assert {m.product_id for m in got.items[before:]} == {"ETH-USD"}


def test_added_products_are_resubscribed_after_a_reconnect() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "heartbeat", url=exchange.url, reconnect=QUICK)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("ETH-USD", "heartbeat")
            status.wait_for(lambda items: len([s for s in items if isinstance(s, Subscribed)]) == 2)
            exchange.disconnect(1001, "deploying")
            status.wait_for(lambda items: len([s for s in items if isinstance(s, Subscribed)]) == 3)
    (again,) = of(status, Subscribed)[-1].channels
    assert set(again.product_ids) == {"BTC-USD", "ETH-USD"}


def test_rejected_addition_does_not_affect_others() -> None:
    with Exchange(["BTC-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("NO-SUCH", "ticker")
            status.wait_for(lambda items: any(isinstance(s, Rejected) for s in items))
            exchange.advance(3)
            got.wait_for(lambda items: len([m for m in items if m.type == "heartbeat"]) == 3)
    assert [s.reason for s in of(status, Rejected)] == ["NO-SUCH is not a valid product"]


def test_many_changes_are_few_requests_at_the_documented_rate() -> None:
    products = [f"P{number}-USD" for number in range(60)]
    with Exchange(products, seed=2, auto=False) as exchange:
        feed = Feed(products[0], "ticker", url=exchange.url)
        status = Collected(feed.status)
        started = time.monotonic()
        with feed:
            exchange.wait_for_clients()
            for product in products[1:]:
                feed.add(product, ["ticker", "matches"])
            full = lambda items: any(  # noqa: E731  # it is said twice
                isinstance(s, Subscribed) and sum(len(c.product_ids or ()) for c in s.channels) == 119 for s in items
            )
            status.wait_for(full)
        took = time.monotonic() - started
    assert len(exchange.requests) <= 1 + max(1, took * 8 + 1)


def test_changes_before_connecting_and_after_the_end() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "ticker", url=exchange.url)
        feed.add("ETH-USD", "ticker")
        status = Collected(feed.status)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Subscribed) for s in items))
        assert len(exchange.requests) == 1
    with pytest.raises(FeedClosed):
        feed.add("BTC-USD", "matches")
    with pytest.raises(ConfigError, match="channels"):
        Feed("A-B", "ticker").add("A-B", [])
