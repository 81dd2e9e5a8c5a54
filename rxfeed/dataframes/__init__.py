"""Tables of polars, pandas and Arrow from messages and results, without Rx."""

from rxfeed.dataframes.batches import Batches
from rxfeed.dataframes.makers import Library, library_of
from rxfeed.dataframes.rows import to_dataframe, to_records

__all__ = [
    "Batches",
    "Library",
    "library_of",
    "to_dataframe",
    "to_records",
]
