"""Messages without their optional fields pass the sequence checks, and have an id."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rxfeed.core import Merge
from rxfeed.core.merge_items import ReceivedItem
from rxfeed.market import ChannelSubscription, Message
from rxfeed.venues import message_id
from rxfeed.venues.coinbase_exchange import Change, ExchangeSubscriptions, ExchangeTicker
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from tests.support.make import at, ticker

FIRST = ExchangeTicker(product_id="BTC-USD", price=Decimal(1))
STOPPED = Change(order_id="o", new_size=Decimal(1))


@pytest.mark.parametrize("channels", [[], ["full"], ["user", "ticker", "matches"]])
def test_message_without_numbers_is_new(channels: list[str]) -> None:
    continuity = ExchangeGaps()
    continuity.watch((channel, "BTC-USD") for channel in channels)
    for message in (FIRST, STOPPED, FIRST, ticker(1, sequence=5), FIRST, STOPPED, ticker(1, sequence=6), FIRST):
        assert continuity.step(message)
    assert not continuity.missed
    assert continuity.last("ticker", "BTC-USD") == 6


def test_change_without_a_time_counts_in_its_sequence() -> None:
    continuity = ExchangeGaps()
    continuity.watch([("full", "BTC-USD")])
    changes = [
        Change(product_id="BTC-USD", order_id="o", sequence=number, time=None if number == 2 else at(number))
        for number in (1, 2, 3)
    ]
    assert [continuity.step(each) for each in changes] == [True, True, True]
    continuity.reconnected()
    assert [continuity.step(each) for each in (changes[1], changes[2])] == [False, False]
    assert not continuity.missed


def test_messages_without_numbers_are_merged_by_their_content() -> None:
    merge, found = Merge(ExchangeMerging(), 1), []
    for collector in (0, 1):
        for place, message in enumerate((FIRST, STOPPED)):
            found += merge.step(ReceivedItem(collector, place, message))
    found += merge.finish()
    assert [each.item for each in found if isinstance(each.item, Message)] == [FIRST, STOPPED]


def test_ticker_without_a_sequence_has_a_content_id() -> None:
    assert message_id(FIRST).startswith("BTC-USD/ticker/0/")
    assert message_id(FIRST) != message_id(ExchangeTicker(product_id="BTC-USD", price=Decimal(2)))


def test_an_order_without_a_number_merges_beside_numbered() -> None:
    """Its product's others have numbers; it is known by its content, as what has none."""
    answer = ExchangeSubscriptions(channels=(ChannelSubscription("full", ("BTC-USD",)),))
    change = Change(product_id="BTC-USD", order_id="o", new_size=Decimal(1))
    numbered = [Change(product_id="BTC-USD", order_id="p", sequence=number) for number in (1, 2)]
    merge, found = Merge(ExchangeMerging(), 1), []
    for place, message in enumerate((answer, numbered[0], change, numbered[1])):
        for collector in (0, 1):
            found += merge.step(ReceivedItem(collector, place, message))
    found += merge.finish()
    came = [each.item for each in found if isinstance(each.item, Change)]
    assert sorted(came, key=lambda each: each.order_id) == [change, *numbered]
