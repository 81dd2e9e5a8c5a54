"""The counters by product, and samples of messages."""

from __future__ import annotations

from typing import Any

from rxfeed import Replay, tickers, trades
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.message_router import _MOST_ROUTES
from rxfeed.market import Unknown
from rxfeed.venues.coinbase_exchange import ExchangeTicker, Match
from tests.support.make import match, ticker


def play(messages: list[Any], act: Any) -> Any:
    """Play *messages*, and call *act* with the replay at each trade."""
    replay = Replay(messages)
    replay.pipe(trades()).subscribe(lambda trade: act(replay))
    replay.run()
    return replay


def test_counters_by_product_agree_with_those_by_type() -> None:
    messages = [match(trade_id=1), ticker(5, product_id="A-B"), match(trade_id=2), Unknown(type="news")]
    stats = play(messages, lambda replay: replay.pipe(tickers()).subscribe(print)).stats
    assert stats.by_type == {"Match": 2, "ExchangeTicker": 1, "Unknown": 1}
    assert stats.by_product == {"BTC-USD": {"Match": 2}, "A-B": {"ExchangeTicker": 1}, None: {"Unknown": 1}}
    assert stats.types == {Match: 2, ExchangeTicker: 1, Unknown: 1}
    assert stats.messages == 4


def test_counters_of_very_many_products_stay_bounded() -> None:
    streams = FeedStreams(1.0)
    total = _MOST_ROUTES + 500
    for number in range(total):
        streams.router.route_of(Match, f"P{number}-USD").count += 1
    assert streams.stats.types == {Match: total}
    assert len(streams.stats.counts) <= _MOST_ROUTES
    assert streams.stats.by_product[None] == {"Match": _MOST_ROUTES}


def test_sample_is_the_next_message_of_each_type_and_product() -> None:
    sampled: list[Any] = []

    def act(replay: Any) -> None:
        if replay.stats.messages in (2, 3):  # the second one adds nothing
            replay.take_samples(sampled.append)

    messages = [match(trade_id=number) for number in (1, 2, 3, 4, 5)]
    messages.insert(1, match(trade_id=1, product_id="A-B"))
    replay = play(messages, act)
    assert [each.trade_id for each in sampled] == [2, 3]
    assert replay.stats.messages == 6


def test_sample_that_raises_is_logged_and_delivery_goes_on(caplog: Any) -> None:
    seen: list[int] = []

    def act(replay: Any) -> None:
        seen.append(replay.stats.messages)
        replay.take_samples(lambda message: 1 / 0)

    play([match(trade_id=number) for number in (1, 2, 3)], act)
    assert seen == [1, 2, 3]
    assert [record.levelname for record in caplog.records].count("ERROR") == 2
