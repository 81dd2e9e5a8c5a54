"""Epochs of a merged replay: those of trades rise where ids are missing, and those of books where a book was lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Replay, record
from rxfeed.feed import Disconnected, Gap
from rxfeed.market import BookSnapshot, BookUpdate, Message, Trade
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.connections import AT_ONCE, BTC, ETH, VENUES, until
from tests.support.scenes import of


def rises(messages: list[Message], kind: Any, product: str) -> list[Message]:
    """The messages of *kind* with a higher epoch than those before."""
    own = [each for each in messages if isinstance(each, kind) and each.product_id == product]
    return [each for before, each in pairwise(own) if each.epoch != before.epoch]


@pytest.mark.parametrize("redundancy", [1, 2])
@pytest.mark.parametrize("venue", VENUES)
def test_merged_epochs_rise_by_kind(venue: str, redundancy: int, tmp_path: Path) -> None:
    """Two recorders lose their connections, first each alone, and then both at once."""
    with Exchange([BTC, ETH], venue=venue, seed=3, rate=300, auto=False) as exchange:
        feeds = [
            Feed(
                [BTC, ETH],
                ["trades", "book"],
                venue=venue,
                url=exchange.url,
                redundancy=redundancy,
                reconnect=AT_ONCE,
                patience=0.05,
            )
            for _ in range(2)
        ]
        status = [Collected(feed.status) for feed in feeds]
        for number, feed in enumerate(feeds):
            feed.pipe(record(tmp_path / str(number))).subscribe()
        own: list[list[int]] = []
        for feed in feeds:
            before = {*exchange.open_connections}
            feed.connect()
            until(lambda before=before: len({*exchange.open_connections} - before) == redundancy)
            own.append(sorted({*exchange.open_connections} - before))

        def subscribed() -> bool:
            connections: Any = [each for feed in feeds for each in feed._connections.present]  # pyright: ignore
            return all(each.subscriptions.whole_is_acknowledged for each in connections)

        def advance() -> None:
            until(lambda: len(exchange.open_connections) == 2 * redundancy and subscribed())
            exchange.advance(0.5)
            until(lambda: sum(each.stats.frames for each in feeds) == exchange.sent.frames)

        def lose(numbers: list[int], feed: int) -> None:
            before = {*exchange.open_connections}
            lost = len(of(status[feed], Disconnected))
            for each in numbers:
                exchange.inject(faults.Reset(connection=each))
            until(lambda: len(of(status[feed], Disconnected)) == lost + len(numbers))
            exchange.advance(0.2)
            until(lambda: len(exchange.open_connections) == 2 * redundancy)
            own[feed] = sorted({*own[feed]} - {*numbers} | ({*exchange.open_connections} - before))

        try:
            advance()
            for feed in range(2):
                lose(own[feed], feed)
                advance()
        finally:
            for feed in feeds:
                feed.close()
    replay = Replay([tmp_path / "0", tmp_path / "1"], merge=True)
    messages, events = Collected(replay), Collected(replay.status)
    replay.run()
    assert of(events, Gap) == []
    for product in (BTC, ETH):
        ids = [each.trade_id for each in messages.items if isinstance(each, Trade) and each.product_id == product]
        assert ids == list(range(ids[0], ids[-1] + 1))
        assert rises(messages.items, Trade, product) == []
        books = rises(messages.items, (BookSnapshot, BookUpdate), product)
        assert books
        assert all(isinstance(each, BookSnapshot) for each in books)
