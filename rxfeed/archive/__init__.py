"""An archive: trades, books, tickers and candles of recordings and feeds, as Parquet files for research."""

from rxfeed.archive.coverage import CoverageRow
from rxfeed.archive.exporting import ExportProgress, ExportSummary, export
from rxfeed.archive.tables import TABLES, TableName

__all__ = ["TABLES", "CoverageRow", "ExportProgress", "ExportSummary", "TableName", "export"]
