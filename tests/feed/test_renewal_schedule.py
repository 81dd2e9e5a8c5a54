"""Connections that are renewed on a schedule, or because their server restarts."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rxfeed import ConfigError, Feed
from rxfeed.feed import Connected, Disconnected, Gap, Renewed, SteppedFeed
from rxfeed.feed.renewal_schedule import RenewalSchedule
from rxfeed.market import Trade
from rxfeed.sim import Exchange, faults
from rxfeed.venues import COINBASE_EXCHANGE
from tests.support.collect import Collected
from tests.support.connections import ADVANCED, AT_ONCE, BTC, ETH, VENUES, products, until
from tests.support.leaks import nothing_left_behind
from tests.support.scenes import of


def age(feed: Feed) -> None:
    """Let the connections of *feed* be a hundred seconds older."""
    for each in feed._connections.present:  # pyright: ignore
        each.loop.began -= 100


def assert_each_trade_once(got: Collected[Any], *names: str) -> None:
    for product in names:
        ids = [each.trade_id for each in got.items if isinstance(each, Trade) and each.product_id == product]
        assert len(ids) > 10
        assert ids == list(range(ids[0], ids[-1] + 1))


@pytest.mark.parametrize(("venue", "redundancy"), [(VENUES[0], 2), (VENUES[1], 1)])
def test_connections_are_renewed_after_a_time(venue: str, redundancy: int) -> None:
    with nothing_left_behind(), Exchange([BTC, ETH], venue=venue, rate=300, seed=3) as exchange:
        feed = Feed(
            [BTC, ETH],
            ["trades", "book", "heartbeat"],
            venue=venue,
            url=exchange.url,
            patience=0.1,
            redundancy=redundancy,
            renew_every=timedelta(seconds=0.8),
        )
        got, status = Collected(feed), Collected(feed.status)
        most = 0
        with feed:
            exchange.wait_for_clients(redundancy)

            def count() -> None:
                nonlocal most
                most = max(most, exchange.connections)

            until(lambda: len(of(status, Renewed)) == 2, every=count)
    assert of(status, Gap) + of(status, Disconnected) == []
    assert most <= redundancy + 1
    assert len({each.connection for each in of(status, Renewed)}) == redundancy
    assert_each_trade_once(got, BTC, ETH)


class Connections:
    """What a schedule renews: *ages* in seconds, by the number of the connection."""

    def __init__(self, ages: dict[int, float]) -> None:
        self.present = [Connection(number, -age) for number, age in ages.items()]
        self.clock = self.supervisor = self
        self.speed, self.busy = 1.0, False
        self.now = 0.0
        self.renewed: list[tuple[float, int]] = []

    def renew(self, connections: list[Connection]) -> None:
        for each in connections:
            self.renewed.append((self.now, each.number))
            each.began = self.now

    def run(self, step: Any, until: float) -> None:
        while self.now < until:
            self.now += step(self.now)


class Connection:
    def __init__(self, number: int, began: float) -> None:
        self.number, self.began = number, began
        self.leaving, self.sock, self.loop = False, object(), self


def test_renewals_of_several_connections_are_spread() -> None:
    connections: Any = Connections({1: 0.0, 2: 1.0, 3: 2.0, 4: 3.0})
    (task,) = RenewalSchedule(every=100.0).tasks(connections)
    connections.run(task.step, 250)
    assert [number for _, number in connections.renewed] == [4, 3, 2, 1, 4, 3, 2, 1, 4]
    assert [at for at, _ in connections.renewed] == [25.0 * place for place in range(1, 10)]


def test_connection_that_reconnected_is_renewed_as_the_youngest() -> None:
    connections: Any = Connections({1: 0.0, 2: 0.0})
    (task,) = RenewalSchedule(every=100.0).tasks(connections)
    connections.run(task.step, 50)
    connections.present[1].began = 60.0
    connections.run(task.step, 160)
    assert connections.renewed == [(50.0, 1), (100.0, 1), (150.0, 2)]


def test_renewal_waits_for_an_open_connection_and_for_others() -> None:
    connections: Any = Connections({1: 0.0})
    (task,) = RenewalSchedule(every=10.0).tasks(connections)
    connections.busy = True
    connections.run(task.step, 15)
    connections.busy, connections.present[0].sock = False, None
    connections.run(task.step, 20)
    assert connections.renewed == []
    connections.present[0].sock = object()
    connections.run(task.step, 21)
    assert len(connections.renewed) == 1


def test_all_connections_are_renewed_at_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = datetime(2026, 1, 5, 18, 59, tzinfo=UTC)
    connections: Any = Connections({1: 0.0, 2: 0.0})
    monkeypatch.setattr("rxfeed.feed.renewal_schedule.utc_now", lambda: begin + timedelta(seconds=connections.now))
    (task,) = RenewalSchedule.of(COINBASE_EXCHANGE, None, "deployments").tasks(connections)
    connections.run(task.step, 3 * 86_400)
    wednesday = 60.0 + 2 * 86_400
    assert connections.renewed == [(60.0, 1), (60.0, 2), (wednesday, 1), (wednesday, 2)]


@pytest.mark.parametrize(("back", "renewals"), [(timedelta(seconds=30), 0), (timedelta(days=365), 1)])
def test_times_follow_a_clock_that_is_set_back(back: timedelta, renewals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong clock is corrected after a renewal: by seconds, the time does not come again; by a year, it does."""
    clock = [datetime(2027, 1, 4, 13, 59, tzinfo=UTC)]
    connections: Any = Connections({1: 0.0})
    monkeypatch.setattr("rxfeed.feed.renewal_schedule.utc_now", lambda: clock[0])
    (task,) = RenewalSchedule.of(COINBASE_EXCHANGE, None, "daily 14:00").tasks(connections)
    clock[0] += timedelta(seconds=70)
    task.step(0.0)
    assert len(connections.renewed) == 1
    clock[0] -= back
    task.step(0.0)
    clock[0] += timedelta(hours=24)
    task.step(0.0)
    assert len(connections.renewed) == 1 + renewals


@pytest.mark.parametrize("venue", VENUES)
def test_feed_renews_at_a_time_of_the_week(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [datetime(2026, 1, 5, 13, 59, tzinfo=UTC)]
    monkeypatch.setattr("rxfeed.feed.renewal_schedule.utc_now", lambda: times[-1])
    with nothing_left_behind(), Exchange([BTC], venue=venue, rate=300, seed=3) as exchange:
        feed = Feed(
            BTC, ["trades", "heartbeat"], venue=venue, url=exchange.url, patience=0.1, renew_at=["Mon,Thu 14:00 UTC"]
        )
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(1)
            got.wait_for(lambda items: len(items) > 20)
            times.append(datetime(2026, 1, 5, 14, tzinfo=UTC))
            feed._connections.supervisor.wake()  # pyright: ignore
            until(lambda: of(status, Renewed))
            traded = len(got.items)
            got.wait_for(lambda items: len(items) > traded + 20)
    assert of(status, Gap) + of(status, Disconnected) == []
    assert_each_trade_once(got, BTC)


def test_schedules_that_no_feed_can_keep_are_refused() -> None:
    url: Any = "ws://127.0.0.1:1"
    for arguments, text in (
        ({"renew_every": 0}, "renew_every: 0"),
        ({"renew_every": "1h"}, "renew_every: '1h'"),
        ({"renew_at": "at noon"}, "renew_at: 'at noon'"),
        ({"renew_at": 14}, "renew_at: 14"),
        ({"renew_at": []}, "renew_at: coinbase_exchange names no times"),
        ({"renew_at": "deployments", "venue": ADVANCED}, "renew_at: coinbase_advanced names no times"),
    ):
        with pytest.raises(ConfigError, match=text):
            Feed(BTC, "trades", url=url, **arguments)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="renew_every, renew_at: the connection of a feed without threads"):
        SteppedFeed(BTC, "trades", url=url, renew_every=60).open()
    with pytest.raises(ConfigError, match="renew: the connection of a feed without threads"):
        SteppedFeed(BTC, "trades", url=url).renew()


# ---- a server that restarts


@pytest.mark.parametrize(("venue", "code"), [(VENUES[0], 1001), (VENUES[1], 1012)])
def test_planned_close_of_one_line_renews_the_other(venue: str, code: int, caplog: pytest.LogCaptureFixture) -> None:
    """The server is going to close it, too, and that would be without a replacement."""
    with nothing_left_behind(), Exchange([BTC], venue=venue, rate=300, seed=3) as exchange:
        feed = Feed(BTC, ["trades", "book", "heartbeat"], venue=venue, url=exchange.url, redundancy=2, patience=0.1)
        got, status = Collected(feed), Collected(feed.status)
        with feed, caplog.at_level(logging.INFO, logger="rxfeed.feed"):
            exchange.wait_for_clients(2)
            until(lambda: all(each.up for each in feed.connections))
            age(feed)
            exchange.inject(faults.Close(code, "restart", connection=exchange.open_connections[0]))
            until(lambda: of(status, Renewed))
            until(lambda: len(of(status, Connected)) == 4)
            until(lambda: exchange.connections == 2)
            traded = len(got.items)
            until(lambda: len(got.items) > traded + 20)
    (lost,), (renewed,) = of(status, Disconnected), of(status, Renewed)
    assert {lost.connection, renewed.connection} == {1, 2}
    assert of(status, Gap) == []
    assert_each_trade_once(got, BTC)
    assert f"the server of connection {lost.connection} restarts: its other 1 are renewed" in caplog.text


def test_close_that_is_not_planned_renews_nothing() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url, redundancy=2, reconnect=AT_ONCE)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients(2)
            until(lambda: all(each.up for each in feed.connections), every=lambda: exchange.advance(1))
            age(feed)
            exchange.inject(faults.Close(1011, connection=exchange.open_connections[0]))
            until(lambda: len(of(status, Connected)) == 3)
            assert not feed._connections.supervisor.busy  # pyright: ignore
    assert of(status, Renewed) == []


def test_server_that_closes_all_connections_causes_no_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was opened anew already, so none of them is old."""
    monkeypatch.setattr("rxfeed.feed.connections._TOGETHER", 10.0)
    names = products(61)
    with nothing_left_behind(), Exchange(names, venue=ADVANCED, seed=3, auto=False) as exchange:
        feed = Feed(names, "book", venue=ADVANCED, url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients(3)
            until(lambda: len(got.items) == 61 + 3)
            age(feed)
            exchange.disconnect(1001)
            until(lambda: len(of(status, Connected)) == 6)
            until(lambda: not feed._connections.supervisor.busy)  # pyright: ignore
    assert Counter(each.connection for each in of(status, Disconnected)) == {1: 1, 2: 1, 3: 1}
    assert of(status, Renewed) == []


def test_young_connections_are_not_renewed_with_a_restart() -> None:
    with Exchange([BTC], seed=3, auto=False) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url, redundancy=2)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients(2)
            until(lambda: all(each.up for each in feed.connections), every=lambda: exchange.advance(1))
            exchange.inject(faults.Close(1001, connection=exchange.open_connections[0]))
            until(lambda: len(of(status, Connected)) == 3)
            assert not feed._connections.supervisor.busy  # pyright: ignore
    assert of(status, Renewed) == []
