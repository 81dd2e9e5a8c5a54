"""Short versions of the long runs in `tests/soak_tape.py`, and with RXFEED_SOAK=1 the whole."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

from rxfeed import window_volume
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, TapeAddress, Worker, tape_state
from rxfeed.tape.result_stream import encoded
from rxfeed.venues import venue
from tests.sinks.servers import until
from tests.soak_tape import STUDY, Publishing, kills, rxfeed, workers
from tests.support.stopwatch import Stopwatch
from tests.tape.tapes import messages_of

whole = pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes minutes: set RXFEED_SOAK=1")


def test_killed_publisher_and_server_lose_nothing(tmp_path: Path) -> None:
    ledger = kills(1, rate=200, seed=7, folder=tmp_path, consumes=False)
    assert ledger["problems"] == []
    assert ledger["trades"] > 100
    assert ledger["windows"] > 5


def test_shards_of_a_killed_worker_move_within_five_seconds(tmp_path: Path) -> None:
    """The time is that in which this process could run, since the worker that takes the shards is a part of it."""
    study = tmp_path / "study.py"
    study.write_text(STUDY)
    names = [f"P{number}-USD" for number in range(8)]
    with NatsServer() as server, Publishing(server.url, names, rate=100) as publishing, ExitStack() as ends:
        command = ["work", f"{study}:study", "--group", "g", "--shards", "4", "--nats", server.url, "--warmup", "10s"]
        until(lambda: publishing.sent > len(names))
        victim = ends.enter_context(rxfeed(*command))
        worker = Worker(
            TapeAddress(server.url),
            lambda feed: feed.pipe(window_volume(1)),
            "g",
            stream="rxfeed",
            venue=venue("coinbase_exchange"),
            shards=4,
            products=None,
            warmup=10.0,
            make_feed=lambda products, since: NatsFeed(server.url, products, since=since),
        )
        until(lambda: len(tape_state(TapeAddress(server.url), "rxfeed").leases) >= 2, seconds=40)
        worker.start()
        ends.callback(worker.wait, 5)
        ends.callback(worker.stop)
        until(lambda: len(worker.shards) == 2 and shares(server.url) == [2, 2], seconds=40)
        with Stopwatch() as stopwatch:
            victim.kill()
            until(lambda: len(worker.shards) == 4, seconds=40)
            took = stopwatch.seconds
        publishing.stop()
        expected = windows(server.url)
        until(lambda: sum(map(len, results(server.url).values())) >= sum(len(each) - 2 for each in expected.values()))
        worker.stop()
        assert worker.wait(5)
        got = results(server.url)
    assert took < 5.0
    for name in names:
        assert got[name] == expected[name][: len(got[name])]
        assert len(got[name]) >= 4


def shares(url: str) -> list[int]:
    """The shards of each worker."""
    leases = tape_state(TapeAddress(url), "rxfeed").leases
    return sorted(Counter(leases.values()).values())


def windows(url: str) -> dict[str, list[bytes]]:
    """The windows of the whole tape, by product, as a worker publishes them."""
    feed = NatsFeed(url, since="all", until="now")
    found: dict[str, list[bytes]] = defaultdict(list)
    feed.pipe(window_volume(1)).subscribe(lambda item: found[item.product_id].append(encoded(item)))
    feed.serve()
    return found


def results(url: str) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for message in messages_of(url, "rxfeed_results"):
        found[json.loads(message.data)["product_id"]].append(message.data)
    return found


@whole
def test_shards_of_a_killed_worker_move_and_results_are_equal(tmp_path: Path) -> None:
    ledger = workers(2.5, shards=2, count=2, products=4, rate=100, seed=7, folder=tmp_path, every=2.4)
    assert ledger["problems"] == []
    assert ledger["kills"] > 0
    assert ledger["results"] > 8


@whole
@pytest.mark.timeout(600)
def test_ten_kills_of_each_at_2000_messages_a_second(tmp_path: Path) -> None:
    assert kills(10, rate=2_600, seed=7, folder=tmp_path)["problems"] == []


@whole
@pytest.mark.timeout(600)
def test_sixteen_shards_and_three_workers_that_are_killed(tmp_path: Path) -> None:
    options = {"shards": 16, "count": 3, "products": 48, "rate": 2_000, "seed": 7, "every": 3.0}
    assert workers(40, folder=tmp_path, **options)["problems"] == []  # type: ignore[arg-type]
