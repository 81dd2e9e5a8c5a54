"""What is proven about the files of an export, from their audit.

Rules:
- A batch is audited together with the end of what was exported before. So a gap between two exports is in the later
  one.
- Trades that are named at the end of a batch, and have not come, are in the next one, if they do not come there either.
- A clock that was wrong can begin a recording in 1970. Of the hours from there on, only those near messages have rows.
- A repair of a segment that was exported before has a row of its own, in which the repaired trades are no longer
  missing. So the sums over all exports are those of an audit of all files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rxfeed.archive.coverage import HOUR, Coverage
from rxfeed.archive.tables import OF_MESSAGES
from rxfeed.audit import AuditRow, AuditState, FileRecord, certified, last_of, read_file
from rxfeed.market import Message, Trade
from rxfeed.recording import Part, TimeRange, ns_of
from rxfeed.venues import Venue

_LONGEST_OFFLINE = 90 * 24 * HOUR
"""So long before and after its messages, an archive has rows for the hours without a connection."""


class Certified:
    """The records of a batch's files of one *venue*; *end*: that of the files which were exported before."""

    def __init__(self, venue: Venue, end: FileRecord | None, chosen: TimeRange) -> None:
        self._venue = venue
        self._end = end
        self._chosen = chosen
        self._files: list[FileRecord] = []
        self._stored: dict[Path, AuditState] = {}
        self._late: Counter[tuple[str, int]] = Counter()

    def add(self, part: Part) -> None:
        """Add the record of *part*: the stored one, if it was audited before."""
        folder = Path(part.path).parent
        if folder not in self._stored:
            self._stored[folder] = AuditState(folder, HOUR)
        self._files.append(self._stored[folder].get(part, self._venue) or read_file(part, HOUR, self._venue))

    def late(self, trades: Iterable[Message]) -> None:
        """*trades* were repaired after their segment was exported."""
        for each in trades:
            if isinstance(each, Trade):
                self._late[each.product_id, each.received_ns // HOUR * HOUR] += 1

    @property
    def end(self) -> FileRecord | None:
        """What the next batch needs of this one, and of those before."""
        return last_of(self._all) or self._end

    @property
    def _all(self) -> list[FileRecord]:
        return self._files if self._end is None else [self._end, *self._files]

    def add_to(self, coverage: Coverage) -> None:
        """Add what is proven to the rows of *coverage*."""
        for (product, hour), count in self._late.items():
            row = coverage.row("trades", self._venue.name, product, hour)
            row.repaired = (row.repaired or 0) + count
            row.missing = (row.missing or 0) - count
        times = [(each.first_ns, each.last_ns) for each in self._files if each.last_ns]
        if not times:
            return
        begin = min(first for first, _ in times) if self._end is None else self._end.last_ns
        begin = max(min(begin, *(first for first, _ in times)), self._chosen.since)
        end = min(max(last for _, last in times) + 1, self._chosen.until)
        if begin >= end:
            return
        rows, missing = certified(
            self._all, begin, end, HOUR, self._chosen.products, continues=True, within=_LONGEST_OFFLINE
        )
        gaps = Counter((each.product, each.channel, max(ns_of(each.after), begin) // HOUR) for each in missing)
        numbered = {row.product for row in rows if row.channel == self._venue.repairable}
        for row in rows:
            hour = ns_of(row.start) // HOUR
            for table in self._tables(row, numbered):
                self._certify(coverage, table, row, hour * HOUR, gaps[row.product, row.channel, hour])

    def _tables(self, row: AuditRow, numbered: set[str | None]) -> list[str]:
        """The tables with messages of the row's channel; trades are counted where they have numbers of their own."""
        if row.product is None or row.state == "not subscribed":
            return []
        kinds = self._venue.types_of(row.channel)
        return [
            table
            for table, bases in OF_MESSAGES.items()
            if any(issubclass(kind, bases) for kind in kinds)
            and (table != "trades" or row.product not in numbered or row.channel == self._venue.repairable)
        ]

    def _certify(self, coverage: Coverage, table: str, row: AuditRow, hour: int, gaps: int) -> None:
        found = coverage.row(table, self._venue.name, row.product or "", hour)
        found.gaps = (found.gaps or 0) + gaps
        found.missing = (found.missing or 0) + row.missing
        found.repaired = (found.repaired or 0) + row.repaired
        found.lost = (found.lost or 0) + row.lost
        found.state = row.state
