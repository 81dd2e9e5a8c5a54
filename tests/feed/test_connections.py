"""A feed of several connections: its products under the venue's limits."""

from __future__ import annotations

import pickle
import random
import time
from collections import Counter

import pytest

from rxfeed import Feed, Reconnect
from rxfeed.feed import (
    Connected,
    Disconnected,
    Gap,
    Rejected,
    Stats,
    Subscribed,
)
from rxfeed.market import Trade
from rxfeed.sim import Exchange, faults
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.connections import (
    ADVANCED,
    AT_ONCE,
    BTC,
    Books,
    connections_of,
    products,
    until,
    until_more,
)
from tests.support.leaks import nothing_left_behind
from tests.support.scenes import of
from tests.support.stopwatch import at_most


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
            first, *added = connections_of(status, Connected)
            assert (first, sorted(added)) == (0, [2, 3])  # two are opened at the same time
            moved = [product for each in feed.connections if each.number == 2 for _, product in each.pairs if product]
            feed.remove(moved, "book")
            until(lambda: exchange.connections == 2)
            assert [each.number for each in feed.connections] == [1, 3]
            feed.add(moved[0], "book")
            until(lambda: books.snapshots[moved[0]] == 2)
            # The other connection's epochs are not comparable, so this product's has risen.
            assert sorted(books.epochs[moved[0]]) == [0, 1]
    assert of(status, Disconnected) == []


def test_epoch_rises_when_a_product_comes_from_other_connections() -> None:
    """What was sent while it was not subscribed to is missing, and the others' numbers do not show that."""
    redundancy = 2
    names = products(33)
    with Exchange(names, venue=ADVANCED, seed=3, auto=False, rate=600) as exchange:
        feed = Feed(names[:32], ["book", "trades"], venue=ADVANCED, url=exchange.url, redundancy=redundancy)
        got = Collected(feed)

        def homes() -> dict[str, set[int]]:
            found: dict[str, set[int]] = {}
            for each in feed.connections:
                for channel, product in each.pairs:
                    if channel == "market_trades" and product is not None:
                        found.setdefault(product, set()).add(each.number)
            return found

        def trades(product: str) -> list[Trade]:
            return [each for each in got.items if isinstance(each, Trade) and each.product_id == product]

        with feed:
            until(lambda: len(homes()) == 32 and all(len(each) == redundancy for each in homes().values()))
            moved = names[0]
            home = homes()[moved]
            other = next(name for name, numbers in homes().items() if numbers != home)
            until(lambda: trades(moved), every=lambda: exchange.advance(0.02))
            feed.remove([moved], ["book", "trades"])
            until(lambda: moved not in homes())
            feed.add([names[32]], ["book", "trades"])  # it takes the place
            until(lambda: homes().get(names[32]) == home)
            feed.remove([other], ["book", "trades"])
            until(lambda: other not in homes())
            exchange.advance(1)
            feed.add([moved], ["book", "trades"])
            until(lambda: homes().get(moved, home) != home)
            until(lambda: {each.connection for each in trades(moved)} - home, every=lambda: exchange.advance(0.02))
        before = [each.epoch for each in trades(moved) if each.connection in home]
        after = [each.epoch for each in trades(moved) if each.connection not in home]
        assert max(before) < min(after)


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


def test_requests_of_all_connections_are_within_one_limit() -> None:
    """The venue counts the requests of an address."""
    names = products(91)
    with Exchange(names, venue=ADVANCED, seed=3, auto=False, message_limit=8) as exchange:
        feed = Feed(names, ["book", "trades"], venue=ADVANCED, url=exchange.url)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients(4)
            feed.add(names, "ticker")
            until(lambda: feed.stats.frames and len(exchange.requests) == 12)
            until(lambda: {each.connection for each in of(status, Subscribed) if not each.missing} == {1, 2, 3, 4})
    assert of(status, Rejected) == []


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


def test_lost_connection_is_not_up_while_it_waits_for_the_next_attempt() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url, reconnect=Reconnect(initial=1e6, maximum=1e6))
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients(1)
            until(lambda: feed.connections[0].up, every=lambda: exchange.advance(1))
            exchange.disconnect(1011)
            until_more(status, Disconnected, 0)
            assert not feed.connections[0].up
    assert feed.stats.interruptions == 1
