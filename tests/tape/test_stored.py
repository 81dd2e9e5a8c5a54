"""Messages that wait for the server are on disk: they survive kills, and are published once, in their order."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reactivex.subject import Subject

from rxfeed import Match
from rxfeed.errors import ConfigError, SinkError
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, to_nats
from rxfeed.testing import trade
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.tape.tapes import messages_of, played

PUBLISHER = """
import sys, time
from reactivex.subject import Subject
from rxfeed.tape import to_nats
from rxfeed.testing import trade
url, path, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = Subject()
sink = to_nats(url, spill=path, attempt_seconds=1)
source.pipe(sink).subscribe()
for number in range(first, first + 100):
    source.on_next(trade(trade_id=number))
while sink.stats.queued:
    time.sleep(0.01)
print("published", flush=True)
sys.stdin.readline()
for number in range(first + 100, first + 600):
    source.on_next(trade(trade_id=number))
while sink.stats.queued or sink.stats.spilled < 500:
    time.sleep(0.01)
print("on disk", flush=True)
time.sleep(60)
"""


def ids(items: Any) -> list[int]:
    return [each.trade_id for each in items if isinstance(each, Match)]


def unique(url: str) -> int:
    """The frames of the tape; fails if it has one twice."""
    found = [each.headers or {} for each in messages_of(url, "rxfeed")]
    names = [each["Nats-Msg-Id"] for each in found if "Rxfeed-Kind" not in each]
    assert len(set(names)) == len(names)
    return len(names)


def test_messages_on_disk_survive_kills_of_both(tmp_path: Path) -> None:
    """The publisher is killed while the server is away; the next one publishes what it had, and then its own."""
    with NatsServer() as server:
        command = [sys.executable, "-c", PUBLISHER, server.url, str(tmp_path / "spill"), "1"]
        publisher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert publisher.stdout is not None
            assert publisher.stdin is not None
            assert publisher.stdout.readline() == "published\n"
            early = Collected(feed := NatsFeed(server.url, since="all"))
            feed.connect()
            early.wait_for(100)
            server.kill()
            publisher.stdin.write("\n")
            publisher.stdin.flush()
            assert publisher.stdout.readline() == "on disk\n"
        finally:
            publisher.kill()
            publisher.communicate()
        source: Subject[Any] = Subject()
        sink = to_nats(server.url, spill=tmp_path / "spill")
        got = Collected(source.pipe(sink))
        assert sink.stats.spilled >= 500
        for number in range(601, 701):
            source.on_next(trade(trade_id=number))
        until(lambda: sink.stats.spilled > 600 and not sink.stats.queued)
        assert sink.stats.lag > 0
        server.start()
        source.on_completed()
        got.wait_for_end()
        assert got.error is None
        assert (sink.stats.spilled, sink.stats.lost, sink.stats.queued) == (0, 0, 0)
        assert ids(played(server.url, "rxfeed").items) == list(range(1, 701))
        assert unique(server.url) == 700
        early.wait_for(700)
        feed.close()
        assert ids(early.items) == list(range(1, 701))
        assert early.items[99].epoch == early.items[599].epoch < early.items[600].epoch  # two sessions


def test_messages_that_were_stored_without_an_answer_are_published_once(tmp_path: Path) -> None:
    """They are in flight when the server stops, and some are on the tape already."""
    with NatsServer() as server:
        source: Subject[Any] = Subject()
        sink = to_nats(server.url, spill=tmp_path / "spill", attempt_seconds=0.3)
        got = Collected(source.pipe(sink))
        source.on_next(trade(trade_id=0))
        until(lambda: sink.stats.published > 2)
        for number in range(1, 2_001):
            source.on_next(trade(trade_id=number))
            if number == 300:
                server.pause()
        until(lambda: sink.stats.spilled > 1_500 and not sink.stats.queued)
        server.kill()
        server.start()
        until(lambda: not sink.stats.spilled)
        source.on_next(trade(trade_id=2_001))
        source.on_completed()
        got.wait_for_end()
        assert got.error is None
        assert ids(played(server.url, "rxfeed").items) == list(range(2_002))
        assert unique(server.url) == 2_002


def test_full_disk_leaves_messages_in_memory_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with NatsServer() as server, caplog.at_level(logging.WARNING):
        source: Subject[Any] = Subject()
        server.kill()
        sink = to_nats(server.url, spill=tmp_path / "spill", spill_bytes=40_000)
        got = Collected(source.pipe(sink))
        until(lambda: sink.stats.problem)
        for number in range(600):
            source.on_next(trade(trade_id=number))
            if number == 20:
                until(lambda: sink.stats.spilled)
        until(lambda: "takes no more documents" in caplog.text)
        stats = sink.stats
        assert stats.spilled
        assert stats.queued
        assert stats.spill_bytes <= 40_000
        server.start()
        source.on_completed()
        got.wait_for_end()
        assert got.error is None
        assert ids(played(server.url, "rxfeed").items) == list(range(600))


def test_close_without_a_server_leaves_all_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = to_nats("nats://127.0.0.1:1", spill=tmp_path / "spill")
    got = Collected((source := Subject[Any]()).pipe(sink))
    for number in range(3):
        source.on_next(trade(trade_id=number))
    left = sink.close(0.2)
    assert (left.unwritten, left.spilled) == (0, 4)  # with the description of the publisher
    got.wait_for_end()
    assert got.error is None
    assert sink.stats.lost == 0
    assert f"4 messages wait in {tmp_path}/spill for the next start" in caplog.text


def test_spill_of_another_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        to_nats("nats://127.0.0.1:1", spill=tmp_path / "missing" / "spill")
    with pytest.raises(ConfigError, match="spill_mode"):
        to_nats("nats://127.0.0.1:1", spill=tmp_path / "spill", spill_mode=0o444)
    first = to_nats("nats://127.0.0.1:1", spill=tmp_path / "spill")
    got = Collected(Subject[Any]().pipe(first))
    second = Collected(Subject[Any]().pipe(to_nats("nats://127.0.0.1:1", spill=tmp_path / "spill")))
    assert isinstance(second.error, SinkError)
    assert "another process or sink uses it" in str(second.error)
    first.close(0.1)
    got.wait_for_end()
    other = Collected(Subject[Any]().pipe(to_nats("nats://127.0.0.1:1", stream="other", spill=tmp_path / "spill")))
    assert isinstance(other.error, ConfigError)


def test_item_that_cannot_be_stored_ends_the_publisher_with_its_reason(tmp_path: Path) -> None:
    sink = to_nats("nats://127.0.0.1:1", spill=tmp_path / "spill")
    got = Collected((source := Subject[Any]()).pipe(sink))
    until(lambda: sink.stats.problem)
    source.on_next("no message")
    got.wait_for_end()
    assert isinstance(got.error, ConfigError)
    assert "a str is not a Message" in str(got.error)
    assert not source.observers
