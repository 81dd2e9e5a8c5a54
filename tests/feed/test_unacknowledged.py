"""Subscriptions that the exchange neither acknowledges nor rejects."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from rxfeed import Feed
from rxfeed.feed import Clock, Unacknowledged
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.scenes import of, wait_until
from tests.venues.coinbase_advanced.wire import BTC, Client, Venue, ack, trade, trades

FAST = Clock(speed=20)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def reported(frames: Sequence[str], products: Any, channels: Any, seconds: float = 0.5) -> list[Unacknowledged]:
    """What a feed of Advanced Trade reports while its server sends *frames*, and then nothing for *seconds*."""

    def play(client: Client, number: int) -> None:
        client.receive()
        client.send(*frames)
        client.wait_for_end()

    with Venue(play) as venue:
        given = {"aliases": {}, "clock": FAST}
        feed = Feed(products, channels, venue="coinbase_advanced", url=venue.url, stale_after=None, **given)
        feed.subscribe(lambda message: None)
        status = Collected(feed.status)
        with feed:
            feed.wait(seconds)
    return of(status, Unacknowledged)


def test_unacknowledged_pairs_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    frames = [ack(0), ack(1, market_trades=[BTC]), trades(2, trade(1, 1))]
    (one,) = reported(frames, [BTC, "FOO-BAR"], ["market_trades"])
    assert (one.pairs, one.seconds) == ((("market_trades", "FOO-BAR"),), 3.0)
    remedy = "check the ids, for example with `rxfeed products`"
    assert warnings_in(caplog) == [f"not acknowledged by the exchange within 3 s: market_trades of FOO-BAR: {remedy}"]


def test_server_that_acknowledges_nothing_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    (one,) = reported([], [f"{number}-USD" for number in range(7)], ["market_trades"])
    assert len(one.pairs) == 7
    (text,) = warnings_in(caplog)
    assert "market_trades of 4-USD and 2 more: check" in text


@pytest.mark.parametrize(
    ("frames", "channels"),
    [
        ([trades(0, trade(1, 1))], ["market_trades"]),  # a server without acknowledgements
        ([ack(0, market_trades=["XBT-USD"])], ["market_trades"]),  # of another id of the product
        ([ack(0, market_trades=[BTC], heartbeats=["heartbeats"])], ["market_trades", "heartbeats"]),
    ],
)
def test_what_may_be_acknowledged_is_not_reported(frames: list[str], channels: list[str]) -> None:
    assert reported(frames, BTC, channels) == []


def test_added_product_is_reported_too(caplog: pytest.LogCaptureFixture) -> None:
    """A product that the list of products does not have has a line of its own, and no second one."""
    with Exchange([BTC], venue="coinbase_advanced", auto=False) as exchange:
        feed = Feed(BTC, "trades", venue="coinbase_advanced", url=exchange.url, clock=FAST)
        feed.subscribe(lambda message: None)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("FOO-BAR", "trades")
            wait_until(lambda: bool(of(status, Unacknowledged)))
    (one,) = of(status, Unacknowledged)
    assert one.pairs == (("market_trades", "FOO-BAR"),)
    assert warnings_in(caplog) == [
        "products: the venue has no product FOO-BAR: check its id, for example with `rxfeed products`"
    ]


def test_rejected_product_is_not_reported_as_well(caplog: pytest.LogCaptureFixture) -> None:
    with Exchange([BTC], auto=False) as exchange:
        feed = Feed([BTC, "FOO-BAR"], "matches", url=exchange.url, clock=FAST)
        feed.subscribe(lambda message: None)
        status = Collected(feed.status)
        with feed:
            feed.wait(0.5)
    assert of(status, Unacknowledged) == []
    assert [text.partition(":")[0] for text in warnings_in(caplog)] == ["rejected"]
