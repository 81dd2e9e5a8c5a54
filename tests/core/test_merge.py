"""Merging: each message of several collectors once, and epochs that rise for messages that none received."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rxfeed import BookView, fold
from rxfeed.core import Level2Book, Merge, ReceivedItem
from rxfeed.market import Message, Origin, stamp
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from rxfeed.venues.coinbase_exchange.messages import (
    ExchangeAuction,
    ExchangeHeartbeat,
    ExchangeTicker,
    LastMatch,
    Match,
    Open,
    Received,
)
from tests.support.collectors import Market, Recorder
from tests.support.make import heartbeat
from tests.support.merged import BTC, PATIENCE, copy_of, is_repaired, merged, messages, missed, numbers

ALL = ("matches", "ticker", "heartbeat", "auctionfeed", "level2")

kinds = st.lists(
    st.tuples(
        st.sampled_from(["trade", "trade", "trade", "order", "order", "beat", "auction", "book", "nothing"]),
        st.sampled_from([BTC, BTC, "ETH-USD"]),
    ),
    min_size=1,
    max_size=60,
)


@st.composite
def recorders(draw: Any, channels: tuple[str, ...], whole: bool = False) -> Recorder:
    times: list[float] = sorted(draw(st.sets(st.integers(-1, 60), min_size=2, max_size=6)))
    spans = [(each / 4 + 0.1, until / 4) for each, until in zip(times[::2], times[1::2], strict=False)]
    nothing: frozenset[int] = frozenset()
    return Recorder(
        channels=channels,
        products=(BTC, "ETH-USD"),
        spans=((-1.0, 1e6),) if whole else spans,
        drops=nothing if whole else draw(st.frozensets(st.integers(1, 80), max_size=12)),
        garbled=nothing if whole else draw(st.frozensets(st.integers(1, 80), max_size=2)),
        latency=draw(st.lists(st.sampled_from([0.0, 0.1, 0.9]), min_size=1, max_size=7)),
        skew=draw(st.sampled_from([0.0, 0.5, -0.4])),
    )


def stored(recorded: list[list[ReceivedItem]], delays: list[list[float]]) -> list[ReceivedItem]:
    """The items of several publishers as a server stores them: late, and without the copies of numbered messages."""
    placed: list[tuple[float, int, ReceivedItem]] = []
    for items, late in zip(recorded, delays, strict=True):
        at = 0.0
        for count, each in enumerate(items):
            at = max(at, each.ns + late[count % len(late)] * 1e9)
            placed.append((at, len(placed), each))
    found: dict[Any, ReceivedItem] = {}
    for _, place, each in sorted(placed, key=lambda each: each[:2]):
        item = each.item
        found.setdefault((item.product_id, item.trade_id) if isinstance(item, Match) else place, each)
    return list(found.values())


STREAMS = [
    (("matches", "heartbeat"), Match, "trade_id"),
    (("ticker",), ExchangeTicker, "sequence"),
    (("full", "heartbeat"), (Match, Received, Open), "sequence"),
]


def too_late(recorded: list[list[ReceivedItem]], product: str) -> set[int]:
    """The trades that came to a collector `PATIENCE` or more after the `last_match` of another one.

    That collector was connected again only then, and missed this one trade.
    """
    trades = [(each.ns, each.item) for one in recorded for each in one if isinstance(each.item, Match | LastMatch)]
    first: dict[type[Message], dict[int, int]] = {Match: {}, LastMatch: {}}
    for ns, trade in sorted(trades, key=lambda each: each[0]):
        if trade.product_id == product:
            first[type(trade)].setdefault(trade.trade_id, ns)
    return {
        number
        for number, ns in first[Match].items()
        if ns - first[LastMatch].get(number, ns) >= PATIENCE * 1_000_000_000
    }


@pytest.mark.parametrize(("channels", "kind", "name"), STREAMS, ids=["matches", "ticker", "full"])
@given(st.data())
def test_every_received_number_is_emitted_once_in_order(
    channels: tuple[str, ...], kind: Any, name: str, data: Any
) -> None:
    market = Market((BTC, "ETH-USD")).run(data.draw(kinds))
    given_: list[Recorder] = data.draw(st.lists(recorders(channels), min_size=1, max_size=3))
    recorded = [each.record(market, number) if market.said else [] for number, each in enumerate(given_)]
    items = merged(*recorded)
    for product in (BTC, "ETH-USD"):
        received = {each for one in recorded for each in numbers([heard.item for heard in one], kind, product, name)}
        came = numbers(messages(items), kind, product, name)
        if kind is Match:  # one that is the trade after the last one is that trade
            received |= set(numbers([each.item for each in items if is_repaired(each.item)], kind, product, name))
            received -= too_late(recorded, product) & {
                number
                for missed_product, _, first, last in missed(items)
                if missed_product == product
                for number in range(first, last + 1)
            }
        if kind is ExchangeTicker:  # after a time without any connection, the first one may be the last one again
            came = [each for each, _ in groupby(came)]
        assert came == sorted(received)


@pytest.mark.parametrize(("begin", "emitted"), [(3.0, [12, 18]), (3.6, [12]), (9.0, [12])])
def test_trade_that_comes_after_the_patience_is_reported_missing(begin: float, emitted: list[int]) -> None:
    """The last collector misses this one trade, and gets it when it is connected again."""
    market = Market((BTC, "ETH-USD")).run([*[("trade", BTC)] * 7, ("trade", "ETH-USD"), ("trade", BTC)])
    spans = [[(0.1, 0.25)], [(2.1, 2.25)], [(0.1, 0.25), (1.6, 1.75), (begin, begin + 0.2)]]
    recorded = [
        Recorder(products=(BTC, "ETH-USD"), spans=each, latency=[0.0], skew=0.5 * (number == 2)).record(market, number)
        for number, each in enumerate(spans)
    ]
    assert 18 in numbers([each.item for each in recorded[2]], Match, BTC, "trade_id")
    items = merged(*recorded)
    assert numbers(messages(items), Match, BTC, "trade_id") == emitted
    assert [(first, last) for _, _, first, last in missed(items)] == [(13, 17 if 18 in emitted else 18)]


@pytest.mark.parametrize(("channels", "kind", "name"), [STREAMS[0], STREAMS[2]], ids=["matches", "full"])
@given(st.data())
def test_epoch_rises_for_numbers_that_no_collector_received(
    channels: tuple[str, ...], kind: Any, name: str, data: Any
) -> None:
    market = Market((BTC, "ETH-USD")).run([(each, BTC) for each, _ in data.draw(kinds)])
    given_: list[Recorder] = data.draw(st.lists(recorders(channels), min_size=2, max_size=3))
    recorded = [each.record(market, number) if market.said else [] for number, each in enumerate(given_)]
    items = merged(*recorded)
    trades = messages(items, kind)
    told = {number for _, _, first, last in missed(items) for number in range(first, last + 1)}
    came = [getattr(each, name) for each in trades]
    assert not told & set(came)
    if came:
        holes = set(range(came[0], came[-1])) - set(came)
        assert holes <= told
    for before, after in pairwise(trades):
        if getattr(after, name) > getattr(before, name) + 1:
            assert after.epoch > before.epoch


@given(kinds, recorders(ALL), recorders(ALL, whole=True))
def test_complete_collector_prevents_epochs_of_numbered_data(
    happened: list[tuple[str, str]], torn: Recorder, whole: Recorder
) -> None:
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    # A collector covers for another only if it was connected before, and delivers within `patience`.
    whole.spans = ((-5.0, 1e6),)
    torn.channels = whole.channels = ("matches", "ticker", "heartbeat")
    market.said += [(each / 2, heartbeat(each / 2, product_id="ETH-USD")) for each in range(40)]
    market.said.sort(key=lambda each: each[0])
    items = merged(torn.record(market, 0), whole.record(market, 1))
    assert missed(items) == []
    assert {each.epoch for each in items} == {0}


delays = st.lists(st.sampled_from([0.0, 0.01, 0.3, 0.6]), min_size=1, max_size=5)


@given(kinds, recorders(ALL), st.lists(delays, min_size=2, max_size=2))
def test_order_of_storing_causes_no_doubt(
    happened: list[tuple[str, str]], torn: Recorder, late: list[list[float]]
) -> None:
    """A message is output as soon as it is final, whatever the delays with which two publishers' items are stored."""
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    whole = Recorder(products=(BTC, "ETH-USD"), spans=((-5.0, 1e6),))
    torn.channels = whole.channels
    torn.garbled = frozenset()
    market.said += [(each / 2, heartbeat(each / 2, product_id="ETH-USD")) for each in range(40)]
    market.said.sort(key=lambda each: each[0])
    tape = stored([torn.record(market, 0), whole.record(market, 1)], late)
    items = fold(Merge(ExchangeMerging(), PATIENCE, eager=True), tape)
    assert missed(items) == []
    assert {each.epoch for each in items} == {0}


@given(kinds, recorders(ALL), st.booleans())
@example(
    [("order", BTC), ("trade", BTC), ("book", BTC)],
    Recorder(ALL, (BTC, "ETH-USD"), [(0.1, 0.5)], garbled=frozenset({3}), latency=[0.0]),
    False,
)
def test_single_collector_is_unchanged(happened: list[tuple[str, str]], recorder: Recorder, full: bool) -> None:
    if full:
        recorder.channels = ("full", "heartbeat", "level2")
    market = Market((BTC, "ETH-USD")).run(happened)
    recorded = recorder.record(market) if market.said else []
    items = merged(recorded)
    before = [each.item for each in recorded if isinstance(each.item, Message)]
    after = messages(items)
    assert after == [
        stamp(copy_of(b), Origin(b.raw, b.received_ns, a.epoch)) for a, b in zip(after, before, strict=True)
    ]
    for product in (None, BTC, "ETH-USD"):
        pairs = [(b.epoch, a.epoch) for b, a in zip(before, after, strict=True) if b.product_id == product]
        for (old, new), (old_next, new_next) in pairwise(pairs):
            assert (old_next > old) == (new_next > new)


@given(kinds, st.lists(recorders(ALL), min_size=2, max_size=3), st.randoms())
def test_order_of_collectors_does_not_matter(
    happened: list[tuple[str, str]], given_: list[Recorder], dice: Any
) -> None:
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    for count, each in enumerate(given_):
        each.skew += count / 1e6  # at one and the same nanosecond, the first one is first
    recorded = [each.record(market, number) for number, each in enumerate(given_)]
    once = merged(*recorded)
    dice.shuffle(recorded)
    again = merged(*recorded)
    assert once == again


@given(kinds, st.lists(recorders(ALL), min_size=2, max_size=3))
def test_merged_book_equals_the_market_or_is_not_ready(happened: list[tuple[str, str]], given_: list[Recorder]) -> None:
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    items = merged(*(each.record(market, number) for number, each in enumerate(given_)))
    for product in (BTC, "ETH-USD"):
        true = [
            tuple({price: size for price, size in book[side].items() if size} for side in ("buy", "sell"))
            for _, book in market.books[product]
        ]
        views: list[BookView] = fold(Level2Book(product), messages(items))
        for view in views:
            if view.ready:
                assert (dict(view.bids), dict(view.asks)) in true


@given(kinds, recorders(("auctionfeed", "heartbeat")), recorders(("auctionfeed", "heartbeat")))
def test_messages_without_numbers_are_compared_by_bytes(
    happened: list[tuple[str, str]], one: Recorder, other: Recorder
) -> None:
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    recorded = [one.record(market, 0), other.record(market, 1)]
    came = [each.raw for each in messages(merged(*recorded), (ExchangeAuction, ExchangeHeartbeat))]
    assert len(came) == len(set(came))
    assert set(came) == {
        each.item.raw
        for heard in recorded
        for each in heard
        if isinstance(each.item, ExchangeAuction | ExchangeHeartbeat)
    }
