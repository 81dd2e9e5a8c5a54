"""Frames that nothing reads: only type, product and number are decoded, and everything else is as with a reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed import Feed, trades
from rxfeed.feed import Dispatcher
from rxfeed.market import BookSnapshot, BookUpdate, Message, Ticker, Trade
from rxfeed.venues.coinbase_advanced import ConnectionHeartbeat
from tests.support.collect import Collected
from tests.venues.coinbase_advanced import wire

BTC, ETH = "BTC-USD", "ETH-USD"
EXCHANGE, ADVANCED = "coinbase_exchange", "coinbase_advanced"
VENUES = (EXCHANGE, ADVANCED)
CHANNELS = {EXCHANGE: ["matches", "ticker", "level2_batch"], ADVANCED: ["market_trades", "ticker", "level2"]}
DAY = "2026-08-09T21:05:"
NS = 1_786_309_600 * 10**9  # a minute later


def now_of(frame: int) -> str:
    return f"{DAY}{frame % 60:02}.123456Z"


def text(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


class Frames:
    """Makes frames of one connection, with the next number of each product and of the connection."""

    def __init__(self, venue: str) -> None:
        self.advanced = venue == ADVANCED
        self.number = 0
        self.ids = {BTC: 100, ETH: 200}

    def trade(self, product: str = BTC, count: int = 1) -> bytes:
        first = self.ids[product]
        self.ids[product] += count if self.advanced else 1
        if self.advanced:
            them = [wire.trade(first + each, self.number % 60, product=product) for each in range(count)]
            return self._next(wire.trades(self.number, *them))
        self.number += 1
        orders = {"maker_order_id": "a", "taker_order_id": "b"}
        numbers = {"trade_id": first, "sequence": 10 * first, "product_id": product}
        traded = {"side": "buy", "price": "10.5", "size": "1", "time": now_of(self.number)}
        return text(type="match", **numbers, **orders, **traded)

    def ticker(self, product: str = BTC) -> bytes:
        if self.advanced:
            one = {"type": "ticker", "product_id": product, "price": "10"}
            return self._next(wire.frame(self.number, "ticker", {"type": "update", "tickers": [one]}))
        self.number += 1
        return text(type="ticker", sequence=self.number, product_id=product, price="10", time=now_of(self.number))

    def heartbeat(self, product: str = BTC) -> bytes:
        """Advanced Trade's; Exchange's are checked, since they name the last trade, and are decoded in full."""
        return self._next(wire.heartbeat(self.number)) if self.advanced else self.ticker(product)

    def book(self, product: str = BTC, kind: str = "update") -> bytes:
        if self.advanced:
            return self._next(wire.book(self.number, ("bid", "10", "1"), product=product, kind=kind))
        self.number += 1
        if kind == "snapshot":
            return text(type=kind, product_id=product, bids=[["10", "1"]], asks=[], time=now_of(self.number))
        return text(type="l2update", product_id=product, changes=[["buy", "10", "1"]], time=now_of(self.number))

    def _next(self, frame: str) -> bytes:
        self.number += 1
        return frame.encode()


class Fed:
    """A feed of *venue* that is not connected; `frames` are delivered as those of one read of its socket."""

    def __init__(self, venue: str, *, reads_all: bool = False) -> None:
        self.feed = Feed([BTC, ETH], CHANNELS[venue], venue=venue, url="ws://127.0.0.1:1")
        gaps = self.feed.venue.gaps()
        gaps.watch((channel, product) for channel in CHANNELS[venue] for product in (BTC, ETH))
        self.status: Collected[Any] = Collected(self.feed.status)
        self.malformed = Collected(self.feed.malformed)
        self.everything = Collected(self.feed) if reads_all else None
        self._dispatcher = Dispatcher(self.feed._streams, gaps)

    def frames(self, *frames: bytes) -> None:
        self._dispatcher.frames(frames, NS)


@pytest.mark.parametrize("venue", VENUES)
def test_only_what_is_read_is_decoded_in_full(venue: str) -> None:
    fed, made = Fed(venue), Frames(venue)
    got = Collected(fed.feed.pipe(trades(BTC)))
    fed.frames(made.trade(), *(made.book((each % 2 and BTC) or ETH) for each in range(6)), made.trade(), made.ticker())
    fed.frames(made.ticker(), made.trade(), made.ticker(), made.book())
    stats = fed.feed.stats
    assert [each.trade_id for each in got.items] == [100, 101, 102]
    # A connection, and the tickers of a product, begin with a frame that gets all checks.
    assert stats.skimmed == (10 if venue == ADVANCED else 9)
    assert (stats.messages, stats.frames) == (13, 13)
    assert sorted(stats.by_type.values()) == [3, 3, 7]
    assert {product: sum(counts.values()) for product, counts in stats.by_product.items()} == {BTC: 10, ETH: 3}


@pytest.mark.parametrize("venue", VENUES)
def test_frame_after_a_subscription_is_decoded_in_full(venue: str) -> None:
    """The subscription is made by the subscriber of a trade, in the middle of what one read of the socket brought."""
    fed, made, books = Fed(venue), Frames(venue), list[Collected[Message]]()
    fed.feed.pipe(trades(BTC)).subscribe(
        lambda trade: books.append(Collected(fed.feed)) if trade.trade_id == 101 else None
    )
    fed.frames(made.trade(), made.book(), made.book(), made.trade(), made.book(), made.ticker(), made.book(ETH))
    (got,) = books
    assert [type(each).__mro__[1] for each in got.items] == [BookUpdate, Ticker, BookUpdate]
    assert fed.feed.stats.skimmed == 2
    got.subscription.dispose()
    fed.frames(made.book(), made.book(), made.trade())
    assert fed.feed.stats.skimmed == 4
    assert len(got.items) == 3


@pytest.mark.parametrize("venue", VENUES)
def test_everything_read_means_nothing_is_skimmed(venue: str) -> None:
    fed, made = Fed(venue, reads_all=True), Frames(venue)
    fed.frames(made.trade(), made.book(), made.ticker(), made.book(kind="snapshot"))
    assert fed.feed.stats.skimmed == 0
    assert fed.everything is not None
    assert len(fed.everything.items) == 4


@pytest.mark.parametrize("venue", VENUES)
def test_unread_frame_that_is_no_json_is_malformed(venue: str) -> None:
    fed, made = Fed(venue), Frames(venue)
    whole = [made.book() for _ in range(5)]
    fed.frames(whole[0], whole[1][:-1], whole[2].replace(b'"10"', b'"\xff"'), whole[3] + b"]", whole[4])
    assert fed.feed.stats.malformed == 3
    assert fed.feed.stats.messages == 2


@pytest.mark.parametrize("venue", VENUES)
def test_wrong_shape_is_noticed_where_it_is_read(venue: str) -> None:
    """What decoding by need gives up."""
    for reads_all, malformed in ((False, 0), (True, 1)):
        fed, made = Fed(venue, reads_all=reads_all), Frames(venue)
        fed.frames(made.trade(), made.book(), made.book().replace(b'"10"', b'"NaN"'), made.book())
        assert fed.feed.stats.malformed == malformed


def test_heartbeat_of_a_connection_that_nothing_reads_is_not_decoded() -> None:
    for reads_all, skimmed in ((False, 2), (True, 0)):
        fed, made = Fed(ADVANCED, reads_all=reads_all), Frames(ADVANCED)
        fed.frames(made.trade(), made.heartbeat(), made.heartbeat(), made.trade())
        stats = fed.feed.stats
        assert (stats.skimmed, stats.messages, stats.gaps) == (skimmed, 4, 0)
        assert stats.types[ConnectionHeartbeat] == 2


def test_first_snapshot_that_nothing_reads_is_not_decoded() -> None:
    for venue in VENUES:
        fed, made = Fed(venue), Frames(venue)
        fed.frames(made.trade(), made.book(kind="snapshot"))
        assert (fed.feed.stats.skimmed, fed.feed.stats.types[type_of(fed, BookSnapshot)]) == (1, 1)


def type_of(fed: Fed, base: type[Message]) -> type[Message]:
    return next(kind for kind in fed.feed.stats.types if issubclass(kind, base))


ACTIONS = st.sampled_from(
    [
        "book",
        "book",
        "book",
        "snapshot",
        "ticker",
        "ticker",
        "heartbeat",
        "trade",
        "trade",
        "many",
        "skip",
        "again",
        "late",
        "broken",
    ]
)


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=25)
@given(st.lists(st.tuples(ACTIONS, st.sampled_from([BTC, ETH])), min_size=1, max_size=30), st.integers(1, 9))
def test_gaps_and_counts_are_those_of_full_decoding(venue: str, actions: list[tuple[str, str]], at_once: int) -> None:
    """A reader of trades gets the same trades, epochs, gaps and counts, whether or not something reads the rest."""
    made = Frames(venue)
    frames: list[bytes] = []
    for action, product in actions:
        if action == "skip" or (action in ("again", "late") and not frames):
            made.trade(product)
        elif action == "again":
            frames.append(frames[-1])
        elif action == "late":
            frames.append(frames[len(frames) // 2])
        elif action == "broken":
            frames.append(made.trade(product)[:-1])
        elif action == "many":
            frames.append(made.trade(product, 3))
        elif action == "snapshot":
            frames.append(made.book(product, "snapshot"))
        else:
            frames.append(getattr(made, action)(product))
    outcomes: list[Any] = []
    for reads_all in (False, True):
        fed = Fed(venue, reads_all=reads_all)
        got: Collected[Trade] = Collected(fed.feed.pipe(trades()))
        for at in range(0, len(frames), at_once):
            fed.frames(*frames[at : at + at_once])
        stats = fed.feed.stats
        counts = (stats.frames, stats.bytes, stats.messages, stats.by_product, stats.malformed, stats.duplicates)
        gaps = [each.__class__.__name__ for each in fed.status.items], stats.gaps, stats.gapped, stats.resets
        outcomes.append(([(each, each.epoch, each.raw) for each in got.items], counts, gaps))
    assert outcomes[0] == outcomes[1]
