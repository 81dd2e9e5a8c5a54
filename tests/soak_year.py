"""A simulated year of a recorder that is killed again and again, with all that runs beside it.

    python -m tests.soak_year --days 365 --kills 50 --speed 40000 --seed 1

`rxfeed record --mongo` runs on a clock that is SPEED times as fast, with segments of some hours, and deletes them after
a week, if they were exported and audited. An exporter and an audit follow, and rest for a fortnight of each quarter.
The recorder is killed (SIGKILL) at random moments, also while it starts, and is started again at once.

What is compared, from the first recorded trade to the exchange's last one, by trade id, price, size, side, event time,
and receipt:

- exchange: each trade that the matching engine has made.
- recording: the frames of all segments, read with zstandard and json alone; hard links keep the deleted ones.
- Parquet: the rows of the table `trades`. They are those of the recording, no more and no less.
- MongoDB: the documents. All trades of the recording are among them, once.
- certificate: the missing numbers of the audit of all segments. They are the trades that the recording does not have,
  no more and no less, and each range of them includes a kill. A trade that MongoDB does not have is one of them.
- The certificates of the year, each made while the older segments were deleted, name together the same numbers.
- The candles count all trades of the table `trades`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pymongo

from rxfeed.archive import export
from rxfeed.audit import audit
from rxfeed.core.matching import MICROSECONDS, Event, MatchEvent
from rxfeed.market import microseconds
from rxfeed.recording import SegmentList, moment_of, ns_of
from rxfeed.sim import Exchange
from rxfeed.sim import market as simulated_market
from rxfeed.sim.mongod import Mongod
from tests.support.fast_clock import FastClock
from tests.support.recordings import segments
from tests.support.trade_places import (
    TAKER,
    TradeRow,
    counted_in_candles,
    exported_trades,
    missing_ids,
    recorded_trades,
    stored_trades,
)

PRODUCT = "BTC-USD"
DAY = 86_400 * 10**9
KEEP_DAYS = 7
SEGMENTS = 1.7
"""Segments in a second of the machine."""
_DELAY = 4
"""Seconds of the machine."""
ORDERS = 600
"""Order events in a second of the machine; one of eight makes a trade."""


class Kill(NamedTuple):
    """A kill between two times of the simulated clock, and the exchange's last trade at it."""

    before: int
    after: int
    last_trade: int


class Year:
    """The recorder, the exporter and the audit of one folder, on *clock*."""

    def __init__(self, folder: Path, clock: FastClock, url: str, mongo: str) -> None:
        self.recordings, self.kept, self.archive = (folder / name for name in ("recordings", "kept", "archive"))
        self.kept.mkdir()
        self.problems: list[str] = []
        self.kills: list[Kill] = []
        self.missing: set[int] = set()  # by all certificates so far
        self.exports = self.audits = 0
        self._stopped = 0, 0  # when the recorder was asked to end, and when it had ended
        self._marked: dict[str, int] = {}  # when a segment was first seen with both marks
        self._clock = clock
        self._url = url
        self._mongo = mongo
        self._recorder: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="follower")

    # ---- the recorder

    def start(self) -> None:
        """Start the recorder, and what follows it, if that does not run."""
        minutes = self._clock.speed / SEGMENTS / 60
        options = ["--channel", "matches", "--channel", "heartbeat", "--url", self._url, "--to", str(self.recordings)]
        options += ["--mongo", self._mongo, "--sync", "0.1", "--segment-minutes", f"{minutes:.1f}"]
        options += ["--keep-days", str(KEEP_DAYS), "--after", "export", "--after", "audit"]
        launcher = [sys.executable, "-m", "tests.support.fast_clock", *self._clock.arguments()]
        nowhere = subprocess.DEVNULL
        self._recorder = subprocess.Popen(
            [*launcher, "record", PRODUCT, *options],
            start_new_session=True,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
        )
        if not self._follower.ident:
            self._follower.start()

    def kill(self, last_trade: Callable[[], int]) -> None:
        """Kill the recorder."""
        assert self._recorder is not None
        if self._recorder.poll() is not None:
            self.problems.append(f"a recorder ended by itself, with {self._recorder.returncode}")
        before = self._clock.now()
        self._recorder.kill()
        self._recorder.wait()
        self.kills.append(Kill(before, self._clock.now(), last_trade()))
        for path in segments(self.recordings)[-2:]:  # the system has written the machine's time
            os.utime(path, ns=(self._clock.now(), self._clock.now()))

    def wait_for_trades(self) -> None:
        """Return when the recorder has recorded a trade."""
        since = self.kills[-1].after if self.kills else 0
        self._wait(lambda: any(ns > since for _, ns in self._newest()), "no trade was recorded")

    def _newest(self) -> list[tuple[TradeRow, int]]:
        return [each for path in segments(self.recordings)[-2:] for each in recorded_trades(path)]

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                self.problems.append(f"{problem} within a minute")
                break
            time.sleep(0.05)

    def end(self, last_trade: int) -> None:
        """End the recorder when it has *last_trade*, and all that follows it."""
        assert self._recorder is not None
        problem = f"trade {last_trade} was not recorded"
        self._wait(lambda: any(row.trade_id == last_trade for row, _ in self._newest()), problem)
        asked = self._clock.now()
        self._recorder.send_signal(signal.SIGTERM)
        status = self._recorder.wait(60)
        self._stopped = asked, self._clock.now()
        if status:
            self.problems.append(f"the last recorder ended with {status}")
        self.close()
        self._step(with_audit=True)

    def close(self) -> None:
        self._over.set()
        if self._follower.ident:
            self._follower.join()
        if self._recorder is not None:
            self._recorder.kill()
            self._recorder.wait()

    # ---- the exporter and the audit

    def _follow(self) -> None:
        begun = self._clock.now()
        while not self._over.wait(0.3):
            if (self._clock.now() - begun) // DAY % 91 < 77 and segments(self.recordings):
                try:
                    self._step(with_audit=self.exports % 3 == 2)
                except Exception as error:
                    self.problems.append(f"the exporter or the audit failed: {error!r}")
                    raise

    def _step(self, *, with_audit: bool) -> None:
        """Export and audit; a segment gets its link before it has both marks, so that it is not deleted before."""
        self._link()
        export(self.recordings, self.archive, depth=1)
        self.exports += 1
        if with_audit:
            self._link()
            self.missing |= missing_ids(audit(self.recordings))
            self.audits += 1
        for each in SegmentList(self.recordings).read():
            if len(each.marks) == 2:
                self._marked.setdefault(each.name, self._clock.now())

    def _link(self) -> None:
        for path in segments(self.recordings):
            link = self.kept / path.name
            if not link.exists():
                os.link(path, link)

    def check_retention(self) -> int:
        """Check which segments were deleted; returns their number.

        A busy machine may delay the recorder, which deletes when it begins a segment, and what marks the segments.
        """
        found = {each.name: each for each in SegmentList(self.recordings).read()}
        asked, ended = self._stopped
        late = ended - KEEP_DAYS * DAY
        in_time = asked - max(3 * DAY, _DELAY * self._clock.speed * 10**9)
        deleted = 0
        for segment in SegmentList(self.kept).read():
            if segment.name not in found:
                deleted += 1
                if segment.last_ns >= late:
                    self.problems.append(f"{segment.name} was deleted too early")
            elif segment.last_ns + KEEP_DAYS * DAY < in_time and self._marked.get(segment.name, in_time) < in_time:
                self.problems.append(f"{segment.name} is kept too long")
        return deleted


# ---- the run


def year(
    days: float,
    kills: int,
    speed: int,
    seed: int,
    folder: Path,
    show: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """The ledger of *days* with *kills*; `problems` in it is empty if everything agrees."""
    draw = random.Random(seed)
    machine_ns = round(days * DAY / speed)
    origin = time.time_ns()
    clock = FastClock(origin, origin - round(days * DAY), speed)
    moments = sorted(draw.uniform(0.05, 0.93) * machine_ns / 1e9 for _ in range(kills))
    traded: dict[int, TradeRow] = {}
    with (
        patch.object(simulated_market, "TICK", speed // 10 * MICROSECONDS),  # ten heartbeats in a second of the machine
        Mongod() as server,
        pymongo.MongoClient[Any](server.uri) as client,
        Exchange([PRODUCT], seed=seed, rate=ORDERS / speed, speed=speed, start=moment_of(clock.begin)) as exchange,
    ):
        _note_trades(exchange, traded)
        run = Year(folder, clock, exchange.url, server.uri)
        began = time.monotonic()
        try:
            run.start()
            for number, moment in enumerate(moments, 1):
                time.sleep(max(0.0, began + moment - time.monotonic()))
                run.kill(lambda: exchange.last_trade_id(PRODUCT))
                run.start()
                show(f"{moment_of(clock.now()):%Y-%m-%d}: kill {number}, {len(traded)} trades, {run.exports} exports")
            time.sleep(max(0.0, began + machine_ns / 1e9 - time.monotonic()))
            run.wait_for_trades()
            exchange.pause()
            run.end(exchange.last_trade_id(PRODUCT))
        finally:
            run.close()
        return {
            "days": days,
            "seconds": round(time.monotonic() - began, 1),
            "kills": len(run.kills),
            "exports": run.exports,
            "audits": run.audits,
            "segments": len(segments(run.kept)),
            "deleted": run.check_retention(),
            **_compared(run, traded, stored_trades(client)),
            "problems": run.problems,
        }


def _note_trades(exchange: Exchange, traded: dict[int, TradeRow]) -> None:
    """Add each trade of the matching engine to *traded*, before it is sent."""
    market = exchange._live.market
    publish = market.publish

    def noting(event: Event) -> None:
        if isinstance(event, MatchEvent):
            micros = microseconds(datetime.fromisoformat(event.time))
            numbers = Decimal(event.price), Decimal(event.size)
            traded[event.trade_id] = TradeRow(event.trade_id, *numbers, TAKER[event.side], micros)
        publish(event)

    market.publish = noting


def _compared(run: Year, traded: dict[int, TradeRow], stored: list[tuple[TradeRow, int]]) -> dict[str, int]:
    """Compare the places, and add to the problems of *run*; returns how many trades each of them has."""
    recorded = [row for path in segments(run.kept) for row in recorded_trades(path)]
    first = min(row.trade_id for row, _ in recorded)
    made = {number: row for number, row in traded.items() if number >= first}
    problems = run.problems
    for name, found in {"recorded": recorded, "stored": stored}.items():
        numbers = [row.trade_id for row, _ in found]
        if len(set(numbers)) < len(numbers):
            problems.append(f"a trade is {name} twice")
        if wrong := [row for row, _ in found if made.get(row.trade_id) != row]:
            problems.append(f"{name} trades are not those of the exchange: {wrong[:3]}")
    exported = exported_trades(run.archive)
    if sorted(exported) != sorted(recorded):
        problems.append(f"{len(exported)} exported rows are not the {len(recorded)} recorded trades")
    if counted := counted_in_candles(run.archive) - len(exported):
        problems.append(f"the candles count {counted} trades more than there are")
    if lacking := set(recorded) - set(stored):
        problems.append(f"{len(lacking)} recorded trades are not in the database: {sorted(lacking)[:3]}")
    found = audit(run.kept, store=False)
    absent = made.keys() - {row.trade_id for row, _ in recorded}
    if absent != missing_ids(found) or absent != run.missing:
        named = len(missing_ids(found)), len(run.missing)
        problems.append(f"{len(absent)} trades are absent, and the certificates name {named[0]} and {named[1]}")
    for each in found.missing:
        after, before = ns_of(each.after), ns_of(each.before)
        if not any(after <= kill.after and kill.before <= before for kill in run.kills):
            problems.append(f"{each} is not around a kill")
    documents = {row.trade_id for row, _ in stored}
    lost: list[int] = []
    before = 0
    for kill in run.kills:
        last = max((row.trade_id for row, ns in recorded if ns <= kill.after), default=0)
        if last > before:  # otherwise it was killed before its first trade
            lost.append(kill.last_trade - last)
        before = last
    return {
        "trades": len(made),
        "recorded": len(recorded),
        "parquet": len(exported),
        "mongo": len(stored),
        "missing_in_certificate": len(absent),
        "missing_in_mongo": len(made.keys() - documents),
        "in_mongo_alone": len(documents & absent),
        "most_lost_at_a_kill": max(lost, default=0),
        "kills_before_the_first_trade": len(run.kills) - len(lost),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak_year", description=__doc__)
    parser.add_argument("--days", type=float, default=365)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--speed", type=int, default=40_000, help="simulated seconds in a second of the machine")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        show: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731
        ledger = year(options.days, options.kills, options.speed, options.seed, Path(folder), show)
    print(json.dumps(ledger, indent=2))
    raise SystemExit(1 if ledger["problems"] else 0)


if __name__ == "__main__":
    main()
