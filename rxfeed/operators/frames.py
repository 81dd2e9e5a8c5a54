"""Tables of windows, candles and bars."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from importlib import import_module
from typing import Any, Literal, get_args

from rxfeed.errors import ConfigError

Library = Literal["polars", "pandas"]

_MOST_DIGITS = 38  # of a polars Decimal


def to_records(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Each window, candle, bar or other result as a `dict` by field name: Decimals and datetimes stay what they are.

        >>> from rxfeed.core import Candles
        >>> for record in to_records(fold(Candles(60), [match(9, time=0), match(11, time=1)])):
        ...     print(record["product_id"], record["open"], record["close"], record["complete"])
        BTC-USD 9 11 False

    O(1) a field. Units and completeness are the items' own. In a pipeline: `ops.to_list(), ops.map(to_records)`.
    """
    return [{name: getattr(item, name) for name in _fields(item)} for item in items]


def to_dataframe(items: Iterable[Any], library: Library | None = None, *, exact: bool = False) -> Any:
    """A DataFrame of polars or pandas with a row for each window, candle, bar or other result, a column for each field.

        >>> from rxfeed.core import Candles
        >>> frame = to_dataframe(fold(Candles(60), [match(9, time=0), match(11, time=1)]), "polars")
        >>> frame.select("product_id", "close", "count").rows()
        [('BTC-USD', 11.0, 2)]

    *library*: "polars" or "pandas"; `None` takes the one that is installed, polars first. Neither comes with rxfeed:
    `pip install rxfeed[frame]`. Prices and volumes become floats, for computing with; with *exact* they stay decimals
    (polars: of 38 digits, and `ConfigError` names a column that has more; pandas: `Decimal` objects). Times are UTC,
    what is `None` is null. Items of different types do not go into one frame. No items make a frame without columns.
    In a pipeline: `ops.to_list(), ops.map(to_dataframe)`. O(1) a field; memory by the number of rows.
    """
    rows = list(items)
    if any(type(row) is not type(rows[0]) for row in rows):
        kinds = sorted({type(row).__name__ for row in rows})
        raise ConfigError(f"items: {', '.join(kinds)} do not go into one frame")
    names = _fields(rows[0]) if rows else ()
    columns = {name: [getattr(row, name) for row in rows] for name in names}
    # A field that is a Decimal in one row is one, or None, in all of them.
    decimals = [name for name, column in columns.items() if any(isinstance(value, Decimal) for value in column)]
    empty = [name for name, column in columns.items() if all(value is None for value in column)]
    if not exact:
        for name in decimals + empty:
            columns[name] = [None if value is None else float(value) for value in columns[name]]
    chosen, module = _library(library)
    if chosen == "pandas":
        frame = module.DataFrame(columns)
        return frame if exact else frame.astype(dict.fromkeys(decimals + empty, "float64"))
    if exact:
        schema = {name: _polars_decimal(module, name, columns[name]) for name in decimals}
    else:
        schema = dict.fromkeys(empty, module.Float64)
    return module.DataFrame(columns, schema_overrides=schema)


def _fields(item: Any) -> tuple[str, ...]:
    names: tuple[str, ...] | None = getattr(item, "__struct_fields__", None)
    if names is None:
        raise ConfigError(f"items: {item!r} is no window, candle, bar or other result")
    return tuple(name for name in names if not name.startswith("_"))


def _library(wanted: Library | None) -> tuple[Library, Any]:
    if wanted is not None and wanted not in get_args(Library):
        raise ConfigError(f"library: {wanted!r} is neither polars nor pandas")
    names: tuple[Library, ...] = get_args(Library) if wanted is None else (wanted,)
    for name in names:
        try:
            return name, import_module(name)
        except ImportError:
            continue
    raise ConfigError(f"library: {' or '.join(names)} is not installed: pip install rxfeed[frame]")


def _polars_decimal(module: Any, name: str, column: list[Decimal | None]) -> Any:
    values = [value for value in column if value is not None]
    scale = max(max(0, -_exponent(value)) for value in values)
    if scale + max(value.adjusted() + 1 for value in values) > _MOST_DIGITS or scale > _MOST_DIGITS:
        raise ConfigError(f"exact: {name} needs more than the {_MOST_DIGITS} digits that a polars Decimal has")
    return module.Decimal(_MOST_DIGITS, scale)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
