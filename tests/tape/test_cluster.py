"""Three servers with three copies of the tape: the leader is killed, and nothing is lost, doubled, or reordered."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
from reactivex.subject import Subject

from rxfeed import Match
from rxfeed.sim.nats_server import NatsServer, cluster, urls
from rxfeed.tape import NatsFeed, to_nats
from rxfeed.testing import trade
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.tape.tapes import with_client

slow = pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes a minute: set RXFEED_SOAK=1")


def leader(servers: list[NatsServer]) -> NatsServer:
    for server in servers:
        if server.process is not None:
            info = with_client(server.url, lambda _, js: js.stream_info("rxfeed"))
            return next(each for each in servers if each.name == info.cluster.leader)
    raise AssertionError("no server runs")


@slow
@pytest.mark.timeout(180)
def test_leader_that_is_killed_loses_and_reorders_nothing() -> None:
    with ExitStack() as stack:
        servers = cluster()
        for server in servers:
            stack.callback(server.close)
        address = urls(servers)
        sink = to_nats(address, replicas=3, attempt_seconds=2)
        source: Subject[object] = Subject()
        published = Collected(source.pipe(sink))
        feed = NatsFeed(address, since="all")
        got = Collected(feed)
        with feed:
            source.on_next(trade(trade_id=1))
            until(lambda: sink.stats.published > 1)
            number, victim = 1, servers[0]
            for _ in range(3):
                for _ in range(300):
                    number += 1
                    source.on_next(trade(trade_id=number))
                    if number % 300 == 100:
                        victim = leader(servers)
                        victim.kill()
                until(lambda: not sink.stats.queued, seconds=60)
                victim.start()
            source.on_completed()
            published.wait_for_end(60)
            got.wait_for(number, 60)
    assert published.error is None
    assert [each.trade_id for each in got.items if isinstance(each, Match)] == list(range(1, number + 1))
