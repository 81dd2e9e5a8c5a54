"""A connection is replaced by a new one before it is closed."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from rxfeed import Feed, Reconnect, catalogue, record
from rxfeed.feed import (
    BookSwitched,
    Connected,
    Connecting,
    Disconnected,
    Gap,
    Reconnecting,
    Renewed,
)
from rxfeed.market import Trade
from rxfeed.sim import Exchange, faults
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.connections import (
    AT_ONCE,
    BTC,
    ETH,
    VENUES,
    until,
    until_more,
)
from tests.support.leaks import nothing_left_behind
from tests.support.scenes import of


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


def test_renewal_drops_copies_although_duplicates_are_delivered() -> None:
    with Exchange([BTC], seed=3, rate=300) as exchange:
        feed = Feed(BTC, ["trades", "heartbeat"], url=exchange.url, patience=0.1, drop_duplicates=False)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.renew()
            until_more(status, Renewed, 0)
            before = len(got.items)
            got.wait_for(before + 50)
    ids = [each.trade_id for each in got.items if isinstance(each, Trade)]
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert feed.stats.duplicates > 0


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


def test_renewal_of_a_connection_that_is_refused_keeps_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one is open all the time, so that no event reports a loss, and the recording has none."""
    with Exchange([BTC], seed=3, auto=False, faults=[faults.HttpStatus(503, connection=range(2, 99))]) as exchange:
        feed = Feed(BTC, "heartbeat", url=exchange.url)
        feed.pipe(record(tmp_path)).subscribe()
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.renew()
            until(lambda: feed.stats.reconnects > 0)
            exchange.advance(2)
            got.wait_for(lambda items: sum(each.type == "heartbeat" for each in items) == 2)
    events = [type(each) for each in status.items]
    assert [events.count(each) for each in (Connecting, Connected, Disconnected, Reconnecting)] == [1, 1, 0, 0]
    assert "renew: one of two connections is not open" in caplog.text
    assert catalogue(tmp_path).total.offline == ()


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
