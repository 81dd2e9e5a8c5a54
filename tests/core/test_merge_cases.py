"""Merging, by examples: what one collector lost, restarts, malformed frames, and events of the status."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rxfeed import BookView, ConfigError, fold
from rxfeed.core import ConnectionChange, Level2Book, Merge, ReceivedItem, Restarted, StatusEvent
from rxfeed.market import ChannelSubscription, Malformed, Message, Origin, of_connection, stamp
from rxfeed.testing import trade
from rxfeed.venues.coinbase_advanced.merging import AdvancedMerging
from rxfeed.venues.coinbase_advanced.messages import AdvancedSubscriptions, MarketTrade
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from rxfeed.venues.coinbase_exchange.messages import (
    ExchangeAuction,
    ExchangeHeartbeat,
    ExchangeTicker,
    L2Update,
    LastMatch,
    Match,
    Snapshot,
)
from tests.support.collectors import START_NS, Market, Recorder, together
from tests.support.make import NOON, match
from tests.support.merged import BTC, PATIENCE, copy_of, is_repaired, merged, messages, missed, numbers

TRADES = [("trade", BTC)] * 20


def test_gap_of_one_collector_is_filled_by_the_other() -> None:
    market = Market().run(TRADES)
    torn = Recorder(drops=frozenset({6, 7}), latency=[0.0])
    items = merged(torn.record(market, 0), Recorder(latency=[1.0]).record(market, 1))
    trades = messages(items, Match)
    assert [each.trade_id for each in trades] == [*range(11, 31)]
    assert {each.epoch for each in trades} == {0}
    assert missed(items) == []
    # Two were received by the slow one alone, and later than what they go before.
    slow = [each.trade_id for each in trades if each.received_ns - START_NS > _ns(each) + 10**9 // 2]
    assert len(slow) == 2
    assert trades[slow[0] - 11].received_ns > trades[slow[1] - 10].received_ns


def _ns(trade: Match) -> int:
    return (trade.time - NOON) // timedelta(microseconds=1) * 1000


def test_messages_later_than_patience_are_dropped_as_gaps() -> None:
    market = Market().run(TRADES)
    torn = Recorder(drops=frozenset({6, 7}), latency=[0.0])
    late = Recorder(latency=[1.0])
    items = merged(torn.record(market, 0), late.record(market, 1), patience=0.5)
    assert len(missed(items)) == 1
    (_, _, first, last) = missed(items)[0]
    assert last == first + 1
    trades = messages(items, Match)
    assert [each.trade_id for each in trades] == [n for n in range(11, 31) if not first <= n <= last]
    assert [each.epoch for each in trades] == [int(each.trade_id > last) for each in trades]


def test_reconnect_of_one_collector_keeps_covered_epochs() -> None:
    market = Market().run([("trade", BTC), ("beat", BTC)] * 10)
    restless = Recorder(spans=[(-1, 1), (1.3, 2.1), (2.7, 9)])
    items = merged(restless.record(market, 0), Recorder(spans=[(-2, 9)]).record(market, 1))
    assert missed(items) == []
    assert {each.epoch for each in items} == {0}
    assert [each.item for each in items if isinstance(each.item, str)] == ["up 1", "down 1"]
    assert messages(items, LastMatch) == []  # before the first trade there was none, and then none was news


def test_reconnect_raises_epochs_of_data_of_one_collector() -> None:
    market = Market().run([("trade", BTC), ("auction", BTC), ("beat", BTC)] * 10)
    restless = Recorder(channels=("matches", "auctionfeed"), spans=[(-1, 3.1), (4, 9)])
    items = merged(restless.record(market, 0), Recorder(spans=[(-2, 9)]).record(market, 1))
    assert missed(items) == []
    assert sorted({each.epoch for each in messages(items)}) == [0, 1]
    auctions = messages(items, ExchangeAuction)
    assert [each.epoch for each in auctions] == sorted(each.epoch for each in auctions)
    assert auctions[0].epoch < auctions[-1].epoch


def test_silent_connection_covers_nothing() -> None:
    market = Market().run([("trade", BTC)] * 20)
    alive = Recorder(channels=("ticker",), spans=[(-1, 3.1), (4, 9)])
    recorded = Recorder(channels=("ticker",), spans=[(-2, 1)]).record(market, 1)
    *heard, down, over = recorded
    end = START_NS + 9 * 10**9
    dead = [*heard, ReceivedItem(1, end, down.item), ReceivedItem(1, end, over.item)]
    items = merged(alive.record(market, 0), dead, patience=0.5)
    tickers = messages(items, ExchangeTicker)
    assert {each.epoch for each in tickers if each.time < NOON + timedelta(seconds=3.1)} == {0}
    assert {each.epoch for each in tickers if each.time > NOON + timedelta(seconds=4)} == {1}


def test_trades_named_by_a_heartbeat_may_come_from_the_other() -> None:
    market = Market().run([("trade", BTC), ("trade", BTC), ("beat", BTC)] * 2 + [("beat", BTC)] * 3)
    torn = Recorder(drops=frozenset({2, 3, 5, 6}), latency=[0.0])
    items = merged(torn.record(market, 0), Recorder(latency=[1.5]).record(market, 1))
    assert [each.trade_id for each in messages(items, Match)] == [11, 12, 13, 14]
    assert missed(items) == []


def test_level2_switches_collectors_at_a_break() -> None:
    """After a break, level2 comes from the collector that delivers the next snapshot."""
    market = Market().run([("book", BTC)] * 40)
    level2 = ("level2",)
    first = Recorder(channels=level2, spans=[(-2, 3.1), (5, 11)])
    other = Recorder(channels=level2, spans=[(-1, 4), (4.6, 11)])
    items = merged(first.record(market, 0), other.record(market, 1))
    books = messages(items, (Snapshot, L2Update))
    assert [isinstance(each, Snapshot) for each in books].count(True) == 2
    assert [each.epoch for each in books] == sorted(each.epoch for each in books)
    assert [each.epoch for each in books if isinstance(each, Snapshot)] == [0, 1]
    times = [each.time for each in books if isinstance(each, L2Update) and each.time is not None]
    assert max(each for each in times if each <= NOON + timedelta(seconds=3.1)) == NOON + timedelta(seconds=3)
    assert min(each for each in times if each > NOON + timedelta(seconds=3.1)) == NOON + timedelta(seconds=4.75)
    ready = [view.ready for view in fold(Level2Book(BTC), books)]
    assert ready.count(False) == 1


def test_interrupted_book_raises_the_epoch_of_books_alone() -> None:
    market = Market().run([("book", BTC), ("trade", BTC)] * 20)
    channels = ("level2", "matches")
    first = Recorder(channels=channels, spans=[(-2, 3.1), (5, 11)])
    other = Recorder(channels=channels, spans=[(-1, 11)])
    items = merged(first.record(market, 0), other.record(market, 1))
    assert {each.epoch for each in messages(items, Snapshot)} == {0, 1}
    assert {each.epoch for each in messages(items, Match)} == {0}


def test_restarted_market_is_followed_without_old_messages() -> None:
    def came(number: int, seconds: float, trade_id: int, at: float, epoch: int = 0) -> ReceivedItem:
        ns = START_NS + round(seconds * 10**9)
        trade = match(time=at, trade_id=trade_id, sequence=trade_id)
        return ReceivedItem(number, ns, stamp(copy_of(trade), Origin(trade.raw, ns, epoch)))

    def link(number: int, seconds: float, *, up: bool) -> ReceivedItem:
        return ReceivedItem(number, START_NS + round(seconds * 10**9), ConnectionChange(up=up))

    one = [came(0, 1, 500, 1), came(0, 2, 501, 2), link(0, 3, up=False), link(0, 4, up=True)]
    one += [came(0, 5, 1, 5, 1), came(0, 6, 2, 6, 1), came(0, 7, 3, 7, 1)]
    # Its clock is three seconds ahead.
    two = [came(1, 4, 500, 1), came(1, 5.1, 501, 2), came(1, 5.2, 502, 2.2), link(1, 6.3, up=False)]
    two += [link(1, 7, up=True), came(1, 8, 1, 5, 1), came(1, 9, 2, 6, 1), came(1, 10, 3, 7, 1), came(1, 11, 4, 8, 1)]
    items = merged(one, two, patience=4)
    assert [each.trade_id for each in messages(items, Match)] == [500, 501, 1, 2, 3, 4]


def received_by(number: int, seconds: float, message: Any) -> ReceivedItem:
    ns = START_NS + round(seconds * 10**9)
    return ReceivedItem(number, ns, stamp(copy_of(message), Origin(message.raw, ns, 0)))


def numbered(trade_id: int, time: float) -> Match:
    return match(time=time, trade_id=trade_id, sequence=trade_id)


@pytest.mark.parametrize("behind", [0.0, 0.4, 1.7])
def test_numbers_that_restart_in_connections_are_followed_once(behind: float) -> None:
    trades = [numbered(n, n - 500) for n in range(501, 511)] + [numbered(n, 10 + n) for n in range(1, 11)]
    recorded = [[received_by(each, n + 1 + behind * each, trade) for n, trade in enumerate(trades)] for each in (0, 1)]
    items = merged(*recorded)
    assert [each.trade_id for each in messages(items, Match)] == [each.trade_id for each in trades]
    (reset,) = [each.item for each in items if isinstance(each.item, Restarted)]
    assert (reset.last, reset.first) == (510, 1)
    assert missed(items) == []
    # Both go on to cover one another.
    alone = merged(recorded[0][:14], recorded[1])
    assert [each.trade_id for each in messages(alone, Match)] == [each.trade_id for each in trades]


def test_wrong_number_of_one_collector_loses_nothing() -> None:
    trades = [numbered(n, n) for n in range(1, 30)]
    wrong = [*trades[:10], numbered(10**15, 11), *trades[11:]]
    recorded = [
        [received_by(each, n + each / 10, trade) for n, trade in enumerate((wrong, trades)[each])] for each in (0, 1)
    ]
    came = [each.trade_id for each in messages(merged(*recorded), Match)]
    # The eleventh comes from the other collector, and under the wrong number too.
    assert came == [*range(1, 12), 10**15, *range(12, 30)]


def test_heartbeat_with_wrong_numbers_keeps_later_ones() -> None:
    def beat(time: float, sequence: int, trade_id: int) -> ExchangeHeartbeat:
        return ExchangeHeartbeat(
            product_id=BTC, sequence=sequence, last_trade_id=trade_id, time=NOON + timedelta(seconds=time)
        )

    sent: list[Message] = [numbered(1, 0.5), beat(1, 10**15, 1), *(beat(n, n, 3) for n in range(2, 6))]
    recorded = [[received_by(each, n + 1, message) for n, message in enumerate(sent)] for each in (0, 1)]
    assert missed(merged(*recorded)) == [(BTC, "matches", 2, 3)]


def test_malformed_frame_of_one_collector_keeps_covered_epochs() -> None:
    market = Market().run(TRADES)
    garbled = Recorder(garbled=frozenset({6}))
    items = merged(garbled.record(market, 0), Recorder(spans=[(-2, 9)]).record(market, 1))
    assert [each.item.reason for each in items if isinstance(each.item, Malformed)] == ["no"]
    assert [each.trade_id for each in messages(items, Match)] == [*range(11, 31)]
    assert {each.epoch for each in items} == {0}
    assert {each.epoch for each in merged(garbled.record(market))} != {0}


def _place_of(trade_id: int, recorded: list[ReceivedItem]) -> int:
    found = (place for place, each in enumerate(recorded) if isinstance(each.item, Match))
    return next(place for place in found if getattr(recorded[place].item, "trade_id", None) == trade_id)


def test_malformed_frame_affects_messages_of_its_kind_alone() -> None:
    """As in a feed: the book and the tickers have nothing to do with a trade that could not be decoded."""
    channels = ("matches", "ticker", "level2")
    market = Market().run([("trade", BTC), ("book", BTC)] * 10)
    recorded = Recorder(channels=channels).record(market)
    place = _place_of(15, recorded)
    lost: Any = recorded[place].item
    ns = recorded[place].ns
    recorded[place] = ReceivedItem(0, ns, Malformed(lost.raw, "no", ns, BTC, "match"))  # its id is not missing
    for later, each in enumerate(recorded):
        if later > place and isinstance(each.item, Match | LastMatch):
            recorded[later] = ReceivedItem(0, each.ns, stamp(copy_of(each.item), Origin(each.item.raw, each.ns, 1)))
    doubted = {"match": frozenset[type[Message]]({Match})}
    items = fold(Merge(ExchangeMerging(), PATIENCE, lambda frame: doubted[frame.type or ""]), together(recorded))
    epochs = {kind: {each.epoch for each in messages(items, kind)} for kind in (Match, ExchangeTicker, L2Update)}
    assert max(epochs[Match]) > 0
    assert (epochs[ExchangeTicker], epochs[L2Update]) == ({0}, {0})
    after = [each for each in messages(items, Match) if each.trade_id > lost.trade_id]
    assert all(each.epoch > 0 for each in after)
    views: list[BookView] = fold(Level2Book(BTC), messages(items))
    assert all(view.ready for view in views[1:])


@pytest.mark.parametrize("at", [0, 1])
def test_epoch_that_rises_by_more_than_the_malformed_frame_is_of_all_kinds(at: int) -> None:
    """After the frame a gap raised the epochs of the whole product."""
    market = Market().run([("trade", BTC), ("book", BTC)] * 10)
    recorded = Recorder(channels=("matches", "ticker", "level2")).record(market)
    place = _place_of(15, recorded)
    ns = recorded[place].ns
    recorded[place] = ReceivedItem(0, ns, Malformed(b"{", "no", ns, BTC, "match"))
    for later, each in enumerate(recorded):
        if later > place + at and isinstance(each.item, Message):
            recorded[later] = ReceivedItem(0, each.ns, stamp(copy_of(each.item), Origin(each.item.raw, each.ns, 2)))
    items = fold(Merge(ExchangeMerging(), PATIENCE, lambda frame: frozenset({Match})), together(recorded))
    for kind in (Match, ExchangeTicker, L2Update):
        assert max(each.epoch for each in messages(items, kind)) > 0


def test_last_match_is_emitted_only_if_it_is_new() -> None:
    market = Market().run(TRADES)
    late = Recorder(spans=[(2.1, 9)])
    assert [each.trade_id for each in messages(merged(late.record(market)), LastMatch)] == [19]
    both = merged(late.record(market, 0), Recorder(spans=[(1.1, 9)]).record(market, 1))
    assert [each.trade_id for each in messages(both, LastMatch)] == [15]
    assert [each.trade_id for each in messages(both, Match)] == [*range(16, 31)]


@pytest.mark.parametrize("older", [False, True])
def test_last_match_with_the_next_id_is_the_trade_that_was_missed(older: bool) -> None:
    market = Market().run(TRADES)
    items = merged(Recorder(spans=[(-1, 1.1), (1.3, 9)], older=older).record(market))
    assert [each.trade_id for each in messages(items, Match)] == [*range(11, 31)]
    assert numbers([each.item for each in items if is_repaired(each.item)], Match, BTC, "trade_id") == [16]
    assert (missed(items), messages(items, LastMatch)) == ([], [])


def test_status_events_pass_unless_another_collector_covers() -> None:
    pair = ("heartbeat", BTC)
    market = Market().run([("beat", BTC), ("trade", BTC)] * 20)

    def heard(number: int, seconds: float, **fields: Any) -> ReceivedItem:
        said = f"{number} at {seconds:g}"
        return ReceivedItem(number, START_NS + round(seconds * 10**9), StatusEvent(said, **fields))

    one, two = Recorder(spans=[(-1, 20)]).record(market, 0), Recorder(spans=[(-1, 20)]).record(market, 1)
    said = [
        heard(0, 1, pair=pair, silent=True),
        heard(1, 2, pair=pair, silent=True),
        heard(0, 3, pair=pair),
        heard(1, 4, pair=pair, silent=True),
        heard(0, 5, alone=True),
        heard(0, 6),
        heard(1, 40, alone=True),
    ]
    items = fold(Merge(ExchangeMerging(), PATIENCE), together(one, two, said))
    assert [each.item for each in items if isinstance(each.item, str)][1:-2] == ["1 at 2", "0 at 3", "0 at 6"]
    assert items[-1].item == "1 at 40"


def test_acknowledgement_of_one_connection_removes_nothing_of_others() -> None:
    """A collector of several connections, one of which is replaced: its acknowledgements begin with fewer channels."""

    def acknowledged(connection: int, *channels: str) -> Message:
        listed = tuple(ChannelSubscription(each, (BTC,)) for each in channels)
        answer = AdvancedSubscriptions(channels=listed)
        return stamp(answer, of_connection(Origin, connection)(b"%d%d" % (connection, len(channels)), 0, 0))

    def made(trade_id: int, connection: int) -> Message:
        made = trade(trade_id=trade_id, time=trade_id, venue="coinbase_advanced")
        return stamp(made, of_connection(Origin, connection)(b"", trade_id, 0))

    received: list[object] = [
        ConnectionChange(up=True),
        StatusEvent(None, connected=2),
        acknowledged(1, "market_trades"),
        acknowledged(1, "market_trades", "level2"),
        acknowledged(2, "market_trades"),
        acknowledged(2, "market_trades", "level2"),
        made(1, 1),
        StatusEvent(None, connected=1),
        acknowledged(1, "market_trades"),
        made(2, 2),
        acknowledged(1, "market_trades", "level2"),
        made(3, 1),
    ]
    items = [ReceivedItem(0, START_NS + place, each) for place, each in enumerate(received)]
    merged_items = fold(Merge(AdvancedMerging(), PATIENCE), items)
    trades = [each for each in merged_items if isinstance(each.item, MarketTrade)]
    assert [(each.item.trade_id, each.epoch) for each in trades] == [(1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize("patience", [0, -1, float("nan"), "5"])
def test_bad_patience_is_named(patience: Any) -> None:
    with pytest.raises(ConfigError, match="patience"):
        Merge(ExchangeMerging(), patience)


def test_book_that_is_renewed_raises_no_epoch_of_trades() -> None:
    """A connection leaves the book and subscribes to it again, so that one acknowledgement is without it."""

    def acknowledged(*channels: str) -> Message:
        answer = AdvancedSubscriptions(channels=tuple(ChannelSubscription(each, (BTC,)) for each in channels))
        return stamp(answer, Origin(b"%d" % len(channels), 0, 0))

    def made(trade_id: int) -> Message:
        return stamp(trade(trade_id=trade_id, time=trade_id, venue="coinbase_advanced"), Origin(b"", trade_id, 0))

    received: list[object] = [
        ConnectionChange(up=True),
        acknowledged("market_trades", "level2"),
        made(1),
        acknowledged("market_trades"),
        made(2),
        acknowledged("market_trades", "level2"),
        made(3),
    ]
    items = [ReceivedItem(0, START_NS + place, each) for place, each in enumerate(received)]
    trades = messages(fold(Merge(AdvancedMerging(), PATIENCE), items), MarketTrade)
    assert [each.epoch for each in trades] == [0, 0, 0]
