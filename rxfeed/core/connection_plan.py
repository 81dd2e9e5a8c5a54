"""The plan of a feed with several connections: which connection is subscribed to which pairs.

Rules:
- A pair of channel and product belongs to one shard, and each shard has *redundancy* connections with equal pairs.
- No connection has more products of a channel than the venue's limit for it.
- The pairs of a product are on one shard, as far as the limits allow.
- If pairs are added, first as many shards are opened as the limits need. Then each product goes to the shard with the
  fewest products of its limited channels. So the shards of one `add` differ by at most one such product.
- A pair stays on its shard until it is removed. A shard without pairs is closed, unless it is the last one.
- A channel of the connection itself (a heartbeat without a product) is on every shard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from rxfeed.core.gaps import Pair


class ConnectionPlan:
    """The pairs of each connection; `add` and `remove` change it.

    *limits*: the most products of a connection, by channel. *everywhere*: the channels that every connection has.

    >>> from rxfeed.core import ConnectionPlan
    >>> plan = ConnectionPlan({"level2": 2})
    >>> plan.add([("level2", "BTC-USD"), ("level2", "ETH-USD"), ("level2", "SOL-USD")])
    >>> {number: len(pairs) for number, pairs in plan.connections.items()}
    {1: 2, 2: 1}
    """

    def __init__(
        self, limits: Mapping[str, int], *, redundancy: int = 1, everywhere: Collection[str] = frozenset()
    ) -> None:
        self._limits = limits
        self._redundancy = redundancy
        self._everywhere = frozenset(everywhere)
        self._common: dict[Pair, None] = {}
        self._shards: dict[int, dict[Pair, None]] = {0: {}}
        self._counts: dict[int, Counter[str]] = {0: Counter()}  # the pairs of each shard, by channel
        self._place: dict[Pair, int] = {}
        self._homes: dict[str, Counter[int]] = {}  # by product: how many of its pairs each shard has

    @property
    def shards(self) -> dict[int, list[Pair]]:
        """The pairs of each shard, by its number from 0 on."""
        return {number: [*pairs, *self._common] for number, pairs in sorted(self._shards.items())}

    @property
    def connections(self) -> dict[int, list[Pair]]:
        """The pairs of each connection, by its number from 1 on."""
        return {each: pairs for shard, pairs in self.shards.items() for each in self.connections_of(shard)}

    def connections_of(self, shard: int) -> range:
        """The numbers of the connections of *shard*."""
        first = shard * self._redundancy + 1
        return range(first, first + self._redundancy)

    def shard_of(self, pair: Pair) -> int | None:
        """The shard of *pair*; `None` if it is not planned, or is on all of them."""
        return self._place.get(pair)

    def add(self, pairs: Iterable[Pair]) -> None:
        """Plan *pairs*; one that is planned already stays where it is."""
        units: dict[str | None, list[Pair]] = {}
        for pair in dict.fromkeys(pairs):
            if pair[0] in self._everywhere:
                self._common[pair] = None
            elif pair not in self._place:
                units.setdefault(pair[1], []).append(pair)
        self._open(self._needed(units.values()))
        for unit in sorted(units.values(), key=lambda unit: not self._limited(unit)):
            self._put(unit)

    def remove(self, pairs: Iterable[Pair]) -> None:
        """Remove *pairs*; one without a product removes its channel for all products."""
        for pair in pairs:
            self._common.pop(pair, None)
            for each in [each for each in self._place if each == pair or (pair[1] is None and each[0] == pair[0])]:
                self._take(each)
        for number in [number for number, left in self._shards.items() if not left]:
            if len(self._shards) > 1:
                del self._shards[number], self._counts[number]

    # ---- places

    def _limited(self, unit: Iterable[Pair]) -> list[str]:
        return [channel for channel, _ in unit if channel in self._limits]

    def _needed(self, units: Iterable[list[Pair]]) -> int:
        """How many shards the limits need for what is planned and *units*."""
        counts = sum(self._counts.values(), Counter[str]())
        for unit in units:
            counts.update(self._limited(unit))
        return max((-(-counts[channel] // limit) for channel, limit in self._limits.items()), default=1)

    def _open(self, count: int) -> None:
        while len(self._shards) < count:
            self._opened()

    def _opened(self) -> int:
        number = next(number for number in range(len(self._shards) + 1) if number not in self._shards)
        self._shards[number], self._counts[number] = {}, Counter()
        return number

    def _put(self, unit: list[Pair]) -> None:
        home = self._homes.get(unit[0][1] or "", ())
        channels = self._limited(unit)
        fitting = [number for number in self._shards if self._fits(channels, number)]
        best = min(fitting, key=lambda number: (number not in home, *self._load(channels, number)), default=None)
        if best is None and len(unit) > 1:  # the pairs of this product do not fit on one shard together
            for pair in unit:
                self._put([pair])
            return
        if best is None:
            best = self._opened()
        for pair in unit:
            self._shards[best][pair] = None
            self._counts[best][pair[0]] += 1
            self._place[pair] = best
            if pair[1] is not None:
                self._homes.setdefault(pair[1], Counter())[best] += 1

    def _take(self, pair: Pair) -> None:
        shard = self._place.pop(pair)
        del self._shards[shard][pair]
        self._counts[shard][pair[0]] -= 1
        if pair[1] is not None:
            homes = self._homes[pair[1]]
            homes[shard] -= 1
            if not homes[shard]:
                del homes[shard]
            if not homes:
                del self._homes[pair[1]]

    def _fits(self, channels: list[str], shard: int) -> bool:
        counts = self._counts[shard]
        return all(counts[channel] < self._limits[channel] for channel in channels)

    def _load(self, channels: list[str], shard: int) -> tuple[int, int, int]:
        counts = self._counts[shard]
        return sum(counts[channel] for channel in channels), len(self._shards[shard]), shard
