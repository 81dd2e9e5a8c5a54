"""Makes tables of polars, pandas and Arrow from columns and their cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, NamedTuple, get_args

from rxfeed.errors import ConfigError, ExtraMissing, install_command

Library = Literal["polars", "pandas", "arrow"]

# The module to import, and the command that installs it.
_MODULES = {
    "polars": ("polars", install_command("frame")),
    "pandas": ("pandas", "pip install pandas"),
    "arrow": ("pyarrow", install_command("arrow")),
}


class Column(NamedTuple):
    """A column: its name, the function from an item to its cell, the cell's type, and if it may be `None`."""

    name: str
    cell: Callable[[Any], object]
    kind: object
    optional: bool


Table = list[tuple[Column, list[Any]]]


def library_of(library: Library | None) -> tuple[Library, ModuleType]:
    if library is not None and library not in _MODULES:
        raise ConfigError(f"library: {library!r} is none of {', '.join(_MODULES)}")
    names: tuple[Library, ...] = get_args(Library) if library is None else (library,)
    for name in names:
        try:
            return name, import_module(_MODULES[name][0])
        except ImportError:
            continue
    packages = " or ".join(_MODULES[name][0] for name in names)
    raise ExtraMissing(packages, "a frame", _MODULES[names[0]][1])


def _polars(module: ModuleType, table: Table, exact: bool) -> object:
    types: dict[object, object] = {
        str: module.String,
        int: module.Int64,
        float: module.Float64,
        bool: module.Boolean,
        bytes: module.Binary,
        datetime: module.Datetime("us", "UTC"),
    }
    schema, data = {}, {}
    for column, cells in table:
        if column.kind is Decimal:
            schema[column.name] = module.Decimal(38, _digits(column, cells, 38)[1]) if exact else module.Float64
            cells = cells if exact else _floats(cells)
        else:
            schema[column.name] = types.get(column.kind)
        data[column.name] = cells
    return module.DataFrame(data, schema=schema)


def _pandas(module: ModuleType, table: Table, exact: bool) -> object:
    data = {}
    for column, cells in table:
        if column.kind is Decimal:
            cells = module.Series(cells, dtype="object") if exact else module.Series(_floats(cells), dtype="float64")
        elif column.kind is datetime:
            cells = module.Series(module.to_datetime(cells, utc=True).as_unit("us"))
        elif column.optional and column.kind in (int, bool):  # numpy's types have no null
            cells = module.Series(cells, dtype="Int64" if column.kind is int else "boolean")
        data[column.name] = cells
    return module.DataFrame(data)


def _arrow(module: ModuleType, table: Table, exact: bool) -> object:
    types: dict[object, object] = {
        str: module.string(),
        int: module.int64(),
        float: module.float64(),
        bool: module.bool_(),
        bytes: module.binary(),
        datetime: module.timestamp("us", "UTC"),
    }
    arrays = {}
    for column, cells in table:
        if column.kind is not Decimal:
            kind = types.get(column.kind)
        elif exact:
            digits, scale = _digits(column, cells, 76)
            kind = module.decimal128(38, scale) if digits <= 38 else module.decimal256(76, scale)
        else:
            kind, cells = module.float64(), _floats(cells)
        arrays[column.name] = module.array(cells, type=kind)
    return module.table(arrays)


MAKERS: dict[Library, Callable[[ModuleType, Table, bool], object]] = {
    "polars": _polars,
    "pandas": _pandas,
    "arrow": _arrow,
}


def _floats(cells: list[Decimal | None]) -> list[float | None]:
    return [None if cell is None else float(cell) for cell in cells]


def _digits(column: Column, cells: list[Decimal | None], most: int) -> tuple[int, int]:
    """The numbers of digits and of decimal places that hold every cell."""
    values = [cell for cell in cells if cell is not None]
    scale = max((max(0, -_exponent(value)) for value in values), default=0)
    digits = scale + max((value.adjusted() + 1 for value in values if value), default=0)
    if max(digits, scale) > most:
        raise ConfigError(
            f"exact: column {column.name} needs more than {most} digits, the most of this library's decimals"
        )
    return max(digits, scale), scale


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
