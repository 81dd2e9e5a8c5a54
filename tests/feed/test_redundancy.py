"""Each product on several connections: every message once, and a gap only for what none brought."""

from __future__ import annotations

import random
import time

import pytest

from rxfeed import ConfigError, Feed
from rxfeed.feed import (
    BookSwitched,
    Connected,
    Disconnected,
    Gap,
    Repaired,
    SteppedFeed,
)
from rxfeed.market import Trade
from rxfeed.sim import Exchange, faults
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.connections import (
    ADVANCED,
    AT_ONCE,
    BTC,
    ETH,
    VENUES,
    Books,
    products,
    until,
    until_more,
)
from tests.support.scenes import of


@pytest.mark.timeout(600)
@pytest.mark.parametrize("venue", VENUES)
def test_redundant_trades_come_once_whichever_line_is_killed(venue: str) -> None:
    kills = amount(3, thorough=20)
    dice = random.Random(2)
    with Exchange([BTC, ETH], venue=venue, rate=500, seed=3) as exchange:
        feed = Feed(
            [BTC, ETH], ["book", "trades", "heartbeat"], venue=venue, url=exchange.url, redundancy=2, reconnect=AT_ONCE
        )
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(2)
            for _ in range(kills):
                until(lambda: len(exchange.open_connections) == 2 and all(each.up for each in feed.connections))
                time.sleep(dice.uniform(0.1, 0.3))
                before = len(of(status, Disconnected))
                kind = dice.choice([faults.Reset, faults.Vanish])
                exchange.inject(kind(connection=dice.choice(exchange.open_connections)))
                until_more(status, Disconnected, before)
            time.sleep(0.2)
    assert len(of(status, Disconnected)) == kills
    assert of(status, Gap) == []
    for product in (BTC, ETH):
        trades = [each for each in got.items if isinstance(each, Trade) and each.product_id == product]
        ids = [each.trade_id for each in trades]
        assert len(ids) > 10 * kills
        assert ids == list(range(ids[0], ids[-1] + 1))
        assert {each.epoch for each in trades} == {0}


@pytest.mark.parametrize("venue", VENUES)
def test_trades_that_no_line_brought_are_repaired(venue: str) -> None:
    with Exchange([BTC], venue=venue, rate=500, seed=3) as exchange:
        feed = Feed(BTC, ["trades"], venue=venue, url=exchange.url, redundancy=2, repair=True, patience=0.2)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(2)
            until(lambda: all(each.up for each in feed.connections))
            got.wait_for(lambda items: sum(isinstance(each, Trade) for each in items) > 10)
            exchange.inject(faults.Drop(types={"match", "market_trades"}))
            status.wait_for(lambda items: any(isinstance(each, Repaired) for each in items))
    ids = [each.trade_id for each in got.items if isinstance(each, Trade)]
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert of(status, Gap) == []


def test_what_waits_for_another_line_at_the_end_is_delivered() -> None:
    """One line has missed a trade, the other is silent: later trades wait for it until the feed is closed."""
    with Exchange([BTC], rate=10, seed=3, auto=False) as exchange:
        feed = Feed(BTC, ["trades"], url=exchange.url, redundancy=2, patience=60)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(2)
            until(lambda: all(each.up for each in feed.connections))
            first, second = exchange.open_connections
            exchange.inject(faults.Silence(connection=second))
            exchange.inject(faults.Drop(types={"match"}, connection=first))
            begun = exchange.last_trade_id(BTC)
            while exchange.last_trade_id(BTC) < begun + 4:
                exchange.step()
            exchange.drain()
            until(lambda: feed.stats.frames >= 2 * 2 + 3)  # each line's acknowledgement and last match
            assert [each for each in got.items if isinstance(each, Trade)] == []
    assert [each.trade_id for each in got.items if isinstance(each, Trade)] == [begun + 2, begun + 3, begun + 4]
    assert [(each.first, each.last) for each in of(status, Gap)] == [(begun + 1, begun + 1)]


def test_redundant_book_moves_and_equals_the_exchange() -> None:
    with Exchange([BTC], venue=ADVANCED, rate=10, seed=3, auto=False) as exchange:
        feed = Feed(BTC, ["book", "trades"], venue=ADVANCED, url=exchange.url, redundancy=2, reconnect=AT_ONCE)
        books, status = Books(feed, [BTC]), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(2)
            books.compare(exchange)
            for _ in range(2):
                until(lambda: len(exchange.open_connections) == 2 and all(each.up for each in feed.connections))
                for number in exchange.open_connections:
                    before = len(of(status, Connected))
                    exchange.inject(faults.Refuse(0.8))
                    exchange.inject(faults.Reset(connection=number))
                    until_more(status, Connected, before, lambda: exchange.advance(0.05))
                books.compare(exchange)
    switched = of(status, BookSwitched)
    assert switched
    assert {each.product_id for each in switched} == {BTC}
    assert {each.connection for each in switched} <= {1, 2}


def test_each_line_has_its_own_server() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        urls = [exchange.url, exchange.url.replace("127.0.0.1", "localhost")]
        feed = Feed(BTC, ["trades", "heartbeat"], urls=urls)
        got = Collected(feed)
        with feed:
            exchange.wait_for_clients(2)
            assert [each.url for each in feed.connections] == urls
            exchange.advance(3)
            until(lambda: feed.stats.frames == exchange.sent.frames)
    beats = [each.time for each in got.items if each.type == "heartbeat"]
    assert len(beats) == len(set(beats)) == 3


def test_arguments_of_several_connections_are_checked() -> None:
    url = "ws://127.0.0.1:1"
    for arguments, text in (
        ({"urls": []}, "urls: none"),
        ({"urls": url}, "urls: give a list"),
        ({"urls": [url], "url": url}, "no url beside it"),
        ({"urls": [url, url, url], "redundancy": 2}, "urls: 3, for a redundancy of 2"),
        ({"redundancy": 0}, "redundancy: 0"),
        ({"patience": 0}, "patience"),
        ({"redundancy": 2, "drop_duplicates": False}, "drop_duplicates"),
        ({"connect_interval": -1}, "connect_interval"),
    ):
        with pytest.raises(ConfigError, match=text):
            Feed(BTC, "trades", **arguments)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="one connection"):
        SteppedFeed(BTC, "trades", url=url, redundancy=2).open()
    with pytest.raises(ConfigError, match="not connected yet"):
        Feed(BTC, "trades", url=url).renew()


def test_connections_are_opened_at_intervals() -> None:
    names = products(61)
    with Exchange(names, venue=ADVANCED, seed=3, auto=False, connection_limit=8) as exchange:
        feed = Feed(names, "book", venue=ADVANCED, url=exchange.url, connect_interval=0.4)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients(3)
            until(lambda: len(of(status, Connected)) == 3)
        times = sorted(each.at for each in of(status, Connected))
    assert (times[-1] - times[0]).total_seconds() > 0.5  # 0.8, less what the first one waited for a busy machine
    assert of(status, Disconnected) == []
