"""The recordings that an export commits together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from rxfeed.archive.certified import Certified
from rxfeed.archive.coverage import Coverage, CoverageRow, batch_of_coverage
from rxfeed.archive.journal import State
from rxfeed.archive.partitions import Partition, PartitionWriter
from rxfeed.archive.rows import Rows
from rxfeed.recording import Part, TimeRange
from rxfeed.venues import Venue


class ExportBatch:
    """The segments that are committed together."""

    def __init__(self, staging: Path, state: State) -> None:
        self.state = state
        self.name = f"{state.batches + 1:08}"
        self.parts: list[Part] = []
        self.coverage = Coverage(gaps=False)
        self._certified: dict[str, Certified] = {}
        self.rows: dict[str, Rows] = {}
        self.writer = PartitionWriter(staging, self.name, metadata=self.metadata, seen=self.coverage.rows)

    def certified(self, venue: Venue, chosen: TimeRange) -> Certified:
        """The audit of the files of *venue*."""
        found = self._certified.get(venue.name)
        if found is None:
            found = self._certified[venue.name] = Certified(venue, self.state.ends.get(venue.name), chosen)
        return found

    def certify(self) -> None:
        """Add what is proven to the coverage, and where the files end to the state."""
        for name, each in self._certified.items():
            each.add_to(self.coverage)
            if each.end is not None:
                self.state.ends[name] = each.end

    def add_coverage(self) -> None:
        """Write the rows of the table `coverage`."""
        for name, rows in _by_venue(self.coverage):
            self.writer.add("coverage", name, batch_of_coverage(rows))

    def metadata(self, partition: Partition) -> str:
        """What a file of *partition* has as its own description, as JSON."""
        about = {
            "version": 1,
            "table": partition.table,
            "venue": partition.venue,
            "product": partition.product,
            "options": self.state.options,
            "segments": [f"{part.session}-{part.number:05}" for part in self.parts],
            "coverage": self.coverage.of(partition),
        }
        return msgspec.json.encode(about).decode()


def _by_venue(coverage: Coverage) -> Iterable[tuple[str, list[CoverageRow]]]:
    rows = coverage.all()
    for name in sorted({row.venue for row in rows}):
        yield name, [row for row in rows if row.venue == name]
