"""An archive: trades, books, tickers and candles of recordings and feeds, as Parquet files for research."""

from rxfeed.archive.coverage import CoverageRow
from rxfeed.archive.exporting import ExportProgress, ExportSummary, export
from rxfeed.archive.parquet_sink import ParquetSink, ParquetStats, to_parquet
from rxfeed.archive.streaming import ParquetWrite
from rxfeed.archive.tables import TABLES, TableName

__all__ = [
    "TABLES",
    "CoverageRow",
    "ExportProgress",
    "ExportSummary",
    "ParquetSink",
    "ParquetStats",
    "ParquetWrite",
    "TableName",
    "export",
    "to_parquet",
]
