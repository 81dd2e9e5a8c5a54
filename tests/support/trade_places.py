"""The trades of a recording, an archive, a database and a certificate, read without rxfeed where that is possible."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as parquet
import pymongo

from rxfeed.audit import Audit
from rxfeed.market import microseconds
from tests.support.recordings import lines_of

TAKER = {"buy": "sell", "sell": "buy"}


class TradeRow(NamedTuple):
    """A trade as each of the places has it; *micros*: its event time."""

    trade_id: int
    price: Decimal
    size: Decimal
    side: str
    micros: int


def missing_ids(found: Audit) -> set[int]:
    """The trade ids that a certificate names as missing."""
    return {number for each in found.missing for number in range(each.first, each.last + 1)}


def recorded_trades(path: Path) -> list[tuple[TradeRow, int]]:
    """The trades of a segment, each with its receipt."""
    found: list[tuple[TradeRow, int]] = []
    for line in lines_of(path):
        frame = line.get("frame")
        if frame is not None and frame["type"] == "match":
            micros = microseconds(datetime.fromisoformat(frame["time"]))
            numbers = Decimal(frame["price"]), Decimal(frame["size"])
            found.append((TradeRow(frame["trade_id"], *numbers, TAKER[frame["side"]], micros), line["ns"]))
    return found


def exported_trades(archive: Path) -> list[tuple[TradeRow, int]]:
    found: list[tuple[TradeRow, int]] = []
    for path in sorted((archive / "trades").rglob("*.parquet")):
        table = parquet.ParquetFile(path).read()
        times = (table[name].cast("int64").to_pylist() for name in ("time", "received"))
        columns = (table[name].to_pylist() for name in ("trade_id", "price", "size", "side"))
        for time_ns, received, number, price, size, side in zip(*times, *columns, strict=True):
            found.append((TradeRow(number, price, size, side, time_ns // 1000), received))
    return found


def counted_in_candles(archive: Path) -> int:
    """The trades that the candles count."""
    paths = (archive / "candles").rglob("*.parquet")
    return sum(sum(parquet.ParquetFile(path).read(["count"])["count"].to_pylist()) for path in paths)


def stored_trades(client: pymongo.MongoClient[Any]) -> list[tuple[TradeRow, int]]:
    found: list[tuple[TradeRow, int]] = []
    for each in client.rxfeed.messages.find({"type": "match"}):
        price, size = (each[name].to_decimal() for name in ("price", "size"))
        row = TradeRow(each["trade_id"], price, size, TAKER[each["side"]], each["time_us"])
        found.append((row, each["received_ns"]))
    return found
