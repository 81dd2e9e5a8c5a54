"""Repairs of recordings: what is written, and that a replay is then as one of an unbroken recording."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Reconnect, Replay, record, window_volume
from rxfeed import trades as trades_of
from rxfeed.audit import audit, repair
from rxfeed.errors import ConfigError
from rxfeed.feed import Gap, Repaired
from rxfeed.market import Message, Trade
from rxfeed.recording import catalogue
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected

PRODUCTS = ["BTC-USD", "ETH-USD"]
VENUES = ["coinbase_exchange", "coinbase_advanced"]
KILLS = int(os.environ.get("RXFEED_KILLS", "2"))
_GAPS = 2
_MOST_STEPS = 200
KINDS = [faults.Drop(), faults.Close(1001, "going away")]


def disturbed(seed: int, *, every: float) -> faults.Draw:
    """Faults of all connections but the first one."""
    draw = faults.randomly(seed, every=every, kinds=KINDS)

    def faults_of(connection: int) -> Iterator[faults.Fault]:
        return iter(()) if connection == 1 else draw(connection)

    return faults_of


def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


class Recorded:
    """An exchange, and two recordings of it: *whole*, and *broken* by drops and lost connections.

    The market goes on until trades are missing at two places at least: what a lost connection misses depends on when
    the next one is open.
    """

    def __init__(self, folder: Path, venue: str, seed: int = 5, *, steps: int = 12, every: float = 40.0) -> None:
        self.whole, self.broken = folder / "whole", folder / "broken"
        script = [disturbed(seed, every=every)]
        self.exchange = Exchange(PRODUCTS, venue=venue, seed=seed, auto=False, rate=20, faults=script).__enter__()
        whole, broken = (self._feed(venue, path) for path in (self.whole, self.broken))
        newest: list[dict[str, int]] = [{}, {}]
        gaps: list[Gap] = []
        broken.status.subscribe(
            lambda status: gaps.append(status) if isinstance(status, Gap) and status.product_id is not None else None
        )
        for feed, of_feed in zip((whole, broken), newest, strict=True):
            feed.pipe(trades_of()).subscribe(
                lambda trade, of_feed=of_feed: of_feed.update({trade.product_id: trade.trade_id})
            )
        with whole:
            self.exchange.wait_for_clients(1)
            with broken:
                self.exchange.wait_for_clients(2)
                while steps > 0 or len(gaps) < _GAPS:
                    steps -= 1
                    assert steps > -_MOST_STEPS
                    self.exchange.step(40)
                    self.exchange.drain()
                    self.exchange.wait_for_clients(2)
                sent = [self.exchange.last_trade_id(product) for product in PRODUCTS]  # by the next frames, at least
                self.exchange.step(40)
                self.exchange.drain()
            for product, last in zip(PRODUCTS, sent, strict=True):  # a busy machine reads late
                last = max(last, newest[1].get(product, 0))
                wait(lambda product=product, last=last: newest[0].get(product, 0) >= last)

    def _feed(self, venue: str, path: Path) -> Feed:
        retry = Reconnect(initial=0, maximum=0)
        channels = ["trades", "heartbeat"]
        feed = Feed(PRODUCTS, channels, url=self.exchange.url, venue=venue, reconnect=retry, stale_after=None)
        feed.pipe(record(path, segment_bytes=5_000, flush_seconds=0.01)).subscribe()
        return feed

    def close(self) -> None:
        self.exchange.close()


@pytest.fixture(params=VENUES)
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path, request.param)
    try:
        yield made
    finally:
        made.close()


def played(folder: Path, **options: Any) -> tuple[list[Message], list[Any], list[Any]]:
    replay = Replay(folder, **options)
    messages, windows, status = Collected(replay), Collected(replay.pipe(window_volume(1))), Collected(replay.status)
    replay.serve()
    assert messages.error is None
    return messages.items, windows.items, status.items


def trades(messages: list[Message], product: str) -> list[int]:
    return [each.trade_id for each in messages if isinstance(each, Trade) and each.product_id == product]


def content(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jsonl.zst")}


def missing(folder: Path) -> int:
    return sum(each.count for each in audit(folder).missing if each.product is not None)


def test_repaired_recording_has_the_results_of_a_whole_one(recorded: Recorded) -> None:
    before = missing(recorded.broken)
    done = repair(recorded.broken)
    assert before > 0
    assert (done.repaired, done.lost, done.status) == (before, 0, 0)
    assert missing(recorded.broken) == 0
    messages, windows, status = played(recorded.broken)
    expected, whole, _ = played(recorded.whole)
    for product in PRODUCTS:
        ids, all_ids = trades(messages, product), trades(expected, product)
        assert ids == [*range(ids[0], ids[-1] + 1)]
        assert set(ids) <= set(all_ids)
    known = {(each.product_id, each.start): each for each in whole}
    complete = [each for each in windows if each.complete]
    assert len(complete) > 0.8 * len(windows)
    assert [(each.volume, each.count) for each in complete] == [
        (known[each.product_id, each.start].volume, known[each.product_id, each.start].count) for each in complete
    ]
    assert sum(each.repaired for each in messages) >= before
    for merge in (False, True):
        again = Replay(recorded.broken, merge=merge)
        again.serve()
        assert again.stats.repaired == sum(each.repaired for each in messages)
    assert sum(each.last - each.first + 1 for each in status if isinstance(each, Repaired)) >= before
    assert not [each for each in status if isinstance(each, Gap) and each.product_id is not None]
    assert not catalogue(recorded.broken).overlapping


def test_replay_without_repairs_plays_what_was_received(recorded: Recorded) -> None:
    before = played(recorded.broken)
    repair(recorded.broken)
    after = played(recorded.broken, repaired=False)
    assert [(each, each.epoch) for each in after[0]] == [(each, each.epoch) for each in before[0]]
    assert after[1] == before[1]
    assert [str(each) for each in after[2]] == [str(each) for each in before[2]]


def test_repair_is_idempotent_and_a_dry_run_changes_nothing(recorded: Recorded) -> None:
    names = content(recorded.broken)
    listed = repair(recorded.broken, dry_run=True)
    assert content(recorded.broken) == names
    done = repair(recorded.broken)
    assert [(each.product, each.first, each.last) for each in listed.gaps] == [
        (each.product, each.first, each.last) for each in done.gaps
    ]
    files = content(recorded.broken)
    assert set(done.files) == {str(recorded.broken / name) for name in files.keys() - names.keys()}
    again = repair(recorded.broken)
    assert (again.gaps, again.files) == ((), ())
    assert content(recorded.broken) == files


def test_killed_repair_writes_the_same_bytes(recorded: Recorded, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(recorded.broken, undisturbed)
    repair(undisturbed)
    dice = random.Random(recorded.exchange.url)
    command = [sys.executable, "-m", "rxfeed.cli", "repair", str(recorded.broken)]
    recorded.exchange.inject(faults.RestLatency(0.05, count=None))
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.3, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert content(recorded.broken) == content(undisturbed)


@pytest.mark.parametrize("venue", VENUES)
def test_trades_that_the_exchange_no_longer_has_are_lost(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No window that lacks a trade is complete, and what is lost is not requested again."""
    monkeypatch.setattr("rxfeed.audit.fetching.AGAIN", (0.01,))
    made = Recorded(tmp_path, venue, seed=11)
    try:
        listed = repair(made.broken, dry_run=True).gaps
        gone = {each.first + each.count // 2 for each in listed}
        made.exchange.inject(faults.RestHole(gone, count=None))
        done = repair(made.broken)
        assert (done.lost, done.repaired, done.status) == (len(gone), done.missing - len(gone), 3)
        found = audit(made.broken)
        assert {each.first for each in found.missing if each.product is not None} == gone
        assert all(each.lost for each in found.missing if each.product is not None)
        assert repair(made.broken).gaps == ()
        messages, windows, status = played(made.broken)
        assert {
            number for each in status if isinstance(each, Gap) for number in range(each.first, each.last + 1)
        } >= gone
        known = {(each.product_id, each.start): each for each in played(made.whole)[1]}
        for each in windows:
            if each.complete:
                assert each.count == known[each.product_id, each.start].count
        assert any(each.complete for each in windows)
        assert not {each.trade_id for each in messages if isinstance(each, Trade)} & gone
    finally:
        made.close()


def test_repair_survives_faults_of_the_rest_api(recorded: Recorded) -> None:
    before = missing(recorded.broken)
    for fault in (faults.RestStatus(code=429, count=2), faults.RestGarbage(count=1), faults.RestStatus(code=503)):
        recorded.exchange.inject(fault)
    done = repair(recorded.broken)
    assert (done.repaired, done.status) == (before, 0)


def test_gap_that_cannot_be_requested_is_reported_and_left(recorded: Recorded) -> None:
    names = content(recorded.broken)
    before = missing(recorded.broken)
    recorded.exchange.inject(faults.RestStatus(code=404, count=None))
    done = repair(recorded.broken)
    assert (done.repaired, done.lost, done.status) == (0, 0, 1)
    assert all("404" in each.error for each in done.gaps)
    assert content(recorded.broken) == names
    assert missing(recorded.broken) == before


def test_repair_takes_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file.jsonl").write_text("{}")
    with pytest.raises(ConfigError, match="folder"):
        repair(tmp_path / "file.jsonl")


def test_damaged_or_orphaned_repair_leaves_the_replay_of_what_was_received(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    received = trades(played(recorded.broken, repaired=False)[0], "BTC-USD")
    names = content(recorded.broken)
    done = repair(recorded.broken)
    for file in done.files:
        whole = Path(file).read_bytes()
        Path(file).write_bytes(whole[:-40])
    caplog.clear()
    assert set(trades(played(recorded.broken)[0], "BTC-USD")) >= set(received)
    assert "run rxfeed repair again" in caplog.text
    for name in names:
        (recorded.broken / name).unlink()
    caplog.clear()
    replay = Replay(recorded.broken)
    assert "the segment that they complete is not there" in caplog.text
    replay.close()


@pytest.mark.parametrize("venue", VENUES)
def test_gap_at_which_the_feed_was_closed_is_found_and_repaired(venue: str, tmp_path: Path) -> None:
    """The gap is in the recording, and the message behind it is not."""
    kinds: set[str] = {"match"} if venue == "coinbase_exchange" else {"market_trades"}
    with Exchange(["BTC-USD"], venue=venue, seed=4, auto=False, rate=20) as exchange:
        retry = Reconnect(initial=0, maximum=0)
        feed = Feed("BTC-USD", ["trades"], url=exchange.url, venue=venue, reconnect=retry, stale_after=None)
        gaps: list[Gap] = []

        def close_at_a_gap(status: object) -> None:
            if isinstance(status, Gap) and status.product_id:
                gaps.append(status)
                feed.close()

        feed.status.subscribe(close_at_a_gap)
        recorder = record(tmp_path)
        feed.pipe(recorder).subscribe()
        feed.connect()
        exchange.wait_for_clients()
        exchange.step(60)
        exchange.inject(faults.Close(1001, "going away"))  # with it epochs rise
        wait(lambda: exchange.accepted == 2)
        exchange.wait_for_clients()
        exchange.step(60)
        exchange.drain()
        exchange.inject(faults.Drop(3, types=kinds))
        exchange.step(120)
        assert feed.wait(20)
        assert recorder.close(20) == 0
        (gap,) = gaps
        assert [(each.first, each.last) for each in audit(tmp_path).missing if each.product] == [(gap.first, gap.last)]
        repair(tmp_path)
        after = audit(tmp_path)
    assert (after.missing, after.status) == ((), 0)
    messages, windows, status = played(tmp_path)
    ids = trades(messages, "BTC-USD")
    assert ids == list(range(ids[0], gap.last + 1))
    epochs = [each.epoch for each in messages if isinstance(each, Trade)]
    assert epochs == sorted(epochs)
    assert epochs[-1] > 0
    assert not [each for each in status if isinstance(each, Gap) and each.product_id]
    assert [(each.first, each.last) for each in status if isinstance(each, Repaired)] == [(gap.first, gap.last)]
    assert windows
