"""What an archive covers: for each table, product and hour, how many messages came, and what is known to be missing.

The counts are taken from the rows. What is missing is taken from the audit of the files (see `certified.py`), or, where
there are no files, from the gaps that a feed reports.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rxfeed.archive.arrow import Arrow, pyarrow
from rxfeed.archive.numbers import receipts
from rxfeed.archive.partitions import Partition
from rxfeed.archive.tables import DATE, OF_MESSAGES, PRODUCT
from rxfeed.feed import Gap
from rxfeed.recording import ns_of
from rxfeed.venues import Venue

HOUR = 3600 * 10**9


class CoverageRow(msgspec.Struct):
    """The messages of *product* in *table* that were received in the hour from *hour_ns* on.

    *count*: messages. *first_id* and *last_id*: the least and the greatest trade id; `None` without ids. *gaps*: gaps
    that begin in this hour, and *missing* the numbers in them, of which the exchange no longer has *lost* ones;
    *repaired*: messages that had been missed. `None` if it is not known. *state*: that of the audit; empty without one.
    """

    table: str
    venue: str
    product: str
    hour_ns: int
    count: int = 0
    first_id: int | None = None
    last_id: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    gaps: int | None = None
    missing: int | None = None
    repaired: int | None = None
    lost: int | None = None
    state: str = ""


class Coverage:
    """Counts rows and gaps; *gaps*: the source reports gaps."""

    def __init__(self, *, gaps: bool) -> None:
        self._gaps = 0 if gaps else None
        self._rows: dict[tuple[str, str, str, int], CoverageRow] = {}

    def rows(self, partition: Partition, batch: Arrow) -> None:
        """Count *batch*, the rows of a table of messages."""
        if partition.table not in OF_MESSAGES:
            return
        compute, arrow = pyarrow().compute, pyarrow()
        if "place" in batch.column_names:  # one of each message
            batch = batch.filter(compute.equal(batch["place"], 0))
        known = compute.coalesce(batch["received"], batch["time"]).cast(arrow.int64())
        columns = {"hour": compute.divide(known, HOUR), "ns": batch["received"].cast(arrow.int64())}
        if "trade_id" in batch.column_names:
            columns["id"] = batch["trade_id"]
        table = arrow.table(columns)
        wanted: list[tuple[str | list[str], str]] = [([], "count_all"), ("ns", "min"), ("ns", "max")]
        if "id" in columns:
            wanted += [("id", "min"), ("id", "max")]
        for found in table.group_by("hour").aggregate(wanted).to_pylist():
            row = self.row(partition.table, partition.venue, partition.product, (found["hour"] or 0) * HOUR)
            row.count += found["count_all"]
            row.first_ns, row.last_ns = _wider(row.first_ns, row.last_ns, found["ns_min"], found["ns_max"])
            row.first_id, row.last_id = _wider(row.first_id, row.last_id, found.get("id_min"), found.get("id_max"))

    def gap(self, gap: Gap, venue: Venue) -> None:
        """Count *gap*, in the tables with messages of its channel."""
        kinds = venue.types_of(gap.channel)
        hour = ns_of(gap.at) // HOUR * HOUR
        for table, bases in OF_MESSAGES.items():
            if not kinds or any(issubclass(kind, bases) for kind in kinds):
                row = self.row(table, venue.name, gap.product_id or "", hour)
                row.gaps = (row.gaps or 0) + 1
                row.missing = (row.missing or 0) + gap.last - gap.first + 1

    def of(self, partition: Partition) -> list[CoverageRow]:
        """The rows of the partition's table and product."""
        wanted = (partition.table, partition.venue, partition.product)
        return [row for key, row in self._rows.items() if key[:3] == wanted]

    def all(self) -> list[CoverageRow]:
        return list(self._rows.values())

    def row(self, table: str, venue: str, product: str, hour: int) -> CoverageRow:
        """The row of this hour (in nanoseconds), which is made if there is none."""
        key = (table, venue, product, hour)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = CoverageRow(*key, gaps=self._gaps, missing=self._gaps)
        return row


def batch_of_coverage(rows: Iterable[CoverageRow]) -> Arrow:
    """The rows of the table `coverage`."""
    arrow, rows = pyarrow(), list(rows)
    hour = receipts([each.hour_ns for each in rows])
    columns: dict[str, Arrow] = {
        PRODUCT: arrow.array([each.product or "all" for each in rows], arrow.string()),
        DATE: hour.cast(arrow.date32()),
        "hour": hour,
        "table_name": arrow.array([each.table for each in rows], arrow.string()),
    }
    for name in ("count", "first_id", "last_id", "gaps", "missing", "repaired", "lost"):
        columns[name] = arrow.array([getattr(each, name) for each in rows], arrow.int64())
    columns["state"] = arrow.array([each.state or None for each in rows], arrow.string())
    for name in ("first", "last"):
        columns[f"{name}_received"] = receipts([getattr(each, f"{name}_ns") or 0 for each in rows])
    return arrow.table(columns)


def _wider(first: int | None, last: int | None, least: int | None, most: int | None) -> tuple[int | None, int | None]:
    firsts = [each for each in (first, least) if each is not None]
    lasts = [each for each in (last, most) if each is not None]
    return min(firsts, default=None), max(lasts, default=None)
