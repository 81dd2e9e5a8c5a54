"""The tables of an archive: their columns, and the arrays of messages and results.

Every batch begins with the columns `PRODUCT` and `DATE`, by which it is partitioned, and which are in no file. The date
is that of the event time in UTC; of a message without one it is the date of its receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, get_args

from rxfeed.archive.arrow import Arrow, pyarrow
from rxfeed.archive.numbers import NotExact, Numbers, receipts, times, times_of_texts
from rxfeed.archive.tops import BookTop
from rxfeed.core import Candle
from rxfeed.market import BookSnapshot, BookUpdate, BookUpdateText, Message, Ticker, TickerText, Trade, TradeText

TableName = Literal["trades", "book_updates", "book_tops", "tickers", "candles", "coverage"]
TABLES: tuple[TableName, ...] = get_args(TableName)
PRODUCT, DATE = "_product", "_date"
OF_MESSAGES: dict[str, tuple[type[Message], ...]] = {
    "trades": (Trade,),
    "book_updates": (BookSnapshot, BookUpdate),
    "tickers": (Ticker,),
}
"""The tables with a row, or several, for each message of these types."""
_TAKER = {"buy": "sell", "sell": "buy"}


def dated(products: Arrow, time: Arrow, received: Arrow, columns: dict[str, Arrow]) -> Arrow:
    """A batch of *columns* after the product, the date, and the two times."""
    arrow = pyarrow()
    known = arrow.compute.coalesce(time, received) if time.null_count else time
    date = known.cast(arrow.date32())
    return arrow.table({PRODUCT: products, DATE: date, "time": time, "received": received, **columns})


def table_of(message: Message) -> str | None:
    """The table that has *message*; `None` if no table has."""
    for name, kinds in OF_MESSAGES.items():
        if isinstance(message, kinds):
            return name
    return None


def batch_of(table: str, messages: Sequence[Message | Candle], numbers: Numbers) -> Arrow:
    """The rows of *messages* in *table*."""
    return {"trades": _trades, "book_updates": _changes, "tickers": _tickers}[table](messages, numbers)


def batch_of_texts(table: str, texts: Sequence[Any], ns: list[int], epochs: list[int], numbers: Numbers) -> Arrow:
    """The rows of *texts*, received at *ns*, in *table*; raises `NotExact`."""
    makers = {"trades": _trade_texts, "book_updates": _change_texts, "tickers": _ticker_texts}
    return makers[table](texts, ns, epochs, numbers)


def is_repaired(message: Message) -> bool:
    """True for a trade that had been missed, and that came later."""
    return message.repaired


# ---- from messages


def _trades(trades: Sequence[Trade], numbers: Numbers) -> Arrow:
    columns = {
        "epoch": _integers([each.epoch for each in trades]),
        "trade_id": _integers([each.trade_id for each in trades]),
        "price": numbers.of([each.price for each in trades], "price"),
        "size": numbers.of([each.size for each in trades], "size"),
        "side": _texts([each.taker_side for each in trades]),
        "repaired": pyarrow().array([is_repaired(each) for each in trades], pyarrow().bool_()),
    }
    return _of_messages(trades, columns)


def _tickers(tickers: Sequence[Ticker], numbers: Numbers) -> Arrow:
    columns = {"epoch": _integers([each.epoch for each in tickers])}
    for name in ("price", "best_bid", "best_bid_size", "best_ask", "best_ask_size"):
        columns[name] = numbers.of([getattr(each, name) for each in tickers], name)
    return _of_messages(tickers, columns)


def _of_messages(messages: Sequence[Message], columns: dict[str, Arrow]) -> Arrow:
    time, received = times([each.time for each in messages]), receipts([each.received_ns for each in messages])
    return dated(_texts([each.product_id for each in messages]), time, received, columns)


def _changes(messages: Sequence[BookSnapshot | BookUpdate], numbers: Numbers) -> Arrow:
    arrow = pyarrow()
    rows: list[tuple[str, Decimal, Decimal]] = []
    counts: list[int] = []
    for message in messages:
        before = len(rows)
        if isinstance(message, BookUpdate):
            rows += message.changes
        else:
            rows += [("buy", *level) for level in message.bids]
            rows += [("sell", *level) for level in message.asks]
        counts.append(len(rows) - before)
    sides, prices, sizes = zip(*rows, strict=True) if rows else ((), (), ())
    repeated = _repeated(
        arrow.table(
            {
                "product": _texts([each.product_id for each in messages]),
                "time": times([each.time for each in messages]),
                "received": receipts([each.received_ns for each in messages]),
                "epoch": _integers([each.epoch for each in messages]),
                "snapshot": arrow.array([isinstance(each, BookSnapshot) for each in messages], arrow.bool_()),
            }
        ),
        counts,
    )
    columns = {
        "epoch": repeated["epoch"],
        "snapshot": repeated["snapshot"],
        "place": _places(counts),
        "side": _texts(sides),
        "price": numbers.of(prices, "price"),
        "size": numbers.of(sizes, "size"),
    }
    return dated(repeated["product"], repeated["time"], repeated["received"], columns)


# ---- from texts


def _trade_texts(texts: Sequence[TradeText], ns: list[int], epochs: list[int], numbers: Numbers) -> Arrow:
    columns = {
        "epoch": _integers(epochs),
        "trade_id": _integers([each.trade_id for each in texts]),
        "price": numbers.of_texts([each.price for each in texts]),
        "size": numbers.of_texts([each.size for each in texts], sizes=True),
        "side": _texts([_TAKER[each.maker_side] for each in texts]),
        "repaired": pyarrow().repeat(False, len(texts)),
    }
    return _of_texts(texts, ns, columns)


def _ticker_texts(texts: Sequence[TickerText], ns: list[int], epochs: list[int], numbers: Numbers) -> Arrow:
    columns = {"epoch": _integers(epochs)}
    for name in ("price", "best_bid", "best_bid_size", "best_ask", "best_ask_size"):
        columns[name] = numbers.of_texts([getattr(each, name) for each in texts])
    return _of_texts(texts, ns, columns)


def _of_texts(texts: Sequence[TradeText | TickerText], ns: list[int], columns: dict[str, Arrow]) -> Arrow:
    time = times_of_texts([each.time for each in texts])
    return dated(_texts([each.product_id for each in texts]), time, receipts(ns), columns)


def _change_texts(texts: Sequence[BookUpdateText], ns: list[int], epochs: list[int], numbers: Numbers) -> Arrow:
    arrow = pyarrow()
    rows = [change for each in texts for change in each.changes]
    counts = [len(each.changes) for each in texts]
    sides, prices, sizes = zip(*rows, strict=True) if rows else ((), (), ())
    repeated = _repeated(
        arrow.table(
            {
                "product": _texts([each.product_id for each in texts]),
                "time": times_of_texts([each.time for each in texts]),
                "received": receipts(ns),
                "epoch": _integers(epochs),
            }
        ),
        counts,
    )
    columns = {
        "epoch": repeated["epoch"],
        "snapshot": arrow.repeat(False, len(rows)),
        "place": _places(counts),
        "side": _texts(sides),
        "price": numbers.of_texts(prices),
        "size": numbers.of_texts(sizes, sizes=True),
    }
    return dated(repeated["product"], repeated["time"], repeated["received"], columns)


# ---- from results


def batch_of_candles(candles: Sequence[Candle], numbers: Numbers) -> Arrow:
    """The rows of *candles*; the date is that of their start."""
    arrow = pyarrow()
    start = times([each.start for each in candles])
    columns: dict[str, Arrow] = {
        PRODUCT: _texts([each.product_id for each in candles]),
        DATE: start.cast(arrow.date32()),
        "start_time": start,
        "end_time": times([each.end for each in candles]),
    }
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = numbers.of([getattr(each, name) for each in candles], name)
    columns["notional"] = numbers.of([each.notional for each in candles], "notional", product=True)
    vwaps = [None if each.vwap is None else float(each.vwap) for each in candles]
    columns["vwap"] = arrow.array(vwaps, arrow.float64())
    columns["count"] = _integers([each.count for each in candles])
    columns["complete"] = arrow.array([each.complete for each in candles], arrow.bool_())
    return arrow.table(columns)


def batch_of_tops(tops: Sequence[BookTop], depth: int, numbers: Numbers) -> Arrow:
    """The rows of *tops*: price and size of so many levels on each side."""
    arrow = pyarrow()
    columns: dict[str, Arrow] = {
        "sampled": receipts([each.at_ns for each in tops]),
        "epoch": _integers([each.epoch for each in tops]),
        "ready": arrow.array([each.ready for each in tops], arrow.bool_()),
        "crossed": arrow.array([each.crossed for each in tops], arrow.bool_()),
    }
    for side in ("bids", "asks"):
        for place in range(depth):
            levels = [levels[place] if place < len(levels := getattr(each, side)) else None for each in tops]
            for part, name in enumerate(("price", "size")):
                cells = [None if level is None else level[part] for level in levels]
                columns[f"{side[:-1]}_{name}_{place + 1}"] = numbers.of(cells, name)
    products = _texts([each.product_id for each in tops])
    time, received = times([each.time for each in tops]), receipts([each.received_ns for each in tops])
    made = dated(products, time, received, columns)
    return made.set_column(1, DATE, columns["sampled"].cast(arrow.date32()))


# ---- arrays


def _integers(numbers: Sequence[int | None]) -> Arrow:
    return pyarrow().array(numbers, pyarrow().int64())


def _texts(texts: Sequence[str | None]) -> Arrow:
    return pyarrow().array(texts, pyarrow().string())


def _repeated(table: Arrow, counts: Sequence[int]) -> Arrow:
    """Each row of *table* so many times."""
    arrow = pyarrow()
    return table.take(arrow.array([row for row, count in enumerate(counts) for _ in range(count)], arrow.int64()))


def _places(counts: Sequence[int]) -> Arrow:
    return pyarrow().array([place for count in counts for place in range(count)], pyarrow().int32())


__all__ = [
    "DATE",
    "OF_MESSAGES",
    "PRODUCT",
    "TABLES",
    "NotExact",
    "TableName",
    "batch_of",
    "batch_of_candles",
    "batch_of_texts",
    "batch_of_tops",
    "is_repaired",
    "table_of",
]
