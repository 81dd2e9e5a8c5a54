"""A feed of several connections: its products under the venue's limits, redundant, and renewed."""

from __future__ import annotations

import pickle
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rxfeed import ConfigError, Feed, Reconnect, Replay, record
from rxfeed.core import Level2Book
from rxfeed.feed import (
    BookSwitched,
    Connected,
    Disconnected,
    Gap,
    Reconnecting,
    Rejected,
    Renewed,
    Repaired,
    Stats,
    SteppedFeed,
    Subscribed,
)
from rxfeed.market import BookSnapshot, BookUpdate, Message, Trade
from rxfeed.sim import Exchange, faults
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.scenes import of
from tests.support.stopwatch import at_most

VENUES = ["coinbase_exchange", "coinbase_advanced"]
ADVANCED = "coinbase_advanced"
BTC, ETH = "BTC-USD", "ETH-USD"
AT_ONCE = Reconnect(initial=0, maximum=0)


def products(count: int) -> list[str]:
    return [f"P{number}-USD" for number in range(count)]


def until(ready: Callable[[], Any], timeout: float = 20, every: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        every()
        time.sleep(0.005)


def until_more(
    status: Collected[Any], kind: type[Any], before: int, every: Callable[[], object] = lambda: None
) -> None:
    """Wait for more than *before* events of *kind*."""
    until(lambda: len(of(status, kind)) > before, every=every)


class Books:
    """The books of a feed, and the epochs of their messages."""

    def __init__(self, feed: Feed, names: list[str]) -> None:
        self.views: dict[str, Any] = {}
        self.epochs: dict[str, set[int]] = {name: set() for name in names}
        self.snapshots: Counter[str] = Counter()
        self._machines = {name: Level2Book(name, 10_000) for name in names}
        feed.subscribe(self._next)

    def _next(self, message: Message) -> None:
        if isinstance(message, BookSnapshot | BookUpdate):
            name = str(message.product_id)
            self.snapshots[name] += isinstance(message, BookSnapshot)
            self.epochs[name].add(message.epoch)
            for view in self._machines[name].step(message):
                self.views[name] = view

    def compare(self, exchange: Exchange, timeout: float = 60) -> None:
        """Wait until each book was equal to the exchange's own, which is ahead of it by a part of a batch at times."""
        left = set(self._machines)
        deadline = time.monotonic() + timeout
        while left:
            assert time.monotonic() < deadline, sorted(left)
            exchange.advance(0.05)
            exchange.drain()
            time.sleep(0.005)
            left -= {name for name in left if self._is_equal(exchange, name)}

    def _is_equal(self, exchange: Exchange, name: str) -> bool:
        view, book = self.views.get(name), exchange.book(name)
        if view is None:
            return False
        return {side: [(each[0], each[1]) for each in getattr(view, side)] for side in ("bids", "asks")} == book


def connections_of(status: Collected[Any], kind: type[Any]) -> list[int]:
    return [each.connection for each in of(status, kind)]


# ---- several products


@pytest.mark.timeout(600)
def test_books_over_several_connections_survive_kills_of_one() -> None:
    """The books of the other connections do not notice it: their epochs stay."""
    names, kills = products(amount(40, thorough=100)), amount(2, thorough=20)
    count = -(-len(names) // 30)
    dice = random.Random(1)
    with Exchange(names, venue=ADVANCED, rate=10 * len(names), seed=3, auto=False) as exchange:
        feed = Feed(names, ["book", "heartbeat"], venue=ADVANCED, url=exchange.url, reconnect=AT_ONCE)
        books, status = Books(feed, names), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(count, timeout=60)
            books.compare(exchange)
            assert {each.number for each in feed.connections} == set(range(1, count + 1))
            assert all(("heartbeats", None) in each.pairs for each in feed.connections)
            homes = {product: each.number for each in feed.connections for _, product in each.pairs if product}
            assert max(Counter(homes.values()).values()) - min(Counter(homes.values()).values()) <= 1
            lost: Counter[int] = Counter()
            for _ in range(kills):
                number = dice.randint(1, count)
                server_side = dict(enumerate(exchange.open_connections, 1))
                before, snapshots = len(of(status, Disconnected)), books.snapshots.copy()
                exchange.inject(faults.Reset(connection=server_side[dice.randint(1, count)]))
                until_more(status, Disconnected, before, lambda: exchange.advance(0.05))
                number = of(status, Disconnected)[-1].connection
                lost[number] += 1
                mine = [name for name, home in homes.items() if home == number]
                while any(books.snapshots[name] <= snapshots[name] for name in mine):
                    exchange.advance(0.05)
            books.compare(exchange)
        for name, home in homes.items():
            assert len(books.epochs[name]) == lost[home] + 1, (name, home)
    assert of(status, Gap) == []


def test_adding_products_opens_connections_and_removing_closes_them() -> None:
    names = products(61)
    with nothing_left_behind(), Exchange(names, venue=ADVANCED, seed=3, auto=False) as exchange:
        feed = Feed(names[:30], ["book"], venue=ADVANCED, url=exchange.url)
        books, status = Books(feed, names), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(1)
            until(lambda: len(books.snapshots) == 30)
            assert connections_of(status, Connected) == [0]
            feed.add(names[30:], "book")
            until(lambda: len(books.snapshots) == 61)
            assert exchange.connections == 3
            assert set(books.snapshots.values()) == {1}
            assert connections_of(status, Connected) == [0, 2, 3]
            moved = [product for each in feed.connections if each.number == 2 for _, product in each.pairs if product]
            feed.remove(moved, "book")
            until(lambda: exchange.connections == 2)
            assert [each.number for each in feed.connections] == [1, 3]
            feed.add(moved[0], "book")
            until(lambda: books.snapshots[moved[0]] == 2)
            # The other connection's epochs are not comparable, so this product's has risen.
            assert sorted(books.epochs[moved[0]]) == [0, 1]
    assert of(status, Disconnected) == []


def test_connection_that_cannot_subscribe_reports_it_and_keeps_the_rest() -> None:
    names = products(40)
    refused = faults.RefusedChannel("level2", connection=2)
    with Exchange(names, venue=ADVANCED, seed=3, auto=False, faults=[refused]) as exchange:
        feed = Feed(names, ["book", "ticker"], venue=ADVANCED, url=exchange.url)
        status, books = Collected(feed.status), Books(feed, names)
        with feed:
            exchange.wait_for_clients(2)
            status.wait_for(lambda items: any(isinstance(each, Rejected) for each in items))
            until(lambda: len(books.snapshots) == 20)
            until(lambda: all(each.up for each in feed.connections), every=lambda: exchange.step(20))
            number = of(status, Rejected)[0].connection
            expected = {str(product) for each in feed.connections if each.number != number for _, product in each.pairs}
            assert books.snapshots.keys() == expected
    assert of(status, Disconnected) == []


def test_stats_are_the_sum_of_the_connections() -> None:
    names = products(31)
    with Exchange(names, venue=ADVANCED, seed=3, auto=False) as exchange:
        feed = Feed(names, "book", venue=ADVANCED, url=exchange.url)
        stats = feed.stats
        got = Collected(feed)
        with feed:
            exchange.wait_for_clients(2)
            exchange.advance(0.2)
            until(lambda: stats.frames == exchange.sent.frames)
            infos = feed.connections
            assert sum(each.frames for each in infos) == stats.frames
            assert all(each.frames for each in infos)
        assert stats.messages == len(got.items)
        assert stats.connections == 2
        assert pickle.loads(pickle.dumps(stats)).frames == stats.frames
        assert isinstance(stats, Stats)
        assert f"{stats.frames:,} frames" in str(stats)


def test_messages_come_one_at_a_time() -> None:
    names = products(61)
    overlaps = inside = 0

    def received(message: object) -> None:
        nonlocal inside, overlaps
        inside += 1
        overlaps += inside > 1
        time.sleep(0)
        inside -= 1

    with Exchange(names, venue=ADVANCED, seed=3, rate=1_000, auto=False) as exchange:
        feed = Feed(names, ["book", "ticker"], venue=ADVANCED, url=exchange.url)
        feed.subscribe(received)
        feed.status.subscribe(received)
        with feed:
            exchange.wait_for_clients(3)
            for _ in range(10):
                exchange.advance(0.1)
            until(lambda: feed.stats.frames == exchange.sent.frames)
    assert feed.stats.messages > 300
    assert overlaps == 0


@pytest.mark.parametrize("number", [1, 2])
def test_close_of_a_subscriber_of_any_connection_returns_at_once(number: int) -> None:
    names = products(31)
    with nothing_left_behind(), Exchange(names, venue=ADVANCED, seed=3, auto=False) as exchange:
        feed = Feed(names, "book", venue=ADVANCED, url=exchange.url)
        took: list[float] = []

        def close(status: object) -> None:
            if isinstance(status, Subscribed) and status.connection == number:
                begin = time.monotonic()
                feed.close()
                took.append(time.monotonic() - begin)

        feed.status.subscribe(close)
        feed.connect()
        with at_most(10):
            assert feed.wait(10)
        assert len(took) == 1
        assert took[0] < 1


def test_exit_of_a_subscriber_of_another_connection_ends_the_feed() -> None:
    names = products(31)
    with nothing_left_behind(), Exchange(names, venue=ADVANCED, seed=3, auto=False) as exchange:
        feed = Feed(names, "book", venue=ADVANCED, url=exchange.url)

        def leave(status: object) -> None:
            if isinstance(status, Subscribed) and status.connection == 2:
                raise SystemExit(3)

        feed.status.subscribe(leave)
        with pytest.raises(SystemExit):
            feed.run()


def test_final_error_of_a_connection_ends_the_feed_unless_covered() -> None:
    with Exchange([BTC], seed=3, auto=False, faults=[faults.HttpStatus(401, connection=range(2, 99))]) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url, redundancy=2, reconnect=False)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(1)
            until(lambda: len(feed.connections) == 1)
            exchange.advance(2)
            got.wait_for(lambda items: sum(each.type == "heartbeat" for each in items) >= 2)
            exchange.disconnect(1000)
            assert feed.wait(10)
    assert len(of(status, Disconnected)) == 2
    assert got.error is not None


# ---- redundancy


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
        feed = Feed(names, "book", venue=ADVANCED, url=exchange.url, connect_interval=0.15)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients(3)
            until(lambda: len(of(status, Connected)) == 3)
        times = sorted(each.at for each in of(status, Connected))
    assert (times[-1] - times[0]).total_seconds() > 0.25
    assert of(status, Disconnected) == []


# ---- renewal


def test_renewal_that_fails_keeps_the_old_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxfeed.feed.renewal._READY_WITHIN", 0.2)
    unanswered = faults.HalfOpen(before_handshake=True, connection=2)
    with nothing_left_behind(), Exchange([BTC], seed=3, rate=300, faults=[unanswered]) as exchange:
        feed = Feed(BTC, ["trades", "heartbeat"], url=exchange.url, patience=0.1)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(1)
            got.wait_for(lambda items: len(items) > 10)
            (connection,) = feed._connections.present  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
            feed.renew()
            until(lambda: connection.arbiter is not None)
            until(lambda: connection.arbiter is None)
            count = len(got.items)
            got.wait_for(lambda items: len(items) > count + 10)
    ids = [each.trade_id for each in got.items if isinstance(each, Trade)]
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert of(status, Renewed) == of(status, Gap) == []


def test_interrupt_after_a_renewal_ends_the_new_connection() -> None:
    """With `serve`, the thread of the caller waits for the connection that has replaced its own."""
    with nothing_left_behind(), Exchange([BTC], seed=3, rate=200) as exchange:
        feed = Feed(BTC, ["trades", "heartbeat"], url=exchange.url, patience=0.1)
        status = Collected(feed.status)
        counts: set[int] = set()

        def renew_and_interrupt() -> None:
            exchange.wait_for_clients(1)
            feed.renew()
            until(lambda: counts.add(len(feed.connections)) or of(status, Renewed))
            time.sleep(0.1)
            signal.raise_signal(signal.SIGINT)

        threading.Thread(target=renew_and_interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            feed.serve()
        assert feed.wait(0)
    assert counts == {1}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("venue", VENUES)
def test_renewal_misses_nothing_and_repeats_nothing(venue: str) -> None:
    """At some 2,000 messages a second."""
    with nothing_left_behind(), Exchange([BTC, ETH], venue=venue, rate=1_500, seed=3) as exchange:
        channels = ["trades", "ticker", "book", "heartbeat"]
        feed = Feed([BTC, ETH], channels, venue=venue, url=exchange.url, patience=0.3)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            got.wait_for(1_000)
            for before in range(amount(1, thorough=5)):
                feed.renew()
                until_more(status, Renewed, before)
                until(lambda: feed._connections.arbiters() == [])  # pyright: ignore
                assert exchange.connections == 1
            before = len(got.items)
            got.wait_for(before + 500)
    assert of(status, Gap) + of(status, Disconnected) == []
    assert {each.epoch for each in got.items} == {0}
    for product in (BTC, ETH):
        ids = [each.trade_id for each in got.items if isinstance(each, Trade) and each.product_id == product]
        assert ids == list(range(ids[0], ids[-1] + 1))
    assert {each.product_id for each in of(status, BookSwitched)} == {BTC, ETH}
    if venue == "coinbase_exchange":  # its tickers have numbers
        tickers = [(each.product_id, each.content["sequence"]) for each in got.items if each.type == "ticker"]
        assert len(tickers) == len(set(tickers))


def test_renewal_keeps_the_detection_of_gaps() -> None:
    """After a renewal, trades that are lost with the connection are a gap; the product was quiet since the renewal."""
    with Exchange([BTC], seed=3, auto=False, rate=500) as exchange:
        feed = Feed(BTC, "trades", url=exchange.url, reconnect=AT_ONCE, patience=0.05)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            until(lambda: any(isinstance(each, Trade) for each in got.items), every=lambda: exchange.step(10))
            until(lambda: feed.stats.frames == exchange.sent.frames)
            feed.renew()
            until(lambda: of(status, Renewed) and feed._connections.arbiters() == [])  # pyright: ignore
            last = exchange.last_trade_id(BTC)
            exchange.inject(faults.Refuse(0.5))
            exchange.inject(faults.Reset())
            until(lambda: of(status, Disconnected))
            until(lambda: exchange.last_trade_id(BTC) > last + 1, every=lambda: exchange.step(10))
            until(lambda: of(status, Gap), every=lambda: exchange.step(10))
            traded = len(got.items)
            until(lambda: any(isinstance(each, Trade) for each in got.items[traded:]), every=lambda: exchange.step(10))
    gap = of(status, Gap)[0]
    assert gap.first <= last + 2
    assert len({each.epoch for each in got.items if isinstance(each, Trade)}) == 2


def test_renewal_of_a_connection_that_is_refused_keeps_the_old_one() -> None:
    with Exchange([BTC], seed=3, auto=False, faults=[faults.HttpStatus(503, connection=range(2, 99))]) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url)
        got = Collected(feed)
        with feed:
            exchange.wait_for_clients()
            feed.renew()
            until(lambda: feed.stats.reconnects > 0)
            exchange.advance(2)
            got.wait_for(lambda items: sum(each.type == "heartbeat" for each in items) == 2)


def test_request_of_the_user_goes_to_the_replacement() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url, patience=0.05)
        status = Collected(feed.status)
        got = Collected(feed)
        with feed:
            exchange.wait_for_clients()
            exchange.advance(1)
            got.wait_for(2)
            feed.renew()
            until(lambda: of(status, Renewed), every=lambda: exchange.advance(1))
            feed.send('{"type":"hello"}')
            until(lambda: {"type": "hello"} in exchange.requests)
            assert threading.active_count() < 20


@pytest.mark.parametrize(("code", "at_once"), [(1001, True), (1012, True), (1011, False)])
def test_planned_close_is_followed_by_the_next_connection_at_once(code: int, at_once: bool) -> None:
    """The back-off is for failures: before a restart, a server leaves its clients to another one."""
    with Exchange([BTC], seed=3, auto=False) as exchange:
        reconnect = Reconnect(initial=1e6, maximum=1e6)
        feed = Feed(BTC, "heartbeat", url=exchange.url, reconnect=reconnect)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            exchange.advance(1)
            got.wait_for(2)
            exchange.disconnect(code)
            until_more(status, Reconnecting, 0)
            if at_once:
                until_more(status, Connected, 1)
    (again,) = of(status, Reconnecting)
    assert (again.delay < 1) is at_once


# ---- recordings


@pytest.mark.parametrize("redundancy", [1, 2])
@pytest.mark.parametrize("venue", VENUES)
def test_recording_keeps_the_connection_of_each_frame(venue: str, redundancy: int, tmp_path: Path) -> None:
    names = products(31) if redundancy == 1 and venue == ADVANCED else products(2)
    with Exchange(names, venue=venue, seed=3, rate=300, auto=False) as exchange:
        feed = Feed(names, ["book", "ticker"], venue=venue, url=exchange.url, redundancy=redundancy)
        feed.pipe(record(tmp_path)).subscribe()
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            count = len(feed.connections)
            exchange.wait_for_clients(count)
            for _ in range(10):
                exchange.advance(0.1)
            until(lambda: feed.stats.frames == exchange.sent.frames)
    replay = Replay(tmp_path)
    played, events = Collected(replay), Collected(replay.status)
    replay.run()
    assert [(each.connection, each.epoch, each) for each in played.items] == [
        (each.connection, each.epoch, each) for each in got.items
    ]
    numbers = {each.connection for each in got.items}
    assert numbers <= ({0} if count == 1 else set(range(1, count + 1)))
    if redundancy == 1:
        assert len(numbers) == count
    assert connections_of(events, Connected) == connections_of(status, Connected)
    last = got.items[-1]
    assert pickle.loads(pickle.dumps(last)).connection == last.connection


def test_counts_of_a_recording_agree_with_those_of_the_feed(tmp_path: Path) -> None:
    """Each frame of which something was delivered is one line, also if another connection brought a part of it."""
    with Exchange([BTC, ETH], venue=ADVANCED, seed=3, rate=500, auto=False) as exchange:
        feed = Feed([BTC, ETH], ["trades", "ticker"], venue=ADVANCED, url=exchange.url, redundancy=2, reconnect=AT_ONCE)
        recorder = record(tmp_path)
        feed.pipe(recorder).subscribe()
        with feed:
            exchange.wait_for_clients(2)
            for place in range(30):
                if place in (10, 20):
                    exchange.inject(faults.Reset(connection=exchange.open_connections[0]))
                    until(lambda: exchange.connections == 2)
                exchange.advance(0.1)
            exchange.drain()
            time.sleep(0.2)
        assert recorder.stats.frames == feed.stats.messages - feed.stats.batched
