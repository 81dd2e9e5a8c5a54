"""Recordings of several connections."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest

from rxfeed import Feed, Replay, record
from rxfeed.feed import (
    Connected,
)
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.connections import (
    ADVANCED,
    AT_ONCE,
    BTC,
    ETH,
    VENUES,
    connections_of,
    products,
    until,
)


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
