"""The types that a type checker infers of a pipeline: pyright reports a wrong one; a test run checks no types."""

from collections.abc import Mapping
from typing import assert_type

from reactivex import Observable
from reactivex import operators as ops
from reactivex.abc import DisposableBase

from rxfeed import (
    Feed,
    FeedStatus,
    Malformed,
    Match,
    Message,
    PriceCross,
    Replay,
    VolumeWindow,
    market,
    matches,
    price_crossing,
    tickers,
    window_volume,
)
from rxfeed.feed import KeepalivePong
from rxfeed.operators import bounded, by_product, latest_by_product, level2, throttle_by_product


def test_each_operator_has_its_output_type() -> None:
    feed = Feed("BTC-USD", "matches")
    assert_type(feed.pipe(matches()), Observable[Match])
    assert_type(feed.pipe(tickers("BTC-USD")), Observable[market.Ticker])
    assert_type(feed.pipe(window_volume(60)), Observable[VolumeWindow])
    assert_type(feed.pipe(price_crossing("BTC-USD", "1")), Observable[PriceCross])
    assert_type(feed.pipe(level2(), ops.map(lambda message: message.product_id)), Observable[str])
    assert_type(feed.pipe(window_volume(60), ops.map(lambda window: window.count)), Observable[int])
    assert_type(feed.pipe(ops.filter(lambda message: message.epoch > 0)), Observable[Message])


def test_operators_of_any_items_keep_the_type_of_the_items() -> None:
    trades = Feed("BTC-USD", "matches").pipe(matches())
    assert_type(trades.pipe(bounded(10)), Observable[Match])
    assert_type(trades.pipe(bounded(10), window_volume(60)), Observable[VolumeWindow])
    assert_type(trades.pipe(throttle_by_product(1)), Observable[Match])
    assert_type(trades.pipe(latest_by_product()), Observable[Mapping[str, Match]])
    assert_type(trades.pipe(by_product(window_volume(60))), Observable[VolumeWindow])


def test_side_streams_have_their_types() -> None:
    feed = Feed("BTC-USD", "matches")
    assert_type(feed.status, Observable[FeedStatus])
    assert_type(feed.keepalive, Observable[KeepalivePong])
    assert_type(feed.malformed, Observable[Malformed])


def test_replay_has_the_types_of_a_feed() -> None:
    replay = Replay([Message()])
    assert_type(replay.pipe(matches()), Observable[Match])
    assert_type(replay.pipe(window_volume(60), ops.buffer_with_time(60)), Observable[list[VolumeWindow]])
    assert_type(replay.status, Observable[FeedStatus])
    assert_type(replay.subscribe(print), DisposableBase)
