"""The operator that makes data frames of its items."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rxfeed.core import arguments
from rxfeed.operators.lift import lift
from rxfeed.operators.source import Operator

if TYPE_CHECKING:
    from rxfeed.dataframes import Library


def to_frames(
    rows: int | None = 10_000, library: Library | None = None, *, exact: bool = False
) -> Operator[object, Any]:
    """Emit a frame for every *rows* items, and one for the rest at the end, so a long stream needs little memory.

        items    --a--b--c--d--e--|
        emitted  -----ab----cd----e|      to_frames(2)

        >>> import reactivex
        >>> from rxfeed import to_frames
        >>> from rxfeed.testing import trade
        >>> trades = reactivex.of(*(trade(price, time=price) for price in (9, 10, 11)))
        >>> _ = trades.pipe(to_frames(2, "polars")).subscribe(lambda frame: print(frame["price"].to_list()))
        [9.0, 10.0]
        [11.0]

    *rows* `None`: one frame of the whole stream, when it ends. *library*, *exact* and the columns: see `to_dataframe`.
    All frames of a stream have the same types, except that with *exact* each frame has its own decimal places. A
    level-2 message counts as one item, although it makes several rows. An item that does not fit into a frame ends the
    stream with `ConfigError`. If the stream fails, the items before the failure are emitted first. At a gap nothing
    changes: the items have their own `epoch` or `complete`.
    """
    from rxfeed.dataframes import Batches, library_of, to_dataframe  # which most programs do not need

    if rows is not None:
        arguments.positive_integer("rows", rows)
    library_of(library)
    return lift(lambda: Batches(rows, partial(to_dataframe, library=library, exact=exact)))
