"""Merging: what several collectors received together, each message once, and epochs that rise where nobody saw it."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import BookView, ConfigError, Level2Book, fold
from rxfeed.core import Heard, Link, Merge, Merged, Missed, Remark, Restarted
from rxfeed.market import Malformed, Message, Origin, stamp
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from rxfeed.venues.coinbase_exchange.messages import (
    Auction,
    Heartbeat,
    L2Update,
    LastMatch,
    Match,
    Open,
    Received,
    Snapshot,
    Ticker,
)
from tests.support.collectors import START_NS, Market, Recorder, together
from tests.support.make import NOON, heartbeat, match

BTC = "BTC-USD"
ALL = ("matches", "ticker", "heartbeat", "auctionfeed", "level2")
# No receipt is later than another one's of the same message by this much: latencies, and the clocks' differences.
PATIENCE = 2.0

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


def merged(*recorded: list[Heard], patience: float = PATIENCE) -> list[Merged]:
    return fold(Merge(ExchangeMerging(), patience), together(*recorded))


def messages(items: list[Merged], kind: Any = Message) -> list[Any]:
    """The messages of a merged stream, stamped with the epochs that it gives them."""
    return [
        stamp(_copy(each.item), Origin(each.item.raw, each.ns, each.epoch))
        for each in items
        if isinstance(each.item, kind)
    ]


def _copy(message: Any) -> Any:
    return type(message)(**{n: getattr(message, n) for n in message.__struct_fields__ if n != "_origin"})


def missed(items: list[Merged]) -> list[tuple[str, str, int, int]]:
    found = [each.item for each in items if isinstance(each.item, Missed)]
    return [(each.product_id, each.channel, each.first, each.last) for each in found]


def numbers(items: Any, kind: Any, product: str, name: str) -> list[int]:
    return [getattr(each, name) for each in items if isinstance(each, kind) and each.product_id == product]


STREAMS = [
    (("matches", "heartbeat"), Match, "trade_id"),
    (("ticker",), Ticker, "sequence"),
    (("full", "heartbeat"), (Match, Received, Open), "sequence"),
]


@pytest.mark.parametrize(("channels", "kind", "name"), STREAMS, ids=["matches", "ticker", "full"])
@given(st.data())
def test_each_number_that_anybody_received_comes_once_and_in_order(
    channels: tuple[str, ...], kind: Any, name: str, data: Any
) -> None:
    market = Market((BTC, "ETH-USD")).run(data.draw(kinds))
    given_: list[Recorder] = data.draw(st.lists(recorders(channels), min_size=1, max_size=3))
    recorded = [each.record(market, number) if market.said else [] for number, each in enumerate(given_)]
    items = merged(*recorded)
    for product in (BTC, "ETH-USD"):
        received = {each for one in recorded for each in numbers([heard.item for heard in one], kind, product, name)}
        came = numbers(messages(items), kind, product, name)
        if kind is Ticker:  # after a time without any connection, the first one may be the last one again
            came = [each for each, _ in groupby(came)]
        assert came == sorted(received)


@pytest.mark.parametrize(("channels", "kind", "name"), [STREAMS[0], STREAMS[2]], ids=["matches", "full"])
@given(st.data())
def test_missed_is_what_nobody_received_and_there_the_epoch_rises(
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
def test_beside_one_that_misses_nothing_no_epoch_rises_for_what_is_numbered(
    happened: list[tuple[str, str]], torn: Recorder, whole: Recorder
) -> None:
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    # Who covers for another has to be there already, and to be heard of within `patience`.
    whole.spans = ((-5.0, 1e6),)
    torn.channels = whole.channels = ("matches", "ticker", "heartbeat")
    market.said += [(each / 2, heartbeat(each / 2, product_id="ETH-USD")) for each in range(40)]
    market.said.sort(key=lambda each: each[0])
    items = merged(torn.record(market, 0), whole.record(market, 1))
    assert missed(items) == []
    assert {each.epoch for each in items} == {0}


@given(kinds, recorders(ALL), st.booleans())
def test_one_collector_alone_is_left_as_it_is(happened: list[tuple[str, str]], recorder: Recorder, full: bool) -> None:
    if full:
        recorder.channels = ("full", "heartbeat", "level2")
    market = Market((BTC, "ETH-USD")).run(happened)
    recorded = recorder.record(market) if market.said else []
    items = merged(recorded)
    before = [each.item for each in recorded if isinstance(each.item, Message)]
    after = messages(items)
    assert after == [stamp(_copy(b), Origin(b.raw, b.received_ns, a.epoch)) for a, b in zip(after, before, strict=True)]
    for product in (None, BTC, "ETH-USD"):
        pairs = [(b.epoch, a.epoch) for b, a in zip(before, after, strict=True) if b.product_id == product]
        for (old, new), (old_next, new_next) in pairwise(pairs):
            assert (old_next > old) == (new_next > new)


@given(kinds, st.lists(recorders(ALL), min_size=2, max_size=3), st.randoms())
def test_it_does_not_matter_who_is_first(happened: list[tuple[str, str]], given_: list[Recorder], dice: Any) -> None:
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
def test_a_merged_book_is_the_market_s_or_not_ready(happened: list[tuple[str, str]], given_: list[Recorder]) -> None:
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
def test_what_has_no_number_comes_once_by_its_bytes(
    happened: list[tuple[str, str]], one: Recorder, other: Recorder
) -> None:
    market = Market((BTC, "ETH-USD")).run(happened)
    if not market.said:
        return
    recorded = [one.record(market, 0), other.record(market, 1)]
    came = [each.raw for each in messages(merged(*recorded), (Auction, Heartbeat))]
    assert len(came) == len(set(came))
    assert set(came) == {
        each.item.raw for heard in recorded for each in heard if isinstance(each.item, Auction | Heartbeat)
    }


# ---- by hand

TRADES = [("trade", BTC)] * 20


def test_a_gap_of_one_is_filled_by_the_other_in_its_place() -> None:
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


def test_what_is_later_than_patience_is_dropped_and_said_to_be_missing() -> None:
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


def test_the_numbers_of_one_are_not_torn_by_the_other_s_reconnect() -> None:
    market = Market().run([("trade", BTC), ("beat", BTC)] * 10)
    restless = Recorder(spans=[(-1, 1), (1.3, 2.1), (2.7, 9)])
    items = merged(restless.record(market, 0), Recorder(spans=[(-2, 9)]).record(market, 1))
    assert missed(items) == []
    assert {each.epoch for each in items} == {0}
    assert [each.item for each in items if isinstance(each.item, str)] == ["up 1", "down 1"]
    assert messages(items, LastMatch) == []  # before the first trade there was none, and then none was news


def test_what_only_one_was_receiving_is_torn_by_its_reconnect() -> None:
    market = Market().run([("trade", BTC), ("auction", BTC), ("beat", BTC)] * 10)
    restless = Recorder(channels=("matches", "auctionfeed"), spans=[(-1, 3.1), (4, 9)])
    items = merged(restless.record(market, 0), Recorder(spans=[(-2, 9)]).record(market, 1))
    assert missed(items) == []
    assert sorted({each.epoch for each in messages(items)}) == [0, 1]
    auctions = messages(items, Auction)
    assert [each.epoch for each in auctions] == sorted(each.epoch for each in auctions)
    assert auctions[0].epoch < auctions[-1].epoch


def test_a_connection_that_is_dead_and_does_not_know_it_covers_nothing() -> None:
    market = Market().run([("trade", BTC)] * 20)
    alive = Recorder(channels=("ticker",), spans=[(-1, 3.1), (4, 9)])
    recorded = Recorder(channels=("ticker",), spans=[(-2, 1)]).record(market, 1)
    *heard, down, over = recorded
    end = START_NS + 9 * 10**9
    dead = [*heard, Heard(1, end, down.item), Heard(1, end, over.item)]
    items = merged(alive.record(market, 0), dead, patience=0.5)
    tickers = messages(items, Ticker)
    assert {each.epoch for each in tickers if each.time < NOON + timedelta(seconds=3.1)} == {0}
    assert {each.epoch for each in tickers if each.time > NOON + timedelta(seconds=4)} == {1}


def test_trades_that_a_heartbeat_named_may_come_from_the_other_one() -> None:
    market = Market().run([("trade", BTC), ("trade", BTC), ("beat", BTC)] * 2 + [("beat", BTC)] * 3)
    torn = Recorder(drops=frozenset({2, 3, 5, 6}), latency=[0.0])
    items = merged(torn.record(market, 0), Recorder(latency=[1.5]).record(market, 1))
    assert [each.trade_id for each in messages(items, Match)] == [11, 12, 13, 14]
    assert missed(items) == []


def test_level2_is_one_collector_s_until_it_breaks_and_then_whose_snapshot_is_next() -> None:
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


def test_a_market_that_began_anew_is_followed_and_what_is_left_of_the_old_one_is_not() -> None:
    def came(number: int, seconds: float, trade_id: int, at: float, epoch: int = 0) -> Heard:
        ns = START_NS + round(seconds * 10**9)
        trade = match(time=at, trade_id=trade_id, sequence=trade_id)
        return Heard(number, ns, stamp(_copy(trade), Origin(trade.raw, ns, epoch)))

    def link(number: int, seconds: float, *, up: bool) -> Heard:
        return Heard(number, START_NS + round(seconds * 10**9), Link(up=up))

    one = [came(0, 1, 500, 1), came(0, 2, 501, 2), link(0, 3, up=False), link(0, 4, up=True)]
    one += [came(0, 5, 1, 5, 1), came(0, 6, 2, 6, 1), came(0, 7, 3, 7, 1)]
    # Its clock is three seconds ahead.
    two = [came(1, 4, 500, 1), came(1, 5.1, 501, 2), came(1, 5.2, 502, 2.2), link(1, 6.3, up=False)]
    two += [link(1, 7, up=True), came(1, 8, 1, 5, 1), came(1, 9, 2, 6, 1), came(1, 10, 3, 7, 1), came(1, 11, 4, 8, 1)]
    items = merged(one, two, patience=4)
    assert [each.trade_id for each in messages(items, Match)] == [500, 501, 1, 2, 3, 4]


def received_by(number: int, seconds: float, message: Any) -> Heard:
    ns = START_NS + round(seconds * 10**9)
    return Heard(number, ns, stamp(_copy(message), Origin(message.raw, ns, 0)))


def numbered(trade_id: int, time: float) -> Match:
    return match(time=time, trade_id=trade_id, sequence=trade_id)


@pytest.mark.parametrize("behind", [0.0, 0.4, 1.7])
def test_numbers_that_begin_anew_within_connections_are_followed_once(behind: float) -> None:
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


def test_one_wrong_number_of_one_collector_loses_nothing() -> None:
    trades = [numbered(n, n) for n in range(1, 30)]
    wrong = [*trades[:10], numbered(10**15, 11), *trades[11:]]
    recorded = [
        [received_by(each, n + each / 10, trade) for n, trade in enumerate((wrong, trades)[each])] for each in (0, 1)
    ]
    came = [each.trade_id for each in messages(merged(*recorded), Match)]
    # The eleventh comes from the other collector, and under the wrong number too.
    assert came == [*range(1, 12), 10**15, *range(12, 30)]


def test_a_heartbeat_with_wrong_numbers_does_not_silence_those_after_it() -> None:
    def beat(time: float, sequence: int, trade_id: int) -> Heartbeat:
        return Heartbeat(product_id=BTC, sequence=sequence, last_trade_id=trade_id, time=NOON + timedelta(seconds=time))

    sent: list[Message] = [numbered(1, 0.5), beat(1, 10**15, 1), *(beat(n, n, 3) for n in range(2, 6))]
    recorded = [[received_by(each, n + 1, message) for n, message in enumerate(sent)] for each in (0, 1)]
    assert missed(merged(*recorded)) == [(BTC, "matches", 2, 3)]


def test_what_was_unreadable_for_one_does_not_tear_what_the_other_covers() -> None:
    market = Market().run(TRADES)
    garbled = Recorder(garbled=frozenset({6}))
    items = merged(garbled.record(market, 0), Recorder(spans=[(-2, 9)]).record(market, 1))
    assert [each.item.reason for each in items if isinstance(each.item, Malformed)] == ["no"]
    assert [each.trade_id for each in messages(items, Match)] == [*range(11, 31)]
    assert {each.epoch for each in items} == {0}
    assert {each.epoch for each in merged(garbled.record(market))} != {0}


def test_a_last_match_that_is_news_is_said_and_one_that_is_not_is_not() -> None:
    market = Market().run(TRADES)
    late = Recorder(spans=[(2.1, 9)])
    assert [each.trade_id for each in messages(merged(late.record(market)), LastMatch)] == [19]
    both = merged(late.record(market, 0), Recorder(spans=[(1.1, 9)]).record(market, 1))
    assert [each.trade_id for each in messages(both, LastMatch)] == [15]
    assert [each.trade_id for each in messages(both, Match)] == [*range(16, 31)]


def test_remarks_are_passed_on_where_nobody_else_knows_better() -> None:
    pair = ("heartbeat", BTC)
    market = Market().run([("beat", BTC), ("trade", BTC)] * 20)

    def heard(number: int, seconds: float, **fields: Any) -> Heard:
        said = f"{number} at {seconds:g}"
        return Heard(number, START_NS + round(seconds * 10**9), Remark(said, **fields))

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


@pytest.mark.parametrize("patience", [0, -1, float("nan"), "5"])
def test_patience_is_a_number_of_seconds(patience: Any) -> None:
    with pytest.raises(ConfigError, match="patience"):
        Merge(ExchangeMerging(), patience)
