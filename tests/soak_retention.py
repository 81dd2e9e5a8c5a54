"""A year of segments, on a clock of the test: rotation, retention behind the marks, kills, and a clock set back.

    python -m tests.soak_retention --days 365 --seed 1

Segments are written as the recorder writes them. An exporter and an audit follow at a distance of days, and mark what
they have read. After each day the rules of retention are checked, and at the end every trade is accounted for.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rxfeed.recording import KeepLimits, Retention, SegmentList, catalogue, mark_segments
from rxfeed.recording.lines import LineBatch
from rxfeed.recording.segment_file import Totals
from rxfeed.recording.segments import Segments
from tests.support.recordings import lines_of

HOUR = 3600 * 10**9
BEGIN = 1_790_000_000 * 10**9
KEEP_DAYS = 7
SEGMENT_HOURS = 6


class RetainedFolder:
    """The recorder, the exporter and the audit of one folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.now = BEGIN
        self.random = random.Random(seed)
        self.sent = self.kills = self.deleted = 0
        self.exported: set[int] = set()
        self.problems: list[str] = []
        self._marked: dict[str, set[str]] = {"exported": set(), "audited": set()}
        self._segments = self._recorder()
        limits = KeepLimits(days=KEEP_DAYS, after=frozenset({"exported", "audited"}))
        self._retention = Retention(folder, limits, lambda: self.now)
        self._list = SegmentList(folder)

    def _recorder(self) -> Segments:
        return Segments(
            self.folder,
            segment_bytes=4000,
            segment_seconds=SEGMENT_HOURS * 3600.0,
            level=1,
            totals=Totals(),
            finished=lambda segment: None,
            clock=lambda: self.now,
        )

    def hour(self) -> None:
        """Record an hour, and sometimes kill the recorder or set the clock back."""
        self.now += HOUR
        self.sent += 1
        line = b'{"ns":%d,"epoch":1,"frame":{"trade_id":%d}}\n' % (self.now, self.sent)
        self._segments.write(LineBatch([line], 1, len(line), frames=1, earliest=self.now, latest=self.now))
        if self.random.random() < 0.01:
            self.kills += 1
            self._segments.abandon()
            self._segments = self._recorder()
        if self.random.random() < 0.002:
            self.now -= HOUR

    def follow(self, mark: Any, hours: int) -> None:
        """Export or audit the segments that were finished so many hours ago."""
        fresh = [
            segment.name
            for segment in self._list.read()
            if not segment.open and segment.last_ns < self.now - hours * HOUR and segment.name not in self._marked[mark]
        ]
        for name in fresh if mark == "exported" else ():
            self.exported.update(line["frame"]["trade_id"] for line in lines_of(self.folder / name) if "frame" in line)
        mark_segments(self.folder, mark, fresh)
        self._marked[mark].update(fresh)

    def retain(self) -> None:
        """Apply retention, and check its rules."""
        before = {segment.name: segment for segment in self._list.read()}
        for segment in self._retention.apply():
            self.deleted += 1
            was = before[segment.name]
            if was.open or was.marks != {"exported", "audited"}:
                self.problems.append(f"{segment.name} was deleted with {was}")
            if was.last_ns >= self.now - KEEP_DAYS * 24 * HOUR:
                self.problems.append(f"{segment.name} was deleted too early")
        late = self.now - KEEP_DAYS * 24 * HOUR
        for segment in self._list.read():
            if not segment.open and segment.last_ns < late and len(segment.marks) == 2:
                self.problems.append(f"{segment.name} is kept too long")

    def end(self) -> dict[str, Any]:
        self._segments.close()
        kept = {
            line["frame"]["trade_id"]
            for path in self.folder.glob("*.zst")
            for line in lines_of(path)
            if "frame" in line
        }
        if kept | self.exported != set(range(1, self.sent + 1)):
            self.problems.append(f"missing: {sorted(set(range(1, self.sent + 1)) - kept - self.exported)}")
        found = catalogue(self.folder).total
        return {
            "trades": self.sent,
            "kills": self.kills,
            "deleted": self.deleted,
            "kept": len(list(self.folder.glob("*.zst"))),
            "readable": sum(found.by_type.values()),
            "in_files": len(kept),
            "marks": sum(len((self.folder / f".{mark}").read_bytes().splitlines()) for mark in self._marked),
            "problems": self.problems,
        }


def retention(days: int, seed: int, folder: Path, show: Callable[[str], object] = lambda line: None) -> dict[str, Any]:
    """The ledger of *days*; `problems` in it is empty if the rules were kept and every trade is accounted for."""
    run = RetainedFolder(folder, seed)
    for day in range(days):
        for _ in range(24):
            run.hour()
        # The exporter and the audit rest for a fortnight of each quarter, so that retention has to wait for them.
        if day % 91 < 77:
            run.follow("exported", hours=24)
            if day % 3 == 0:
                run.follow("audited", hours=48)
        run.retain()
        if day % 30 == 29:
            show(f"day {day + 1}: {run.sent} trades, {run.deleted} segments deleted, {run.kills} kills")
    return run.end()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak_retention", description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = retention(options.days, options.seed, Path(folder), lambda line: print(line, flush=True))
    print(json.dumps(ledger, indent=2))
    raise SystemExit(1 if ledger["problems"] else 0)


if __name__ == "__main__":
    main()
