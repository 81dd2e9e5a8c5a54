"""Tables of windows, candles, bars, messages and other items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from rxfeed.core import BookView
from rxfeed.dataframes.makers import MAKERS, Column, Library, library_of
from rxfeed.errors import ConfigError
from rxfeed.market import BookSnapshot, BookUpdate, Level, Message, Side

_UNKNOWN = Any
"""The hint of a field that allows cells of any type."""
_CELLS = {str, int, float, bool, Decimal, datetime, bytes}


class BookLevel(NamedTuple):
    """One level of a `BookSnapshot`, or one change of a `BookUpdate`; *size*: the new total at the price."""

    product_id: str
    time: datetime | None
    side: Side
    price: Decimal
    size: Decimal
    snapshot: bool
    received: datetime | None
    epoch: int


def to_records(items: Iterable[object]) -> list[dict[str, Any]]:
    """Each window, candle, message or other result as a `dict` by column; Decimals and datetimes stay as they are.

        >>> from rxfeed import fold, to_records
        >>> from rxfeed.testing import trade
        >>> from rxfeed.core import Candles
        >>> for record in to_records(fold(Candles(60), [trade(9, time=0), trade(11, time=1)])):
        ...     print(record["product_id"], record["open"], record["close"], record["complete"])
        BTC-USD 9 11 False

    The columns are those of `to_dataframe`. Units and completeness are those of the items. In a pipeline:
    `ops.to_list(), ops.map(to_records)`. O(1) a field.
    """
    return [{column.name: column.cell(row) for column in _columns_of([row])} for row in _rows(_checked(items))]


def to_dataframe(items: Iterable[object], library: Library | None = None, *, exact: bool = False) -> Any:
    """A DataFrame of polars or pandas, or an Arrow table, with a row for each item and a column for each field.

        >>> from rxfeed import fold, to_dataframe
        >>> from rxfeed.testing import trade
        >>> from rxfeed.core import Candles
        >>> frame = to_dataframe(fold(Candles(60), [trade(9, time=0), trade(11, time=1)]), "polars")
        >>> frame.select("product_id", "close", "count").rows()
        [('BTC-USD', 11.0, 2)]

    *items*: results (windows, candles, bars, crossings, ...), messages, book views, or your own NamedTuples,
    dataclasses and msgspec Structs, all of one type. The type's declared fields define the columns, so all frames of a
    type have the same columns. Dicts have a column for each key, tuples `column_0`, `column_1`, ...; a missing cell is
    null. A message has two more columns, `received` and `epoch`. A book view's `best_bid` becomes `best_bid` and
    `best_bid_size`, and it has three more columns: `mid`, `spread` and `imbalance` (of the best prices). Only
    `Snapshot` and `L2Update` may be mixed: each of their levels becomes a row, with `side`, `price`, `size` (the new
    total at the price) and `snapshot`. If a field has more than one value in any other way (`Status`), `ConfigError` is
    raised.

    *library*: "polars", "pandas" or "arrow" (a `pyarrow.Table`); `None`: the first of these that is installed. None of
    them comes with rxfeed: `pip install "rxfeed[frame]"` installs polars, and `rxfeed[arrow]` installs pyarrow.

    *exact*: prices and volumes are floats by default. With *exact* they stay decimals, with as many places as their
    column needs: polars with 38 digits, arrow with 38 or else 76 digits, pandas with `Decimal` objects. If a column
    needs more digits, `ConfigError` names it. Times are UTC, in microseconds; `None` becomes null. Without items the
    frame has no columns. O(1) a field; memory: by the number of rows. In a pipeline: `to_frames`.
    """
    rows = list(_rows(_checked(items)))
    kinds = {type(row) for row in rows}
    if len(kinds) > 1:
        raise ConfigError(
            f"items: {', '.join(sorted(kind.__name__ for kind in kinds))} do not go into one frame: give one type"
        )
    table = [(column, [column.cell(row) for row in rows]) for column in _columns_of(rows)]
    chosen, module = library_of(library)
    return MAKERS[chosen](module, table, exact)


# ---- rows and columns


def _columns_of(rows: list[object]) -> Iterable[Column]:
    """The columns of *rows*, which are of one type."""
    if not rows:
        return ()
    kind = type(rows[0])
    if issubclass(kind, Mapping):
        mappings = cast("list[Mapping[str, object]]", rows)
        return [_found(str(key), partial(_item, key), rows) for key in dict.fromkeys(chain(*mappings))]
    if issubclass(kind, tuple) and not hasattr(kind, "_fields"):
        tuples = cast("list[tuple[object, ...]]", rows)
        width = max(map(len, tuples))
        return [_found(f"column_{place}", partial(_place, place), rows) for place in range(width)]
    return _columns(kind)


def _found(name: str, cell: Callable[[Any], object], rows: list[object]) -> Column:
    """The column of rows without declared fields; the cells define its type."""
    cells = [cell(row) for row in rows]
    kinds = {type(each) for each in cells if each is not None}
    (kind,) = kinds if len(kinds) == 1 else (_UNKNOWN,)
    if any(issubclass(each, Mapping | list | tuple | set) for each in kinds):
        raise ConfigError(f"items: {name!r} has more than one value, and a cell has one")
    if kinds == {int, float} or kinds == {Decimal, int}:
        kind = float if float in kinds else Decimal
        return Column(name, lambda row: _as(kind, cell(row)), kind, None in cells)
    return Column(name, cell, kind if kind in _CELLS else _UNKNOWN, None in cells)


def _as(kind: Callable[[Any], object], value: object) -> object:
    return None if value is None else kind(value)


def _item(key: str, row: Mapping[str, object]) -> object:
    return row.get(key)


def _place(place: int, row: tuple[object, ...]) -> object:
    return row[place] if place < len(row) else None


def _checked(items: object) -> Iterable[object]:
    """*items* itself; raises `ConfigError` if it is not a collection."""
    if callable(getattr(items, "subscribe", None)):
        raise ConfigError(
            "items: a stream has no rows yet: pipe it into to_frames(), "
            "such as feed.pipe(candles(60), to_frames()).subscribe(print)"
        )
    if isinstance(items, Mapping | str | bytes) or not isinstance(items, Iterable):
        raise ConfigError(f"items: a {type(items).__name__} is not a list of items: put a single item into a list")
    return items


def _rows(items: Iterable[object]) -> Iterator[object]:
    for item in items:
        if isinstance(item, BookUpdate | BookSnapshot):
            yield from _levels(item)
        else:
            yield item


def _levels(message: BookUpdate | BookSnapshot) -> Iterator[BookLevel]:
    changes: list[tuple[Side, Decimal, Decimal]] = []
    if isinstance(message, BookUpdate):
        changes.extend(message.changes)
    else:
        changes.extend(("buy", *level) for level in message.bids)
        changes.extend(("sell", *level) for level in message.asks)
    about, snapshot = (message.product_id, message.time), isinstance(message, BookSnapshot)
    for change in changes:
        yield BookLevel(*about, *change, snapshot, _received(message), message.epoch)


@lru_cache(maxsize=256)
def _columns(kind: type) -> tuple[Column, ...]:
    names: tuple[str, ...] | None = getattr(kind, "__struct_fields__", None) or getattr(kind, "_fields", None)
    if is_dataclass(kind):
        names = tuple(field.name for field in fields(kind))
    if names is None:
        raise ConfigError(
            f"items: a {kind.__name__} is not a window, candle, message or other result with declared fields for the "
            "columns: give those, or your own NamedTuples, dataclasses, msgspec Structs, tuples or dicts"
        )
    try:
        hints = get_type_hints(kind)
    except NameError:  # a class that was made inside a function: the cells' types define the columns
        hints = {}
    columns: list[Column] = []
    for name in names:
        if name.startswith("_"):
            continue
        cell, (bare, optional) = partial(_get, name), _bare(hints.get(name, _UNKNOWN))
        if bare == Level:
            columns.append(Column(name, partial(_part, name, 0), Decimal, True))
            columns.append(Column(f"{name}_size", partial(_part, name, 1), Decimal, True))
        elif bare in _CELLS or bare is _UNKNOWN:
            columns.append(Column(name, cell, bare, optional))
        else:
            raise ConfigError(f"items: {kind.__name__}.{name} has more than one value, and a cell has one")
    if issubclass(kind, BookView):
        columns.append(Column("mid", partial(_get, "mid"), Decimal, True))
        columns.append(Column("spread", partial(_get, "spread"), Decimal, True))
        columns.append(Column("imbalance", kind.imbalance, Decimal, True))
    if issubclass(kind, Message):
        columns.append(Column("received", _received, datetime, True))
        columns.append(Column("epoch", partial(_get, "epoch"), int, False))
    return tuple(columns)


def _bare(hint: object) -> tuple[object, bool]:
    """The one type that *hint* allows beside `None` (`_UNKNOWN` if there is no such type), and if it allows `None`."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0]), False
    if get_origin(hint) in (Union, UnionType):
        rest = [choice for choice in get_args(hint) if choice is not NoneType]
        return (_bare(rest[0])[0] if len(rest) == 1 else _UNKNOWN), len(rest) < len(get_args(hint))
    return hint, hint is _UNKNOWN


def _get(name: str, item: object) -> object:
    return getattr(item, name)


def _part(name: str, place: int, item: object) -> Decimal | None:
    level = getattr(item, name)
    return None if level is None else level[place]


def _received(message: Message) -> datetime | None:
    return message.received if message.received_ns else None
