"""The buffer of `Merge`: the order of numbered messages, and copies."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rxfeed.core.coverage import Collector
from rxfeed.core.merge_rules import MergeRules, Stream
from rxfeed.market import Message, Subscriptions


class Entry:
    """A received item; *number* is its number in *stream*, if it has one."""

    __slots__ = ("collector", "done", "item", "ns", "number", "stream")

    def __init__(self, collector: Collector, ns: int, item: Any) -> None:
        self.collector = collector
        self.ns = ns
        self.item = item
        self.done = False
        """It was output or dropped."""
        self.stream: Stream | None = None
        self.number = 0


class Numbered:
    """The numbered entries that were not output yet, by stream."""

    def __init__(self, rules: MergeRules) -> None:
        self._rules = rules
        self._waiting: dict[Stream, list[tuple[int, int, Entry]]] = {}
        self._count = 0
        self._subscribed: set[Stream] = set()

    def add(self, entry: Entry) -> None:
        message = entry.item
        if isinstance(message, Subscriptions):
            self._subscribed.update(
                (each.name, product) for each in message.channels for product in each.product_ids or ()
            )
        place = self._rules.place(message, self._subscribed)
        if place is not None:
            entry.stream, entry.number = place
            self._count += 1
            heapq.heappush(self._waiting.setdefault(entry.stream, []), (entry.number, self._count, entry))

    def before(self, stream: Stream, number: int, time: datetime | None) -> Iterator[Entry]:
        """The entries with lower numbers, in order; not those later than *time*, which are from after a restart."""
        waiting = self._waiting.get(stream, ())
        while waiting and (waiting[0][2].done or (waiting[0][0] < number and not _later(waiting[0][2].item, time))):
            entry = heapq.heappop(waiting)[2]
            if not entry.done:
                entry.done = True
                yield entry

    def has_all(self, stream: Stream, first: int, end: int) -> bool:
        """True if the entries with the numbers from *first* to below *end* are waiting."""
        numbers = {number for number, _, _ in self._waiting.get(stream, ()) if first <= number < end}
        return len(numbers) == end - first

    def sweep(self, stream: Stream) -> None:
        waiting = self._waiting.get(stream, [])
        while waiting and waiting[0][2].done:
            heapq.heappop(waiting)
        if not waiting:
            self._waiting.pop(stream, None)


class Copies:
    """Detects frames without a number that another collector received within *patience* nanoseconds."""

    def __init__(self, patience: int, rules: MergeRules) -> None:
        self._patience = patience
        self._rules = rules
        self._copies: dict[bytes, list[set[Collector]]] = {}
        self._aging: deque[tuple[int, bytes]] = deque()

    def first(self, entry: Entry) -> bool:
        """True if no other collector received it. Equal frames of one collector are not copies."""
        item = entry.item
        raw = self._rules.copy_key(item) if isinstance(item, Message) else item.raw
        while self._aging and self._aging[0][0] < entry.ns - self._patience:
            _, old = self._aging.popleft()
            self._copies[old].pop(0)
            if not self._copies[old]:
                del self._copies[old]
        copies = self._copies.setdefault(raw, [])
        for collectors in copies:
            if entry.collector not in collectors:
                collectors.add(entry.collector)
                return False
        copies.append({entry.collector})
        self._aging.append((entry.ns, raw))
        return True


def _later(message: Message, than: datetime | None) -> bool:
    return message.time is not None and than is not None and message.time > than
