"""The options of an export, which are the same for all exports into one archive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from rxfeed.archive.machines import Machines
from rxfeed.archive.numbers import Numbers
from rxfeed.archive.tables import TABLES, TableName
from rxfeed.core import Seconds, arguments
from rxfeed.errors import ConfigError
from rxfeed.recording import TimeRange


class ExportOptions(msgspec.Struct, frozen=True):
    """*stored*: the options as the archive's state has them, by name."""

    tables: tuple[TableName, ...]
    numbers: Numbers
    time_range: TimeRange
    seconds: float | None
    every: float | None
    depth: int
    stored: dict[str, object]

    @classmethod
    def of(
        cls,
        tables: TableName | Iterable[TableName],
        products: str | Iterable[str] | None,
        since: datetime | None,
        until: datetime | None,
        floats: bool,
        scale: int,
        seconds: Seconds,
        every: Seconds | None,
        depth: int,
    ) -> ExportOptions:
        """The options of these arguments; raises `ConfigError`."""
        chosen = tables_of(tables)
        time_range = TimeRange(products, since, until)
        seconds = arguments.above_zero("seconds", seconds)
        every = None if every is None else arguments.above_zero("every", every)
        arguments.positive_integer("depth", depth)
        stored: dict[str, object] = {
            "tables": sorted(chosen),
            "products": None if time_range.products is None else sorted(time_range.products),
            "since": None if since is None else time_range.since,
            "until": None if until is None else time_range.until,
            "floats": floats,
            "scale": None if floats else scale,
            "seconds": seconds if "candles" in chosen else None,
            "every": every if "book_tops" in chosen else None,
            "depth": depth if "book_tops" in chosen else None,
        }
        width = seconds if "candles" in chosen else None
        return cls(chosen, Numbers(floats, scale), time_range, width, every, depth, stored)

    @property
    def computes(self) -> bool:
        """True if a table is computed from messages."""
        return "candles" in self.tables or "book_tops" in self.tables

    def machines(self) -> Machines:
        """New machines for the tables that are computed."""
        return Machines(self.seconds, (self.depth, self.every or 0.0) if "book_tops" in self.tables else None)

    def check(self, before: dict[str, object], place: object) -> None:
        """Raise `ConfigError` if the archive at *place* has other options, *before*."""
        for name, value in self.stored.items():
            if before and before.get(name) != value:
                raise ConfigError(
                    f"{name}: {place} was exported with {before.get(name)!r}, and not {value!r}: "
                    "give the same options, or another folder"
                )


def tables_of(tables: str | Iterable[str]) -> tuple[TableName, ...]:
    names = [tables] if isinstance(tables, str) else list(tables)
    for name in names:
        arguments.one_of("tables", name, TABLES)
    if not names:
        raise ConfigError(f"tables: none; there are {', '.join(TABLES)}")
    return tuple(name for name in TABLES if name in names)
