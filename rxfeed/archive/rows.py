"""Turns the content of recordings into the rows of an archive's tables."""

from __future__ import annotations

from rxfeed.archive.arrow import Arrow, pyarrow
from rxfeed.archive.machines import Machines
from rxfeed.archive.numbers import unscaled
from rxfeed.archive.options import ExportOptions
from rxfeed.archive.partitions import PartitionWriter
from rxfeed.archive.tables import (
    OF_MESSAGES,
    NotExact,
    batch_of,
    batch_of_candles,
    batch_of_texts,
    batch_of_tops,
    table_of,
)
from rxfeed.archive.text_candles import TradeNumbers
from rxfeed.archive.tops import BookTop
from rxfeed.core import Candle
from rxfeed.market import BookUpdateText, Message, Origin, TickerText, TradeText, stamp
from rxfeed.recording import TextLine
from rxfeed.venues import Venue

_TOGETHER = 50_000
"""Messages that become arrays at once."""
_NO_ROWS = "no rows"
"""In place of a table: a message that only the computed tables need."""
_OF_TEXTS = {"trades": TradeText, "book_updates": BookUpdateText, "tickers": TickerText}


class Rows:
    """A `Receiver` for the recordings of one *venue*, which adds rows to *writer*."""

    def __init__(
        self,
        venue: Venue,
        options: ExportOptions,
        machines: Machines,
        writer: PartitionWriter,
    ) -> None:
        self.venue = venue
        self.machines = machines
        self.messages = 0
        self._tables = frozenset(options.tables)
        self._numbers = options.numbers
        self._writer = writer
        self._depth = options.depth
        self._text_tables: dict[type[object], str | None] = {}
        self._by_type: dict[type[object], str | None] = {}
        self._waiting: dict[str, list[Message]] = {}
        self._batches: dict[str, list[Arrow]] = {}  # of texts
        self._candles: list[Candle] = []
        self._tops: list[BookTop] = []

    @property
    def kinds(self) -> tuple[type[Message], ...]:
        """The messages that the tables need."""
        own = tuple(kind for table, kinds in OF_MESSAGES.items() if table in self._tables for kind in kinds)
        return (*own, *self.machines.kinds)

    # ---- the receiver

    def take_messages(self, messages: list[Message]) -> None:
        self.messages += len(messages)
        by_type, waiting = self._by_type, self._waiting
        for message in messages:
            kind = type(message)
            try:
                table = by_type[kind]
            except KeyError:
                table = by_type[kind] = self._table_of(message)
            if table is not None:
                try:
                    waiting[table].append(message)
                except KeyError:
                    waiting[table] = [message]
        if self.machines.compute:
            self._take_results(*self.machines.step(messages))
        for table in [table for table, several in waiting.items() if len(several) >= _TOGETHER]:
            self._flush_table(table)

    def take_texts(self, lines: list[TextLine], base: int) -> bool:
        if self._numbers.floats and self.machines.candles is not None:  # which are exact
            return False
        chosen: dict[str, list[TextLine]] = {}
        tables = self._text_tables
        for line in lines:
            kind = type(line.frame)
            try:
                table = tables[kind]
            except KeyError:
                table = tables[kind] = _table_of_texts(kind)
            if table is None:
                continue
            if not table or (table == "book_updates" and self.machines.tops is not None):
                return False  # a snapshot of a book, which is rare and large; or books are computed
            try:
                chosen[table].append(line)
            except KeyError:
                chosen[table] = [line]
        try:
            made = [(table, self._batch_of(table, each, base)) for table, each in chosen.items() if table != _NO_ROWS]
        except NotExact:
            return False
        others = chosen.pop(_NO_ROWS, [])
        for line in others:
            stamp(line.frame, Origin(b"", line.ns, line.epoch + base))
        self.messages += len(others)
        if self.machines.compute:
            of_trades = next((batch for table, batch in made if table == "trades"), None)
            numbers, messages = self._trade_numbers(of_trades), [line.frame for line in others]
            self._take_results(*self.machines.step_texts(lines, messages, base, numbers, self.venue))
        for table, batch in made:
            self.messages += len(chosen[table])
            if table not in self._tables:
                continue
            self._flush_table(table)
            self._batches.setdefault(table, []).append(batch)
            if sum(each.num_rows for each in self._batches[table]) >= _TOGETHER:
                self._flush_batches(table)
        return True

    def _batch_of(self, table: str, lines: list[TextLine], base: int) -> Arrow:
        epochs = [line.epoch + base for line in lines] if base else [line.epoch for line in lines]
        texts, ns = [line.frame for line in lines], [line.ns for line in lines]
        return batch_of_texts(table, texts, ns, epochs, self._numbers)

    def _trade_numbers(self, batch: Arrow) -> TradeNumbers:
        """The numbers of *batch*, rows of trades, or `None`."""
        if batch is None:
            return TradeNumbers((), (), (), 0)
        times, prices, sizes = (unscaled(batch[name]) for name in ("time", "price", "size"))
        return TradeNumbers(times, prices, sizes, self._numbers.scale)

    def take_late(self, messages: list[Message]) -> None:
        """Take trades that were repaired after their segment was exported: candles cannot have them any more."""
        self.messages += len(messages)
        for message in messages:
            table = self._table_of(message)
            if table is not None:
                self._waiting.setdefault(table, []).append(message)

    # ---- batches

    def flush(self) -> None:
        """Add all rows that wait."""
        for table in OF_MESSAGES:
            self._flush_batches(table)
            self._flush_table(table)
        self._flush_results()

    def unfinished(self, writer: PartitionWriter) -> None:
        """Add the results that are not final, to *writer*."""
        self._add_results(writer, *self.machines.unfinished())

    def _table_of(self, message: Message) -> str | None:
        table = table_of(message)
        return table if table in self._tables else None

    def _flush_table(self, table: str) -> None:
        messages = self._waiting.pop(table, None)
        if messages:
            self._flush_batches(table)  # those before
            self._writer.add(table, self.venue.name, batch_of(table, messages, self._numbers))

    def _flush_batches(self, table: str) -> None:
        batches = self._batches.pop(table, None)
        if batches:
            self._writer.add(table, self.venue.name, pyarrow().concat_tables(batches))

    def _take_results(self, candles: list[Candle], tops: list[BookTop]) -> None:
        self._candles += candles
        self._tops += tops
        if len(self._candles) + len(self._tops) >= _TOGETHER:
            self._flush_results()

    def _flush_results(self) -> None:
        candles, self._candles = self._candles, []
        tops, self._tops = self._tops, []
        self._add_results(self._writer, candles, tops)

    def _add_results(self, writer: PartitionWriter, candles: list[Candle], tops: list[BookTop]) -> None:
        if candles:
            writer.add("candles", self.venue.name, batch_of_candles(candles, self._numbers))
        if tops:
            writer.add("book_tops", self.venue.name, batch_of_tops(tops, self._depth, self._numbers))


def _table_of_texts(kind: type[object]) -> str | None:
    """The table of texts of *kind*; empty for a message with rows, which has to be decoded, and `None` for no row."""
    if issubclass(kind, Message):
        return "" if any(issubclass(kind, bases) for bases in OF_MESSAGES.values()) else _NO_ROWS
    return next((table for table, base in _OF_TEXTS.items() if issubclass(kind, base)), None)
