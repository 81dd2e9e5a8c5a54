"""Summaries of recordings, and the counters that they are made of."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from rxfeed.core import renumber
from rxfeed.errors import RecordingDamaged
from rxfeed.recording.timestamps import moment_of

OTHER = "(other)"
"""The name under which types and products beyond the limit are counted."""
_MOST_NAMES = 10_000
_MOST_SPANS = 100_000


class Span(msgspec.Struct, frozen=True):
    """From *first* to *last*, UTC."""

    first: datetime
    last: datetime

    @property
    def seconds(self) -> float:
        return (self.last - self.first).total_seconds()


class Damage(msgspec.Struct, frozen=True):
    """The part of *path* that cannot be read, from *line* on (at byte *offset*, unpacked), and the *reason*."""

    path: str
    line: int
    offset: int
    reason: str


class ProductSummary(msgspec.Struct, frozen=True):
    """The number of *messages* of a product, received in *span*."""

    messages: int
    span: Span


class RecordingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one or many recordings.

    *span*: from the receipt of the first frame to that of the last; `None` without frames. *products* and *by_type*
    (the exchange's types; `level3 open` and so on for level3's arrays) count messages, in falling order; beyond 10,000
    names the others are counted as `(other)`. *gaps*: reported gaps, each session's own, with *gapped* missing numbers.
    *attempts* and *connections*: attempts to connect, and those that succeeded. *by_connection*: the frames of each
    connection of a feed with several, by its number; empty for one. *offline*: spans within *span* without
    a connection; for many sessions, spans in which no session had one. *size* and *unpacked* are in bytes. *open*:
    files that are being written, which are not damaged.
    """

    files: int = 0
    size: int = 0
    unpacked: int = 0
    span: Span | None = None
    channels: tuple[str, ...] = ()
    products: dict[str, ProductSummary] = {}
    by_type: dict[str, int] = {}
    messages: int = 0
    malformed: int = 0
    gaps: int = 0
    gapped: int = 0
    attempts: int = 0
    connections: int = 0
    by_connection: dict[int, int] = {}
    offline: tuple[Span, ...] = ()
    open: tuple[str, ...] = ()
    damaged: tuple[Damage, ...] = ()

    @property
    def offline_seconds(self) -> float:
        return sum(span.seconds for span in self.offline)


class SummaryBuilder:
    """Counts what becomes a `RecordingSummary`."""

    def __init__(self) -> None:
        self._files = self._size = self._unpacked = self._malformed = self._gaps = self._gapped = 0
        self._span: tuple[int, int] | None = None
        self._channels: set[str] = set()
        self._types: Counter[str] = Counter()
        self._products: dict[str, tuple[int, int, int]] = {}  # messages, first, last
        self._online: list[tuple[int, int]] = []
        self._since: dict[int, int] = {}
        """By the number of each open connection: the time at which it began."""
        self._named: dict[int, None] = {}
        """The numbers of connections that events had."""
        self._by_connection: Counter[int] = Counter()
        self._damaged: list[Damage] = []
        self._open: list[str] = []
        self._attempts = self._connections = 0

    def file(self, path: str) -> None:
        self._files += 1
        with contextlib.suppress(OSError):  # it will be listed as damaged
            self._size += os.lstat(path).st_size

    def text(self, size: int) -> None:
        self._unpacked += size

    def frames(self, kind: str, product_id: str | None, first: int, last: int, count: int = 1) -> None:
        """Add *count* messages, received from *first* to *last*."""
        self._types[kind if kind in self._types or len(self._types) < _MOST_NAMES else OTHER] += count
        if product_id is not None:
            self._product(product_id, count, first, last)
        self._received(first, last)

    def malformed(self, ns: int) -> None:
        self._malformed += 1
        self._received(ns, ns)

    def gap(self, first: int, last: int) -> None:
        self._gaps += 1
        self._gapped += last - first + 1

    def subscribed(self, names: Iterable[str]) -> None:
        self._channels.update(itertools.islice(names, max(0, _MOST_NAMES - len(self._channels))))

    def connecting(self) -> None:
        self._attempts += 1

    def of_connection(self, number: int, ns: int) -> None:
        """Add a frame of a connection of several, received at *ns*."""
        if number not in self._by_connection:
            if len(self._by_connection) >= _MOST_NAMES:
                return
            self._renumber(number)
            if number not in self._named:  # the recording began during that connection
                self._since.setdefault(number, ns if self._span is None else self._span[0])
        self._by_connection[number] += 1

    def connected(self, ns: int, number: int = 0) -> None:
        self._connections += 1
        self._name(number)
        self._since.setdefault(number, ns)

    def disconnected(self, ns: int, number: int = 0) -> None:
        self._name(number)
        since = self._since.pop(number, None)
        if since is not None:
            self._online.append((since, ns))
            if len(self._online) > _MOST_SPANS:
                self._online = _fewer(self._joined())

    def _name(self, number: int) -> None:
        self._renumber(number)
        if len(self._named) < _MOST_NAMES:
            self._named[number] = None

    def _renumber(self, number: int) -> None:
        renumber(self._since, number)
        renumber(self._named, number)

    def ended(self) -> None:
        if self._span is not None:
            for since in self._since.values():
                self._online.append((since, self._span[1]))
            self._since.clear()

    def damage(self, damage: RecordingDamaged) -> None:
        self._damaged.append(Damage(damage.path, damage.line, damage.offset, damage.reason))

    def open(self, path: str) -> None:
        self._open.append(path)

    def add(self, other: SummaryBuilder) -> None:
        self._files += other._files
        self._size += other._size
        self._unpacked += other._unpacked
        self._malformed += other._malformed
        self._gaps += other._gaps
        self._gapped += other._gapped
        self._channels |= other._channels
        self._types += other._types
        self._online += other._online
        self._damaged += other._damaged
        self._open += other._open
        self._attempts += other._attempts
        self._connections += other._connections
        self._by_connection += other._by_connection
        for product_id, held in other._products.items():
            self._product(product_id, *held)
        if other._span is not None:
            self._received(*other._span)

    def fields(self) -> dict[str, Any]:
        """The fields of a `RecordingSummary`."""
        products = sorted(self._products.items(), key=lambda each: (-each[1][0], each[0]))
        return {
            "files": self._files,
            "size": self._size,
            "unpacked": self._unpacked,
            "span": None if self._span is None else _span(*self._span),
            "channels": tuple(sorted(self._channels)),
            "products": {
                product: ProductSummary(count, _span(first, last)) for product, (count, first, last) in products
            },
            "by_type": dict(sorted(self._types.items(), key=lambda each: (-each[1], each[0]))),
            "messages": self._types.total(),
            "malformed": self._malformed,
            "gaps": self._gaps,
            "gapped": self._gapped,
            "offline": tuple(_span(*each) for each in self._offline()),
            "attempts": self._attempts,
            "connections": self._connections,
            "by_connection": dict(sorted(self._by_connection.items())),
            "open": tuple(self._open),
            "damaged": tuple(self._damaged),
        }

    def _product(self, product_id: str, count: int, first: int, last: int) -> None:
        if product_id not in self._products and len(self._products) >= _MOST_NAMES:
            product_id = OTHER
        before, begin, end = self._products.get(product_id, (0, first, last))
        self._products[product_id] = before + count, min(begin, first), max(end, last)

    def _received(self, first: int, last: int) -> None:
        if not self._since and not self._online:
            self._since[0] = first  # a recording may begin during a connection
        begin, end = self._span or (first, last)
        self._span = min(begin, first), max(end, last)

    def _offline(self) -> list[tuple[int, int]]:
        """The spans between the connections."""
        return [(end, begin) for (_, end), (begin, _) in pairwise(self._joined())]

    def _joined(self) -> list[tuple[int, int]]:
        joined: list[tuple[int, int]] = []
        for begin, end in sorted(self._online):
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        return joined


def _fewer(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most `_MOST_SPANS / 2` spans: those with the shortest interruptions between them are joined."""
    most = _MOST_SPANS // 2
    if len(spans) <= most:
        return spans
    longest = sorted(range(1, len(spans)), key=lambda at: spans[at][0] - spans[at - 1][1])[1 - most :]
    edges = [0, *sorted(longest), len(spans)]
    return [(spans[begin][0], spans[end - 1][1]) for begin, end in pairwise(edges)]


def _span(first: int, last: int) -> Span:
    return Span(moment_of(first), moment_of(last))
