"""A stream is written into an archive: whole files only, and what is counted as written is never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex.subject import Subject

from rxfeed import Feed, Message, Replay, candles, trades
from rxfeed.archive import export, to_parquet
from rxfeed.archive.parquet_sink import ParquetSink
from rxfeed.errors import ConfigError, SinkError, WrongProcess
from rxfeed.sim import Exchange
from tests.support import archives as a
from tests.support.collect import Collected
from tests.support.make import heartbeat, match, ticker
from tests.support.scenes import wait_until

TRADES: list[Message] = [match(n + 1, trade_id=n, time=n) for n in range(30)]


def ids(out: Path) -> list[int]:
    return [row[4] for row in a.rows(out, "trades", a.TRADE)]


def test_stream_of_a_feed_equals_the_export_of_its_recording(tmp_path: Path) -> None:
    recordings, streamed, exported = tmp_path / "in", tmp_path / "streamed", tmp_path / "exported"
    a.record_exchange(recordings, steps=100)
    replay = Replay(recordings)
    done = Collected(replay.pipe(to_parquet(streamed)))
    replay.run()
    assert done.completed
    export(recordings, exported, every=None)
    for table, columns in (("trades", a.TRADE), ("book_updates", a.CHANGE), ("tickers", a.TICKER)):
        found = a.rows(streamed, table, columns)
        assert found
        assert sorted(found) == sorted(a.rows(exported, table, columns))
    covered = ("table_name", "count", "first_id", "last_id", "gaps", "missing")
    assert sorted(a.rows(streamed, "coverage", covered), key=repr) == sorted(
        a.rows(exported, "coverage", covered), key=repr
    )
    folders = {path.parent.relative_to(streamed) for path in a.files(streamed, "trades")}
    assert folders == {path.parent.relative_to(exported) for path in a.files(exported, "trades")}


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_live_trades_are_written_when_the_feed_ends(venue: str, tmp_path: Path) -> None:
    sink = to_parquet(tmp_path)
    with Exchange(["BTC-USD"], venue=venue, auto=False) as exchange:
        feed = Feed("BTC-USD", ["trades"], url=exchange.url, venue=venue)
        got = Collected(feed.pipe(trades()))
        feed.pipe(trades(), sink).subscribe()
        with feed:
            exchange.wait_for_clients()
            exchange.step(200)
            got.wait_for(20)
        assert feed.unwritten == ()
    assert a.rows(tmp_path, "trades", a.TRADE) == a.trade_rows(got.items)
    assert sink.stats.written == sink.stats.taken == len(got.items)
    assert (tmp_path / "trades" / f"venue={venue}" / "product=BTC-USD").is_dir()


def test_candles_are_written(tmp_path: Path) -> None:
    reactivex.from_iterable(TRADES).pipe(
        candles(10), sink := to_parquet(tmp_path, venue="coinbase_advanced")
    ).subscribe()
    assert sink.close() == 0
    assert [row[6] for row in a.rows(tmp_path, "candles", a.CANDLE)] == [10, 20, 30]
    assert (tmp_path / "candles" / "venue=coinbase_advanced").is_dir()


def test_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """After `file_seconds`, also if no further item comes; before that readers see nothing."""
    source: Subject[Message] = Subject()
    sink = to_parquet(tmp_path, file_seconds=0.3)
    writes = Collected(source.pipe(sink))
    for trade in TRADES[:10]:
        source.on_next(trade)
    assert list(tmp_path.rglob("trades")) == []
    assert sink.stats.written == 0
    (write,) = writes.wait_for(1)
    assert (write.items, [path.is_file() for path in write.files]) == (10, [True, True])
    assert (ids(tmp_path), sink.stats.written, sink.stats.queued) == (list(range(10)), 10, 0)
    source.on_next(TRADES[10])
    source.on_completed()
    writes.wait_for_end()
    assert sorted(ids(tmp_path)) == list(range(11))
    assert list((tmp_path / ".rxfeed").iterdir()) == []


def test_messages_without_a_table_are_counted(tmp_path: Path) -> None:
    sink = to_parquet(tmp_path)
    reactivex.of(heartbeat(0), match(1), ticker(2)).pipe(sink).subscribe()
    sink.close()
    assert (sink.stats.taken, sink.stats.written, sink.stats.skipped) == (3, 2, 1)


def test_item_that_is_no_message_ends_the_stream(tmp_path: Path) -> None:
    got = Collected(reactivex.of(1).pipe(to_parquet(tmp_path)))
    got.wait_for_end()
    assert isinstance(got.error, ConfigError)


def test_number_that_does_not_fit_ends_the_stream(tmp_path: Path) -> None:
    got = Collected(reactivex.of(match(Decimal("0.001"))).pipe(to_parquet(tmp_path, scale=2)))
    got.wait_for_end()
    assert "the price 0.001 does not fit into 38 digits with 2 decimal places" in str(got.error)
    assert a.files(tmp_path, "trades") == []


def test_refused_write_ends_with_the_number_of_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    sink: ParquetSink = to_parquet(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    got = Collected(reactivex.from_iterable(TRADES).pipe(sink))
    got.wait_for_end()
    assert isinstance(got.error, SinkError)
    assert got.error.unwritten == 30
    assert "30 items not written" in str(got.error)
    assert "No space left on device" in str(got.error)
    assert sink.stats.unwritten == 30


def test_close_returns_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (time.sleep(0.1), real(number)))
    source: Subject[Message] = Subject()
    sink = to_parquet(tmp_path)
    source.pipe(sink).subscribe()
    source.on_next(TRADES[0])
    began = time.monotonic()
    assert sink.close(0.02) == 1
    assert time.monotonic() - began < 0.3
    wait_until(lambda: sink.stats.written == 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork with threads, which is the point
def test_forked_child_changes_nothing(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    sink = to_parquet(tmp_path)
    source.pipe(sink).subscribe()
    source.on_next(TRADES[0])
    child = os.fork()
    if not child:
        status = 1
        try:
            source.on_next(TRADES[1])
        except WrongProcess:
            status = 0
        except BaseException:
            status = 2
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    source.on_next(TRADES[2])
    assert sink.close() == 0
    assert ids(tmp_path) == [0, 2]


STREAM = """
import sys, time
from reactivex.subject import Subject
from rxfeed.archive import to_parquet
from tests.support.make import match
source = Subject()
sink = to_parquet(sys.argv[1], file_seconds=0.05)
source.pipe(sink).subscribe()
number, told = int(sys.argv[2]), 0
while True:
    for _ in range(20):
        source.on_next(match(number + 1, trade_id=number, time=number / 100))
        number += 1
    if sink.stats.written > told:
        told = sink.stats.written
        print(told, flush=True)
    time.sleep(0.002)
"""


def kill_stream(out: Path, first: int, seconds: float) -> int:
    """How many trades, numbered from *first* on, had been counted as written when the process was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", STREAM, out, str(first)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        written = int(process.stdout.readline())
        time.sleep(seconds)
        process.kill()
        rest = process.stdout.read().split()
        assert process.wait(30) == -signal.SIGKILL
    return int(rest[-1]) if rest else written


def check_kills(out: Path, times: int) -> None:
    first = 0
    for number in range(times):
        written = kill_stream(out, first, number * 0.07 % 0.5)
        found = sorted(each for each in ids(out) if each >= first)
        assert len(found) >= written > 0
        assert found == list(range(first, first + len(found)))
        first += 1_000_000
    reactivex.from_iterable(TRADES).pipe(sink := to_parquet(out)).subscribe()
    sink.close()
    assert list((out / ".rxfeed").iterdir()) == []  # what the killed processes left is removed


def test_written_items_survive_a_kill(tmp_path: Path) -> None:
    check_kills(tmp_path, 2)


@pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes minutes: set RXFEED_SOAK=1")
@pytest.mark.timeout(600)
def test_written_items_survive_many_kills(tmp_path: Path) -> None:
    check_kills(tmp_path, 50)


def test_arguments_are_checked(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [{"file_seconds": 0}, {"file_rows": 0}, {"queue_size": 0}, {"scale": 40}]
    for options in wrong:
        with pytest.raises(ConfigError, match=next(iter(options))):
            to_parquet(tmp_path, **options)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file; an archive is a folder"):
        to_parquet(tmp_path / "file")
