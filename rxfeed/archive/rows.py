"""Turns the content of recordings into the rows of an archive's tables."""

from __future__ import annotations

from typing import Any

from rxfeed.archive.arrow import pyarrow
from rxfeed.archive.machines import Machines
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
from rxfeed.archive.tops import BookTop
from rxfeed.core import Candle
from rxfeed.market import BookUpdateText, Message, TickerText, TradeText
from rxfeed.recording import TextLine
from rxfeed.venues import Venue

_TOGETHER = 50_000
"""Messages that become arrays at once."""
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
        self._text_tables: dict[type[Any], str | None] = {}
        self._by_type: dict[type[Any], str | None] = {}
        self._waiting: dict[str, list[Any]] = {}
        self._batches: dict[str, list[Any]] = {}  # of texts
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
        if self.machines.candles is not None or self.machines.tops is not None:
            candles, tops = self.machines.step(messages)
            self._candles += candles
            self._tops += tops
        for table in [table for table, several in waiting.items() if len(several) >= _TOGETHER]:
            self._flush_table(table)
        if len(self._candles) + len(self._tops) >= _TOGETHER:
            self._flush_results()

    def take_texts(self, lines: list[TextLine], base: int) -> bool:
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
            if not table:  # a snapshot of a book, which is rare and large
                return False
            try:
                chosen[table].append(line)
            except KeyError:
                chosen[table] = [line]
        try:
            made = [(table, self._batch_of(table, each, base)) for table, each in chosen.items()]
        except NotExact:
            return False
        for table, batch in made:
            self.messages += len(chosen[table])
            self._flush_table(table)
            self._batches.setdefault(table, []).append(batch)
            if sum(each.num_rows for each in self._batches[table]) >= _TOGETHER:
                self._flush_batches(table)
        return True

    def _batch_of(self, table: str, lines: list[TextLine], base: int) -> Any:
        epochs = [line.epoch + base for line in lines] if base else [line.epoch for line in lines]
        texts, ns = [line.frame for line in lines], [line.ns for line in lines]
        return batch_of_texts(table, texts, ns, epochs, self._numbers)

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

    def _flush_results(self) -> None:
        candles, self._candles = self._candles, []
        tops, self._tops = self._tops, []
        self._add_results(self._writer, candles, tops)

    def _add_results(self, writer: PartitionWriter, candles: list[Candle], tops: list[BookTop]) -> None:
        if candles:
            writer.add("candles", self.venue.name, batch_of_candles(candles, self._numbers))
        if tops:
            writer.add("book_tops", self.venue.name, batch_of_tops(tops, self._depth, self._numbers))


def _table_of_texts(kind: type[Any]) -> str | None:
    """The table of texts of *kind*; empty for a message, which has to be decoded, and `None` for no row."""
    if issubclass(kind, Message):
        return ""
    return next((table for table, base in _OF_TEXTS.items() if issubclass(kind, base)), None)
