"""Subscriptions that the exchange neither acknowledges nor rejects."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rxfeed import Feed
from rxfeed.feed import Rejected, Subscribed, Unacknowledged
from rxfeed.sim import Exchange
from tests.support.clocks import ManualClock
from tests.support.collect import Collected
from tests.support.scenes import of, wait_until
from tests.venues.coinbase_advanced.wire import BTC, Client, Venue, ack, trade, trades


def pass_time(clock: ManualClock, seconds: int, ended: Callable[[], bool] = lambda: False) -> None:
    """Advance *clock* second by second, while the feed waits for data, until *ended*."""
    for _ in range(seconds):
        if ended():
            break
        clock.advance(1)
        time.sleep(0.02)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def reported(frames: Sequence[str], products: Any, channels: Any) -> list[Unacknowledged]:
    """What a feed of Advanced Trade reports after its server has sent *frames*, and then nothing."""
    clock = ManualClock()

    def play(client: Client, number: int) -> None:
        client.receive()
        client.send(*frames)
        client.wait_for_end()

    with Venue(play) as venue:
        given: dict[str, Any] = {"aliases": {}, "clock": clock}
        feed = Feed(products, channels, venue="coinbase_advanced", url=venue.url, stale_after=None, **given)
        feed.subscribe(lambda message: None)
        status = Collected(feed.status)
        with feed:
            wait_until(lambda: feed.stats.frames == len(frames) and feed.stats.connections == 1)
            pass_time(clock, 20)
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
    clock = ManualClock()
    with Exchange([BTC], venue="coinbase_advanced", auto=False) as exchange:
        feed = Feed(BTC, "trades", venue="coinbase_advanced", url=exchange.url, clock=clock)
        feed.subscribe(lambda message: None)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("FOO-BAR", "trades")
            pass_time(clock, 1)  # the rate limit of requests
            wait_until(lambda: any(each.missing for each in of(status, Subscribed)))
            pass_time(clock, 20, lambda: bool(of(status, Unacknowledged)))
    (one,) = of(status, Unacknowledged)
    assert one.pairs == (("market_trades", "FOO-BAR"),)
    assert warnings_in(caplog) == [
        "products: the venue has no product FOO-BAR: check its id, for example with `rxfeed products`"
    ]


def test_rejected_product_is_not_reported_as_well(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    with Exchange([BTC], auto=False) as exchange:
        feed = Feed([BTC, "FOO-BAR"], "matches", url=exchange.url, clock=clock)
        feed.subscribe(lambda message: None)
        status = Collected(feed.status)
        with feed:
            wait_until(lambda: bool(of(status, Rejected) and of(status, Subscribed)))
            pass_time(clock, 20)
    assert of(status, Unacknowledged) == []
    assert [text.partition(":")[0] for text in warnings_in(caplog)] == ["rejected"]
