"""Which channels and products each of several collectors was receiving, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed.core.gaps import Pair
from rxfeed.core.merge_rules import MergeRules
from rxfeed.market import Message, Subscriptions


class Collector:
    """The state of one collector."""

    __slots__ = ("acked", "doubted", "epochs", "last_ns", "number", "over", "pairs", "silent", "stale", "up")

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = False
        self.over = False
        self.last_ns = 0
        """The receipt of its newest item, which is later than that of the item that is processed."""
        self.pairs: set[Pair] = set()
        self.acked: frozenset[Pair] | None = None
        """The last acknowledgement on this connection."""
        self.silent: set[Pair] = set()
        """Those of which nothing comes, although the connection is open."""
        self.epochs: dict[str | None, int] = {}
        """Its highest epoch of each product."""
        self.doubted: dict[str, tuple[frozenset[str], int]] = {}
        """By product: the kinds of message in frames that it could not decode, since the last rise of its epoch.

        The number is that of the frames: by so much the epoch of these kinds rises.
        """
        self.stale: dict[tuple[str, str], datetime] = {}
        """The numbered streams that restarted at another collector, and when: older messages are dropped."""

    def renewed(self) -> None:
        """The connection was closed or replaced."""
        self.acked = None
        self.epochs.clear()
        self.doubted.clear()
        self.stale.clear()
        self.silent.clear()

    def subscribed(self, answer: Subscriptions) -> None:
        """Add the acknowledged pairs. One that lists fewer pairs than the last one removes the others."""
        acked = frozenset(
            (channel.name, product) for channel in answer.channels for product in channel.product_ids or (None,)
        )
        less = self.acked is not None and not acked >= self.acked
        self.pairs = set(acked) if less else self.pairs | acked
        self.acked = acked

    def saw(self, message: Message, rules: MergeRules) -> bool:
        """True if *message* shows a subscription without an acknowledgement."""
        channels = rules.assumed_channels(message)
        if self.acked is not None or not channels:
            return False
        if any((channel, message.product_id) in self.pairs for channel in channels):
            return False
        self.pairs.add((channels[-1], message.product_id))
        return True


class CollectorCoverage:
    """The state of all collectors."""

    def __init__(self) -> None:
        self._all: dict[int, Collector] = {}

    def collector(self, number: int) -> Collector:
        found = self._all.get(number)
        if found is None:
            found = self._all[number] = Collector(number)
        return found

    def others(self, collector: Collector) -> list[Collector]:
        return [each for each in self._all.values() if each is not collector]

    def receiving_at(self, collector: Collector, ns: int) -> list[Collector]:
        """The other collectors that were receiving at *ns*: those that are connected and received an item after *ns*.

        A broken connection that is not detected yet receives nothing. An item after *ns* shows that all items before it
        were received.
        """
        return [each for each in self.others(collector) if each.up and each.last_ns > ns]

    def connected(self) -> bool:
        return any(each.up for each in self._all.values())

    def settled(self) -> bool:
        """A collector is connected, and the subscriptions of all connected collectors are known."""
        return self.connected() and all(each.pairs for each in self._all.values() if each.up)

    def pairs(self) -> set[Pair]:
        return set[Pair]().union(*(each.pairs for each in self._all.values() if not each.over))


def uncovered(pairs: Iterable[Pair], others: Iterable[Collector], rules: MergeRules) -> set[str | None]:
    """The products in *pairs* of which no collector in *others* was receiving the channel."""
    return {
        pair[1]
        for pair in pairs
        if pair[0] not in rules.not_missed and not any(covers(other, pair, rules) for other in others)
    }


def covers(collector: Collector, pair: Pair, rules: MergeRules) -> bool:
    """True if *collector* receives all messages of *pair*."""
    if pair in collector.silent:
        return False
    return pair in collector.pairs or (rules.containing(pair[0]), pair[1]) in collector.pairs
