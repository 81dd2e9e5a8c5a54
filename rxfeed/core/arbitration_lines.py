"""The connections and the numbered streams of an `Arbitration`, and what it outputs about books."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from rxfeed.core.gaps import Pair
from rxfeed.core.merge_rules import MergeRules, Stream
from rxfeed.market import Message, PriorTrade


class BookMoved(msgspec.Struct, frozen=True):
    """The book by price of *product_id* is that of connection *number* from its snapshot on, which follows."""

    product_id: str
    number: int


class SnapshotNeeded(msgspec.Struct, frozen=True):
    """The book by price of *product_id* needs a snapshot, which connection *number* can have."""

    product_id: str
    number: int


class LineState:
    """The state of one connection."""

    __slots__ = ("behind_since", "doubted", "leaving", "number", "pairs", "positions", "up")

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = False
        self.leaving = False
        self.pairs: set[Pair] = set()
        """What the last acknowledgement lists."""
        self.doubted: set[Pair] = set()
        """What another connection, which was lost, had too: it is covered as soon as this one brings a message."""
        self.positions: dict[Stream, int] = {}
        """The last number that it brought of each stream."""
        self.behind_since: float | None = None
        """When another connection brought an update of a book that this one has, since the last message of this one."""

    def opened(self) -> None:
        self.closed()
        self.up = True

    def closed(self) -> None:
        self.up = False
        self.pairs, self.doubted, self.positions = set(), set(), {}

    def covers(self, pair: Pair, rules: MergeRules) -> bool:
        """True if it brings all messages of *pair*."""
        return pair in self.pairs or (rules.containing(pair[0]), pair[1]) in self.pairs

    def covers_book(self, product: str, books: Collection[str]) -> bool:
        """True if it is subscribed to the book by price of *product*."""
        return any((channel, product) in self.pairs for channel in books)


class NumberedStream:
    """The numbers of one stream that were output, and the messages that are held."""

    __slots__ = ("due", "first", "held", "key", "last", "since", "time")

    def __init__(self, key: Stream, last: int, time: datetime | None) -> None:
        self.key = key
        self.last = last
        """The last number that was output; -1 for none."""
        self.time = time
        """The time of its message."""
        self.first = 0
        """The connection that brought the trades from before its subscription first, until there is a new one."""
        self.since: datetime | None = None
        """The time of the last restart."""
        self.held: dict[int, tuple[Message, float, PriorTrade | None]] = {}
        """The messages behind missing numbers, by number; each with the time of its arrival, and what it was."""
        self.due = 0.0
        """When the missing numbers are given up."""

    def is_old(self, message: Message) -> bool:
        """True if *message* is from before the last restart."""
        return self.since is not None and message.time is not None and message.time < self.since
