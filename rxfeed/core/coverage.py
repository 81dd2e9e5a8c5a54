"""Which of several collectors was receiving what, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed.core.gaps import Pair
from rxfeed.core.merge_rules import MergeRules
from rxfeed.market import Message, Subscriptions


class Collector:
    """What is known of one of them."""

    __slots__ = ("acked", "epochs", "heard_ns", "number", "over", "pairs", "silent", "stale", "up")

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = False
        self.over = False
        self.heard_ns = 0
        """The newest that has been read of it; it is ahead of what is being judged."""
        self.pairs: set[Pair] = set()
        self.acked: frozenset[Pair] | None = None
        """What it said last, on this connection, that it is subscribed to."""
        self.silent: set[Pair] = set()
        """Of which it said that nothing comes, though the connection stands."""
        self.epochs: dict[str | None, int] = {}
        """Its own epochs, as far as they were not looked into already."""
        self.stale: dict[tuple[str, str], datetime] = {}
        """The numbered streams that another collector saw begin anew, and when: what is older is of the old market."""

    def renewed(self) -> None:
        """Another connection, or none."""
        self.acked = None
        self.epochs.clear()
        self.stale.clear()
        self.silent.clear()

    def subscribed(self, answer: Subscriptions) -> None:
        """Answers come one by one while a connection subscribes; only one that lists less takes something away."""
        acked = frozenset(
            (channel.name, product) for channel in answer.channels for product in channel.product_ids or (None,)
        )
        less = self.acked is not None and not acked >= self.acked
        self.pairs = set(acked) if less else self.pairs | acked
        self.acked = acked

    def saw(self, message: Message, rules: MergeRules) -> bool:
        """True if *message* shows a subscription that the collector did not report."""
        channels = rules.assumed_channels(message)
        if self.acked is not None or not channels:
            return False
        if any((channel, message.product_id) in self.pairs for channel in channels):
            return False
        self.pairs.add((channels[-1], message.product_id))
        return True


class Coverage:
    """All of them."""

    def __init__(self) -> None:
        self._all: dict[int, Collector] = {}

    def collector(self, number: int) -> Collector:
        found = self._all.get(number)
        if found is None:
            found = self._all[number] = Collector(number)
        return found

    def others(self, collector: Collector) -> list[Collector]:
        return [each for each in self._all.values() if each is not collector]

    def at_work(self, collector: Collector, ns: int) -> list[Collector]:
        """The others that were receiving at *ns*: connected, and heard of again after it.

        A connection that is dead and does not know it brings nothing any more; what comes after *ns* shows that all
        before it came, too.
        """
        return [each for each in self.others(collector) if each.up and each.heard_ns > ns]

    def connected(self) -> bool:
        return any(each.up for each in self._all.values())

    def settled(self) -> bool:
        """Somebody is connected, and all who are have told what they are subscribed to."""
        return self.connected() and all(each.pairs for each in self._all.values() if each.up)

    def pairs(self) -> set[Pair]:
        return set().union(*(each.pairs for each in self._all.values() if not each.over))


def uncovered(pairs: Iterable[Pair], others: Iterable[Collector], rules: MergeRules) -> set[str | None]:
    """The products of which something in *pairs* may have been missed that none of *others* was receiving."""
    return {
        pair[1]
        for pair in pairs
        if pair[0] not in rules.not_missed and not any(covers(other, pair, rules) for other in others)
    }


def covers(collector: Collector, pair: Pair, rules: MergeRules) -> bool:
    """Whether what *collector* receives has all of *pair* in it."""
    if pair in collector.silent:
        return False
    return pair in collector.pairs or (rules.containing(pair[0]), pair[1]) in collector.pairs
