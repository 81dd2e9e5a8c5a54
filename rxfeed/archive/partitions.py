"""Writes batches of rows into Parquet files, one for each partition, in a folder that readers do not see.

Rules:
- The layout is `table/venue=.../product=.../date=.../name.parquet`.
- Rows stay in the order in which they came. A row group has at most `GROUP` rows, with the least and the greatest value
  of each column, so that readers skip groups by time.
- Memory is bounded: rows that wait for their row group are at most `MOST` in all, and files that are open at most
  `OPEN`. If there are more, the largest is written, and the file that was not used for longest is finished.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from rxfeed.archive.arrow import Arrow, pyarrow, refusals, sync
from rxfeed.archive.tables import DATE, PRODUCT

GROUP = 100_000
MOST = 400_000
OPEN = 64
_LEVEL = 3
_REPEATING = ("side", "price", "best_bid", "best_ask", "epoch", "place", "table_name")


class Partition(NamedTuple):
    """What all rows of a file have in common; *date*: days since 1970."""

    table: str
    venue: str
    product: str
    date: int

    @property
    def folder(self) -> Path:
        day = pyarrow().scalar(self.date, pyarrow().date32()).as_py()
        product = quote(self.product, safe="")
        return Path(self.table, f"venue={quote(self.venue, safe='')}", f"product={product}", f"date={day.isoformat()}")


class StagedFile(msgspec.Struct, frozen=True):
    """A finished file at *path*, for *final*, relative to the archive."""

    path: Path
    final: Path
    table: str
    rows: int


class _File:
    """One file that is being written."""

    def __init__(self, path: Path, final: Path) -> None:
        self.path = path
        self.final = final
        self.rows = 0
        self._writer: Arrow = None

    def write(self, rows: Arrow) -> None:
        with refusals(self.path):
            if self._writer is None:
                self._writer = _writer(self.path, rows.schema)
            self._writer.write_table(rows, row_group_size=GROUP)
        self.rows += rows.num_rows

    def close(self, metadata: dict[str, str]) -> None:
        with refusals(self.path):
            self._writer.add_key_value_metadata(metadata)
            self._writer.close()
            sync(self.path)

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()


class PartitionWriter:
    """Writes batches into files in *staging*, with final names that begin with *prefix*.

    *metadata*: what the files of a partition have under the key `rxfeed`. *seen*: called with each part of a batch that
    goes into one partition.
    """

    def __init__(
        self,
        staging: Path,
        prefix: str,
        *,
        metadata: Callable[[Partition], str],
        seen: Callable[[Partition, Arrow], None] = lambda partition, rows: None,
    ) -> None:
        self._staging = staging
        self._prefix = prefix
        self._metadata = metadata
        self._seen = seen
        self._waiting: dict[Partition, list[Arrow]] = {}
        self._sizes: dict[Partition, int] = {}
        self._open: dict[Partition, _File] = {}  # the one used last is the last one
        self._parts: dict[Partition, int] = {}
        self._finished: list[StagedFile] = []
        self._made = 0
        self.rows: dict[str, int] = {}

    def add(self, table: str, venue: str, batch: Arrow) -> None:
        """Add *batch*, with the columns `PRODUCT` and `DATE`, to the files of its partitions."""
        if not batch.num_rows:
            return
        self.rows[table] = self.rows.get(table, 0) + batch.num_rows
        for product, date, rows in _split(batch):
            partition = Partition(table, venue, product, date)
            self._waiting.setdefault(partition, []).append(rows)
            size = self._sizes[partition] = self._sizes.get(partition, 0) + rows.num_rows
            if size >= GROUP:
                self._flush(partition)
        while sum(self._sizes.values()) > MOST:
            self._flush(max(self._sizes, key=self._sizes.__getitem__))

    def flush(self) -> None:
        """Write all rows that wait."""
        for partition in list(self._waiting):
            self._flush(partition)

    def finish(self) -> list[StagedFile]:
        """Finish all files, and return them."""
        self.flush()
        for partition in list(self._open):
            self._close(partition)
        finished, self._finished = self._finished, []
        return finished

    def abandon(self) -> None:
        """Close all files, which are not used."""
        for file in self._open.values():
            file.abandon()

    def _flush(self, partition: Partition) -> None:
        rows = pyarrow().concat_tables(self._waiting.pop(partition))
        del self._sizes[partition]
        self._seen(partition, rows)
        file = self._open.pop(partition, None) or self._new(partition)
        self._open[partition] = file
        file.write(rows.combine_chunks())

    def _new(self, partition: Partition) -> _File:
        if len(self._open) >= OPEN:
            self._close(next(iter(self._open)))
        number = self._parts[partition] = self._parts.get(partition, 0) + 1
        name = f"{self._prefix}-{number}.parquet"
        self._made += 1
        return _File(self._staging / f"{self._made}.parquet", partition.folder / name)

    def _close(self, partition: Partition) -> None:
        file = self._open.pop(partition)
        file.close({"rxfeed": self._metadata(partition)})
        self._finished.append(StagedFile(file.path, file.final, partition.table, file.rows))


def _writer(path: Path, schema: Arrow) -> Arrow:
    # No newer encodings, which readers of some years ago cannot decode.
    repeating = [field.name for field in schema if field.name in _REPEATING or "_price_" in field.name]
    return pyarrow().parquet.ParquetWriter(
        path, schema, compression="zstd", compression_level=_LEVEL, use_dictionary=repeating
    )


def _split(batch: Arrow) -> list[tuple[str, int, Arrow]]:
    """The rows of *batch* by product and date, in their order, without these two columns."""
    arrow = pyarrow()
    products, dates = batch[PRODUCT].combine_chunks(), batch[DATE].combine_chunks()
    rows = batch.drop_columns([PRODUCT, DATE])
    days = dates.cast(arrow.int32())
    coded = products.dictionary_encode()
    least = arrow.compute.min_max(days).as_py()
    if len(coded.dictionary) == 1 and least["min"] == least["max"]:
        return [(coded.dictionary[0].as_py(), least["min"], rows)]
    keys = arrow.table(
        {"product": coded.indices, "date": days, "row": arrow.array(range(len(products)), arrow.int64())}
    )
    order = arrow.compute.sort_indices(keys, [("product", "ascending"), ("date", "ascending"), ("row", "ascending")])
    counts = (
        keys.group_by(["product", "date"])
        .aggregate([([], "count_all")])
        .sort_by([("product", "ascending"), ("date", "ascending")])
    )
    sorted_rows, found, begin = rows.take(order), list[tuple[str, int, Arrow]](), 0
    for index, date, count in zip(
        *(counts[name].to_pylist() for name in ("product", "date", "count_all")), strict=True
    ):
        found.append((coded.dictionary[index].as_py(), date, sorted_rows.slice(begin, count)))
        begin += count
    return found
