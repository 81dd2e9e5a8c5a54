"""ExchangeGaps: the epochs that an interruption, a malformed frame or a new subscription raises."""

from __future__ import annotations

from typing import Any

import pytest

from rxfeed.core import Resubscribed
from rxfeed.market import ChannelSubscription
from rxfeed.venues import COINBASE_EXCHANGE
from rxfeed.venues.coinbase_exchange import (
    ExchangeHeartbeat,
    ExchangeSubscriptions,
    ExchangeTicker,
    L2Update,
    Match,
)
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from tests.support.make import at, heartbeat, ticker
from tests.venues.coinbase_exchange.gap_steps import BTC, noop, order, run, trade, watching

# ---- channels that are unsubscribed and resubscribed

CHANNELS = ["full", "matches", "level3", "ticker", "ticker_batch", "level2", "level2_batch", "user", "heartbeat"]


@pytest.mark.parametrize("channel", [*CHANNELS, "auctionfeed", "rfq_matches"])
def test_resubscribed_channel_raises_its_products_epochs(channel: str) -> None:
    pairs = [(channel, BTC), (channel, "ETH-USD"), ("status", None)]
    continuity = ExchangeGaps()
    continuity.watch(pairs)
    assert continuity.epoch(BTC) == 0
    continuity.watch(pairs[1:])
    assert continuity.epoch(BTC) == 1
    continuity.watch(pairs)
    assert continuity.epoch(BTC) == 2
    # Messages before the acknowledgement may still belong to the old subscription.
    alias = {"level2_batch": "level2_50", "ticker_batch": "ticker_1000"}.get(channel, channel)
    for _ in range(2):
        continuity.step(ExchangeSubscriptions(channels=(ChannelSubscription(alias, (BTC, "ETH-USD")),)))
        assert continuity.epoch(BTC) == (2 if "level2" in channel else 3)
    assert (continuity.epoch("ETH-USD"), continuity.epoch(None)) == (0, 0)


@pytest.mark.parametrize(("channel", "make"), [("full", order), ("matches", trade), ("level3", noop)])
def test_messages_of_the_old_subscription_show_no_gap(channel: str, make: Any) -> None:
    """The unsubscribe and the subscribe take their time, and trades are missed between them."""
    continuity = watching(channel, "heartbeat")
    other = [("heartbeat", BTC)]
    run(continuity, [make(5)])
    continuity.watch(other)
    run(continuity, [make(6), *beats(10, 20)])
    continuity.watch([(channel, BTC), *other])
    run(continuity, [make(7), *beats(30, 40), make(45)])
    continuity.step(ExchangeSubscriptions(channels=(ChannelSubscription(channel, (BTC,)),)))
    delivered, missed = run(continuity, [make(46), make(47), make(47), make(50)])
    assert len(delivered) == 3
    assert missed == [(channel, 48, 49)]


def beats(*numbers: int) -> list[ExchangeHeartbeat]:
    return [ExchangeHeartbeat(product_id=BTC, sequence=n, last_trade_id=n, time=at(n)) for n in numbers]


def test_first_subscription_raises_no_epoch() -> None:
    continuity = watching("matches")
    continuity.watch([("matches", BTC), ("ticker", BTC), ("user", None)])
    assert continuity.epoch(BTC) == 0


def test_unsubscribed_channel_of_all_products_raises_all_epochs() -> None:
    continuity = ExchangeGaps()
    continuity.watch([("user", None), ("ticker", BTC)])
    continuity.watch([("ticker", BTC)])
    assert [continuity.epoch(each) for each in (BTC, "ETH-USD", None)] == [1, 1, 1]


def test_book_is_renewed_if_its_product_leaves_another_channel() -> None:
    """The epoch of the book rises too, so the book is requested again. An unsubscribed channel is not renewed."""
    continuity = watching("level2", "ticker")
    continuity.watch([("level2", BTC)])
    assert continuity.missed == [Resubscribed(BTC)]
    continuity.missed = []
    continuity.watch([])
    assert continuity.missed == []


def test_first_ticker_of_a_resubscription_may_repeat() -> None:
    continuity = watching("ticker")
    newest = ticker(1, time=1, sequence=5)
    assert continuity.step(newest)
    continuity.watch([])
    continuity.watch([("ticker", BTC)])
    assert continuity.step(newest)
    assert not continuity.step(newest)


# ---- products without a subscription


def test_products_that_are_not_subscribed_to_take_bounded_memory() -> None:
    continuity = watching("matches", "ticker")
    for number in range(30_000):
        for make in (trade(1, product_id=f"P{number}"), ticker(1, product_id=f"P{number}")):
            assert continuity.step(make)
        continuity.lost(f"P{number}")
    assert max(len(continuity._runs), len(continuity._tickers), len(continuity._epochs)) <= 10_010
    # Subscribed products are delivered as before.
    assert run(continuity, [trade(1), trade(3)])[1] == [("matches", 2, 2)]


def test_possible_loss_of_one_product_raises_its_epoch_alone() -> None:
    continuity = ExchangeGaps()
    continuity.lost(BTC)
    continuity.lost(None)
    assert [continuity.epoch(product) for product in (BTC, None, "ETH-USD")] == [1, 1, 0]
    continuity.interrupted()
    assert [continuity.epoch(product) for product in (BTC, None, "ETH-USD")] == [2, 2, 1]


@pytest.mark.parametrize("product", [BTC, None])
def test_rise_after_the_loss_of_tickers_is_above_all(product: str | None) -> None:
    continuity = ExchangeGaps()
    for _ in range(3):
        continuity.doubt(BTC, [ExchangeTicker])
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [3, 0, 0]
    assert continuity.highest == 3
    if product is None:
        continuity.interrupted()
    else:
        continuity.lost(product)
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [4, 4, 4]


@pytest.mark.parametrize(
    ("kind", "epochs"),
    [
        ("match", [1, 0, 1, 0, 0]),
        ("last_match", [1, 0, 0, 0, 0]),
        ("l2update", [0, 1, 0, 0, 0]),
        ("snapshot", [0, 1, 0, 0, 0]),
        ("done", [0, 0, 1, 0, 0]),
        ("ticker", [0, 0, 0, 1, 0]),
        ("rfq_match", [0, 0, 0, 0, 0]),
        ("auction", [1, 1, 1, 1, 1]),
        ("news", [1, 1, 1, 1, 1]),
        (None, [1, 1, 1, 1, 1]),
    ],
)
def test_malformed_frame_raises_the_epochs_of_its_kinds(kind: str | None, epochs: list[int]) -> None:
    """Of trades, books by price, order events, tickers and heartbeats."""
    continuity = ExchangeGaps()
    of_kinds = [
        trade(1),
        L2Update(product_id=BTC, changes=(), time=at(1)),
        order(1),
        ticker(1),
        heartbeat(1),
    ]
    renew = continuity.doubt(BTC, COINBASE_EXCHANGE.types_named(kind))
    assert [continuity.epoch_of(each) for each in of_kinds] == epochs
    assert renew == (epochs[1] == 1)
    assert continuity.epoch_of(trade(1, product_id="ETH-USD")) == 0


def test_malformed_frame_without_a_product_affects_all_subscribed_ones() -> None:
    continuity = watching("matches", "level2_batch")
    assert not continuity.doubt(None, [Match])
    update = L2Update(product_id=BTC, changes=(), time=at(1))
    assert [continuity.epoch_of(each) for each in (trade(1), update, heartbeat(1))] == [1, 0, 0]
    assert continuity.doubt(None, [])
    assert [continuity.epoch_of(each) for each in (trade(1), update, heartbeat(1))] == [2, 2, 2]


def test_every_rise_is_above_all_epochs_of_the_product() -> None:
    continuity = ExchangeGaps()
    continuity.doubt(BTC, [ExchangeTicker])
    continuity.doubt(BTC, [Match])
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [1, 2, 0]
    continuity.lost(BTC)
    assert [continuity.epoch_of(each) for each in (ticker(1), trade(1), heartbeat(1))] == [3, 3, 3]


def test_losses_of_tickers_take_bounded_memory() -> None:
    continuity = ExchangeGaps()
    for number in range(25_000):
        continuity.doubt(f"P{number}", [ExchangeTicker])
        assert continuity.epoch_of(ticker(1, product_id=f"P{number}")) > 0
    assert len(continuity.of_kinds) <= 10_000
