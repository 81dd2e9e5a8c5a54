"""One pipeline over the two protocols of one simulated market gives equal trades, windows and books."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rxfeed import Feed
from rxfeed.core import BookView, VolumeWindow
from rxfeed.feed import Gap
from rxfeed.market import Trade
from rxfeed.operators import order_book, trades, window_volume
from rxfeed.sim import Exchange, faults

VENUES = ("coinbase_exchange", "coinbase_advanced")
CHANNELS = ("trades", "book", "heartbeat")
PRODUCTS = ("BTC-USD", "ETH-USD")
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Results:
    """What the pipelines emitted."""

    trades: list[Trade] = field(default_factory=list)
    windows: list[VolumeWindow] = field(default_factory=list)
    books: list[BookView] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    truth: Any = None


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run(venue: str, seconds: float, fault: faults.Fault | None = None) -> Results:
    results = Results()
    script = [] if fault is None else [fault]
    with Exchange(PRODUCTS, venue=venue, seed=9, rate=150, auto=False, start=START, faults=script) as exchange:
        feed = Feed(PRODUCTS, CHANNELS, venue=venue, url=exchange.url)
        feed.pipe(trades()).subscribe(results.trades.append)
        feed.pipe(window_volume(5)).subscribe(results.windows.append)
        feed.pipe(order_book("BTC-USD")).subscribe(results.books.append)
        feed.status.subscribe(lambda status: results.gaps.append(status) if isinstance(status, Gap) else None)
        feed.connect()
        exchange.wait_for_clients()
        # On Advanced Trade there is a request for each channel.
        eventually(lambda: exchange.sent.by_type.get("subscriptions") == (1 if venue == VENUES[0] else len(CHANNELS)))
        for _ in range(round(seconds)):
            exchange.advance(1)
            eventually(lambda: feed.stats.frames >= exchange.sent.frames)

        def is_ready() -> bool:
            """After a gap the book is requested anew, at the pace of the venue's limits; meanwhile time goes on."""
            if not results.books[-1].ready:
                exchange.advance(0.1)
            return results.books[-1].ready and feed.stats.frames >= exchange.sent.frames

        eventually(is_ready)
        results.truth = exchange.book("BTC-USD")
        feed.close()
    return results


def levels(view: BookView) -> dict[str, list[tuple[Decimal, Decimal]]]:
    return {"bids": list(view.bids), "asks": list(view.asks)}


def test_one_market_is_the_same_on_both_venues() -> None:
    exchange, advanced = (run(venue, 21) for venue in VENUES)

    def shown(results: Results) -> list[Any]:
        return [(t.product_id, t.trade_id, t.price, t.size, t.taker_side, t.time) for t in results.trades]

    assert len(exchange.trades) > 300
    for product in PRODUCTS:
        one, two = ([row for row in shown(results) if row[0] == product] for results in (exchange, advanced))
        assert one == two
    key = ("product_id", "start", "volume", "notional", "count", "buy_volume", "sell_volume")
    windows = [
        sorted(tuple(str(getattr(window, name)) for name in key) for window in results.windows if window.complete)
        for results in (exchange, advanced)
    ]
    assert windows[0] == windows[1]
    assert len(windows[0]) >= 4
    assert exchange.truth == advanced.truth
    assert levels(exchange.books[-1]) == levels(advanced.books[-1]) == exchange.truth
    assert exchange.gaps == advanced.gaps == []


@pytest.mark.parametrize("fault", [faults.Drop(types={"l2_data"}, after=60), faults.SkipSequence(after=60)])
def test_gap_of_a_connection_is_one_and_the_book_recovers(fault: faults.Fault) -> None:
    results = run("coinbase_advanced", 12, fault)
    assert len(results.gaps) == 1
    assert results.books[-1].ready
    assert levels(results.books[-1]) == results.truth
    ids = [trade.trade_id for trade in results.trades if trade.product_id == "BTC-USD"]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert any(window.complete for window in results.windows)
