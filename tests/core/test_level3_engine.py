"""The level 3 book, compared with the local exchange's matching engine under faults."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core.book_snapshot import Level3Snapshot, NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import FullBookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.core.matching import SIDES, MatchingEngine
from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels
from rxfeed.sim.coinbase_exchange.rest import SimulatedExchangeRest
from rxfeed.sim.frames import Frame, payload_of
from rxfeed.sim.market import Market
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import RestRequest
from rxfeed.venues.coinbase_exchange import (
    ExchangeDecoder,
)
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat
from tests.core.level3_steps import (
    BTC,
)
from tests.support.make import in_epoch


class _Ear:
    """Receives both channels of a market, and stores the engine's book after every sequence."""

    def __init__(self, seed: int, messages: int) -> None:
        market = Market([BTC], seed=seed, start=datetime(2026, 1, 1, tzinfo=UTC))
        self.engine: MatchingEngine = market.engines[BTC]
        channels = ExchangeChannels(market)
        self.frames: list[Frame] = []
        self.books: dict[int, Any] = {}
        self._rest = SimulatedExchangeRest(Simulation(market))
        self._note()

        def publish(event: Any) -> None:
            channels.publish(event)
            self._note()

        market.publish = publish
        channels.join([("full", BTC), ("heartbeat", BTC)], self)
        while len(self.frames) < messages:
            market.turn()
        decoder = ExchangeDecoder()
        self.messages: list[Any] = [decoder.decode(payload_of(frame.wire)) for frame in self.frames]

    def offer(self, frame: Frame) -> None:
        self.frames.append(frame)

    def _note(self) -> None:
        answer = self._rest.answer(RestRequest("GET", f"/products/{BTC}/book", {"level": "3"}))
        self.books[self.engine.sequence] = Level3Snapshot.of(answer.content)


@cache
def market(seed: int) -> _Ear:
    return _Ear(seed, 150)


FATES = st.lists(
    st.sampled_from(["pass"] * 20 + ["drop", "twice", "late", "break", "fail", "stale", "snapshot", "snapshot"]),
    min_size=60,
    max_size=140,
)


@given(st.integers(0, 3), FATES)
@pytest.mark.timeout(240)  # it compares whole books after each message
def test_ready_book_equals_the_engine_book_under_faults(seed: int, fates: list[str]) -> None:
    truth = market(seed)
    book = Level3Book(BTC, buffer=20)
    newest: FullBookView | None = None
    asked: NeedSnapshot | None = None
    kept: list[tuple[FullBookView, int]] = []
    epoch, at_exchange, held = 0, next(iter(truth.books)), []

    def give(item: Any) -> None:
        nonlocal newest, asked
        for output in book.step(item):
            if isinstance(output, NeedSnapshot):
                asked = output
                continue
            newest = output
            if newest.ready:
                assert newest.sequence is not None
                kept.append((newest, newest.sequence))
                right(newest, truth.books[newest.sequence])

    def answer(sequence: int) -> None:
        if asked is not None:
            give(SnapshotTaken(asked.request, truth.books[sequence]))

    for message, fate in zip(truth.messages, fates, strict=False):
        if not isinstance(message, ExchangeHeartbeat):
            at_exchange = message.sequence
        epoch += fate == "break"
        message = in_epoch(message, epoch)
        if fate == "late":
            held.append(message)
        elif fate != "drop":
            give(message)
        if fate == "twice":
            give(message)
        elif fate == "fail" and asked is not None:
            give(SnapshotFailed(asked.request))
        elif fate == "stale":
            answer(max(at_exchange - 15, min(truth.books)))
        elif fate == "snapshot":
            answer(at_exchange)
        if len(held) > 2:
            give(in_epoch(held.pop(0), epoch))
    for message in truth.messages[len(fates) :]:
        give(in_epoch(message, epoch))
    last = truth.messages[-1].sequence
    if newest is None or not newest.ready:
        answer(last)
    assert newest is not None
    assert newest.ready
    right(newest, truth.books[last])
    for view, sequence in kept:
        right(view, truth.books[sequence])


def right(view: FullBookView, book: Level3Snapshot) -> None:
    bids, asks = ([(o.price, o.size, o.order_id) for o in view.orders(side)] for side in SIDES)
    assert (bids, asks) == (list(book.bids), list(book.asks))
    assert view.bids == view.aggregated().bids == by_price(book.bids)
    assert view.asks == view.aggregated().asks == by_price(book.asks)
    assert view.best_bid == view.bids[0]
    assert view.best_ask == view.asks[0]
    assert not view.crossed


def by_price(entries: Any) -> Any:
    levels: dict[Decimal, Decimal] = {}
    for price, size, _ in entries:
        levels[price] = levels.get(price, Decimal(0)) + size
    return tuple(levels.items())
