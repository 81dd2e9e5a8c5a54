"""Which channels and products each of several collectors was receiving, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed.core.connection_numbers import renumber
from rxfeed.core.gaps import Pair
from rxfeed.core.merge_rules import MergeRules
from rxfeed.market import ChannelSubscription, Message


class Collector:
    """The state of one collector, which may have several connections."""

    __slots__ = ("_acked", "_own", "doubted", "epochs", "last_ns", "number", "over", "pairs", "silent", "stale", "up")

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = False
        self.over = False
        self.last_ns = 0
        """The receipt of its newest item, which is later than that of the item that is processed."""
        self.pairs: set[Pair] = set()
        self._own: dict[int, set[Pair]] = {}
        """Those of each connection."""
        self._acked: dict[int, frozenset[Pair]] = {}
        """The last acknowledgement on each connection that is open."""
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
        """The last connection was closed or replaced."""
        self._acked.clear()
        self.epochs.clear()
        self.doubted.clear()
        self.stale.clear()
        self.silent.clear()

    def reconnected(self, connection: int) -> None:
        """*connection* is a new one, while another one is open."""
        renumber(self._acked, connection)
        self._acked.pop(connection, None)

    def removed(self, connection: int) -> None:
        """There is no *connection* any more."""
        self.reconnected(connection)
        self._own.pop(connection, None)
        self.pairs = set[Pair]().union(*self._own.values())

    @property
    def acknowledged(self) -> bool:
        """True if there was an acknowledgement since `renewed`."""
        return bool(self._acked)

    def subscribed(self, connection: int, acked: frozenset[Pair]) -> None:
        """Add the pairs *acked* on *connection*. If they are fewer than its last ones, the others are removed."""
        renumber(self._own, connection)
        renumber(self._acked, connection)
        before = self._acked.get(connection)
        less = before is not None and not acked >= before
        self._own[connection] = set(acked) if less else self._own.get(connection, set()) | acked
        self._acked[connection] = acked
        self.pairs = set[Pair]().union(*self._own.values())

    def saw(self, message: Message, rules: MergeRules) -> bool:
        """True if *message* shows a subscription without an acknowledgement."""
        channels = rules.assumed_channels(message)
        if self._acked or not channels:
            return False
        if any((channel, message.product_id) in self.pairs for channel in channels):
            return False
        pair = (channels[-1], message.product_id)
        self._own.setdefault(message.connection, set()).add(pair)
        self.pairs.add(pair)
        return True


def pairs_of(channels: Iterable[ChannelSubscription]) -> frozenset[Pair]:
    """The pairs of a channel and a product in *channels*."""
    return frozenset((each.name, product) for each in channels for product in each.product_ids or (None,))


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


def uncovered(pairs: Iterable[Pair], others: Iterable[Collector], rules: MergeRules) -> set[Pair]:
    """Those of *pairs* that no collector in *others* was receiving."""
    return {
        pair
        for pair in pairs
        if pair[0] not in rules.not_missed and not any(covers(other, pair, rules) for other in others)
    }


def covers(collector: Collector, pair: Pair, rules: MergeRules) -> bool:
    """True if *collector* receives all messages of *pair*."""
    if pair in collector.silent:
        return False
    return pair in collector.pairs or (rules.containing(pair[0]), pair[1]) in collector.pairs
